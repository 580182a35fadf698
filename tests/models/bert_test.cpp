// BERT and its heirs against recorded rows, pooled rows and scores.
#include "models/embedding_run.h"

namespace hearth {
namespace {

using test::RecordedReading;
using test::RunOptions;

std::string file(const std::string& name, const std::string& suffix = "") {
    return test::shared_path("reference/bert/" + name + suffix);
}

// The recordings used a GELU table of half-precision values: that is all of the distance (nomic has no GELU).
std::vector<RecordedReading> recorded() {
    return {{"bert-cls", file("bert-cls"), Pooling::first, 3e-3},
            {"bert-mean", file("bert-mean"), Pooling::mean, 3e-3},
            {"bert-rank", file("bert-rank"), Pooling::first, 3e-3},
            {"nomic-a", file("nomic-a"), Pooling::mean, 2e-5}};
}

TEST(Bert, RowsAndPooledRowsMatchOnEveryRow) {
    NEED_SHARED("reference/bert");
    for (const RecordedReading& one : recorded()) test::expect_recorded_rows(one);
}

TEST(Bert, EqualBitsWithAnyThreadsAndInABatch) {
    NEED_SHARED("reference/bert");
    for (const RecordedReading& one : recorded()) test::expect_equal_rows(one);
}

TEST(Bert, ThePairsScoreIsTheRecordedOne) {
    NEED_SHARED("reference/bert");
    const auto theirs = test::read_floats(file("bert-rank", ".embedding.f32"));
    ASSERT_EQ(theirs.size(), 1u);
    for (RunOptions options : test::every_row()) {
        options.context = 128;
        const auto engine = test::open_engine(file("bert-rank", ".gguf"), options);
        ASSERT_TRUE(engine);
        EXPECT_EQ(engine->model().scores, 1);
        const auto reading = test::read_texts(*engine, {test::read_ids(file("bert-rank", ".tokens.txt"))},
                                              RowKind::scores, Pooling::first)[0];
        ASSERT_EQ(reading.embedding.size(), 1u) << reading.error;
        EXPECT_NEAR(reading.embedding[0], theirs[0], 3e-3) << test::describe(options);
    }
}

TEST(Bert, WhatSuchModelsCannotDoIsSaid) {
    NEED_SHARED("reference/bert");
    const auto engine = test::open_engine(file("bert-cls", ".gguf"), {.context = 0});
    ASSERT_TRUE(engine);
    EXPECT_EQ(engine->plan().context_tokens, 128);  // its positions, though more would fit
    EXPECT_FALSE(engine->model().generates);
    EXPECT_FALSE(engine->model().is_causal);
    Request request;
    request.tokens = {101, 5, 102};
    const auto refused = engine->submit(std::move(request), [](const Event&) {});
    ASSERT_FALSE(refused);
    test::expect_words(refused.error().line(), {"bert", "write none", "hearth embed"});

    const std::vector<int32_t> long_text(129, 7), fitting(128, 7);
    auto readings = test::read_texts(*engine, {long_text, fitting, {}}, RowKind::hidden, Pooling::mean);
    test::expect_words(readings[0].error, {"129", "128"});
    EXPECT_EQ(readings[1].error, "");
    test::expect_words(readings[2].error, {"no tokens"});
    readings = test::read_texts(*engine, {{5}}, RowKind::scores, Pooling::first);
    test::expect_words(readings[0].error, {"no classification head"});
    readings = test::read_texts(*engine, {{5}}, RowKind::logits, Pooling::last);
    test::expect_words(readings[0].error, {"no output matrix"});

    EngineOptions options;
    options.context_tokens = 129;
    const auto opened = Engine::open(file("bert-cls", ".gguf"), options);
    ASSERT_FALSE(opened);
    test::expect_words(opened.error().line(), {"129", "128"});
}

TEST(Bert, ThePlanIsWhatIsTaken) {
    NEED_SHARED("reference/bert");
    for (const RecordedReading& one : recorded()) {
        const auto engine = test::open_engine(one.path + ".gguf", {.context = 100, .sequences = 4});
        ASSERT_TRUE(engine);
        const MemoryPlan plan = engine->plan(), taken = engine->taken();
        EXPECT_EQ(plan.weights, taken.weights) << one.name;
        EXPECT_EQ(plan.kv, taken.kv) << one.name;
        EXPECT_EQ(plan.scratch, taken.scratch) << one.name;
        // Texts are read in one pass and closed: room for one pass, shared by all layers, and a page a text.
        const int64_t width = engine->model().hidden;
        EXPECT_EQ(plan.kv, (2 + 4) * kPageTokens * 2 * width * int64_t(sizeof(float))) << one.name;
    }
}

TEST(Bert, EveryTensorIsChecked) {
    NEED_SHARED("reference/bert");
    const std::vector<std::string> optional{"cls.weight", "cls.output.weight"};
    test::expect_every_tensor_is_checked(file("bert-rank", ".gguf"), optional);
    test::expect_every_tensor_is_checked(file("nomic-a", ".gguf"), {});
}

TEST(Bert, AbsurdNumbersAreSurvived) {
    NEED_SHARED("reference/bert");
    test::expect_absurd_numbers_are_survived(file("bert-rank", ".gguf"));
    test::expect_absurd_numbers_are_survived(file("nomic-a", ".gguf"));
}

}  // namespace
}  // namespace hearth
