#include "engine/embedding.h"

#include <algorithm>
#include <cmath>

namespace hearth {

namespace {

Result<> check(const EmbedRequest& request, const ModelInfo& info, int64_t context_tokens) {
    TRY(check_tokens("text", request.tokens, info.vocabulary, context_tokens));
    if (request.rows == RowKind::scores && info.scores == 0)
        return fail(ErrorKind::unsupported, "this model has no classification head, so it gives no scores",
                    "use a reranker");
    if (request.rows == RowKind::logits && !info.generates)
        return fail(ErrorKind::unsupported, "this model has no output matrix, so it gives no logits");
    return {};
}

void to_shares(std::vector<double>& values) {
    const double best = *std::ranges::max_element(values);
    double total = 0;
    for (double& value : values) total += value = std::exp(value - best);
    for (double& value : values) value /= total;
}

}  // namespace

Embedding::Embedding(RequestId id, EmbedRequest request, EventSink sink, const ModelInfo& info)
    : Job(id, std::move(request.tokens), std::move(sink)),
      request_(std::move(request)),
      is_whole_(!info.is_causal),
      has_softmax_(request_.rows == RowKind::scores && info.has_softmax_scores) {}

Result<std::unique_ptr<Job>> Embedding::make(RequestId id, EmbedRequest request, EventSink sink, const ModelInfo& info,
                                             int64_t context_tokens) {
    TRY(check(request, info, context_tokens));
    return std::unique_ptr<Job>(new Embedding(id, std::move(request), std::move(sink), info));
}

Work Embedding::work() const {
    return {.waiting_tokens = int64_t(tokens_.size()) - done_, .is_whole = is_whole_};
}

int64_t Embedding::wanted(int64_t count) const {
    if (request_.each_row || request_.pooling != Pooling::last) return count;
    return done_ + count == int64_t(tokens_.size()) ? 1 : 0;
}

// Summed token by token in their order, so that the pooled row does not depend on how the text was cut into passes.
void Embedding::take_row(int64_t token, std::span<const float> row) {
    const int64_t position = done_ + token;
    if (request_.each_row) request_.each_row(position, row);
    const int64_t chosen = request_.pooling == Pooling::first ? 0 : int64_t(tokens_.size()) - 1;
    if (request_.pooling != Pooling::mean && position != chosen) return;
    sums_.resize(row.size());
    for (size_t i = 0; i < row.size(); ++i) sums_[i] += double(row[i]);
}

void Embedding::passed(int64_t count, double now) {
    advance(count);
    if (is_over_) return;
    usage_.prompt_seconds = seconds(now);
    sink_(Event{.kind = Event::Kind::progress, .tokens_done = done_, .seconds = seconds(now), .usage = usage_});
    if (done_ == int64_t(tokens_.size())) end(FinishReason::end);
}

void Embedding::end(FinishReason reason) {
    if (is_over_) return;
    is_over_ = true;
    Event event{.kind = Event::Kind::finish, .reason = reason, .usage = usage_};
    if (reason == FinishReason::end) {
        if (request_.pooling == Pooling::mean)
            for (double& value : sums_) value /= double(tokens_.size());
        if (has_softmax_) to_shares(sums_);
        event.embedding.assign(sums_.begin(), sums_.end());
    }
    sink_(event);
}

void Embedding::fail_with(Error error) {
    if (is_over_) return;
    is_over_ = true;
    sink_(Event{.kind = Event::Kind::failed, .usage = usage_, .error = std::move(error)});
}

}  // namespace hearth
