// What people learn of a file that does not fit: everything that is wrong with it, in one line, with what was expected.
#include "models/source.h"

#include <limits>

#include "backends/reference/reference_ops.h"
#include "models/family_gates.h"
#include "models/registry.h"

namespace hearth {
namespace {

using test::EditedFile;
using test::expect_words;

class SourceTest : public testing::Test {
protected:
    void SetUp() override { NEED_SHARED("reference/qwen35/moe.gguf"); }
    static EditedFile edited(const std::string& name = "dense_r1") {
        return EditedFile(test::shared_path("reference/qwen35/" + name + ".gguf"));
    }
    static std::string report(const EditedFile& file, bool planning = true) {
        return test::load_report(file, planning);
    }
};

TEST_F(SourceTest, AnUneditedFileLoads) {
    for (const char* name : {"dense_r1", "dense_r2", "moe", "mtp", "yarn", "q4_k_m", "q8_0"})
        EXPECT_EQ(report(edited(name)), "") << name;
}

TEST_F(SourceTest, AllMissingTensorsAreNamedWithTheirShapes) {
    EditedFile file = edited();
    file.drop("blk.0.ffn_up.weight").drop("blk.3.attn_k.weight").drop("output_norm.weight").drop("blk.6.ssm_a");
    expect_words(report(file), {"blk.0.ffn_up.weight is missing (32 x 64)", "blk.3.attn_k.weight is missing (64 x 64)",
                                "output_norm.weight is missing (64)", "blk.6.ssm_a is missing (2)"});
}

TEST_F(SourceTest, AllWrongShapesAreNamedWithBothShapes) {
    EditedFile file = edited();
    file.reshape("blk.0.ffn_gate.weight", {16, 64}).reshape("blk.7.attn_q_norm.weight", {32});
    file.reshape("blk.3.attn_v.weight", {64, 2, 32}).drop("blk.5.ssm_dt.bias");
    expect_words(report(file),
                 {"blk.0.ffn_gate.weight is 16 x 64, expected 32 x 64", "blk.7.attn_q_norm.weight is 32, expected 64",
                  "blk.3.attn_v.weight is 64 x 2 x 32", "blk.5.ssm_dt is missing"});
}

TEST_F(SourceTest, ExpertsAreCheckedToo) {
    EditedFile file = edited("moe");
    file.drop("blk.0.ffn_gate_inp.weight").drop("blk.1.ffn_down_exps.weight").drop("blk.1.ffn_up_shexp.weight");
    expect_words(report(file), {"blk.0.ffn_gate_inp.weight is missing", "blk.1.ffn_down_exps.weight is missing",
                                "blk.1.ffn_up_shexp.weight is missing"});
}

TEST_F(SourceTest, ALongListIsCutAndSaysSo) {
    EditedFile file = edited();
    int dropped = 0;
    for (const std::string& name : file.tensor_names())
        if (name.starts_with("blk.") && dropped < 50) file.drop(name), ++dropped;
    const std::string line = report(file);
    expect_words(line, {"blk.0.attn_qkv.weight", "and 30 more"});
    EXPECT_LT(line.size(), 2000u);
}

TEST_F(SourceTest, AllWrongKeysAreNamed) {
    EditedFile file = edited();
    file.drop_key("qwen35.embedding_length").set_integer("qwen35.attention.head_count", 0);
    file.set_text("qwen35.ssm.state_size", "many").set_integer("qwen35.ssm.conv_kernel", 65);
    file.set("qwen35.attention.layer_norm_rms_epsilon", MetadataValue::of(std::numeric_limits<float>::quiet_NaN()));
    file.set_text("qwen35.rope.scaling.type", "spiral").set_integer("qwen35.rope.dimension_count", 7);
    expect_words(report(file),
                 {"does not fit qwen35", "qwen35.embedding_length is missing",
                  "qwen35.attention.head_count is 0, expected 1 to", "qwen35.ssm.state_size is missing or no integer",
                  "qwen35.ssm.conv_kernel is 65, expected 1 to 64", "epsilon is not a finite number",
                  "\"spiral\", expected none, linear, yarn or longrope", "rope.dimension_count is odd"});
}

TEST_F(SourceTest, KeysThatContradictEachOtherAreNamed) {
    EditedFile file = edited();
    file.set_integer("qwen35.ssm.inner_size", 65).set_integer("qwen35.attention.value_length", 32);
    file.set_integer("qwen35.nextn_predict_layers", 8).set_integer("qwen35.ssm.group_count", 3);
    expect_words(report(file), {"ssm.inner_size is not ssm.time_step_rank x ssm.state_size",
                                "attention.value_length differs from attention.key_length",
                                "nextn_predict_layers leaves no layer", "no multiple of ssm.group_count"});
    EditedFile moe = edited("moe");
    moe.set_integer("qwen35moe.expert_used_count", 1000);
    expect_words(report(moe), {"qwen35moe.expert_used_count is 1000, expected 1 to"});
    EditedFile list = edited();
    list.set("qwen35.attention.recurrent_layers", MetadataValue::of(std::vector<int32_t>{1, 1, 1}));
    expect_words(report(list), {"attention.recurrent_layers is shorter than the model"});
}

TEST_F(SourceTest, ATypeThatIsNoWeightIsNamed) {
    EditedFile file = edited();
    file.reshape("blk.1.ffn_up.weight", {32, 64}, DType::i32).reshape("blk.2.ffn_up.weight", {32, 64}, DType::i16);
    expect_words(report(file), {"blk.1.ffn_up.weight has type i32", "blk.2.ffn_up.weight has type i16"});
}

// Norms and biases may lie in any type that has values.
TEST_F(SourceTest, ASmallTensorOfAnotherTypeIsDecoded) {
    EditedFile file = edited();
    file.reshape("blk.1.attn_norm.weight", {64}, DType::q8_0).reshape("output_norm.weight", {1, 64}, DType::bf16);
    EXPECT_EQ(report(file, false), "");
}

TEST_F(SourceTest, AnUnknownArchitectureIsToldWhatIsKnown) {
    EditedFile file = edited();
    file.set_text("general.architecture", "elephant\x1b[2J");
    expect_words(report(file), {"unknown architecture \"elephant", "qwen35", "qwen35moe"});
    for (const Family& family : kFamilies)
        EXPECT_NE(known_architectures().find(family.architecture), std::string::npos);
    EditedFile without = edited();
    without.drop_key("general.architecture");
    expect_words(report(without), {"general.architecture"});
    EditedFile endless = edited();
    endless.set_text("general.architecture", std::string(100000, 'x'));
    EXPECT_LT(report(endless).size(), 1000u);
}

TEST_F(SourceTest, AbsurdNumbersAreSurvived) {
    for (const std::string name : {"yarn", "moe"})
        test::expect_absurd_numbers_are_survived(test::shared_path("reference/qwen35/" + name + ".gguf"));
}

TEST_F(SourceTest, AScaleBesideAWeightIsRead) {
    EditedFile file = edited();
    file.add_floats("blk.0.ffn_up.scale", {0.25f});
    const Checkpoint checkpoint = file.open();
    MemoryLedger ledger;
    const auto backend = make_reference_backend(ledger, false);
    Source source(checkpoint, *backend, "qwen35");
    EXPECT_EQ(source.weight("blk.0.ffn_up.weight", 32, 64).scale, 0.25f);
    EXPECT_EQ(source.weight("blk.1.ffn_up.weight", 32, 64).scale, 1.0f);
    EXPECT_TRUE(source.report().has_value());
}

// One factor for a whole stack of experts, or one for each; nothing else.
TEST_F(SourceTest, ScalesBesideExpertsAreRead) {
    EditedFile file = edited("moe");
    const Checkpoint plain = file.open();
    const auto shape = plain.find("blk.0.ffn_down_exps.weight")->shape;
    std::vector<float> factors(size_t(shape[0]), 0.5f);
    factors.back() = 3;
    file.add_floats("blk.0.ffn_down_exps.scale", factors).add_floats("blk.0.ffn_up_exps.scale", {0.25f});
    const Checkpoint checkpoint = file.open();
    MemoryLedger ledger;
    const auto backend = make_reference_backend(ledger, false);
    Source source(checkpoint, *backend, "qwen35moe");
    const auto scales_of = [&](const std::string& name) {
        const auto& stored = checkpoint.find(name)->shape;
        const Weight stack = source.experts(name, stored[0], stored[1], stored[2], 1);
        std::vector<float> scales(size_t(stack.scales.count()));
        if (stack.scales) backend->read(stack.scales, scales.data());
        return scales;
    };
    EXPECT_EQ(scales_of("blk.0.ffn_down_exps.weight"), factors);
    EXPECT_EQ(scales_of("blk.0.ffn_up_exps.weight"), std::vector<float>(factors.size(), 0.25f));
    EXPECT_TRUE(scales_of("blk.0.ffn_gate_exps.weight").empty());
    EXPECT_TRUE(source.report().has_value());

    file.add_floats("blk.0.ffn_gate_exps.scale", {1, 2}).add_floats("blk.0.ffn_up_shexp.scale", {1, 2});
    expect_words(report(file),
                 {"blk.0.ffn_gate_exps.scale is 2, expected 1 or", "blk.0.ffn_up_shexp.scale is 2, expected 1"});
}

TEST_F(SourceTest, CountsWhatOneTokenReads) {
    const Checkpoint checkpoint = edited().open();
    MemoryLedger ledger;
    const auto backend = make_reference_backend(ledger, true);
    Source source(checkpoint, *backend, "qwen35");
    const Weight table = source.weight("token_embd.weight", 288, 64, WeightUse::look_up);
    EXPECT_EQ(source.parameters(), 288 * 64);
    EXPECT_EQ(source.bytes_per_token(), 0);  // one row: nothing to speak of
    source.weight("blk.0.ffn_up.weight", 32, 64);
    EXPECT_EQ(source.bytes_per_token(), 32 * 64 * 4);
    EXPECT_EQ(source.operations_per_token(), 2 * 32 * 64);
    const Weight second = source.weight("blk.1.ffn_up.weight", 32, 64);
    EXPECT_NE(table.id, second.id);
}

}  // namespace
}  // namespace hearth
