// Directories whose matrices are stored in parts: what is read equals, bit for bit, a directory that holds the numbers
// those parts stand for; it opens in every family, and the model stays near the one it was made from.
#include <cfloat>
#include <cmath>
#include <cstring>

#include "huggingface/directory.h"
#include "huggingface/publishers.h"
#include "huggingface/quantisers.h"
#include "huggingface/translation.h"
#include "models/model_run.h"
#include "tensor/decode.h"

namespace hearth::test {
namespace {

// Gate and up of all experts in one stack, as newer releases have them.
Published fused_experts(const Original& from) {
    Published to = publish::qwen3moe(from);
    for (int64_t layer = 0; layer < from.integer("block_count"); ++layer) {
        const std::string at = fmt::format("model.layers.{}.mlp.experts.", layer),
                          blk = fmt::format("blk.{}.ffn_", layer);
        const Given gate = from.tensor(blk + "gate_exps.weight"), up = from.tensor(blk + "up_exps.weight"),
                    down = from.tensor(blk + "down_exps.weight");
        std::erase_if(to.tensors, [&](const auto& tensor) { return tensor.first.starts_with(at); });
        Given both{{gate.shape[0], 2 * gate.shape[1], gate.shape[2]}, {}};
        for (int64_t e = 0; e < gate.shape[0]; ++e)
            for (const Given& half : {gate.part(e, 1), up.part(e, 1)})
                both.values.insert(both.values.end(), half.values.begin(), half.values.end());
        to.add(at + "gate_up_proj", both.shape, both.values);
        to.add(at + "down_proj", down.shape, down.values);
    }
    return to;
}

struct Case {
    const char *name, *file;
    Published (*publish)(const Original& from);
    const char* config;    // quantization_config
    Quantiser rest;        // of projections
    Quantiser attention;   // of those in attention, where they differ
    double most_distance;  // of the logits, relative rms: half as much again as measured
};

const Quantiser kFp8Rows = bytes_with_scales("F8_E4M3", "_scale", {.rows = 1});

const std::vector<Case> kCases{
    {"fp8_blocks",
     "llama/llama-a",
     publish::llama,
     R"({"quant_method":"fp8","weight_block_size":[48,40]})",
     bytes_with_scales("F8_E4M3", "_scale_inv", {48, 40}),
     {},
     0.12},
    {"fp8_blocks_of_128",
     "qwen2/qwen2-a",
     publish::qwen2,
     R"({"quant_method":"fp8","weight_block_size":[128,128],"modules_to_not_convert":["model.layers.0"]})",
     bytes_with_scales("F8_E4M3", "_scale_inv", {128, 128}, "BF16"),
     {},
     0.12},
    {"fp8_one_scale", "qwen2/qwen2-a", publish::qwen2, R"({"quant_method":"fp8","activation_scheme":"static"})",
     bytes_with_scales("F8_E4M3", "_scale_inv", {.is_flat = true}),
     bytes_with_scales("F8_E5M2", ".qscale_weight", {.is_flat = true}), 0.15},
    {"fp8_experts",
     "qwen3moe/qwen3moe-a",
     publish::qwen3moe,
     R"({"quant_method":"fp8","weight_block_size":[32,48]})",
     bytes_with_scales("F8_E4M3", "_scale_inv", {32, 48}),
     {},
     0.08},
    {"fp8_fused_experts", "qwen3moe/qwen3moe-a", fused_experts, R"({"quant_method":"fp8","weight_block_size":[48,40]})",
     bytes_with_scales("F8_E4M3", "_scale_inv", {48, 40}),
     bytes_with_scales("F8_E4M3", "_scale_inv", {.is_flat = true}), 0.08},
    {"fp8_one_scale_an_expert", "qwen3moe/qwen3moe-a", fused_experts, R"({"quant_method":"fp8"})",
     bytes_with_scales("F8_E4M3", "_scale", {.is_flat = true}, "F16"), kFp8Rows, 0.12},
    {"float_quantized_rows",
     "llama/llama-a",
     publish::llama,
     R"({"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{"group_0":{"weights":
        {"num_bits":8,"type":"float","strategy":"channel"}}}})",
     kFp8Rows,
     {},
     0.12},
    {"float_quantized_blocks",
     "mistral/ministral3",
     publish::ministral3,
     R"({"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{"group_0":{"weights":
        {"num_bits":8,"type":"float","strategy":"block","block_structure":[64,48]}}}})",
     bytes_with_scales("F8_E4M3", "_scale", {64, 48}, "BF16"),
     {},
     0.1},
    {"int_quantized", "qwen3/qwen3-a", publish::qwen3,
     R"({"quant_method":"compressed-tensors","format":"int-quantized"})",
     bytes_with_scales("I8", "_scale", {.rows = 1}, "BF16"), bytes_with_zeros({.columns = 32}), 0.03},
    {"naive_quantized", "qwen3/qwen3-a", publish::qwen3,
     R"({"quant_method":"compressed-tensors","format":"naive-quantized"})",
     bytes_with_scales("I8", "_scale", {.is_flat = true}),
     bytes_with_scales("I8", "_scale", {.rows = 1, .is_flat = true}), 0.04},
    {"w4_groups",
     "llama/llama-a",
     publish::llama,
     R"({"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":{"group_0":{"weights":
        {"num_bits":4,"group_size":32,"strategy":"group"}}}})",
     packed_integers(4, {}),
     {},
     0.36},
    {"w4_zeros", "qwen2/qwen2-a", publish::qwen2, R"({"quant_method":"compressed-tensors","format":"pack-quantized"})",
     packed_integers(4, {.has_zeros = true}),
     packed_integers(4, {.has_zeros = true, .order = Order::by_activation, .scales = "F16"}), 0.3},
    {"w8_rows",
     "qwen3moe/qwen3moe-a",
     publish::qwen3moe,
     R"({"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":{"group_0":{"weights":
        {"num_bits":8,"group_size":null,"strategy":"channel"}}}})",
     packed_integers(8, {.size = 0}),
     {},
     0.031},  // 0.0204 on a processor without products of bf16
    {"mixed_precision", "llama/llama-a", publish::llama,
     R"({"quant_method":"compressed-tensors","format":"mixed-precision","config_groups":{
        "group_0":{"format":"float-quantized","targets":["re:.*self_attn.*"],"weights":{"num_bits":8}},
        "group_1":{"format":"pack-quantized","targets":["re:.*mlp.*"],"weights":{"num_bits":4,"group_size":32}}}})",
     packed_integers(4, {}), kFp8Rows, 0.3},
    {"nvfp4_packed",
     "llama/llama-a",
     publish::llama,
     R"({"quant_method":"compressed-tensors","format":"nvfp4-pack-quantized"})",
     nvfp4(false),
     {},
     0.36},
    {"nvfp4_experts", "qwen3moe/qwen3moe-a", publish::qwen3moe, R"({"quant_method":"modelopt","quant_algo":"NVFP4"})",
     nvfp4(true), kFp8Rows, 0.2},
    {"nvfp4_narrow", "qwen3/qwen3-a", publish::qwen3, R"({"quant_method":"modelopt","quant_algo":"MIXED_PRECISION"})",
     nvfp4(true), bytes_with_scales("F8_E4M3", "_scale", {.is_flat = true}), 0.32},
    {"nvfp4_stacks", "gemma4/g4-26b", publish::gemma4, R"({"quant_method":"modelopt"})", nvfp4(true), {}, 0.48},
    {"gptq",
     "llama/llama-a",
     publish::llama,
     R"({"quant_method":"gptq","bits":4,"group_size":32,"desc_act":false})",
     gptq(4, {.scales = "F16"}, true),
     {},
     0.36},
    {"gptq_by_activation",
     "qwen2/qwen2-a",
     publish::qwen2,
     R"({"quant_method":"gptq","bits":4,"group_size":32,"desc_act":true,"checkpoint_format":"gptq"})",
     gptq(4, {.has_zeros = true, .order = Order::by_activation, .scales = "F16"}, true),
     {},
     0.3},
    {"gptq_v2_8_bits",
     "qwen3moe/qwen3moe-a",
     publish::qwen3moe,
     R"({"quant_method":"gptq","bits":8,"group_size":-1,"checkpoint_format":"gptq_v2"})",
     gptq(8, {.size = 0, .has_zeros = true, .scales = "F16"}, false),
     {},
     0.03},
    {"gptq_3_bits",
     "llama/llama-a",
     publish::llama,
     R"({"quant_method":"gptq","bits":3,"group_size":32})",
     gptq(3, {.has_zeros = true, .order = Order::by_activation, .scales = "F16"}, true),
     {},
     0.65},
    {"gptq_2_bits", "qwen2/qwen2-a", publish::qwen2,
     R"({"quant_method":"gptq","bits":2,"group_size":16,"dynamic":{"+:.*self_attn.*":{"bits":4}}})",
     gptq(2, {.size = 16, .has_zeros = true}, true), gptq(4, {.size = 16}, true), 1.0},
    {"awq",
     "llama/llama-a",
     publish::llama,
     R"({"quant_method":"awq","bits":4,"group_size":32,"version":"gemm"})",
     awq({.has_zeros = true, .scales = "F16"}),
     {},
     0.32},
    {"awq_experts",
     "qwen3moe/qwen3moe-a",
     publish::qwen3moe,
     R"({"quant_method":"awq","bits":4,"group_size":64})",
     awq({.size = 64, .has_zeros = true, .scales = "F16"}),
     {},
     0.26},
};

