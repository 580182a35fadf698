// A request that is answered with tokens: how the next one is chosen, what its client is told.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/job.h"
#include "engine/text_stream.h"

namespace hearth {

class Generation final : public Job {
public:
    static Result<std::unique_ptr<Job>> make(RequestId id, Request request, EventSink sink, const Tokenizer& tokenizer,
                                             const ModelInfo& info, int64_t context_tokens);

    Reuse reuse() const override {
        return {.reads = request_.reuse && !request_.logits,
                .keeps = true,
                .partition = request_.partition,
                .public_tokens = request_.public_tokens,
                .keep_at = request_.keep_at};
    }
    // Who looks at every row would see some twice.
    bool can_be_set_aside() const override { return !request_.logits; }
    Work work() const override;
    // The row to choose after, or all for a caller who looks at logits.
    int64_t wanted(int64_t count) const override;
    RowKind row_kind() const override { return RowKind::logits; }
    void begin(double now, const PrefixReport& prefix, std::vector<Mark> marks) override;
    void take_row(int64_t token, std::span<const float> logits) override;
    void passed(int64_t count, double now) override;  // chooses and reports
    void end(FinishReason reason) override;
    void fail_with(Error error) override;

private:
    Generation(RequestId id, Request request, EventSink sink, const Tokenizer& tokenizer, Sampler sampler);
    void choose();
    bool append_forced();  // whether there was anything
    void append(int32_t token, const SampledToken* sampled);

    Request request_;
    const Tokenizer& tokenizer_;
    Sampler sampler_;
    TextStream stream_;
    LoopDetector loops_;
    std::optional<Loop> loop_;
    std::vector<float> row_;  // logits to choose the next token from
    int64_t context_tokens_ = 0;
    size_t boundary_ = 0;
    int64_t told_ = 0;  // prompt tokens that progress was told of
    double first_token_ = 0, last_token_ = 0;
};

}  // namespace hearth
