// gpt-oss: sinks, windows, biases, clamped experts, in F32 and with experts in MXFP4.
#include "models/family_gates.h"

namespace hearth {
namespace {

const test::FamilyGates kGptOss{.folder = "gpt-oss",
                                .float_files = {"gpt-oss-a"},
                                .quantised_files = {"gpt-oss-b-mxfp4moe"},
                                .equal_bits = {"gpt-oss-a", "gpt-oss-b-mxfp4moe"}};

FAMILY_TESTS(GptOss, kGptOss)

TEST(GptOss, FilesThatLie) {
    NEED_SHARED("reference/gpt-oss");
    const std::string path = kGptOss.file("gpt-oss-a", ".gguf");
    test::expect_every_tensor_is_checked(path, {"output.weight"});
    test::expect_absurd_numbers_are_survived(path);
    test::EditedFile file(path);
    file.set("gpt-oss.attention.sliding_window_pattern", MetadataValue::of(std::vector<int32_t>{1, 0, 1}));
    test::expect_words(test::load_report(file), {"attention.sliding_window_pattern is shorter than the model"});
}

// A period, or a flag per layer, say the same as nothing at all.
TEST(GptOss, TheWindowsPattern) {
    NEED_SHARED("reference/gpt-oss");
    const std::string path = kGptOss.file("gpt-oss-a", ".gguf"), key = "gpt-oss.attention.sliding_window_pattern";
    test::EditedFile period(path), listed(path), none(path);
    period.set_integer(key, 2);
    listed.set(key, MetadataValue::of(std::vector<int32_t>{1, 0, 1, 0}));
    none.set_integer(key, 1);
    const auto ids = kGptOss.all_ids("gpt-oss-a");
    const auto logits = [&](const std::string& file) { return test::ModelRun(file, {}).logits(ids, {512}); };
    const auto plain = logits(path);
    EXPECT_TRUE(test::same_bits(plain, logits(period.write("period.gguf"))));
    EXPECT_TRUE(test::same_bits(plain, logits(listed.write("listed.gguf"))));
    EXPECT_GT(test::relative_rms(logits(none.write("none.gguf")), plain), 1e-3);
}

}  // namespace
}  // namespace hearth
