// Llama and the Mistral models of its build.
#include <cstring>
#include <map>
#include <tuple>

#include "models/family_gates.h"

namespace hearth {
namespace {

const test::FamilyGates kLlama{.folder = "llama",
                               .float_files = {"llama-a", "llama-linear"},
                               .quantised_files = {"llama-bf16", "llama-b-q4km", "llama-b-q80"},
                               .equal_bits = {"llama-a", "llama-b-q4km"}};
const test::FamilyGates kMistral{.folder = "mistral",
                                 .float_files = {"ministral3", "mistral_small", "mistral_small4"},
                                 .quantised_files = {"ministral3_q4km"},
                                 .equal_bits = {"ministral3", "ministral3_q4km", "mistral_small4"}};

FAMILY_TESTS(Llama, kLlama)
FAMILY_TESTS(Mistral, kMistral)

TEST(Llama, FilesThatLie) {
    NEED_SHARED("reference/llama");
    test::expect_every_tensor_is_checked(kLlama.file("llama-a", ".gguf"), {"rope_freqs.weight"});
    test::expect_every_tensor_is_checked(kLlama.file("llama-linear", ".gguf"), {"output.weight"});
    test::expect_absurd_numbers_are_survived(kLlama.file("llama-linear", ".gguf"));
    test::expect_absurd_numbers_are_survived(kMistral.file("ministral3", ".gguf"));
}

TEST(Mistral, FilesOfLatentAttentionThatLie) {
    NEED_SHARED("reference/mistral");
    const std::string path = kMistral.file("mistral_small4", ".gguf");
    test::expect_every_tensor_is_checked(path, {"output.weight"});
    test::expect_absurd_numbers_are_survived(path);
}

TEST(Llama, HeadsThatDoNotDivideAreNamed) {
    NEED_SHARED("reference/llama");
    test::EditedFile file(kLlama.file("llama-a", ".gguf"));
    file.set_integer("llama.attention.head_count", 3).set_integer("llama.attention.head_count_kv", 2);
    file.drop_key("llama.feed_forward_length").set_integer("llama.rope.dimension_count", 13);
    test::expect_words(test::load_report(file),
                       {"embedding_length 128 cannot be divided among 3 heads", "llama.feed_forward_length is missing",
                        "attention.head_count is no multiple of attention.head_count_kv",
                        "rope.dimension_count is 13, expected an even number"});
    test::EditedFile partial(kLlama.file("llama-a", ".gguf"));
    partial.set_integer("llama.rope.dimension_count", 16);
    test::expect_words(test::load_report(partial), {"rope.dimension_count is 16, expected all 32 values of a head"});
    test::EditedFile divisors(kLlama.file("llama-a", ".gguf"));
    divisors.add_floats("rope_freqs.weight", std::vector<float>(16, 0.0f));
    test::expect_words(test::load_report(divisors), {"rope_freqs.weight holds a divisor that is not above zero"});
    test::EditedFile layers(kLlama.file("llama-a", ".gguf"));
    layers.set("llama.attention.head_count_kv", MetadataValue::of(std::vector<int32_t>{2, 2, 1, 2}));
    test::expect_words(test::load_report(layers), {"llama.attention.head_count_kv differs between layers"});
}

// What the tensors of the same name hold, one after the other.
std::vector<float> joined(const Checkpoint& file, const std::vector<std::string>& names) {
    std::vector<float> values;
    for (const std::string& name : names) {
        const StoredTensor* tensor = file.find(name);
        EXPECT_TRUE(tensor && tensor->type == DType::f32) << name;
        const size_t begin = values.size();
        values.resize(begin + size_t(tensor->elements()));
        std::memcpy(&values[begin], tensor->data.data(), tensor->data.size());
    }
    return values;
}

// One matrix with the rows of all three is the same model, to the last bit.
TEST(Llama, QueriesKeysAndValuesInOneMatrix) {
    NEED_SHARED("reference/llama");
    const std::string path = kLlama.file("llama-a", ".gguf");
    const auto original = open_gguf(path);
    test::EditedFile file(path);
    for (int layer = 0; layer < 4; ++layer) {
        const std::string blk = fmt::format("blk.{}.", layer);
        const std::vector<std::string> names{blk + "attn_q.weight", blk + "attn_k.weight", blk + "attn_v.weight"};
        file.add_floats(blk + "attn_qkv.weight", joined(*original, names), {256, 128});
        for (const std::string& name : names) file.drop(name);
    }
    const auto ids = kLlama.all_ids("llama-a");
    test::ModelRun three(path, {}), one(file.write("fused.gguf"), {});
    ASSERT_TRUE(three.is_ready() && one.is_ready());
    EXPECT_TRUE(test::same_bits(three.logits(ids, {512}), one.logits(ids, {512})));
}

// Mixtral: four times the same expert, weighted to a sum of one, is the dense model but for rounding.
TEST(Llama, EqualExpertsAreOne) {
    NEED_SHARED("reference/llama");
    const std::string path = kLlama.file("llama-a", ".gguf");
    const auto original = open_gguf(path);
    test::EditedFile file(path);
    file.set_integer("llama.expert_count", 4).set_integer("llama.expert_used_count", 2);
    for (int layer = 0; layer < 4; ++layer) {
        const std::string blk = fmt::format("blk.{}.", layer);
        for (const auto& [part, rows, columns] :
             {std::tuple{"ffn_gate", 192, 128}, std::tuple{"ffn_up", 192, 128}, std::tuple{"ffn_down", 128, 192}}) {
            const std::string name = blk + part + ".weight";
            file.add_floats(blk + part + "_exps.weight", joined(*original, {name, name, name, name}),
                            {4, rows, columns});
            file.drop(name);
        }
        std::vector<float> router(4 * 128);
        for (size_t i = 0; i < router.size(); ++i) router[i] = float(i * 29 % 17) / 17 - 0.5f;
        file.add_floats(blk + "ffn_gate_inp.weight", router, {4, 128});
    }
    const auto ids = kLlama.all_ids("llama-a");
    for (const test::RunOptions& options : test::every_row()) {
        test::ModelRun dense(path, options), experts(file.write("experts.gguf"), options);
        ASSERT_TRUE(dense.is_ready() && experts.is_ready());
        EXPECT_LE(test::relative_rms(experts.logits(ids, {512}), dense.logits(ids, {512})), kLlama.bound)
            << test::describe(options);
        EXPECT_EQ(experts.chosen_experts()[0].size(), 4 * 2u);
    }
}

// Biases that only finetunes have: each must reach the result.
TEST(Llama, BiasesOfFinetunesAreUsed) {
    NEED_SHARED("reference/llama");
    const std::string path = kLlama.file("llama-a", ".gguf");
    const auto ids = test::read_ids(kLlama.file("llama-a", ".tokens.txt"));
    test::ModelRun plain(path, {});
    ASSERT_TRUE(plain.is_ready());
    const auto without = plain.logits(ids, {512});
    for (const auto& [name, width] : std::map<std::string, size_t>{{"attn_q", 128},
                                                                   {"attn_k", 64},
                                                                   {"attn_v", 64},
                                                                   {"attn_output", 128},
                                                                   {"ffn_gate", 192},
                                                                   {"ffn_up", 192},
                                                                   {"ffn_down", 128}}) {
        std::vector<float> bias(width);
        for (size_t i = 0; i < width; ++i) bias[i] = float(i % 7) - 3;
        test::EditedFile zero(path), biased(path);
        zero.add_floats("blk.1." + name + ".bias", std::vector<float>(width, 0.0f));
        biased.add_floats("blk.1." + name + ".bias", bias);
        test::ModelRun with_zero(zero.write("zero.gguf"), {}), with_bias(biased.write("biased.gguf"), {});
        ASSERT_TRUE(with_zero.is_ready() && with_bias.is_ready());
        EXPECT_TRUE(test::same_bits(without, with_zero.logits(ids, {512}))) << name;
        EXPECT_GT(test::relative_rms(with_bias.logits(ids, {512}), without), 1e-3) << name;
    }
}

}  // namespace
}  // namespace hearth
