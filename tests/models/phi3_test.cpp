// Phi-3 and Phi-4: two tables of divisors, fused matrices.
#include "models/family_gates.h"

namespace hearth {
namespace {

const test::FamilyGates kPhi3{.folder = "phi3",
                              .float_files = {"phi4mini-long", "phi4mini-short"},
                              .quantised_files = {"phi4mini-b-q4km"},
                              .equal_bits = {"phi4mini-long", "phi4mini-b-q4km"}};

FAMILY_TESTS(Phi3, kPhi3)

TEST(Phi3, FilesThatLie) {
    NEED_SHARED("reference/phi3");
    const std::string path = kPhi3.file("phi4mini-long", ".gguf");
    test::expect_every_tensor_is_checked(path, {});
    test::expect_absurd_numbers_are_survived(path);
    test::EditedFile file(path);
    file.drop("rope_factors_short.weight").drop("rope_factors_long.weight");
    EXPECT_EQ(test::load_report(file), "");  // Phi-4 has neither
}

// The table goes by the context that was asked for, so that what is cached stays true: 64 tokens is the recorded
// model's original context.
TEST(Phi3, TheContextChoosesTheTable) {
    NEED_SHARED("reference/phi3");
    const auto ids = test::read_ids(kPhi3.file("phi4mini-long", ".tokens.txt"));
    const auto recorded = test::read_floats(kPhi3.file("phi4mini-long", ".prompt_logits.f32"));
    ASSERT_EQ(ids.size(), 64u);
    for (const int64_t context : {64, 65}) {
        test::ModelRun run(kPhi3.file("phi4mini-long", ".gguf"), {.context = context});
        ASSERT_TRUE(run.is_ready());
        const double distance = test::relative_rms(run.logits(ids, {32}), recorded);
        if (context > 64)
            EXPECT_LE(distance, kPhi3.bound);
        else
            EXPECT_GT(distance, 0.01);  // the short table
    }
}

}  // namespace
}  // namespace hearth
