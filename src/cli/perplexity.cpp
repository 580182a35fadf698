// hearth perplexity: how well a model foretells a text, and how far it is from another one.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include "base/text_format.h"
#include "cli/chunks.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "engine/loaded_model.h"
#include "library/estimates.h"
#include "library/kl_base.h"

namespace hearth::cli {

namespace {

struct PerplexityOptions {
    ModelOptions model{.kv = "f16"};
    std::string text, kl_base;
    int64_t chunks = 0;
    bool json = false;
};

// Takes the rows of one piece after the other. Called on the engine's thread, so errors are kept until the piece ends.
class Scorer {
public:
    explicit Scorer(const Chunks& chunks, int64_t vocabulary)
        : shape_{vocabulary, chunks.chunk_tokens, int64_t(chunks.tokens.size())} {
        for (const auto& piece : chunks.tokens) tokens_.insert(tokens_.end(), piece.begin(), piece.end());
        ours_.resize(size_t(vocabulary)), theirs_.resize(size_t(vocabulary));
    }

    // Compares with what the file holds, or makes it.
    Result<> use_base(const std::string& path) {
        std::error_code ignored;
        if (!std::filesystem::exists(path, ignored)) {
            notice(fmt::format("hearth: {} does not exist: it is made, with {}, to compare other models with", path,
                               bytes_text(uint64_t(KlBaseWriter::file_bytes(shape_)))));
            writer_ = TRY(KlBaseWriter::open(path, shape_, tokens_));
            return {};
        }
        base_ = TRY(KlBase::open(path));
        if (base_->shape() != shape_)
            return fail(ErrorKind::bad_request,
                        fmt::format("{} has {} pieces of {} tokens and a vocabulary of {}, this run {} of {} and {}",
                                    path, base_->shape().chunks, base_->shape().chunk_tokens, base_->shape().vocabulary,
                                    shape_.chunks, shape_.chunk_tokens, shape_.vocabulary),
                        "use the same text, --ctx and --chunks, and a model of the same family");
        if (!std::ranges::equal(base_->tokens(), tokens_))
            return fail(ErrorKind::bad_request, path + " was made from another text or with another tokenizer",
                        "use the same text and a model of the same family");
        return {};
    }

    void take(int64_t piece, int64_t position, std::span<const float> logits) {
        if (failure_ || position < shape_.first_scored() || position + 1 == shape_.chunk_tokens) return;
        if (auto taken = score(piece * shape_.chunk_tokens + position, logits); !taken) failure_ = taken.error();
    }
    Result<> state() const {
        if (failure_) return std::unexpected(*failure_);
        return {};
    }
    Result<> finish() {
        if (writer_) TRY(writer_->finish());
        return {};
    }

    const KlBaseShape& shape() const { return shape_; }
    bool has_base() const { return base_.has_value(); }
    const std::vector<double>& surprises() const { return surprises_; }
    const std::vector<double>& base_surprises() const { return base_surprises_; }
    const std::vector<double>& divergences() const { return divergences_; }
    int64_t agreements() const { return agreements_; }

private:
    Result<> score(int64_t at, std::span<const float> logits) {
        log_softmax(logits, ours_);
        const size_t next = size_t(tokens_[size_t(at + 1)]);
        if (!std::isfinite(ours_[next]))
            return fail(ErrorKind::bad_file, fmt::format("the model's logits after token {} are not finite", at),
                        "download or convert the model again");
        surprises_.push_back(-double(ours_[next]));
        if (writer_) return writer_->add(ours_);
        if (!base_) return {};
        TRY(base_->read(int64_t(surprises_.size()) - 1, theirs_));
        base_surprises_.push_back(-double(theirs_[next]));
        divergences_.push_back(divergence(theirs_, ours_));
        agreements_ +=
            std::ranges::max_element(ours_) - ours_.begin() == std::ranges::max_element(theirs_) - theirs_.begin();
        return {};
    }

