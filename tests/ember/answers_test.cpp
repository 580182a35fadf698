// Ember answers what it was never shown. Random weights show that the arithmetic is right; this shows that what people
// meet makes sense: chat, thinking, tools, recall, sampling, compressed caches, many at once.
#include <gtest/gtest.h>

#include "ember/ember.h"
#include "engine/machine.h"

namespace hearth::test {
namespace {

// What each task must reach on its held-out cases: two of fifty below what the weights in the tree did when they came
// (docs/ember.md).
struct Floor {
    const char* task;
    double least;
};
const Floor kFloors[] = {
    {"arithmetic", 0.92},      {"arithmetic_lines", 0.96}, {"arithmetic_thinking", 0.82},
    {"chores", 0.64},          {"extraction", 0.48},       {"hearth", 0.86},
    {"hearth_reworded", 0.18}, {"identity", 0.26},         {"knowledge", 0.94},
    {"labels", 0.96},          {"languages", 0.60},        {"recall", 0.68},
    {"recall_long", 0.30},     {"smalltalk", 0.22},        {"stories", 0.74},
    {"stories_raw", 0.88},     {"tool_answers", 0.82},     {"tool_calls", 0.82},
    {"tools_unneeded", 0.54},  {"unknown", 0.86},
};

// The same of questions about words that training knew, in texts that it did not: what is left of the errors when no
// name has to be spelt that was never seen.
const Floor kFloorsOfKnownWords[] = {
    {"chores", 0.86},  {"extraction", 0.94},  {"recall", 0.94},       {"recall_long", 0.90},
    {"stories", 0.96}, {"stories_raw", 0.96}, {"tool_answers", 0.94}, {"tool_calls", 0.82},
};

void expect_floors(const std::string& file, std::span<const Floor> floors) {
    const auto engine = open_ember(ember_file(), {.context_tokens = 4096, .sequences = 16});
    ASSERT_TRUE(engine);
    const auto cases = ember_cases(file);
    const auto answers = ember_answers(*engine, cases, greedy());
    size_t checked = 0;
    for (const Floor& floor : floors) {
        int right = 0, count = 0;
        std::string wrong;
        for (size_t i = 0; i < cases.size(); ++i) {
            if (cases[i].task != floor.task) continue;
            ++count;
            if (is_right(cases[i], answers[i]))
                ++right;
            else
                wrong += "\n  " + cases[i].expected + " <- " + answers[i];
        }
        ASSERT_GT(count, 0) << floor.task;
        checked += size_t(count);
        fmt::print("{:20} {:3} of {:3}\n", floor.task, right, count);
        EXPECT_GE(double(right) / count, floor.least) << floor.task << wrong;
    }
    EXPECT_EQ(checked, cases.size());
}

TEST(Ember, AnswersWhatItWasNotShown) {
    expect_floors("cases.jsonl", kFloors);
}

TEST(Ember, AnswersNewQuestionsAboutKnownWords) {
    expect_floors("known.jsonl", kFloorsOfKnownWords);
}

// llama.cpp gave the recorded ones, from the same file (bench/peers/answers.mjs).
TEST(Ember, FortyAnswersAsInLlamaCpp) {
    const auto prompts = ember_cases("prompts.jsonl");
    ASSERT_EQ(prompts.size(), 40u);
    for (const std::string row : {"", "avx2"}) {
        if (!row.empty() && !check_kernel_row(row)) continue;
        const auto engine = open_ember(ember_file(), {.isa = row, .context_tokens = 4096, .sequences = 16});
        ASSERT_TRUE(engine);
        const auto answers = ember_answers(*engine, prompts, greedy());
        for (size_t i = 0; i < prompts.size(); ++i)
            EXPECT_EQ(answers[i], prompts[i].expected) << engine->device() << ": " << prompts[i].prompt;
    }
}

TEST(Ember, AloneAndInABatchOfSixteen) {
    const auto all = of_task(ember_cases("cases.jsonl"), "stories");
    const std::vector<EmberCase> prompts(all.begin(), all.begin() + 16);
    const auto alone = open_ember(ember_file(), {.context_tokens = 1024, .sequences = 1});
    const auto batch = open_ember(ember_file(), {.context_tokens = 1024, .sequences = 16});
    ASSERT_TRUE(alone && batch);
    SamplerOptions sampling;
    sampling.temperature = 1, sampling.seed = 7;
    const auto expected = ember_answers(*alone, prompts, sampling);
    EXPECT_EQ(ember_answers(*batch, prompts, sampling), expected);
    EXPECT_NE(ember_answers(*batch, prompts, greedy()), expected);  // so it was drawn from something
}

// As `hearth run` draws unless told otherwise: what the model knows it still says.
TEST(Ember, SampledAnswersMakeSense) {
    const auto engine = open_ember(ember_file(), {.context_tokens = 1024, .sequences = 16});
    ASSERT_TRUE(engine);
    SamplerOptions sampling;
    sampling.temperature = 0.7f, sampling.top_k = 20, sampling.top_p = 0.8f;
    const auto all = ember_cases("cases.jsonl");
    for (const char* task : {"arithmetic", "knowledge", "labels"}) {
        const auto cases = of_task(all, task);
        for (const uint64_t seed : {1, 2}) {
            sampling.seed = seed;
            EXPECT_GE(share_right(cases, ember_answers(*engine, cases, sampling)), 0.9) << task << ", seed " << seed;
        }
    }
}

// Keys and values in half of the bytes and less: facts from thousands of tokens ago are still found.
TEST(Ember, RemembersInACompressedCache) {
    const auto cases = of_task(ember_cases("known.jsonl"), "recall_long");
    for (const KvType kv : {KvType::f32, KvType::q8_0, KvType::q4_0}) {
        const auto engine = open_ember(ember_file(), {.kv_type = kv, .context_tokens = 4096, .sequences = 4});
        ASSERT_TRUE(engine);
        size_t longest = 0;
        for (const EmberCase& one : cases) {
            std::vector<int32_t> ids;
            ASSERT_TRUE(engine->tokenizer().encode(one.prompt, {.parse_special = true}, ids));
            longest = std::max(longest, ids.size());
        }
        EXPECT_GT(longest, 3500u);
        const double right = share_right(cases, ember_answers(*engine, cases, greedy()));
        EXPECT_GE(right, kv == KvType::q4_0 ? 0.8 : 0.9) << int(kv);
    }
}

}  // namespace
}  // namespace hearth::test
