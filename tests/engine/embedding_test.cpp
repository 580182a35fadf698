// Texts that are read instead of continued: pooled rows, their bits, and what becomes of them beside other requests.
#include <cstring>
#include <thread>

#include "engine_run.h"

namespace hearth {
namespace {

using namespace test;

class EveryDeviceReads : public testing::TestWithParam<std::string> {
    void SetUp() override { NEED_SHARED("reference/qwen35"); }
};
INSTANTIATE_TEST_SUITE_P(Embedding, EveryDeviceReads, testing::Values("reference", "cpu"));

EmbedRequest reading(std::vector<int32_t> tokens, Pooling pooling, RowKind rows = RowKind::hidden) {
    return {.tokens = std::move(tokens), .rows = rows, .pooling = pooling, .each_row = {}};
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
    return !a.empty() && a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

TEST_P(EveryDeviceReads, APooledRowIsMadeOfTheRowsOfItsTokens) {
    auto engine = open_tiny({.device = GetParam(), .context_tokens = 512, .step_tokens = 16});
    const auto prompt = random_prompt(45, 1);
    const size_t width = size_t(engine->model().hidden);
    for (const Pooling pooling : {Pooling::mean, Pooling::first, Pooling::last}) {
        std::vector<float> rows;
        EmbedRequest request = reading(prompt, pooling);
        request.each_row = [&](int64_t position, std::span<const float> row) {
            EXPECT_EQ(position, int64_t(rows.size() / width));
            EXPECT_EQ(row.size(), width);
            rows.insert(rows.end(), row.begin(), row.end());
        };
        const Answer answer = ask(*engine, std::move(request));
        EXPECT_EQ(answer.last.kind, Event::Kind::finish);
        EXPECT_EQ(answer.last.reason, FinishReason::end);
        EXPECT_EQ(answer.last.usage.prompt_tokens, 45);
        EXPECT_EQ(answer.last.usage.generated_tokens, 0);
        EXPECT_EQ(answer.progress, (std::vector<int64_t>{16, 32, 45}));
        EXPECT_TRUE(answer.tokens.empty());
        ASSERT_EQ(rows.size(), prompt.size() * width);
        ASSERT_EQ(answer.last.embedding.size(), width);
        for (size_t i = 0; i < width; ++i) {
            double sum = 0;
            for (size_t token = 0; token < prompt.size(); ++token) sum += double(rows[token * width + i]);
            const float expected = pooling == Pooling::mean    ? float(sum / double(prompt.size()))
                                   : pooling == Pooling::first ? rows[i]
                                                               : rows[(prompt.size() - 1) * width + i];
            EXPECT_EQ(answer.last.embedding[i], expected);
        }
        // Without anybody who looks at the rows the result is the same.
        EXPECT_TRUE(same_bits(ask(*engine, reading(prompt, pooling)).last.embedding, answer.last.embedding));
    }
}

TEST_P(EveryDeviceReads, EqualBitsHoweverItIsCutAndWhateverElseRuns) {
    const auto prompt = random_prompt(150, 2);
    for (const Pooling pooling : {Pooling::mean, Pooling::last}) {
        std::vector<float> whole;
        for (const int64_t step : {512, 64, 7}) {
            auto engine = open_tiny(
                {.device = GetParam(), .threads = 3, .context_tokens = 512, .sequences = 3, .step_tokens = step});
            // Another text and an answer share its passes.
            Request request;
            request.tokens = random_prompt(20, 3);
            request.max_tokens = 30;
            request.ignore_end = true;
            auto answer = collect(*engine, std::move(request));
            auto other = collect(*engine, reading(random_prompt(90, 4), Pooling::first));
            const Answer ours = ask(*engine, reading(prompt, pooling));
            if (whole.empty()) whole = ours.last.embedding;
            EXPECT_TRUE(same_bits(whole, ours.last.embedding)) << step;
            EXPECT_EQ(answer->answer().tokens.size(), 30u);
            EXPECT_FALSE(other->answer().last.embedding.empty());
        }
    }
}

TEST_P(EveryDeviceReads, LogitsCanBePooledToo) {
    auto engine = open_tiny({.device = GetParam(), .context_tokens = 256});
    const auto prompt = random_prompt(33, 5);
    std::vector<float> last;
    Request request;
    request.tokens = prompt;
    request.max_tokens = 1;
    request.logits = [&](int64_t, std::span<const float> row) { last.assign(row.begin(), row.end()); };
    ask(*engine, std::move(request));
    EXPECT_TRUE(same_bits(ask(*engine, reading(prompt, Pooling::last, RowKind::logits)).last.embedding, last));
}

TEST_P(EveryDeviceReads, CancelIsSeenAtOnceAndLeavesNothingBehind) {
    auto engine = open_tiny({.device = GetParam(), .context_tokens = 20000, .sequences = 2});
    auto running = collect(*engine, reading(random_prompt(19000, 6), Pooling::mean));
    running->wait_for_events(1);
    const double before = monotonic_seconds();
    engine->cancel(running->id());
    EXPECT_LT(running->answer().arrived_at - before, 0.1);
    EXPECT_EQ(running->answer().last.reason, FinishReason::cancelled);
    EXPECT_TRUE(running->answer().last.embedding.empty());
    engine->wait(running->id());
    EXPECT_EQ(running->events_after_the_last(), 0);
    EXPECT_EQ(ask(*engine, reading({1, 2, 3}, Pooling::mean)).last.reason, FinishReason::end);
}

TEST_P(EveryDeviceReads, WhatCannotBeReadIsRefused) {
    auto engine = open_tiny({.device = GetParam(), .context_tokens = 64});
    const auto refusal = [&](EmbedRequest request) {
        const auto submitted = engine->submit(std::move(request), [](const Event&) { FAIL() << "an event"; });
        return submitted ? std::string() : submitted.error().line();
    };
    EXPECT_NE(refusal(reading({}, Pooling::mean)).find("no tokens"), std::string::npos);
    const std::string too_long = refusal(reading(random_prompt(65, 7), Pooling::mean));
    EXPECT_NE(too_long.find("65"), std::string::npos);
    EXPECT_NE(too_long.find("64"), std::string::npos);
    EXPECT_NE(refusal(reading({-1}, Pooling::mean)).find("token 0 of the text is -1"), std::string::npos);
    EXPECT_NE(refusal(reading({1}, Pooling::last, RowKind::scores)).find("classification head"), std::string::npos);
}

// A text that was read is not what a conversation goes on from.
TEST_P(EveryDeviceReads, ReadTextsAreNotKept) {
    auto engine = open_tiny({.device = GetParam(), .context_tokens = 256, .sequences = 1});
    Request talk;
    talk.tokens = random_prompt(40, 8);
    talk.max_tokens = 1;
    const auto prompt = talk.tokens;
    ask(*engine, reading(prompt, Pooling::last));
    ask(*engine, reading({prompt.begin(), prompt.begin() + 20}, Pooling::last));
    EXPECT_EQ(ask(*engine, std::move(talk)).last.usage.cached_tokens, 0);
}

}  // namespace
}  // namespace hearth
