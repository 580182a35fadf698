// One request while it runs, whatever it is for: the tokens it feeds, how far it got, and what the engine's loop asks
// of it. What becomes of the rows that come back is the business of generation.cpp and embedding.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/os.h"
#include "cache/cache.h"
#include "engine/engine.h"
#include "engine/scheduler.h"

namespace hearth {

class Job {
public:
    Job(RequestId id, std::vector<int32_t> tokens, EventSink sink)
        : tokens_(std::move(tokens)), sink_(std::move(sink)), id_(id), submitted_(monotonic_seconds()) {
        usage_.prompt_tokens = int64_t(tokens_.size());
    }
    virtual ~Job() = default;

    RequestId id() const { return id_; }
    bool is_over() const { return is_over_; }
    std::span<const int32_t> prompt() const { return std::span(tokens_).first(size_t(usage_.prompt_tokens)); }
    std::optional<SequenceId> sequence;  // set while it has a place in the cache
    std::optional<SnapshotId> snapshot;  // of its first snapshot_tokens tokens
    int64_t snapshot_tokens = 0;

    virtual bool may_reuse() const = 0;  // go on where an earlier job with the same beginning ended
    virtual bool may_be_kept()
        const = 0;  // its place in the cache may serve a later job: it holds its first done() tokens
    virtual bool is_to_be_saved() const { return false; }  // now, after the last pass
    int64_t done() const { return done_; }
    std::vector<int32_t> cached_tokens(int64_t count) const { return {tokens_.begin(), tokens_.begin() + count}; }
    void lose_state() { is_state_whole_ = false; }  // a pass was given up half way

    virtual Work work() const = 0;
    std::span<const int32_t> next_tokens(int64_t count) const {
        return std::span(tokens_).subspan(size_t(done_), size_t(count));
    }
    virtual int64_t wanted(int64_t count) const = 0;  // how many of the last of `count` tokens need their rows ...
    virtual RowKind row_kind() const = 0;             // ... and as what
    virtual void begin(double now, int64_t cached_tokens) {
        started_ = now;
        done_ = cached_tokens;
        usage_.cached_tokens = cached_tokens;
        usage_.queue_seconds = now - submitted_;
    }
    virtual void take_row(int64_t token, std::span<const float> row) = 0;  // token: index within the pass
    virtual void passed(int64_t count, double now) = 0;                    // those tokens are in the cache now

    virtual void end(FinishReason reason) = 0;  // the last event; further calls do nothing
    virtual void fail_with(Error error) = 0;

protected:
    double seconds(double now) const { return now - started_; }

    std::vector<int32_t> tokens_;  // the prompt and, if it generates, what followed
    EventSink sink_;
    int64_t done_ = 0;  // tokens in the cache
    double started_ = 0;
    Usage usage_;
    bool is_over_ = false, is_state_whole_ = true;

private:
    RequestId id_;
    double submitted_;
};

// Tokens that can be fed at all: some, all of the vocabulary, no more than the context holds. `what`: "prompt", "text".
Result<> check_tokens(std::string_view what, std::span<const int32_t> tokens, int64_t vocabulary,
                      int64_t context_tokens);

}  // namespace hearth
