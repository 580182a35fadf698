// Who takes part in a pass: the rules of scheduler.h as cases, and as properties of random queues.
#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/rng.h"

namespace hearth {
namespace {

Work prompt(int64_t waiting, int64_t to_boundary = 0) {
    return {.waiting_tokens = waiting, .to_boundary = to_boundary, .is_generating = false};
}
Work generating(int64_t waiting = 1) {
    return {.waiting_tokens = waiting, .to_boundary = 0, .is_generating = true};
}

// Tokens per work, 0 for those that do not take part.
std::vector<int64_t> tokens_of(const std::vector<Work>& work, int64_t step_tokens) {
    std::vector<int64_t> tokens(work.size(), 0);
    for (const Share& share : share_out(work, step_tokens)) {
        EXPECT_EQ(tokens[size_t(share.work)], 0) << "named twice";
        EXPECT_GT(share.tokens, 0);
        tokens[size_t(share.work)] = share.tokens;
    }
    return tokens;
}

using Tokens = std::vector<int64_t>;

TEST(Scheduler, NothingToDoIsNoShare) {
    EXPECT_TRUE(share_out({}, 512).empty());
}

TEST(Scheduler, AGeneratingSequenceTakesPartBesideALongOlderPrompt) {
    EXPECT_EQ(tokens_of({prompt(5000), generating(), generating()}, 512), (Tokens{510, 1, 1}));
}

TEST(Scheduler, ForcedTokensOfAGuideDoNotWaitBehindAPrompt) {
    EXPECT_EQ(tokens_of({prompt(5000), generating(6)}, 512), (Tokens{506, 6}));
    // Each generating sequence has its one token before any has more.
    EXPECT_EQ(tokens_of({generating(100), generating(5)}, 4), (Tokens{3, 1}));
}

TEST(Scheduler, TheOldestPromptComesFirst) {
    EXPECT_EQ(tokens_of({prompt(100), prompt(5000), prompt(10)}, 512), (Tokens{100, 412, 0}));
    EXPECT_EQ(tokens_of({prompt(512), prompt(1)}, 512), (Tokens{512, 0}));
}

TEST(Scheduler, PromptsBesideAnswersAreShort) {
    const auto tokens = [](const std::vector<Work>& work, int64_t beside_answers) {
        Tokens result(work.size(), 0);
        for (const Share& share : share_out(work, 512, beside_answers)) result[size_t(share.work)] += share.tokens;
        return result;
    };
    EXPECT_EQ(tokens({prompt(5000), generating(), prompt(40)}, 30), (Tokens{30, 1, 0}));
    EXPECT_EQ(tokens({prompt(20), generating(), prompt(40)}, 30), (Tokens{20, 1, 10}));
    EXPECT_EQ(tokens({prompt(5000), prompt(40)}, 30), (Tokens{512, 0}));  // nobody waits for an answer
    EXPECT_EQ(tokens({prompt(5000, 7), generating(), prompt(40)}, 30), (Tokens{7, 1, 23}));
    EXPECT_EQ(tokens({generating(200), prompt(40)}, 30), (Tokens{200, 30}));
    // What cannot be cut is read all the same, and does not take from what can.
    Work whole = prompt(100);
    whole.is_whole = true;
    EXPECT_EQ(tokens({prompt(5000), generating(), whole}, 30), (Tokens{30, 1, 100}));
}

TEST(PromptPace, LearnsWhatAPromptTokenAddsToAPass) {
    PromptPace pace;
    const int64_t unknown = pace.beside_answers();
    EXPECT_GE(unknown, 8);
    EXPECT_LE(unknown, 64);
    pace.passed(1.0, 500, 0);  // 2 ms each
    EXPECT_NEAR(double(pace.beside_answers()), 25, 1);
    // Answers alone take 20 ms: what a pass with both takes beyond that is the prompt's.
    for (int i = 0; i < 20; ++i) {
        pace.passed(0.020, 0, 4);
        pace.passed(0.045, 25, 4);
    }
    EXPECT_NEAR(double(pace.beside_answers()), 50, 1);
    // Deeper in a prompt tokens cost more.
    for (int i = 0; i < 20; ++i) pace.passed(0.120, 25, 4);
    EXPECT_NEAR(double(pace.beside_answers()), 12, 1);
}

TEST(PromptPace, NeverStopsAPromptAndNeverForgetsTheLimit) {
    PromptPace slow;
    for (int i = 0; i < 20; ++i) slow.passed(3.0, 8, 1);
    EXPECT_EQ(slow.beside_answers(), 8);
    // A pass with a prompt that was quicker than one without says little.
    PromptPace odd;
    odd.passed(0.5, 0, 1);
    odd.passed(0.4, 40, 1);
    EXPECT_LE(odd.beside_answers(), 40);
}

TEST(Scheduler, APromptStopsAtItsBoundary) {
    EXPECT_EQ(tokens_of({prompt(100, 30), prompt(5)}, 512), (Tokens{30, 5}));
    EXPECT_EQ(tokens_of({prompt(100, 300)}, 512), (Tokens{100}));
    EXPECT_EQ(tokens_of({prompt(100, 30)}, 7), (Tokens{7}));
}

TEST(Scheduler, MoreGeneratingSequencesThanTheBudgetAllTakePart) {
    EXPECT_EQ(tokens_of({generating(), generating(), generating(9), prompt(4)}, 2), (Tokens{1, 1, 1, 0}));
}

TEST(Scheduler, WholeTextsAreNeverCut) {
    const auto whole = [](int64_t tokens) { return Work{.waiting_tokens = tokens, .is_whole = true}; };
    EXPECT_EQ(tokens_of({whole(40), whole(40), whole(20)}, 100), (Tokens{40, 40, 20}));
    // What does not fit waits as a whole, and what is younger and fits takes the room; the oldest always goes.
    EXPECT_EQ(tokens_of({whole(60), whole(50), whole(40)}, 100), (Tokens{60, 0, 40}));
    EXPECT_EQ(tokens_of({whole(100), whole(1)}, 100), (Tokens{100, 0}));
    EXPECT_EQ(tokens_of({whole(50), prompt(80)}, 100), (Tokens{50, 50}));
}

TEST(Scheduler, RandomQueuesKeepTheRules) {
    Rng rng(1);
    for (int round = 0; round < 5000; ++round) {
        std::vector<Work> work(1 + rng.below(6));
        for (Work& one : work)
            one = rng.below(2) ? generating(1 + int64_t(rng.below(3)))
                               : prompt(1 + int64_t(rng.below(60)), int64_t(rng.below(30)));
        const int64_t budget = 1 + int64_t(rng.below(40));
        const int64_t busy = std::ranges::count_if(work, &Work::is_generating);
        const Tokens tokens = tokens_of(work, budget);
        const int64_t used = std::accumulate(tokens.begin(), tokens.end(), int64_t{0});
        EXPECT_GT(used, 0);
        EXPECT_LE(used, std::max(budget, busy));
        bool somebody_waits = false;
        for (size_t i = 0; i < work.size(); ++i) {
            EXPECT_LE(tokens[i], work[i].waiting_tokens);
            if (work[i].is_generating) {
                EXPECT_GE(tokens[i], 1);
                continue;
            }
            if (work[i].to_boundary > 0) {
                EXPECT_LE(tokens[i], work[i].to_boundary);
            }
            const int64_t whole = work[i].to_boundary > 0 ? std::min(work[i].to_boundary, work[i].waiting_tokens)
                                                          : work[i].waiting_tokens;
            if (somebody_waits) {
                EXPECT_EQ(tokens[i], 0) << "a younger prompt overtook an older one";
            }
            if (tokens[i] < whole) {
                EXPECT_GE(used, budget) << "budget was left over";
                somebody_waits = true;
            }
        }
    }
}

}  // namespace
}  // namespace hearth
