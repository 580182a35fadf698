// Nemotron-H against recorded logits: dense, with experts, with latent experts; and what a hybrid file can get wrong.
#include "models/family_gates.h"

namespace hearth {
namespace {

using test::EditedFile;
using test::expect_words;
using test::load_report;

const test::FamilyGates kNemotron{.folder = "nemotron",
                                  .float_files = {"nemotron_h", "nemotron_h_moe", "nemotron_h_moe_latent"},
                                  .quantised_files = {"nemotron_h_q4km", "nemotron_h_q4km_narrow", "nemotron_h_moe_q8"},
                                  .equal_bits = {"nemotron_h_moe_latent", "nemotron_h_q4km", "nemotron_h_moe_q8"}};

FAMILY_TESTS(NemotronH, kNemotron)

EditedFile edited(const std::string& name = "nemotron_h") {
    return EditedFile(kNemotron.file(name, ".gguf"));
}

TEST(NemotronH, EveryTensorIsNamedWhenItIsMissingOrMisshapen) {
    NEED_SHARED("reference/nemotron");
    test::expect_every_tensor_is_checked(kNemotron.file("nemotron_h", ".gguf"), {"output.weight"});
    test::expect_every_tensor_is_checked(kNemotron.file("nemotron_h_moe_latent", ".gguf"), {"output.weight"});
}

TEST(NemotronH, AbsurdNumbersAreSurvived) {
    NEED_SHARED("reference/nemotron");
    test::expect_absurd_numbers_are_survived(kNemotron.file("nemotron_h", ".gguf"));
    test::expect_absurd_numbers_are_survived(kNemotron.file("nemotron_h_moe", ".gguf"));
}

TEST(NemotronH, ListsThatDoNotFitAreNamed) {
    NEED_SHARED("reference/nemotron");
    const std::vector<int32_t> short_list{0, 224}, negative{0, 224, 0, 0, -224, 0, 0, 224, 0},
        odd{0, 0, 0, 0, 0, 0, 3, 0, 0};
    expect_words(load_report(edited().set("nemotron_h.feed_forward_length", MetadataValue::of(short_list))),
                 {"feed_forward_length has 2 entries, expected 9"});
    expect_words(load_report(edited().set("nemotron_h.feed_forward_length", MetadataValue::of(negative))),
                 {"feed_forward_length has the entry -224, expected 0 to"});
    expect_words(load_report(edited().set("nemotron_h.attention.head_count_kv", MetadataValue::of(odd))),
                 {"head_count is 10", "3"});
    expect_words(load_report(edited().drop_key("nemotron_h.attention.head_count_kv")), {"head_count_kv", "missing"});
}

// A list that calls a Mamba block an attention block makes its tensors missing ones.
TEST(NemotronH, KindsOfBlocksComeFromTheLists) {
    NEED_SHARED("reference/nemotron");
    const std::vector<int32_t> other{2, 0, 0, 0, 0, 0, 2, 0, 0};
    expect_words(load_report(edited().set("nemotron_h.attention.head_count_kv", MetadataValue::of(other))),
                 {"blk.0.attn_q.weight is missing", "blk.0.attn_output.weight is missing"});
}

TEST(NemotronH, HeadsAndGroupsMustDivide) {
    NEED_SHARED("reference/nemotron");
    expect_words(load_report(edited().set_integer("nemotron_h.ssm.time_step_rank", 7)),
                 {"ssm.inner_size is no multiple of ssm.time_step_rank", "multiple of ssm.group_count"});
    expect_words(load_report(edited().set_integer("nemotron_h.ssm.group_count", 3)), {"ssm.group_count"});
    expect_words(load_report(edited().set_integer("nemotron_h.attention.value_length", 16)),
                 {"value_length differs from", "key_length"});
    expect_words(load_report(edited("nemotron_h_moe").set_integer("nemotron_h_moe.expert_used_count", 11)),
                 {"expert_used_count is 11, expected 1 to 10"});
    expect_words(load_report(edited("nemotron_h_moe").set_integer("nemotron_h_moe.expert_group_count", 3)),
                 {"expert_count is no multiple of expert_group_count"});
    // Two groups of five, one of them used: six experts cannot be had.
    expect_words(load_report(edited("nemotron_h_moe")
                                 .set_integer("nemotron_h_moe.expert_group_count", 2)
                                 .set_integer("nemotron_h_moe.expert_used_count", 6)),
                 {"expert_used_count is more than"});
}

std::vector<float> logits_of(const std::string& path, const std::vector<int32_t>& ids) {
    test::ModelRun run(path, {.device = "reference"});
    return run.is_ready() ? run.logits(ids, {512}) : std::vector<float>();
}

// Other converters join q, k and v, and add biases: a joined matrix gives the same bits, zero biases too, and a bias
// that is not zero does something.
TEST(NemotronH, JoinedMatricesAndBiasesAreAccepted) {
    NEED_SHARED("reference/nemotron");
    const auto ids = kNemotron.all_ids("nemotron_h");
    const auto expected = logits_of(kNemotron.file("nemotron_h", ".gguf"), ids);
    const std::string blk = "blk.6.";
    EditedFile joined = edited();
    joined.join_rows({blk + "attn_q.weight", blk + "attn_k.weight", blk + "attn_v.weight"}, blk + "attn_qkv.weight");
    EXPECT_TRUE(test::same_bits(expected, logits_of(joined.write("joined.gguf"), ids)));

    EditedFile biased = edited();
    biased.add_floats(blk + "attn_q.bias", std::vector<float>(320, 0))
        .add_floats("blk.1.ffn_up.bias", std::vector<float>(224, 0));
    EXPECT_TRUE(test::same_bits(expected, logits_of(biased.write("biased.gguf"), ids)));
    biased.add_floats("blk.1.ffn_up.bias", std::vector<float>(224, 0.5f));
    EXPECT_GT(test::relative_rms(logits_of(biased.write("biased.gguf"), ids), expected), 1e-3);
}

// The whole router: without its bias other experts are chosen, and the scale of 2.5 is not lost.
TEST(NemotronH, ChoiceBiasAndScaleMatter) {
    NEED_SHARED("reference/nemotron");
    const auto ids = kNemotron.all_ids("nemotron_h_moe");
    const auto expected = logits_of(kNemotron.file("nemotron_h_moe", ".gguf"), ids);
    EditedFile unbiased = edited("nemotron_h_moe"), unscaled = edited("nemotron_h_moe");
    for (const int block : {1, 4, 6})
        unbiased.add_floats(fmt::format("blk.{}.exp_probs_b.bias", block), std::vector<float>(10, 0));
    EXPECT_GT(test::relative_rms(logits_of(unbiased.write("unbiased.gguf"), ids), expected), 1e-3);
    unscaled.set("nemotron_h_moe.expert_weights_scale", MetadataValue::of(1.0f));
    EXPECT_GT(test::relative_rms(logits_of(unscaled.write("unscaled.gguf"), ids), expected), 1e-3);
}

}  // namespace
}  // namespace hearth
