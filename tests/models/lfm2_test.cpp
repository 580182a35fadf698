// LFM2 against recorded logits; its form with experts against the dense one.
#include "models/family_gates.h"

namespace hearth {
namespace {

using test::EditedFile;
using test::expect_words;
using test::load_report;

const test::FamilyGates kLfm2{.folder = "lfm2",
                              .float_files = {"lfm2-a"},
                              .quantised_files = {"lfm2-b-q4km"},
                              .equal_bits = {"lfm2-a", "lfm2-b-q4km"}};

FAMILY_TESTS(Lfm2, kLfm2)

EditedFile edited() {
    return EditedFile(kLfm2.file("lfm2-a", ".gguf"));
}

std::vector<float> logits_of(const EditedFile& file, test::RunOptions options = {.device = "reference"}) {
    test::ModelRun run(file.write("lfm2_edited.gguf"), options);
    return run.is_ready() ? run.logits(kLfm2.all_ids("lfm2-a"), {512}) : std::vector<float>();
}

TEST(Lfm2, EveryTensorIsNamedWhenItIsMissingOrMisshapen) {
    NEED_SHARED("reference/lfm2");
    test::expect_every_tensor_is_checked(kLfm2.file("lfm2-a", ".gguf"), {});
}

TEST(Lfm2, AbsurdNumbersAreSurvived) {
    NEED_SHARED("reference/lfm2");
    test::expect_absurd_numbers_are_survived(kLfm2.file("lfm2-a", ".gguf"));
}

TEST(Lfm2, OtherSpellingsOfTheSameModel) {
    NEED_SHARED("reference/lfm2");
    const auto expected = logits_of(edited());
    EXPECT_TRUE(test::same_bits(expected, logits_of(edited().rename("token_embd_norm.weight", "output_norm.weight"))));
    EXPECT_TRUE(test::same_bits(expected, logits_of(edited().set_integer("lfm2.rope.dimension_count", 32))));
}

TEST(Lfm2, WhatItCannotDoIsRefused) {
    NEED_SHARED("reference/lfm2");
    expect_words(load_report(edited().set("lfm2.attention.causal", MetadataValue::of(false))),
                 {"attention.causal is false", "bidirectional"});
    const std::vector<int32_t> odd{0, 0, 3, 0, 2};
    expect_words(load_report(edited().set("lfm2.attention.head_count_kv", MetadataValue::of(odd))),
                 {"head_count is 4", "3"});
    expect_words(load_report(edited().set_integer("lfm2.shortconv.l_cache", 4)), {"shortconv.conv.weight is 128 x 3"});
}

// A window shorter than the text changes the logits, equally however the text is cut; a longer one changes nothing.
TEST(Lfm2, SlidingWindow) {
    NEED_SHARED("reference/lfm2");
    const auto expected = logits_of(edited());
    EXPECT_TRUE(test::same_bits(expected, logits_of(edited().set_integer("lfm2.attention.sliding_window", 400))));
    const EditedFile narrow = edited().set_integer("lfm2.attention.sliding_window", 9);
    const auto ids = kLfm2.all_ids("lfm2-a");
    for (const char* device : {"reference", "cpu"}) {
        test::ModelRun run(narrow.write("lfm2_window.gguf"), {.device = device});
        ASSERT_TRUE(run.is_ready());
        const auto whole = run.logits(ids, {512});
        EXPECT_GT(test::relative_rms(whole, expected), 1e-3) << device;
        // The first nine tokens see all there is.
        const size_t seen = 9 * size_t(run.vocabulary());
        EXPECT_LE(test::relative_rms(std::span(whole).first(seen), std::span(expected).first(seen)), 1e-5) << device;
        EXPECT_TRUE(test::same_bits(whole, run.logits(ids, {1}))) << device;
        EXPECT_TRUE(test::same_bits(whole, run.logits(ids, {5, 30, 1}))) << device;
    }
}

// Four copies of the dense feed-forward are a mixture whose choice does not matter: with weights that sum to one the
// logits are the dense model's, up to rounding. A scale is then the only thing that shows.
TEST(Lfm2, ExpertsOfOneMindAreTheDenseModel) {
    NEED_SHARED("reference/lfm2");
    const int64_t experts = 4, hidden = 128, width = 128;
    EditedFile file = edited();
    for (int block = 1; block < 5; ++block) {
        const std::string blk = fmt::format("blk.{}.", block);
        for (const char* part : {"gate", "up", "down"})
            file.repeat(blk + "ffn_" + part + ".weight", experts, blk + "ffn_" + part + "_exps.weight");
        std::vector<float> router, bias;
        for (int64_t i = 0; i < experts * hidden; ++i) router.push_back(float(i * 7919 % 101 - 50) / 1000);
        for (int64_t i = 0; i < experts; ++i) bias.push_back(float(i) / 10);
        file.reshape(blk + "ffn_gate_inp.weight", {experts, hidden}).fill(blk + "ffn_gate_inp.weight", router);
        file.add_floats(blk + "exp_probs_b.bias", bias);
    }
    file.rename_architecture("lfm2", "lfm2moe");
    file.set_integer("lfm2moe.expert_count", experts).set_integer("lfm2moe.expert_used_count", 2);
    file.set_integer("lfm2moe.expert_feed_forward_length", width);
    file.set_integer("lfm2moe.leading_dense_block_count", 1).set_integer("lfm2moe.expert_gating_func", 2);
    const auto expected = logits_of(edited());
    for (const char* device : {"reference", "cpu"})
        EXPECT_LE(test::relative_rms(logits_of(file, {.device = device}), expected), 2e-5) << device;
    file.set("lfm2moe.expert_weights_scale", MetadataValue::of(2.0f));
    EXPECT_GT(test::relative_rms(logits_of(file), expected), 1e-2);
    file.set_integer("lfm2moe.expert_gating_func", 1);
    expect_words(load_report(file), {"expert_gating_func", "sigmoid"});
}

}  // namespace
}  // namespace hearth
