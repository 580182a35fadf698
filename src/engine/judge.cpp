#include "engine/judge.h"

#include <cmath>

namespace hearth {

Result<Judge> Judge::make(const TextReader& reader) {
    Judge judge(reader);
    judge.pooling_ = reader.is_causal() ? Pooling::last : Pooling::first;
    if (reader.checkpoint().find("cls.output.weight")) return judge;
    const Tokenizer& tokenizer = reader.tokenizer();
    const auto yes = tokenizer.find("yes"), no = tokenizer.find("no");
    const std::string family(reader.checkpoint().metadata().text("general.architecture").value_or(""));
    if (!family.starts_with("qwen3") || !yes || !no || !tokenizer.find("<|im_end|>"))
        return fail(ErrorKind::unsupported, "this model has no classification head, so it gives no scores");
    judge.rows_ = RowKind::logits;
    judge.pooling_ = Pooling::last;
    judge.yes_ = *yes;
    judge.no_ = *no;
    return judge;
}

Result<std::vector<int32_t>> Judge::tokens(std::string_view query, std::string_view document) const {
    return judges_by_words() ? reader_->question(query, document) : reader_->pair(query, document);
}

EmbedRequest Judge::request(std::vector<int32_t> tokens) const {
    return {.tokens = std::move(tokens), .rows = rows_, .pooling = pooling_, .each_row = {}};
}

double Judge::score(std::span<const float> values) const {
    if (!judges_by_words()) return double(values[0]);
    return 1 / (1 + std::exp(double(values[size_t(no_)]) - double(values[size_t(yes_)])));
}

}  // namespace hearth
