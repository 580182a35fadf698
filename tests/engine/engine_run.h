// A request and all that comes back, for tests: opens the tiny model, collects events, answers when the last one is
// there.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/os.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "support/shared_data.h"

namespace hearth::test {

struct Answer {
    std::vector<int32_t> tokens;
    std::string text;                // all of it, in order
    std::vector<std::string> texts;  // per token event
    std::vector<float> logprobs;
    std::vector<std::vector<TokenLogprob>> tops;
    std::vector<int64_t> progress;
    GuideEvents guide;
    Event last;
    double arrived_at = 0;  // the last event, on the monotonic clock
};

class Pending {
public:
    RequestId id() const { return id_; }
    // Waits for the end, a minute at most.
    const Answer& answer() {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(changed_.wait_for(lock, std::chrono::minutes(1), [&] { return is_over_; })) << "no end in sight";
        return answer_;
    }
    void wait_for_events(uint64_t count) {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(changed_.wait_for(lock, std::chrono::minutes(1), [&] { return events_ >= count || is_over_; }));
    }
    int events_after_the_last() {
        std::lock_guard lock(mutex_);
        return events_after_;
    }

    void take(const Event& event) {
        std::lock_guard lock(mutex_);
        ++events_;
        if (is_over_) {
            ++events_after_;
            return;
        }
        if (event.kind == Event::Kind::progress) answer_.progress.push_back(event.tokens_done);
        if (event.kind == Event::Kind::token) {
            answer_.tokens.push_back(event.token);
            answer_.texts.push_back(event.text);
            answer_.logprobs.push_back(event.logprob);
            answer_.tops.push_back(event.top);
        }
        answer_.text += event.text;
        answer_.guide.insert(answer_.guide.end(), event.guide.begin(), event.guide.end());
        if (event.kind == Event::Kind::finish || event.kind == Event::Kind::failed) {
            is_over_ = true;
            answer_.last = event;
            answer_.arrived_at = monotonic_seconds();
        }
        changed_.notify_all();
    }

private:
    template <class AnyRequest>
    friend std::shared_ptr<Pending> collect(Engine& engine, AnyRequest request);

    RequestId id_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    Answer answer_;
    bool is_over_ = false;
    uint64_t events_ = 0;
    int events_after_ = 0;
};

// The sink shares it: a test that fails early may leave before its request does.
template <class AnyRequest>
std::shared_ptr<Pending> collect(Engine& engine, AnyRequest request) {
    auto pending = std::make_shared<Pending>();
    auto id = engine.submit(std::move(request), [pending](const Event& event) { pending->take(event); });
    EXPECT_TRUE(id.has_value()) << (id ? "" : id.error().line());
    if (id) pending->id_ = *id;
    return pending;
}

template <class AnyRequest>
Answer ask(Engine& engine, AnyRequest request) {
    auto pending = collect(engine, std::move(request));
    const Answer answer = pending->answer();
    engine.wait(pending->id());
    return answer;
}

inline std::unique_ptr<Engine> open_tiny(const EngineOptions& options, const std::string& name = "dense_r1") {
    auto engine = Engine::open(shared_path("reference/qwen35/" + name + ".gguf"), options);
    EXPECT_TRUE(engine.has_value()) << (engine ? "" : engine.error().line());
    return engine ? std::move(*engine) : nullptr;
}

// Ordinary tokens of the tiny vocabulary: ids 0 .. 255 are its bytes.
inline std::vector<int32_t> random_prompt(int64_t tokens, uint64_t seed) {
    Rng rng(seed * 7919 + uint64_t(tokens));
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < tokens; ++i) ids.push_back(int32_t(rng.below(256)));
    return ids;
}

// Lets only a given text be said, then ends. Sampled through the mask, or forced.
class ScriptGuide : public Guide {
public:
    explicit ScriptGuide(std::vector<int32_t> script, bool forces = false)
        : script_(std::move(script)), forces_(forces) {}

    bool mask(std::span<uint32_t> allowed) override {
        if (at_ >= script_.size()) return false;
        const size_t id = size_t(script_[at_]);
        const uint32_t keep = allowed[id / 32] & (1u << id % 32);
        std::ranges::fill(allowed, 0);
        allowed[id / 32] = keep;
        ++masks;
        return true;
    }
    Result<> accept(int32_t token, std::string_view piece, GuideEvents& out) override {
        if (at_ == refuse_at) return fail(ErrorKind::bad_request, "the guide refuses this token");
        EXPECT_LT(at_, script_.size());
        EXPECT_EQ(token, script_[at_]);
        out.push_back({.kind = 7, .index = int32_t(at_), .text = std::string(piece)});
        ++at_;
        return {};
    }
    Result<> finish(GuideEvents& out) override {
        out.push_back({.kind = 8, .index = int32_t(at_), .text = "rest"});
        if (finishes) ++*finishes;
        return {};
    }
    std::span<const int32_t> forced() override {
        return forces_ ? std::span<const int32_t>(script_).subspan(at_) : std::span<const int32_t>();
    }
    bool finished() const override { return at_ == script_.size(); }
    std::unique_ptr<Guide> clone() const override { return std::make_unique<ScriptGuide>(*this); }
    void rollback(int tokens) override { at_ -= size_t(tokens); }

    size_t refuse_at = SIZE_MAX;
    int masks = 0;
    int* finishes = nullptr;

private:
    std::vector<int32_t> script_;
    bool forces_;
    size_t at_ = 0;
};

// A request that is answered with exactly these tokens, whatever the model thinks.
inline Request says(const std::vector<int32_t>& tokens) {
    Request request;
    request.tokens = {1, 2, 3};
    request.guide = std::make_unique<ScriptGuide>(tokens);
    return request;
}

}  // namespace hearth::test
