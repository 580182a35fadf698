#include "engine/loop_detector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/rng.h"

namespace hearth {
namespace {

// The definition, word for word: the smallest p for which the newest tokens repeat long enough.
std::optional<Loop> by_definition(const std::vector<int32_t>& text, const LoopOptions& options) {
    for (int p = 1; p <= options.max_period; ++p) {
        int64_t run = 0;
        for (int64_t at = int64_t(text.size()) - 1; at >= p && text[size_t(at)] == text[size_t(at - p)]; --at) ++run;
        if (run + p >= std::max<int64_t>(options.min_tokens, int64_t{options.min_repeats} * p))
            return Loop{p, (run + p) / p};
    }
    return std::nullopt;
}

// Where the detector first speaks, or -1.
int64_t first_alarm(LoopDetector& detector, const std::vector<int32_t>& text, Loop* loop = nullptr) {
    for (size_t at = 0; at < text.size(); ++at)
        if (const auto found = detector.accept(text[at])) {
            if (loop) *loop = *found;
            return int64_t(at);
        }
    return -1;
}

std::vector<int32_t> repeated(const std::vector<int32_t>& part, int times) {
    std::vector<int32_t> text;
    for (int i = 0; i < times; ++i) text.insert(text.end(), part.begin(), part.end());
    return text;
}

std::vector<int32_t> random_text(int tokens, int vocabulary, uint64_t seed) {
    Rng rng(seed);
    std::vector<int32_t> text;
    for (int i = 0; i < tokens; ++i) text.push_back(int32_t(rng.below(uint64_t(vocabulary))));
    return text;
}

TEST(LoopDetector, AgreesWithItsDefinitionOnRandomLoops) {
    const LoopOptions options{.max_period = 12, .min_tokens = 20, .min_repeats = 3};
    Rng rng(1);
    int alarms = 0;
    for (int trial = 0; trial < 200; ++trial) {
        LoopDetector detector(options);
        std::vector<int32_t> text;
        while (text.size() < 150) {
            // Alphabets of two and three make periods inside periods; a broken turn now and then ends a loop.
            const auto part = random_text(1 + int(rng.below(15)), 2 + int(rng.below(2)), rng.next());
            const int times = int(rng.below(12));
            for (const int32_t token : repeated(part, times)) {
                text.push_back(token);
                const auto found = detector.accept(token), expected = by_definition(text, options);
                ASSERT_EQ(found.has_value(), expected.has_value()) << "trial " << trial << " token " << text.size();
                if (!found) continue;
                ASSERT_EQ(found->period, expected->period);
                ASSERT_EQ(found->repeats, expected->repeats);
                ++alarms;
            }
        }
    }
    EXPECT_GT(alarms, 1000);  // else the comparison above compared nothing
}

TEST(LoopDetector, FindsShortAndLongLoopsAtTheirThreshold) {
    const LoopOptions options;
    for (const int period : {1, 2, 7, 64, 127, 128, 129, 500, 1023, 1024}) {
        LoopDetector detector;
        std::vector<int32_t> text = random_text(3000, 1 << 20, 5);  // an ordinary beginning
        std::vector<int32_t> part;
        for (int i = 0; i < period; ++i) part.push_back(i);
        const auto tail = repeated(part, 1100 / period + 8);
        text.insert(text.end(), tail.begin(), tail.end());
        Loop loop;
        const int64_t at = first_alarm(detector, text, &loop);
        EXPECT_EQ(at, 3000 + std::max(options.min_tokens, options.min_repeats * period) - 1) << period;
        EXPECT_EQ(loop.period, period);
        EXPECT_EQ(loop.repeats, std::max(options.min_tokens, options.min_repeats * period) / period);
    }
}

TEST(LoopDetector, LeavesOrdinaryRepetitionAlone) {
    const auto stays_silent = [](const char* what, const std::vector<int32_t>& text) {
        LoopDetector detector;
        EXPECT_EQ(first_alarm(detector, text), -1) << what;
    };
    stays_silent("one word 300 times", repeated({7}, 300));
    stays_silent("ha ha ha, 250 times two tokens", repeated({7, 8}, 250));
    stays_silent("a 16 x 16 matrix of zeros", repeated({1, 2}, 256));
    stays_silent("sixty equal rows of twelve tokens", repeated({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 60));
    stays_silent("a verse of 200 tokens five times", repeated(random_text(200, 1000, 3), 5));
    stays_silent("noise", random_text(20000, 3, 4));

    std::vector<int32_t> counting, table, numbered;
    for (int i = 0; i < 5000; ++i) {
        for (int digit = 1000; digit > 0; digit /= 10) counting.push_back(i / digit % 10);
        counting.push_back(99);
        for (const int32_t cell : {50, 51, i % 7, 51, 52, i % 11, 53}) table.push_back(cell);  // joint period 77 rows
        for (const int32_t token : {60, i, 61, 62, 63}) numbered.push_back(token);             // "12. same words"
    }
    stays_silent("counting to 5000", counting);
    stays_silent("rows with changing cells", {table.begin(), table.begin() + 7 * 77 * 5});
    stays_silent("a numbered list", numbered);
}

TEST(LoopDetector, OneOtherTokenStartsTheCountAnew) {
    LoopDetector detector;
    auto text = repeated({1, 2, 3}, 255);  // 765 tokens, three short of the threshold
    text.push_back(9);
    const auto again = repeated({1, 2, 3}, 256);
    text.insert(text.end(), again.begin(), again.end());
    EXPECT_EQ(first_alarm(detector, text), int64_t(text.size()) - 1);
}

TEST(LoopDetector, ResetForgetsAndZeroPeriodIsOff) {
    LoopDetector detector({.max_period = 4, .min_tokens = 8, .min_repeats = 2});
    EXPECT_EQ(first_alarm(detector, repeated({1}, 7)), -1);
    detector.reset();
    EXPECT_EQ(first_alarm(detector, repeated({1}, 7)), -1);
    EXPECT_EQ(first_alarm(detector, {1}), 0);
    LoopDetector off({.max_period = 0});
    EXPECT_EQ(first_alarm(off, repeated({1}, 5000)), -1);
    LoopDetector odd({.max_period = -5, .min_tokens = -1, .min_repeats = -1});
    EXPECT_EQ(first_alarm(odd, repeated({1}, 50)), -1);
}

}  // namespace
}  // namespace hearth
