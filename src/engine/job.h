// One request while it runs, whatever it is for: the tokens it feeds, how far it got, and what the engine's loop asks
// of it. What becomes of the rows that come back is the business of generation.cpp and embedding.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/os.h"
#include "cache/cache.h"
#include "cache/marks.h"
#include "cache/prefix_report.h"
#include "engine/engine.h"
#include "engine/scheduler.h"

namespace hearth {

// What a job may find in the cache, and what it leaves there.
struct Reuse {
    bool reads = false, keeps = false;
    std::string_view partition = {};
    int64_t public_tokens = 0;
    std::span<const int64_t> keep_at = {};
};

class Job {
public:
    Job(RequestId id, std::vector<int32_t> tokens, EventSink sink)
        : tokens_(std::move(tokens)), sink_(std::move(sink)), id_(id), submitted_(monotonic_seconds()) {
        usage_.prompt_tokens = prefix_.prompt_tokens = int64_t(tokens_.size());
    }
    virtual ~Job() = default;

    RequestId id() const { return id_; }
    bool is_over() const { return is_over_; }
    std::span<const int32_t> prompt() const { return std::span(tokens_).first(size_t(usage_.prompt_tokens)); }
    std::span<const int32_t> known_tokens() const { return tokens_; }  // all that it reads before it has more to say
    std::optional<SequenceId> sequence;                                // set while it has a place in the cache
    bool is_set_aside = false;  // it has none, or is to give it up, until somebody lets it go on

    virtual Reuse reuse() const { return {}; }
    virtual bool can_be_set_aside() const { return false; }
    int64_t done() const { return done_; }
    std::span<const int32_t> done_tokens() const { return std::span(tokens_).first(size_t(done_)); }
    void lose_state() { is_state_whole_ = false; }  // a pass was given up half way
    bool is_state_whole() const { return is_state_whole_; }
    // The mark it has just reached.
    const Mark* reached_mark() const {
        return mark_ > 0 && marks_[mark_ - 1].tokens == done_ ? &marks_[mark_ - 1] : nullptr;
    }

    virtual Work work() const = 0;
    std::span<const int32_t> next_tokens(int64_t count) const {
        return std::span(tokens_).subspan(size_t(done_), size_t(count));
    }
    virtual int64_t wanted(int64_t count) const = 0;  // how many of the last of `count` tokens need their rows ...
    virtual RowKind row_kind() const = 0;             // ... and as what
    // `marks`: passes end there, after the cached tokens. Again, after it was set aside: then what it found the first
    // time is what is told of it.
    virtual void begin(double now, const PrefixReport& prefix, std::vector<Mark> marks) {
        marks_ = std::move(marks);
        mark_ = 0;
        done_ = prefix.cached_tokens;
        to_read_ = int64_t(tokens_.size());
        if (std::exchange(has_begun_, true)) return;
        started_ = now;
        prefix_ = prefix;
        usage_.cached_tokens = done_;
        usage_.queue_seconds = now - submitted_;
    }
    virtual void take_row(int64_t token, std::span<const float> row) = 0;  // token: index within the pass
    virtual void passed(int64_t count, double now) = 0;                    // those tokens are in the cache now

    virtual void end(FinishReason reason) = 0;  // the last event; further calls do nothing
    virtual void fail_with(Error error) = 0;

protected:
    double seconds(double now) const { return now - started_; }
    void advance(int64_t count) {
        done_ += count;
        while (mark_ < marks_.size() && marks_[mark_].tokens <= done_) ++mark_;
    }
    int64_t to_mark() const { return mark_ < marks_.size() ? marks_[mark_].tokens - done_ : 0; }

    std::vector<int32_t> tokens_;  // the prompt and, if it generates, what followed
    EventSink sink_;
    int64_t done_ = 0;     // tokens in the cache
    int64_t to_read_ = 0;  // so many were known when it got its place
    double started_ = 0;
    Usage usage_;
    PrefixReport prefix_;
    bool is_over_ = false, is_state_whole_ = true, has_begun_ = false;

private:
    std::vector<Mark> marks_;
    size_t mark_ = 0;  // the next one
    RequestId id_;
    double submitted_;
};

// Tokens that can be fed at all: some, all of the vocabulary, no more than the context holds. `what`: "prompt", "text".
Result<> check_tokens(std::string_view what, std::span<const int32_t> tokens, int64_t vocabulary,
                      int64_t context_tokens);

}  // namespace hearth
