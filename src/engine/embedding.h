// A text that is read for what the model makes of it: one row for the whole text, or scores. Nothing is sampled.
#pragma once

#include <memory>
#include <vector>

#include "engine/job.h"

namespace hearth {

class Embedding final : public Job {
public:
    static Result<std::unique_ptr<Job>> make(RequestId id, EmbedRequest request, EventSink sink, const ModelInfo& info,
                                             int64_t context_tokens);

    Work work() const override;
    int64_t wanted(int64_t count) const override;
    RowKind row_kind() const override { return request_.rows; }
    void take_row(int64_t token, std::span<const float> row) override;
    void passed(int64_t count, double now) override;
    void end(FinishReason reason) override;
    void fail_with(Error error) override;

private:
    Embedding(RequestId id, EmbedRequest request, EventSink sink, const ModelInfo& info);

    EmbedRequest request_;
    bool is_whole_;             // read in one pass: every token sees the whole text
    bool has_softmax_;          // scores are shares of one
    std::vector<double> sums_;  // the pooled row so far
};

}  // namespace hearth