std::vector<float> floats_of(const Checkpoint& checkpoint, const StoredTensor& tensor) {
    const auto bytes = checkpoint.bytes(tensor);
    std::vector<float> values(size_t(tensor.elements()));
    EXPECT_TRUE(bytes.has_value());
    if (bytes) decode(tensor.type, bytes->view().data(), tensor.elements(), values.data());
    return values;
}

// Equal types and bits; where the reader kept codes, the codes times their factor. Returns how many it kept.
int64_t expect_equal_numbers(const Checkpoint& plain, const Checkpoint& opened) {
    int64_t kept = 0;
    for (const StoredTensor& tensor : plain.tensors()) {
        const StoredTensor* other = opened.find(tensor.name);
        if (!other) {
            ADD_FAILURE() << tensor.name << " is missing";
            continue;
        }
        EXPECT_EQ(tensor.shape, other->shape) << tensor.name;
        std::vector<float> ours = floats_of(opened, *other);
        const std::vector<float> theirs = floats_of(plain, tensor);
        EXPECT_EQ(ours.size(), theirs.size());
        if (other->type == DType::nvfp4) {
            ++kept;
            const StoredTensor* beside = opened.find(tensor.name.substr(0, tensor.name.size() - 6) + "scale");
            if (!beside) {
                ADD_FAILURE() << tensor.name << " has no factor";
                continue;
            }
            const std::vector<float> factors = floats_of(opened, *beside);
            // The one rounding of a division by the factor against two, of its inverse and of the product.
            for (size_t i = 0; i < ours.size(); ++i) {
                const float value = ours[i] * factors[i / (ours.size() / factors.size())];
                if (std::abs(value - theirs[i]) <= 2 * FLT_EPSILON * std::abs(theirs[i])) continue;
                ADD_FAILURE() << tensor.name << " at " << i << ": " << value << ", expected " << theirs[i];
                break;
            }
            continue;
        }
        EXPECT_EQ(tensor.type, other->type) << tensor.name;
        EXPECT_EQ(std::memcmp(ours.data(), theirs.data(), ours.size() * sizeof(float)), 0) << tensor.name;
        std::vector<std::byte> piece(size_t(std::min<int64_t>(other->bytes(), 52)));
        const uint64_t offset = uint64_t(other->bytes() - int64_t(piece.size())) / 2;
        const auto whole = opened.bytes(*other);
        EXPECT_TRUE(opened.read(*other, offset, piece).has_value());
        if (!whole) continue;
        EXPECT_EQ(std::memcmp(piece.data(), whole->view().data() + offset, piece.size()), 0) << tensor.name;
    }
    EXPECT_EQ(int64_t(opened.tensors().size()) - kept, int64_t(plain.tensors().size()));
    return kept;
}

