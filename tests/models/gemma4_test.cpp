// Gemma 4 against recorded logits, and what is its own: layers that share keys and values, windows that move on, a
// second embedding table, experts with factors, media rows.
#include "models/family_gates.h"

namespace hearth {
namespace {

// GELU: the recorded runs look it up in a table of half-precision values, which is worth up to 9e-4 here.
const test::FamilyGates kGemma4{.folder = "gemma4",
                                .float_files = {"g4-e2b", "g4-31b", "g4-26b"},
                                .quantised_files = {"g4-q-Q4_K_M", "g4-26b-Q8_0"},
                                .equal_bits = {"g4-e2b", "g4-26b", "g4-q-Q4_K_M"},
                                .bound = 1e-3};

FAMILY_TESTS(Gemma4, kGemma4)

}  // namespace
}  // namespace hearth
