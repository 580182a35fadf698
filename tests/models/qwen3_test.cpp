// Qwen 2, Qwen 3 with and without experts, and Qwen3-VL as far as text goes.
#include "models/family_gates.h"

namespace hearth {
namespace {

const test::FamilyGates kQwen2{.folder = "qwen2",
                               .float_files = {"qwen2-a"},
                               .quantised_files = {"qwen2-b-q4km"},
                               .equal_bits = {"qwen2-a", "qwen2-b-q4km"}};
const test::FamilyGates kQwen3{.folder = "qwen3",
                               .float_files = {"qwen3-a", "qwen3-yarn", "qwen3vl-a"},
                               .quantised_files = {"qwen3-b-q4km"},
                               .equal_bits = {"qwen3vl-a", "qwen3-b-q4km"}};
const test::FamilyGates kQwen3Moe{.folder = "qwen3moe",
                                  .float_files = {"qwen3moe-a"},
                                  .quantised_files = {"qwen3moe-b-q4km"},
                                  .equal_bits = {"qwen3moe-a", "qwen3moe-b-q4km"}};

FAMILY_TESTS(Qwen2, kQwen2)
FAMILY_TESTS(Qwen3, kQwen3)
FAMILY_TESTS(Qwen3Moe, kQwen3Moe)

TEST(Qwen2, FilesThatLie) {
    NEED_SHARED("reference/qwen2");
    test::expect_every_tensor_is_checked(kQwen2.file("qwen2-a", ".gguf"), {});
    test::expect_absurd_numbers_are_survived(kQwen2.file("qwen2-a", ".gguf"));
}

TEST(Qwen3, FilesThatLie) {
    NEED_SHARED("reference/qwen3");
    test::expect_every_tensor_is_checked(kQwen3.file("qwen3-a", ".gguf"), {});
    test::expect_absurd_numbers_are_survived(kQwen3.file("qwen3-yarn", ".gguf"));
    test::expect_absurd_numbers_are_survived(kQwen3.file("qwen3vl-a", ".gguf"));
    test::EditedFile file(kQwen3.file("qwen3vl-a", ".gguf"));
    file.drop_key("qwen3vl.rope.dimension_sections");
    test::expect_words(test::load_report(file), {"rope.dimension_sections is missing"});
}

TEST(Qwen3Moe, FilesThatLie) {
    NEED_SHARED("reference/qwen3moe");
    test::expect_every_tensor_is_checked(kQwen3Moe.file("qwen3moe-a", ".gguf"), {"output.weight"});
    test::expect_absurd_numbers_are_survived(kQwen3Moe.file("qwen3moe-a", ".gguf"));
}

}  // namespace
}  // namespace hearth
