// Llama 4: chunks, layers without positions, experts that weight their input.
#include "models/family_gates.h"

namespace hearth {
namespace {

const test::FamilyGates kLlama4{
    .folder = "llama4", .float_files = {"llama4-a"}, .quantised_files = {}, .equal_bits = {"llama4-a"}};

FAMILY_TESTS(Llama4, kLlama4)

TEST(Llama4, FilesThatLie) {
    NEED_SHARED("reference/llama4");
    const std::string path = kLlama4.file("llama4-a", ".gguf");
    test::expect_every_tensor_is_checked(path, {"output.weight", "rope_freqs.weight"});
    test::expect_absurd_numbers_are_survived(path);
}

// Beyond the first chunk of 8192 positions: pages of the chunked layers have been given back by then, and queries of
// the others grow. However the text is cut, the bits are the same.
TEST(Llama4, EqualBitsBeyondTheFirstChunk) {
    NEED_SHARED("reference/llama4");
    std::vector<int32_t> ids;
    for (int i = 0; i < 8300; ++i) ids.push_back(i * 37 % 311);
    test::ModelRun run(kLlama4.file("llama4-a", ".gguf"), {.kv = KvType::f16, .context = 8448});
    ASSERT_TRUE(run.is_ready());
    const auto whole = run.logits(ids, {512}), cut = run.logits(ids, {300, 500, 41});
    EXPECT_TRUE(test::same_bits(whole, cut));
}

}  // namespace
}  // namespace hearth
