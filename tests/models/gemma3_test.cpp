// Gemma 3 and EmbeddingGemma against recorded logits and vectors.
#include "models/embedding_run.h"
#include "models/family_gates.h"

namespace hearth {
namespace {

// GELU: the recorded runs look it up in a table of half-precision values, which is worth 4e-4 here.
const test::FamilyGates kGemma3{.folder = "gemma3",
                                .float_files = {"g3-1b", "g3-4b"},
                                .quantised_files = {"g3-q-Q4_K_M", "g3-1b-Q8_0"},
                                .equal_bits = {"g3-1b", "g3-4b", "g3-q-Q4_K_M"},
                                .bound = 5e-4};

FAMILY_TESTS(Gemma3, kGemma3)

TEST(Gemma3, FilesThatLie) {
    NEED_SHARED("reference/gemma3");
    test::expect_every_tensor_is_checked(kGemma3.file("g3-4b", ".gguf"), {});
    test::expect_absurd_numbers_are_survived(kGemma3.file("g3-4b", ".gguf"));
}

// The file with dense matrices was recorded with them behind every token's row.
std::vector<test::RecordedReading> readings() {
    std::vector<test::RecordedReading> list;
    for (const std::string name : {"g3-emb", "g3-emb-dense"})
        list.push_back({.name = name,
                        .path = kGemma3.file(name, ""),
                        .pooling = Pooling::mean,
                        .bound = kGemma3.bound,
                        .rows = ".token_emb.f32",
                        .pooled = ".pooled.f32"});
    return list;
}

TEST(EmbeddingGemma, RowsAndVectorsMatchOnEveryRow) {
    NEED_SHARED("reference/gemma3");
    for (const auto& reading : readings()) test::expect_recorded_rows(reading);
}

TEST(EmbeddingGemma, EqualBitsInAnyCompany) {
    NEED_SHARED("reference/gemma3");
    for (const auto& reading : readings()) test::expect_equal_rows(reading);
}

TEST(EmbeddingGemma, FilesThatLie) {
    NEED_SHARED("reference/gemma3");
    test::expect_every_tensor_is_checked(kGemma3.file("g3-emb-dense", ".gguf"), {});
    test::expect_absurd_numbers_are_survived(kGemma3.file("g3-emb-dense", ".gguf"));
}

}  // namespace
}  // namespace hearth