double distance(const std::vector<float>& ours, const std::vector<float>& theirs) {
    EXPECT_EQ(ours.size(), theirs.size());
    double error = 0, size = 0;
    for (size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
        error += double(ours[i] - theirs[i]) * double(ours[i] - theirs[i]);
        size += double(theirs[i]) * double(theirs[i]);
    }
    return std::sqrt(error / size);
}

class QuantisedDirectories : public testing::TestWithParam<Case> {};

TEST_P(QuantisedDirectories, AreTheNumbersTheyStandFor) {
    NEED_SHARED("reference");
    const Case& c = GetParam();
    const Original original(shared_path(std::string("reference/") + c.file + ".gguf"));
    Published form = c.publish(original);
    const Twins twins = quantised_twins(form, [&](const std::string& name) -> const Quantiser* {
        // The first layer stays as it is: nothing but the tensors says so.
        const bool is_projection = name.ends_with("_proj.weight") || name.ends_with("_proj");
        if (!is_projection || name.find("layers.0.") != std::string::npos) return nullptr;
        return c.attention && name.find("self_attn") != std::string::npos ? &c.attention : &c.rest;
    });
    ASSERT_GT(twins.count, 0);
    Published quantised = twins.quantised;
    auto settings = Json::parse(c.config);
    ASSERT_TRUE(settings.has_value()) << c.config;
    quantised.config.set("quantization_config", *settings);
    for (const char* unused : {"input_scale", "k_scale"})
        quantised.add(fmt::format("model.layers.1.self_attn.k_proj.{}", unused), {1}, {1});

    const std::string directory = quantised.write(std::string("quantised-") + c.name, 2);
    const auto opened = huggingface::open_directory(directory);
    ASSERT_TRUE(opened.has_value()) << opened.error().line();
    EXPECT_FALSE(opened->notes.empty());
    const std::string plain_directory = twins.plain.write(std::string("plain-") + c.name, 1);
    const auto plain = huggingface::open_directory(plain_directory);
    ASSERT_TRUE(plain.has_value()) << plain.error().line();
    const int64_t kept = expect_equal_numbers(plain->checkpoint, opened->checkpoint);
    EXPECT_EQ(kept > 0, std::string(c.name).starts_with("nvfp4") && c.name != std::string("nvfp4_narrow"));

    const auto ids = read_ids(shared_path(std::string("reference/") + c.file + ".tokens.txt"));
    ModelRun before(form.write(std::string("before-") + c.name), {}), theirs(plain_directory, {}), ours(directory, {});
    ASSERT_TRUE(before.is_ready() && theirs.is_ready() && ours.is_ready());
    const auto first = before.logits(ids, {512}), one = theirs.logits(ids, {512}), two = ours.logits(ids, {512});
    for (const float logit : two) ASSERT_TRUE(std::isfinite(logit));
    if (kept == 0)
        EXPECT_EQ(std::memcmp(one.data(), two.data(), one.size() * sizeof(float)), 0);
    else  // the factor multiplies sums instead of weights
        EXPECT_LT(distance(two, one), 1e-3);
    RecordProperty("distance", std::to_string(distance(two, first)));
    RecordProperty("kept_distance", std::to_string(distance(two, one)));
    EXPECT_LT(distance(two, first), c.most_distance);
    EXPECT_GT(distance(two, first), 0);
}

