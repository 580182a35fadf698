#include "engine/texts.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/embedding_prompts.h"

namespace hearth {

namespace {

// The prompt that Qwen3-Reranker was trained with; newer files bring it along.
constexpr std::string_view kYesOrNo =
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    "provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n<Instruct>: Given a "
    "web "
    "search query, retrieve relevant passages that answer the query\n<Query>: {query}\n<Document>: "
    "{document}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

constexpr int64_t kRank = 4;  // pooling_type of files that score

std::optional<Pooling> pooling_of(int64_t type) {
    constexpr int64_t kMean = 1, kFirst = 2, kLast = 3;
    if (type == kMean) return Pooling::mean;
    if (type == kFirst) return Pooling::first;
    if (type == kLast) return Pooling::last;
    return std::nullopt;
}

std::string family_of(const Metadata& file) {
    return std::string(file.text("general.architecture").value_or(""));
}

void append(std::vector<int32_t>& tokens, int32_t id) {
    if (id >= 0) tokens.push_back(id);
}

}  // namespace

FileUse use_of(const Checkpoint& checkpoint) {
    const Metadata& file = checkpoint.metadata();
    const std::string family = family_of(file);
    const int64_t type = file.integer(family + ".pooling_type").value_or(0);
    if (type == kRank || checkpoint.find("cls.output.weight")) return FileUse::scores;
    // Not all files say how to pool; those of families that only read at least have no output to choose a token from.
    const bool reads_only =
        family.ends_with("bert") || family == "nomic-bert-moe" || family == "gemma-embedding" || !is_causal(checkpoint);
    return pooling_of(type) || reads_only ? FileUse::embeddings : FileUse::text;
}

std::string_view name_of(FileUse use) {
    return use == FileUse::scores ? "a reranker" : use == FileUse::embeddings ? "an embedding model" : "a text model";
}

std::string_view command_of(FileUse use) {
    return use == FileUse::scores ? "rerank" : use == FileUse::embeddings ? "embed" : "run";
}

bool is_causal(const Checkpoint& checkpoint) {
    const Metadata& file = checkpoint.metadata();
    return file.boolean(family_of(file) + ".attention.causal").value_or(true);
}

int64_t made_for_tokens(const Checkpoint& checkpoint) {
    const Metadata& file = checkpoint.metadata();
    return std::max<int64_t>(1, file.integer(family_of(file) + ".context_length").value_or(512));
}

Result<TextReader> TextReader::make(Checkpoint checkpoint) {
    auto own = std::make_shared<Own>();
    own->checkpoint = std::move(checkpoint);
    own->tokenizer = TRY(load_tokenizer(own->checkpoint));
    TextReader reader = of(own->checkpoint, *own->tokenizer);
    reader.own_ = std::move(own);
    return reader;
}

TextReader TextReader::of(const Checkpoint& checkpoint, const Tokenizer& tokenizer) {
    TextReader reader;
    reader.checkpoint_ = &checkpoint;
    reader.tokenizer_ = &tokenizer;
    reader.read_file();
    return reader;
}

void TextReader::read_file() {
    const Metadata& file = checkpoint_->metadata();
    const int64_t type = file.integer(family_of(file) + ".pooling_type").value_or(0);
    pooling_ = pooling_of(type);
    is_ranker_ = type == kRank;
    is_causal_ = hearth::is_causal(*checkpoint_);
    context_tokens_ = made_for_tokens(*checkpoint_);
    name_ = std::string(file.text("general.name").value_or(""));
    pair_form_ = std::string(file.text("tokenizer.chat_template.rerank").value_or(""));
}

Result<PoolingChoice> TextReader::usual_pooling() const {
    if (is_ranker_)
        return fail(ErrorKind::unsupported, "this model scores pairs of texts and was not made for embeddings");
    return PoolingChoice{.pooling = pooling_.value_or(Pooling::mean), .is_guess = !pooling_};
}

Result<std::string> TextReader::prefix(std::string_view role) const {
    const auto known = embedding_prompts(name_);
    if (!known)
        return fail(ErrorKind::unsupported, fmt::format("it is not known what {} wants in front of a {}",
                                                        name_.empty() ? "this model" : name_, role));
    return std::string(role == "query" ? known->query : known->passage);
}

Result<std::vector<int32_t>> TextReader::text(std::string_view text, Pooling pooling) const {
    std::vector<int32_t> tokens;
    TRY(tokenizer_->encode(text, {.parse_special = false, .add_special = true}, tokens));
    if (pooling == Pooling::last && tokenizer_->suffix().empty()) {
        // Qwen names the end of a turn as its end token; texts end with the other one.
        const auto end_of_text = tokenizer_->find("<|endoftext|>");
        append(tokens, end_of_text.value_or(tokenizer_->special().eos));
    }
    return tokens;
}

Result<std::vector<int32_t>> TextReader::pair(std::string_view query, std::string_view document) const {
    if (!pair_form_.empty()) return fill(pair_form_, query, document);
    const SpecialIds& special = tokenizer_->special();
    const int32_t end = special.eos >= 0 ? special.eos : special.separator;
    std::vector<int32_t> tokens;
    if (tokenizer_->add_bos()) append(tokens, special.bos);
    TRY(tokenizer_->encode(query, {}, tokens));
    if (tokenizer_->add_eos()) append(tokens, end);
    if (tokenizer_->add_sep()) append(tokens, special.separator);
    TRY(tokenizer_->encode(document, {}, tokens));
    if (tokenizer_->add_eos()) append(tokens, end);
    return tokens;
}

Result<std::vector<int32_t>> TextReader::question(std::string_view query, std::string_view document) const {
    return fill(pair_form_.empty() ? kYesOrNo : std::string_view(pair_form_), query, document);
}

// The form's own control tokens stand fixed. What lies between two of them, with the texts put in, is tokenised as one
// run, since words merge across the seams, and nothing in it can become a control token.
Result<std::vector<int32_t>> TextReader::fill(std::string_view form, std::string_view query,
                                              std::string_view document) const {
    std::vector<int32_t> tokens, literal;
    std::string run;
    const auto close_run = [&]() -> Result<> {
        TRY(tokenizer_->encode(run, {.user_defined = false}, tokens));
        run.clear();
        return {};
    };
    while (!form.empty()) {
        const size_t at_query = form.find("{query}"), at_document = form.find("{document}");
        const size_t at = std::min({at_query, at_document, form.size()});
        literal.clear();
        TRY(tokenizer_->encode(form.substr(0, at), {.parse_special = true}, literal));
        for (const int32_t id : literal) {
            const TokenType type = tokenizer_->type(id);
            if (type != TokenType::control && type != TokenType::user_defined) {
                run += tokenizer_->piece(id);
                continue;
            }
            TRY(close_run());
            tokens.push_back(id);
        }
        if (at == form.size()) break;
        const bool is_query = at == at_query;
        run += is_query ? query : document;
        form.remove_prefix(at + std::string_view(is_query ? "{query}" : "{document}").size());
    }
    TRY(close_run());
    return tokens;
}

}  // namespace hearth
