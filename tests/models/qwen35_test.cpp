// Qwen 3.5 against recorded logits (docs in the shared folder's facts), and the promise of equal bits.
#include "models/family_gates.h"

namespace hearth {
namespace {

const test::FamilyGates kQwen35{.folder = "qwen35",
                                .float_files = {"dense_r1", "dense_r2", "moe", "mtp", "yarn"},
                                .quantised_files = {"q4_k_m", "q8_0"},
                                .equal_bits = {"dense_r2", "moe", "q4_k_m", "q8_0"}};

FAMILY_TESTS(Qwen35, kQwen35)

// Ollama's converter says so when it left the value heads in their published order; that is another model. With as many
// key heads both orders are the same.
TEST(Qwen35, ValueHeadsGroupedByKeyHeadAreRefused) {
    NEED_SHARED("reference/qwen35");
    const auto report = [](const std::string& name, bool reordered) {
        test::EditedFile file(kQwen35.file(name, ".gguf"));
        return test::load_report(file.set("qwen35.ssm.v_head_reordered", MetadataValue::of(reordered)));
    };
    test::expect_words(report("dense_r2", false), {"ssm.v_head_reordered is false"});
    EXPECT_EQ(report("dense_r2", true), "");
    EXPECT_EQ(report("dense_r1", false), "");
}

}  // namespace
}  // namespace hearth
