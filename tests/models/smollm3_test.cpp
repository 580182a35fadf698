// SmolLM3: the layers without positions, and the others.
#include "models/family_gates.h"

namespace hearth {
namespace {

const test::FamilyGates kSmolLm3{
    .folder = "smollm3", .float_files = {"smollm3-a"}, .quantised_files = {}, .equal_bits = {"smollm3-a"}};

FAMILY_TESTS(SmolLm3, kSmolLm3)

TEST(SmolLm3, FilesThatLie) {
    NEED_SHARED("reference/smollm3");
    test::expect_every_tensor_is_checked(kSmolLm3.file("smollm3-a", ".gguf"), {});
    test::expect_absurd_numbers_are_survived(kSmolLm3.file("smollm3-a", ".gguf"));
}

}  // namespace
}  // namespace hearth