    KlBaseShape shape_;
    std::vector<int32_t> tokens_;
    std::optional<KlBaseWriter> writer_;
    std::optional<KlBase> base_;
    std::optional<Error> failure_;
    std::vector<float> ours_, theirs_;
    std::vector<double> surprises_, base_surprises_, divergences_;
    int64_t agreements_ = 0;
};

Estimate exponential(const Estimate& of) {
    return {std::exp(of.value), std::exp(of.low), std::exp(of.high)};
}

// One figure of the report: its key in JSON, its words for people, and the estimate.
struct Figure {
    const char* key;
    const char* words;
    Estimate estimate;
    bool has_interval = true;
};

std::vector<Figure> figures(const Scorer& scorer) {
    std::vector<Figure> list{{"perplexity", "perplexity", exponential(mean_of(scorer.surprises()))}};
    if (!scorer.has_base()) return list;
    const auto& kl = scorer.divergences();
    std::vector<double> differences;
    for (size_t i = 0; i < kl.size(); ++i) differences.push_back(scorer.surprises()[i] - scorer.base_surprises()[i]);
    list.push_back({"base_perplexity", "perplexity of the base", exponential(mean_of(scorer.base_surprises()))});
    list.push_back({"perplexity_ratio", "ratio of the two", exponential(mean_of(differences))});
    list.push_back({"mean_kl", "mean KL divergence", mean_of(kl)});
    list.push_back({"kl_99_9", "KL divergence, 99.9 %", quantile_of(kl, 0.999)});
    const double largest = *std::ranges::max_element(kl);
    list.push_back({"max_kl", "largest KL divergence", {largest, largest, largest}, false});
    list.push_back({"top_1_agreement", "same likeliest token", share_of(scorer.agreements(), int64_t(kl.size()))});
    return list;
}

Result<> write_report(const PerplexityOptions& options, const Scorer& scorer, const Chunks& chunks,
                      const std::string& model) {
    const int64_t scored = int64_t(scorer.surprises().size());
    if (options.json) {
        Json object = Json::object();
        object.set("model", model);
        object.set("chunks", scorer.shape().chunks);
        object.set("chunk_tokens", scorer.shape().chunk_tokens);
        object.set("scored_tokens", scored);
        object.set("unused_tokens", chunks.unused);
        object.set("confidence", 0.95);
        for (const Figure& figure : figures(scorer)) {
            object.set(figure.key, figure.estimate.value);
            if (!figure.has_interval) continue;
            Json interval = Json::array();
            interval.push(figure.estimate.low), interval.push(figure.estimate.high);
            object.set(std::string(figure.key) + "_interval", std::move(interval));
        }
        return write_out(object.dump() + "\n");
    }
    std::string text =
        fmt::format("{} tokens scored in {} pieces of {}", scored, scorer.shape().chunks, scorer.shape().chunk_tokens);
    if (chunks.unused > 0) text += fmt::format("; the last {} of the text are not used", chunks.unused);
    text += "\n";
    for (const Figure& figure : figures(scorer)) {
        text += fmt::format("{:<24}{:.6g}", figure.words, figure.estimate.value);
        if (figure.has_interval) text += fmt::format("   [{:.6g}, {:.6g}]", figure.estimate.low, figure.estimate.high);
        text += "\n";
    }
    return write_out(text);
}

Result<> measure(const PerplexityOptions& options) {
    const std::string text = options.text == "-" ? TRY(read_stdin()) : TRY(read_file(options.text));
    const TextReader reader = TRY(TextReader::make(TRY(open_checkpoint(options.model.model))));
    const Chunks chunks = TRY(cut_text(reader, text, options.model.context, options.chunks));
    EngineOptions engine_choice = TRY(engine_options(options.model));
    engine_choice.context_tokens = chunks.chunk_tokens;
    // Before the engine: a pass that was interrupted may hand out its rows until the engine is gone.
    std::unique_ptr<Scorer> scorer;
    const auto engine = TRY(open_engine(options.model, engine_choice, false));
    scorer = std::make_unique<Scorer>(chunks, engine->model().vocabulary);
    if (!options.kl_base.empty()) TRY(scorer->use_base(options.kl_base));

    std::vector<EmbedRequest> requests;
    for (size_t piece = 0; piece < chunks.tokens.size(); ++piece)
        requests.push_back({.tokens = chunks.tokens[piece],
                            .rows = RowKind::logits,
                            .pooling = Pooling::last,
                            .each_row = [&scorer = *scorer, piece](int64_t position, std::span<const float> row) {
                                scorer.take(int64_t(piece), position, row);
                            }});
    Progress progress("reading " + options.text);
    TRY(read_all(*engine, std::move(requests), [&](size_t piece, const Event&) -> Result<> {
        progress.update(double(piece + 1) / double(chunks.tokens.size()));
        return {};
    }));
    TRY(scorer->state());
    TRY(scorer->finish());
    const std::string& name = engine->model().name;
    return write_report(options, *scorer, chunks, name.empty() ? options.model.model : name);
}

}  // namespace

void add_perplexity(Command& program) {
    auto options = std::make_shared<PerplexityOptions>();
    Command command = program.add_command("perplexity", "How well a model foretells a text, or agrees with another");
    command.add_footer(
        "The text is cut into pieces of --ctx tokens; of each the second half is scored. Intervals hold the "
        "true value in 95 of 100 cases.\nFirst run the better model with --kl-base FILE, which makes FILE; "
        "then the other one with the same FILE, which compares.");
    add_model_argument(command, "MODEL", options->model.model, "A GGUF file or a Hugging Face directory").required();
    command.add("TEXT", options->text, "File with the text, - for standard input").required();
    command.add("--kl-base", options->kl_base,
                "Compare with the log-probabilities in this file; makes it if it does not exist");
    command.add("--chunks", options->chunks, "Use at most N pieces of the text").between(1, int64_t{1} << 24);
    command.add_flag("--json", options->json, "The figures as one JSON object");
    add_model_options(command, options->model);
    command.runs([options] {
        catch_interrupts();
        return measure(*options);
    });
}

}  // namespace hearth::cli
