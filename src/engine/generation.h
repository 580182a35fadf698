// One request while it runs: what is known of its tokens, how the next one is chosen, what its client is told.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cache/cache.h"
#include "engine/engine.h"
#include "engine/scheduler.h"
#include "engine/text_stream.h"

namespace hearth {

class Generation {
public:
    static Result<std::unique_ptr<Generation>> make(RequestId id, Request request, EventSink sink,
                                                    const Tokenizer& tokenizer, int64_t vocabulary,
                                                    int64_t context_tokens);

    RequestId id() const { return id_; }
    bool is_over() const { return is_over_; }
    std::span<const int32_t> prompt() const { return std::span(tokens_).first(size_t(usage_.prompt_tokens)); }
    bool may_reuse() const { return request_.reuse && !request_.logits; }
    // Whether the cache holds exactly cached_tokens(): not after a pass that was given up half way.
    bool is_state_whole() const { return is_state_whole_ && done_ > 0; }
    void lose_state() { is_state_whole_ = false; }
    std::vector<int32_t> cached_tokens() const { return {tokens_.begin(), tokens_.begin() + done_}; }

    // For the engine's loop.
    std::optional<SequenceId> sequence;  // set while it has a place in the cache
    Work work() const;
    std::span<const int32_t> next_tokens(int64_t count) const {
        return std::span(tokens_).subspan(size_t(done_), size_t(count));
    }
    // How many of the last of `count` tokens need logits: the one to choose after, or all for a caller who looks at
    // logits.
    int64_t wanted(int64_t count) const;
    void begin(double now, int64_t cached_tokens);
    void take_logits(int64_t token, std::span<const float> logits);  // token: index within the pass
    void passed(int64_t count, double now);  // those tokens are in the cache now; chooses and reports

    void end(FinishReason reason);  // the last event; further calls do nothing
    void fail_with(Error error);

private:
    Generation(RequestId id, Request request, EventSink sink, const Tokenizer& tokenizer, Sampler sampler);
    void choose();
    bool append_forced();  // whether there was anything
    void append(int32_t token, const SampledToken* sampled);
    double seconds(double now) const { return now - started_; }

    RequestId id_;
    Request request_;
    EventSink sink_;
    const Tokenizer& tokenizer_;
    Sampler sampler_;
    TextStream stream_;
    LoopDetector loops_;
    std::optional<Loop> loop_;
    std::vector<int32_t> tokens_;  // prompt and generated
    std::vector<float> row_;       // logits to choose the next token from
    int64_t done_ = 0;             // tokens in the cache
    int64_t context_tokens_ = 0;
    size_t boundary_ = 0;
    double submitted_ = 0, started_ = 0, first_token_ = 0, last_token_ = 0;
    Usage usage_;
    bool is_over_ = false, is_state_whole_ = true;
};

}  // namespace hearth
