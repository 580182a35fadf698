// The choices of types against what is published about real files.
#include "library/mixes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "library/catalogue.h"
#include "library/shapes/shape.h"

namespace hearth {
namespace {

struct Count {
    std::map<DType, int> tensors;
    int64_t bytes = 0;
    std::map<std::string, DType> of;
};

Count count(const char* model, const char* mix_name, bool has_imatrix = false) {
    const auto match = find_in_catalogue(model);
    EXPECT_TRUE(match) << model;
    const Shape& shape = *match->entry->shape;
    const ModelBuilder built = ModelBuilder::built(shape);
    std::vector<MixTensor> tensors;
    for (const BuiltTensor& tensor : built.tensors())
        tensors.push_back({tensor.name, tensor.shape, tensor.only.value_or(DType::bf16)});
    const auto mix = find_mix(mix_name);
    EXPECT_TRUE(mix) << mix_name;
    // Layer 0 of a Nemotron or LFM2 has no attention; these tests use none of their rules on shared heads.
    const MixFacts facts{shape.architecture, shape.layers(), shape.heads, shape.kv_heads, shape.experts, has_imatrix};
    const auto types = choose_types(*mix, tensors, facts);
    EXPECT_TRUE(types);
    Count result;
    for (size_t i = 0; i < tensors.size(); ++i) {
        ++result.tensors[(*types)[i]];
        result.bytes += row_bytes((*types)[i], built.tensors()[i].elements());
        result.of[built.tensors()[i].name] = (*types)[i];
    }
    return result;
}

using enum DType;
using Counts = std::map<DType, int>;

TEST(Mixes, Qwen35SmallestIs494MebibytesInQ4KM) {
    const Count c = count("qwen3.5:0.8b", "q4_k_m");
    // Weights alone; "494 MiB" is rounded and may count the vocabulary in (about 7 MiB).
    EXPECT_NEAR(double(c.bytes) / (1 << 20), 494, 8);
    EXPECT_EQ(c.of.at("token_embd.weight"), q6_k);  // tied
    EXPECT_NEAR(double(row_bytes(q6_k, 1024 * 248320)) / (1 << 20), 199, 0.5);
}

TEST(Mixes, Nemotron4bFallsBackToTypesOf32Values) {
    const Count c = count("nemotron3-nano:4b", "q4_k_m");
    EXPECT_EQ(c.tensors, (Counts{{q5_0, 49}, {q8_0, 3}, {q4_k, 33}, {q6_k, 9}, {f32, 169}}));
    EXPECT_NEAR(double(c.bytes) / (1 << 30), 2.63, 0.01);
}

TEST(Mixes, Ministral3bCountsAsPublished) {
    const Count c = count("ministral3:3b", "q4_k_m");
    EXPECT_EQ(c.tensors, (Counts{{q4_k, 156}, {q6_k, 27}, {f32, 53}}));
    EXPECT_NEAR(double(c.bytes) / 1e9, 2.14, 0.01);
    EXPECT_EQ(c.of.at("token_embd.weight"), q6_k);
}

TEST(Mixes, Qwen25SmallestIsMostlyQ5AndQ8) {  // rows of 896
    const Count c = count("qwen2.5:0.5b", "q4_k_m");
    EXPECT_EQ(c.of.at("blk.5.attn_q.weight"), q5_0);
    EXPECT_EQ(c.of.at("blk.0.attn_v.weight"), q8_0);
    EXPECT_EQ(c.of.at("token_embd.weight"), q8_0);
    EXPECT_EQ(c.of.at("blk.0.ffn_down.weight"), q6_k);  // rows of 4864 = 19 * 256
}

TEST(Mixes, FusedQkvFollowsTheValueColumn) {
    const Count c = count("phi4-mini", "q4_k_m");
    EXPECT_EQ(c.of.at("blk.0.attn_qkv.weight"), q6_k);
    EXPECT_EQ(c.of.at("blk.4.attn_qkv.weight"), q4_k);
}

// For 32 layers the half that gets more bits is {0..3, 6,9,12,15,18,21,24, 27..31}.
TEST(Mixes, MoreBitsForThePublishedLayers) {
    const Count c = count("llama3.1:8b", "q4_k_m");
    const std::vector<int> more = {0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31};
    for (int layer = 0; layer < 32; ++layer) {
        const bool listed = std::ranges::find(more, layer) != more.end();
        const std::string b = "blk." + std::to_string(layer) + ".";
        EXPECT_EQ(c.of.at(b + "attn_v.weight"), listed ? q6_k : q4_k) << layer;
        EXPECT_EQ(c.of.at(b + "ffn_down.weight"), listed ? q6_k : q4_k) << layer;
    }
    EXPECT_EQ(c.of.at("token_embd.weight"), q4_k);
    EXPECT_EQ(c.of.at("output.weight"), q6_k);
}

// A row of the published table for a model of 32 layers whose value heads serve four query heads each (Llama 3.1 8B).
struct TableRow {
    const char* mix;
    DType base, output, embedding, value_first, value_last, attention_output, down_first, down_middle, query,
        gate_middle;
};

TEST(Mixes, TableForGroupedHeads) {
    // The middle layer is 10: behind the first eighth and none of those with more bits.
    const TableRow rows[] = {
        {"q2_k", q2_k, q6_k, q2_k, q4_k, q4_k, q3_k, q3_k, q3_k, q2_k, q2_k},
        {"q2_k_s", q2_k, q6_k, q2_k, q4_k, q4_k, q2_k, q4_k, q2_k, q2_k, q2_k},
        {"q3_k_s", q3_k, q6_k, q3_k, q3_k, q3_k, q3_k, q3_k, q3_k, q3_k, q3_k},
        {"q3_k_m", q3_k, q6_k, q3_k, q5_k, q4_k, q4_k, q5_k, q4_k, q3_k, q3_k},
        {"q3_k_l", q3_k, q6_k, q3_k, q5_k, q5_k, q5_k, q5_k, q5_k, q3_k, q3_k},
        {"q4_0", q4_0, q6_k, q4_0, q4_0, q4_0, q4_0, q4_0, q4_0, q4_0, q4_0},
        {"q4_1", q4_1, q6_k, q4_1, q4_1, q4_1, q4_1, q4_1, q4_1, q4_1, q4_1},
        {"q5_0", q5_0, q6_k, q5_0, q5_0, q5_0, q5_0, q5_0, q5_0, q5_0, q5_0},
        {"q5_1", q5_1, q6_k, q5_1, q5_1, q5_1, q5_1, q5_1, q5_1, q5_1, q5_1},
        {"q4_k_s", q4_k, q6_k, q4_k, q5_k, q4_k, q4_k, q5_k, q4_k, q4_k, q4_k},
        {"q4_k_m", q4_k, q6_k, q4_k, q6_k, q6_k, q4_k, q6_k, q4_k, q4_k, q4_k},
        {"q5_k_s", q5_k, q6_k, q5_k, q5_k, q5_k, q5_k, q5_k, q5_k, q5_k, q5_k},
        {"q5_k_m", q5_k, q6_k, q5_k, q6_k, q6_k, q5_k, q6_k, q5_k, q5_k, q5_k},
        {"q6_k", q6_k, q6_k, q6_k, q6_k, q6_k, q6_k, q6_k, q6_k, q6_k, q6_k},
        {"q8_0", q8_0, q8_0, q8_0, q8_0, q8_0, q8_0, q8_0, q8_0, q8_0, q8_0},
        {"iq4_nl", iq4_nl, q6_k, iq4_nl, q5_k, q5_k, iq4_nl, q5_k, iq4_nl, iq4_nl, iq4_nl},
        {"iq4_xs", iq4_xs, q6_k, iq4_xs, q5_k, q5_k, iq4_xs, q5_k, iq4_xs, iq4_xs, iq4_xs},
        {"iq3_s", iq3_s, q6_k, iq3_s, q4_k, q4_k, iq3_s, iq3_s, iq3_s, iq3_s, iq3_s},
        {"iq3_m", iq3_s, q6_k, iq3_s, q4_k, q4_k, q4_k, q4_k, iq3_s, iq3_s, iq3_s},
        {"iq3_xs", iq3_s, q6_k, iq3_s, q4_k, q4_k, iq3_s, iq3_s, iq3_s, iq3_xxs, iq3_xxs},
        {"iq3_xxs", iq3_xxs, q5_k, iq3_s, q4_k, q4_k, iq3_s, q4_k, q3_k, iq2_s, iq3_xxs},
        {"iq2_xxs", iq2_xxs, q5_k, q2_k, q4_k, q4_k, iq2_xxs, q2_k, iq2_xxs, iq2_xxs, iq2_xxs},
        {"iq2_xs", iq2_xs, q5_k, q2_k, q4_k, q4_k, iq2_xs, q2_k, iq2_xs, iq2_xs, iq2_xs},
        {"iq1_s", iq1_s, q5_k, q2_k, q4_k, q4_k, iq2_xxs, q2_k, iq1_s, iq1_s, iq1_s},
        {"iq1_m", iq1_m, q5_k, q2_k, q4_k, q4_k, iq2_xxs, q2_k, iq1_m, iq1_m, iq1_m},
        {"iq2_s", iq2_xs, q5_k, iq3_s, q4_k, q4_k, iq3_s, iq3_s, iq2_xs, iq2_xs, iq2_xs},
        {"iq2_m", iq2_s, q5_k, iq3_s, q4_k, q4_k, iq3_s, iq3_s, iq2_s, iq2_s, iq2_s},
        {"mxfp4_moe", mxfp4, q8_0, q8_0, q8_0, q8_0, q8_0, q8_0, q8_0, q8_0, q8_0},
    };
    for (const TableRow& row : rows) {
        const Count c = count("llama3.1:8b", row.mix);
        EXPECT_EQ(find_mix(row.mix)->base, row.base) << row.mix;
        EXPECT_EQ(c.of.at("output.weight"), row.output) << row.mix;
        EXPECT_EQ(c.of.at("token_embd.weight"), row.embedding) << row.mix;
        EXPECT_EQ(c.of.at("blk.0.attn_v.weight"), row.value_first) << row.mix;
        EXPECT_EQ(c.of.at("blk.31.attn_v.weight"), row.value_last) << row.mix;
        EXPECT_EQ(c.of.at("blk.10.attn_output.weight"), row.attention_output) << row.mix;
        EXPECT_EQ(c.of.at("blk.0.ffn_down.weight"), row.down_first) << row.mix;
        EXPECT_EQ(c.of.at("blk.10.ffn_down.weight"), row.down_middle) << row.mix;
        EXPECT_EQ(c.of.at("blk.10.attn_q.weight"), row.query) << row.mix;
        EXPECT_EQ(c.of.at("blk.10.ffn_gate.weight"), row.gate_middle) << row.mix;
        EXPECT_EQ(c.of.at("blk.10.attn_norm.weight"), f32) << "kept as stored";
    }
}

TEST(Mixes, UngroupedHeadsGetTheOtherType) {  // Qwen 3 0.6B: two query heads per value head
    EXPECT_EQ(count("qwen3:0.6b", "q2_k").of.at("blk.3.attn_v.weight"), q3_k);
    EXPECT_EQ(count("qwen3:0.6b", "iq4_xs").of.at("blk.3.attn_v.weight"), iq4_xs);
    EXPECT_EQ(count("qwen3:0.6b", "iq3_xxs").of.at("blk.3.attn_v.weight"), iq3_s);
    EXPECT_EQ(count("qwen3:0.6b", "iq3_xxs", true).of.at("blk.3.attn_v.weight"), iq3_xxs);
    EXPECT_EQ(count("qwen3:0.6b", "iq2_s").of.at("blk.3.attn_v.weight"), iq3_s);
    EXPECT_EQ(count("qwen3:0.6b", "iq1_s").of.at("blk.3.attn_v.weight"), q2_k);
}

TEST(Mixes, AnImportanceMatrixMovesTheFirstLayers) {
    EXPECT_EQ(count("llama3.1:8b", "q4_0", true).of.at("blk.3.ffn_down.weight"), q4_1);
    EXPECT_EQ(count("llama3.1:8b", "q5_0", true).of.at("blk.3.ffn_down.weight"), q5_1);
    EXPECT_EQ(count("llama3.1:8b", "q4_0", true).of.at("blk.4.ffn_down.weight"), q4_0);
    EXPECT_EQ(count("llama3.1:8b", "iq4_xs", true).of.at("blk.0.ffn_down.weight"), iq4_xs);
}

TEST(Mixes, ExpertsInMxfp4LeaveTheRestAtQ8) {
    const Count c = count("qwen3:30b-a3b", "mxfp4_moe");
    EXPECT_EQ(c.of.at("blk.0.ffn_down_exps.weight"), mxfp4);
    EXPECT_EQ(c.of.at("blk.0.attn_q.weight"), q8_0);
    EXPECT_EQ(c.of.at("token_embd.weight"), q8_0);
}

TEST(Mixes, GptOssKeepsItsExperts) {
    const Count c = count("gpt-oss:20b", "q4_k_m");
    EXPECT_EQ(c.of.at("blk.0.ffn_down_exps.weight"), mxfp4);
    EXPECT_EQ(c.of.at("blk.5.attn_q.weight"), q5_0);       // rows of 2880
    EXPECT_EQ(c.of.at("blk.5.attn_output.weight"), q4_k);  // rows of 4096
}

MixTensor tensor(const char* name, std::span<const int64_t> shape) {
    return {name, shape, bf16};
}

TEST(Mixes, EightExpertsAndEightyLayers) {
    const int64_t shape[] = {1024, 4096};
    const MixTensor tensors[] = {tensor("output.weight", shape), tensor("blk.0.attn_v.weight", shape),
                                 tensor("blk.0.attn_k.weight", shape), tensor("blk.0.attn_output.weight", shape)};
    const auto eight = choose_types(*find_mix("q4_k_m"), tensors, {"llama", 32, 32, 8, 8});
    EXPECT_EQ(*eight, (std::vector{q6_k, q8_0, q8_0, q5_k}));
    // The only value matrix counts as the whole list, so no clause on its position applies: 0 of 1 is in the last
    // eighth.
    const auto eighty = choose_types(*find_mix("q3_k_s"), tensors, {"llama", 80, 64, 8, 0});
    EXPECT_EQ((*eighty)[1], q5_k);
}

TEST(Mixes, RowsThatNoBlockDividesStayHalf) {
    const int64_t odd[] = {8, 100}, by_32[] = {8, 96};
    const MixTensor tensors[] = {tensor("output.weight", by_32), tensor("a.weight", odd), tensor("b.weight", by_32)};
    EXPECT_EQ(*choose_types(*find_mix("q4_k_m"), tensors, {}), (std::vector{q8_0, f16, q5_0}));
    EXPECT_EQ(*choose_types(*find_mix("q2_k"), tensors, {}), (std::vector{q8_0, f16, q4_0}));
    EXPECT_EQ(*choose_types(*find_mix("q5_k_m"), tensors, {}), (std::vector{q8_0, f16, q5_1}));
    EXPECT_EQ(*choose_types(*find_mix("iq4_xs"), tensors, {}), (std::vector{q8_0, f16, iq4_nl}));
    EXPECT_EQ(*choose_types(*find_mix("tq2_0"), tensors, {}), (std::vector{q8_0, f16, q4_0}));
}

TEST(Mixes, NeverQuantised) {
    for (const char* name : {"blk.0.ssm_conv1d.weight", "blk.0.ffn_gate_inp.weight", "per_layer_model_proj.weight",
                             "blk.0.shortconv.conv.weight", "position_embd.weight", "blk.0.ssm_norm.weight", "x.bias"})
        EXPECT_TRUE(is_never_quantised(name, 2)) << name;
    EXPECT_TRUE(is_never_quantised("blk.0.ffn_gate_inp_shexp.weight", 1));
    for (const char* name : {"blk.0.attn_q.weight", "per_layer_token_embd.weight", "blk.24.nextn.eh_proj.weight",
                             "blk.0.ssm_alpha.weight"})
        EXPECT_FALSE(is_never_quantised(name, 2)) << name;
}

TEST(Mixes, NamesAndPureTypes) {
    EXPECT_EQ(find_mix("Q4_K_M")->file_type, 15u);
    EXPECT_FALSE(find_mix("q4_0")->is_pure);
    EXPECT_TRUE(find_mix("pure-q4_0")->is_pure);
    EXPECT_TRUE(find_mix("q4_k")->is_pure);
    const Count pure = count("llama3.1:8b", "mxfp4");
    EXPECT_EQ(pure.of.at("output.weight"), mxfp4);
    EXPECT_EQ(pure.of.at("blk.0.ffn_down.weight"), mxfp4);
    const auto unknown = find_mix("q9_z");
    ASSERT_FALSE(unknown);
    EXPECT_NE(unknown.error().line().find("q4_k_m"), std::string::npos);
    EXPECT_FALSE(find_mix("q8_k"));  // a work format, never a weight
    EXPECT_FALSE(find_mix("i32"));
}

TEST(Mixes, ATensorWithoutRowsIsRefused) {
    const MixTensor tensors[] = {tensor("x.weight", {})};
    EXPECT_FALSE(choose_types(*find_mix("q8_0"), tensors, {}));
}

}  // namespace
}  // namespace hearth