// Two NVFP4 matrices [4, 64] named a and b, with different factors.
huggingface::Translation two_matrices() {
    Published form;
    for (const auto& [name, size] : {std::pair("a.weight", 1.0f), std::pair("b.weight", 3.0f)}) {
        Given w{{4, 64}, {}};
        for (int i = 0; i < 256; ++i) w.values.push_back(size * float(i % 13 - 6));
        nvfp4(true)(form, name, w);
    }
    huggingface::Config config(Json::object(), "config.json");
    auto files = std::make_shared<const Safetensors>(*open_safetensors_directory(form.write("two-matrices")));
    huggingface::Tensors tensors(files, {}, config);
    return {std::move(config), std::move(tensors)};
}

TEST(Nvfp4Values, KeepTheirCodesWhereOnlyRowsMove) {
    using namespace huggingface;
    Translation to = two_matrices();
    const ValuesPtr a = to.tensors.open("a.weight", to.config), b = to.tensors.open("b.weight", to.config);
    ASSERT_TRUE(a && b);
    const ValuesPtr stack = stacked({a, b});
    EXPECT_EQ(stack->natural(), DType::nvfp4);
    EXPECT_EQ(stack->factors().size(), 2u);
    EXPECT_EQ(with_rows(stack, {3, 1}, 4)->natural(), DType::nvfp4);
    EXPECT_EQ(with_rows(stack, {3, 1}, 4)->factors(), stack->factors());
    EXPECT_EQ(reshaped(a, {2, 2, 64})->natural(), DType::nvfp4);
    // Rows of both matrices in one group: no factor would be right for all.
    EXPECT_EQ(with_rows(reshaped(stack, {8, 64}), {7, 0}, 8)->natural(), DType::bf16);
    EXPECT_EQ(reshaped(a, {8, 32})->natural(), DType::bf16);
    EXPECT_EQ(transposed(a)->natural(), DType::bf16);
    EXPECT_EQ(with_columns(a, {1, 0})->natural(), DType::bf16);

    // Whole rows of a reordered stack: codes times factors are what reading gives.
    const ValuesPtr picked = with_rows(stack, {3, 1}, 4);
    std::vector<std::byte> blocks(size_t(row_bytes(DType::nvfp4, 4 * 64)));
    ASSERT_TRUE(picked->blocks(0, 4, blocks.data()));
    std::vector<float> codes(4 * 64), values(4 * 64);
    decode(DType::nvfp4, blocks.data(), 4 * 64, codes.data());
    picked->read({0, 4, 0, 64}, values.data());
    for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], codes[i] * stack->factors()[i / 128]) << i;
}

TEST(Nvfp4Values, AreWrittenOutWhereTheirFactorHasNoPlace) {
    using namespace huggingface;
    Translation to = two_matrices();
    to.add({"blk.0.x.weight", DType::nvfp4, to.tensors.open("a.weight", to.config)});
    to.add({"blk.0.y.weight", DType::nvfp4, to.tensors.open("b.weight", to.config)});
    to.add("blk.0.x.scale", constant({5}));
    to.finish();
    EXPECT_TRUE(to.config.problems().empty());
    std::map<std::string, DType> types;
    for (const MadeTensor& tensor : to.made()) types[tensor.name] = tensor.type;
    const std::map<std::string, DType> expected{{"blk.0.x.scale", DType::f32},
                                                {"blk.0.x.weight", DType::bf16},
                                                {"blk.0.y.scale", DType::f32},
                                                {"blk.0.y.weight", DType::nvfp4}};
    EXPECT_EQ(types, expected);
    EXPECT_EQ(to.notes().size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(Layouts, QuantisedDirectories, testing::ValuesIn(kCases),
                         [](const testing::TestParamInfo<Case>& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace hearth::test
