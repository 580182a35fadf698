// Quantised directories that are incomplete, misshapen or stored in ways nobody reads here: each is named, with what
// was found and what was expected.
#include <gtest/gtest.h>

#include "huggingface/directory.h"
#include "huggingface/quantisers.h"
#include "huggingface/tiny.h"
#include "tensor/decode.h"

namespace hearth::test {
namespace {

constexpr const char* kUp = "model.layers.0.mlp.up_proj.";

std::string refusal(const Published& form) {
    const auto opened = huggingface::open_directory(form.write("bad-quantised"));
    return opened ? "" : opened.error().line();
}

// The tiny model, up_proj [16, 8] replaced by parts.
using Part = std::pair<const char*, PublishedTensor>;
Published with_parts(const std::vector<Part>& parts, const std::string& config = "{}") {
    Published tiny = tiny_llama();
    tiny.tensors.erase(std::string(kUp) + "weight");
    for (const auto& [name, tensor] : parts) tiny.tensors[kUp + std::string(name)] = tensor;
    tiny.config.set("quantization_config", *Json::parse(config));
    return tiny;
}

PublishedTensor zeros(const std::string& type, std::vector<int64_t> shape) {
    size_t bytes = type == "I64" ? 8 : type == "F32" || type == "I32" ? 4 : type == "F16" || type == "BF16" ? 2 : 1;
    for (const int64_t size : shape) bytes *= size_t(size);
    return {type, std::move(shape), std::string(bytes, '\0')};
}

TEST(QuantisedParts, ThatDoNotFitAreNamed) {
    struct Bad {
        std::vector<Part> parts;
        std::vector<const char*> expected;
        const char* config = "{}";
    };
    const PublishedTensor fp8 = zeros("F8_E4M3", {16, 8}), scale = zeros("F32", {16, 1});
    const PublishedTensor words = zeros("I32", {16, 1}), size = {"I64", {2}, bytes_of<int64_t>({16, 8})};
    const PublishedTensor nvfp4 = zeros("U8", {16, 8}), nvfp4_scale = zeros("F8_E4M3", {16, 1});
    const PublishedTensor gptq = zeros("I32", {1, 16}), gptq_zeros = zeros("I32", {1, 2}),
                          gptq_scales = zeros("F16", {1, 16});
    const char* w4 =
        R"({"quant_method":"compressed-tensors","config_groups":{"g":{"weights":{"num_bits":4,"group_size":4}}}})";
    const std::vector<Bad> cases{
        {{{"weight", fp8}}, {"up_proj.weight_scale' is missing"}},
        {{{"weight", fp8}, {"weight_scale", zeros("I32", {1})}}, {"weight_scale' is I32, 1; expected F32 or BF16"}},
        {{{"weight", fp8}, {"weight_scale", zeros("F32", {8, 1})}}, {"is F32, 8 x 1; expected 1, 16 x 1"}},
        {{{"weight", fp8}, {"weight_scale_inv", zeros("F32", {2, 3})}},
         {"is F32, 2 x 3; expected 1, 16 x 1, 2 x 2"},
         R"({"weight_block_size":[8,4]})"},
        {{{"weight", fp8}, {"weight_scale_inv", scale}},
         {"the block of scales has no two sizes"},
         R"({"weight_block_size":[0,4]})"},
        {{{"weight", zeros("F8_E4M3", {16})}, {"weight_scale", scale}}, {"is F8_E4M3, 16; expected a matrix"}},
        {{{"weight", zeros("I8", {16, 8})}, {"weight_scale", scale}, {"weight_zero_point", zeros("I8", {16, 2})}},
         {"weight_zero_point' is I8, 16 x 2; expected 16 x 1"}},
        {{{"weight_packed", words}}, {"weight_shape' is missing", "weight_scale' is missing"}},
        {{{"weight_packed", words}, {"weight_shape", size}, {"weight_scale", zeros("BF16", {16, 3})}},
         {"is BF16, 16 x 3; expected"},
         w4},
        {{{"weight_packed", zeros("I32", {16, 5})}, {"weight_shape", size}, {"weight_scale", scale}},
         {"is I32, 16 x 5; expected 1, 1 or 2 words a row"}},
        {{{"weight_packed", zeros("I32", {15, 1})}, {"weight_shape", size}, {"weight_scale", scale}},
         {"expected 16 rows of packed integers"}},
        {{{"weight_packed", words},
          {"weight_shape", {"I64", {2}, bytes_of<int64_t>({16, -8})}},
          {"weight_scale", scale}},
         {"expected 16 rows"}},
        {{{"weight_packed", words},
          {"weight_shape", size},
          {"weight_scale", zeros("BF16", {16, 2})},
          {"weight_zero_point", zeros("I32", {1, 2})}},
         {"weight_zero_point' is I32, 1 x 2; expected 2 x 2"},
         w4},
        {{{"weight_packed", words},
          {"weight_shape", size},
          {"weight_scale", zeros("BF16", {16, 2})},
          {"weight_g_idx", {"I32", {8}, bytes_of<int32_t>({0, 0, 0, 0, 1, 1, 1, 2})}}},
         {"groups below 2, not 2 for column 7"},
         w4},
        {{{"weight", nvfp4}, {"weight_scale", nvfp4_scale}}, {"weight_scale_2' is missing"}},
        {{{"weight", nvfp4}, {"weight_scale", zeros("BF16", {16, 1})}, {"weight_scale_2", zeros("F32", {1})}},
         {"weight_scale' is BF16, 16 x 1; expected F8_E4M3"}},
        {{{"weight", nvfp4}, {"weight_scale", zeros("F8_E4M3", {16, 2})}, {"weight_scale_2", zeros("F32", {1})}},
         {"is F8_E4M3, 16 x 2; expected 16 x 1"}},
        {{{"weight_packed", nvfp4}, {"weight_scale", nvfp4_scale}, {"weight_global_scale", zeros("F32", {2})}},
         {"weight_global_scale' is F32, 2; expected one factor"}},
        {{{"qweight", gptq}}, {"qzeros' is missing", "scales' is missing"}},
        {{{"qweight", zeros("F32", {1, 16})}, {"qzeros", gptq_zeros}, {"scales", gptq_scales}},
         {"expected I32 or U32"}},
        {{{"qweight", gptq}, {"qzeros", zeros("I32", {1, 5})}, {"scales", gptq_scales}},
         {"qzeros' is I32, 1 x 5; expected 1 x 2"}},
        {{{"qweight", gptq}, {"qzeros", gptq_zeros}, {"scales", gptq_scales}},
         {"1 x 4: 16 zero points of 8 bits"},
         R"({"quant_method":"gptq","bits":8})"},
        {{{"qweight", gptq}, {"qzeros", gptq_zeros}, {"scales", gptq_scales}},
         {"expected 2 groups of 4 inputs"},
         R"({"quant_method":"gptq","bits":4,"group_size":4})"},
        {{{"qweight", gptq},
          {"qzeros", gptq_zeros},
          {"scales", gptq_scales},
          {"g_idx", {"I32", {8}, bytes_of<int32_t>({0, 0, 0, -1, 0, 0, 0, 0})}}},
         {"groups below 1, not -1 for input 3"}},
        {{{"qweight", zeros("I32", {8, 2})}, {"qzeros", zeros("I32", {3, 2})}, {"scales", zeros("F16", {3, 16})}},
         {"expected a divisor of 8 groups"}},
        {{{"qweight", zeros("I32", {8, 2})}, {"qzeros", zeros("I32", {1, 3})}, {"scales", gptq_scales}},
         {"qzeros' is I32, 1 x 3; expected 1 x 2"}},
    };
    for (const Bad& bad : cases) {
        const std::string line = refusal(with_parts(bad.parts, bad.config));
        for (const char* expected : bad.expected)
            EXPECT_NE(line.find(expected), std::string::npos) << expected << "\n  not in: " << line;
    }
}

TEST(QuantisedParts, WaysNobodyReadsHereAreRefusedByName) {
    const std::vector<std::pair<const char*, const char*>> cases{
        {R"({"quant_method":"bitsandbytes","load_in_4bit":true})", "'bitsandbytes'"},
        {R"({"quant_method":"hqq"})", "'hqq'"},
        {R"({"quant_method":"auto-round"})", "'auto-round'"},
        {R"({"quant_method":"awq","version":"gemv"})", "AWQ's version is 'gemv'"},
        {R"({"quant_method":"gptq","checkpoint_format":"marlin"})", "checkpoint_format is 'marlin'"},
        {R"({"quant_method":"compressed-tensors","format":"marlin-24"})", "format is 'marlin-24'"},
        {R"({"quant_method":"compressed-tensors","config_groups":{"a":{"format":"secret"}}})", "format is 'secret'"},
        {R"({"quant_method":"compressed-tensors","sparsity_config":{"format":"sparse-24-bitmask"}})", "sparse-24"},
        {"7", "quantization_config is no object"},
    };
    for (const auto& [config, expected] : cases) {
        Published tiny = tiny_llama();
        tiny.config.set("quantization_config", *Json::parse(config));
        const std::string line = refusal(tiny);
        EXPECT_NE(line.find(expected), std::string::npos) << line;
        if (config[0] != '{') continue;  // no way to store anything, just damaged
        EXPECT_NE(line.find("or a GGUF file of it"), std::string::npos) << line;
    }
    Published mlx = tiny_llama();
    mlx.config.set("quantization", *Json::parse(R"({"group_size":64,"bits":4})"));
    EXPECT_NE(refusal(mlx).find("MLX"), std::string::npos) << refusal(mlx);
}

std::vector<float> values_of(const Published& form, const char* name) {
    const auto opened = huggingface::open_directory(form.write("words"));
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().line());
    const StoredTensor* tensor = opened ? opened->checkpoint.find(name) : nullptr;
    if (!tensor) return {};
    const auto bytes = opened->checkpoint.bytes(*tensor);
    std::vector<float> values(size_t(tensor->elements()));
    if (bytes) decode(tensor->type, bytes->view().data(), tensor->elements(), values.data());
    return values;
}

// Numbers worked out by hand: 16 outputs of 8 inputs, one group, scale 0.5.
TEST(QuantisedParts, ZeroPointsOfBothVersionsOfGptq) {
    std::vector<int32_t> codes;
    for (int output = 0; output < 16; ++output) codes.push_back(0x76543210);  // input i has the code i
    const std::vector<int32_t> zeros{int32_t(0x0000F007u), int32_t(0xF0000000u)};
    const std::vector<uint16_t> halves(16, 0x3800);
    const std::vector<Part> parts{{"qweight", {"I32", {1, 16}, bytes_of(codes)}},
                                  {"qzeros", {"I32", {1, 2}, bytes_of(zeros)}},
                                  {"scales", {"F16", {1, 16}, bytes_of(halves)}}};
    const auto first = values_of(with_parts(parts, R"({"quant_method":"gptq","bits":4})"), "blk.0.ffn_up.weight");
    const auto second =
        values_of(with_parts(parts, R"({"quant_method":"gptq","checkpoint_format":"gptq_v2"})"), "blk.0.ffn_up.weight");
    ASSERT_EQ(first.size(), 128u);
    ASSERT_EQ(second.size(), 128u);
    const auto zero = [](int output) { return output == 0 ? 7 : output == 3 || output == 15 ? 15 : 0; };
    for (int output = 0; output < 16; ++output)
        for (int input = 0; input < 8; ++input) {
            const auto at = size_t(8 * output + input);
            EXPECT_EQ(first[at], float(input - zero(output) - 1) * 0.5f) << output << " " << input;  // 15 means 16
            EXPECT_EQ(second[at], float(input - zero(output)) * 0.5f) << output << " " << input;
        }
}

// One word of AWQ: its half bytes belong to the outputs 0, 2, 4, 6, 1, 3, 5, 7.
TEST(QuantisedParts, TheOrderOfAnAwqWord) {
    std::vector<int32_t> codes;
    for (int input = 0; input < 8; ++input)
        for (int word = 0; word < 2; ++word) codes.push_back(0x76543210);
    const std::vector<uint16_t> ones(16, 0x3C00);
    const auto values =
        values_of(with_parts({{"qweight", {"I32", {8, 2}, bytes_of(codes)}},
                              {"qzeros", {"I32", {1, 2}, bytes_of(std::vector<int32_t>{0, int32_t(0xF0000000u)})}},
                              {"scales", {"F16", {1, 16}, bytes_of(ones)}}},
                             R"({"quant_method":"awq","version":"GEMM"})"),
                  "blk.0.ffn_up.weight");
    ASSERT_EQ(values.size(), 128u);
    const float expected[] = {0, 4, 1, 5, 2, 6, 3, 7};
    for (int output = 0; output < 16; ++output)
        EXPECT_EQ(values[size_t(8 * output)], expected[output % 8] - (output == 15 ? 15.0f : 0.0f)) << output;
}

}  // namespace
}  // namespace hearth::test
