// Qwen3-Embedding and Qwen3-Reranker: the last token stands for the text.
#include "models/embedding_run.h"

namespace hearth {
namespace {

using test::RecordedReading;
using test::RunOptions;

std::string file(const std::string& name, const std::string& suffix = "") {
    return test::shared_path("reference/qwen3-embedding/" + name + suffix);
}

TEST(Qwen3Embedding, RowsAndPooledRowsMatchOnEveryRow) {
    NEED_SHARED("reference/qwen3-embedding");
    test::expect_recorded_rows({"qwen3-embed", file("qwen3-embed"), Pooling::last, 2e-5});
    test::expect_recorded_rows({"qwen3-rank", file("qwen3-rank"), Pooling::last, 2e-5});
}

TEST(Qwen3Embedding, EqualBitsWithAnyThreadsAndInABatch) {
    NEED_SHARED("reference/qwen3-embedding");
    test::expect_equal_rows({"qwen3-embed", file("qwen3-embed"), Pooling::last, 2e-5});
}

TEST(Qwen3Embedding, ThePairsSharesOfYesAndNoAreTheRecordedOnes) {
    NEED_SHARED("reference/qwen3-embedding");
    const auto theirs = test::read_floats(file("qwen3-rank", ".embedding.f32"));
    ASSERT_EQ(theirs.size(), 2u);
    for (RunOptions options : test::every_row()) {
        options.context = 128;
        const auto engine = test::open_engine(file("qwen3-rank", ".gguf"), options);
        ASSERT_TRUE(engine);
        const auto ids = test::read_ids(file("qwen3-rank", ".tokens.txt"));
        const auto reading = test::read_texts(*engine, {ids}, RowKind::scores, Pooling::last)[0];
        ASSERT_EQ(reading.embedding.size(), 2u) << reading.error;
        for (size_t i = 0; i < 2; ++i) EXPECT_NEAR(reading.embedding[i], theirs[i], 2e-5) << test::describe(options);
        EXPECT_NEAR(reading.embedding[0] + reading.embedding[1], 1, 1e-6);
    }
}

TEST(Qwen3Embedding, EveryTensorIsChecked) {
    NEED_SHARED("reference/qwen3-embedding");
    test::expect_every_tensor_is_checked(file("qwen3-rank", ".gguf"), {"cls.output.weight"});
}

}  // namespace
}  // namespace hearth
