// Qwen 3.5 against recorded logits (docs in the shared folder's facts), and the promise of equal bits.
#include "models/family_gates.h"

namespace hearth {
namespace {

const test::FamilyGates kQwen35{.folder = "qwen35",
                                .float_files = {"dense_r1", "dense_r2", "moe", "mtp", "yarn"},
                                .quantised_files = {"q4_k_m", "q8_0"},
                                .equal_bits = {"dense_r2", "moe", "q4_k_m", "q8_0"}};

FAMILY_TESTS(Qwen35, kQwen35)

}  // namespace
}  // namespace hearth
