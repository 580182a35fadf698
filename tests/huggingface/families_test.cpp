// Every family's published form, made from recorded GGUF files by the inverse of what is published, must open as the
// model it was made from: equal numbers, keys and tokens; and equal logits where this build runs the family.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "files/gguf.h"
#include "huggingface/directory.h"
#include "huggingface/publishers.h"
#include "models/edited_file.h"
#include "models/model_run.h"

namespace hearth::test {
namespace {

struct Case {
    std::string file;  // below reference/
    Published (*publish)(const Original& from);
    std::vector<std::string> except = {};  // keys that no published file can hold, or that only the recorder wrote
    bool has_logits = true;
};

const std::vector<Case> kCases{
    {"gemma3/g3-1b", publish::gemma3},
    {"gemma3/g3-4b", publish::gemma3},
    {"gemma4/g4-e2b", publish::gemma4, {"tokenizer.ggml.scores"}},
    {"gemma4/g4-26b", publish::gemma4, {"tokenizer.ggml.scores"}},
    {"gpt-oss/gpt-oss-a", publish::gpt_oss},
    {"lfm2/lfm2-a", publish::lfm2},
    {"llama/llama-a", publish::llama},
    {"llama/llama-linear", publish::llama},
    {"llama4/llama4-a", publish::llama4},
    {"mistral/mistral_small", publish::llama, {"tokenizer.ggml.scores"}},
    {"mistral/ministral3", publish::ministral3, {"tokenizer.ggml.scores"}},
    {"nemotron/nemotron_h", publish::nemotron},
    {"nemotron/nemotron_h_moe", publish::nemotron},
    {"nemotron/nemotron_h_moe_latent", publish::nemotron},
    {"phi3/phi4mini-long", publish::phi3},
    {"qwen2/qwen2-a", publish::qwen2},
    {"qwen3/qwen3-a", publish::qwen3},
    {"qwen3/qwen3-yarn", publish::qwen3},
    {"qwen3moe/qwen3moe-a", publish::qwen3moe},
    {"smollm3/smollm3-a", publish::smollm3},
};

// A copy whose computed numbers are those that the published form can say: -exp() of a float, divisors by formula.
std::string reachable(const std::string& file) {
    const std::string path = shared_path("reference/" + file + ".gguf");
    const Original original(path);
    EditedFile edited(path);
    for (const std::string& tensor : edited.tensor_names()) {
        Given given = original.tensor(tensor);
        if (tensor.ends_with(".ssm_a"))
            given = given.with([](float a) { return float(-std::exp(double(std::log(-a)))); });
        else if (tensor == "rope_freqs.weight" && given.values[2] != 1) {
            for (size_t i = 0; i < given.values.size(); ++i) {  // llama3: factor 8 over bands 1 and 4 of 64 tokens
                const double n = double(2 * given.values.size());
                const double wave = 2 * M_PI * std::pow(10000.0, 2.0 * double(i) / n), t = (64 / wave - 1) / 3;
                const double divisor = wave < 16 ? 1 : wave > 64 ? 8 : 1 / ((1 - t) / 8 + t);
                EXPECT_NEAR(given.values[i], divisor, 1e-5 * divisor);
                given.values[i] = float(divisor);
            }
        } else {
            continue;
        }
        edited.fill(tensor, given.values);
    }
    std::string name = file;
    std::ranges::replace(name, '/', '-');
    return edited.write(name + ".gguf");
}

class PublishedFamilies : public testing::TestWithParam<Case> {};

TEST_P(PublishedFamilies, OpenAsTheModelTheyCameFrom) {
    NEED_SHARED("reference");
    const std::string gguf = reachable(GetParam().file);
    const Original original(gguf);
    Published form = GetParam().publish(original);
    const std::string base = GetParam().file.substr(GetParam().file.find('/') + 1);
    if (base.starts_with("g3-")) form.write_tokenizer_model(form.write(base, 2), original.checkpoint());
    const std::string directory = form.write(base, 2);
    auto opened = huggingface::open_directory(directory);
    ASSERT_TRUE(opened.has_value()) << opened.error().line();
    expect_same_model(original.checkpoint(), opened->checkpoint, GetParam().except);

    const bool is_known =
        known_architectures().find(*original.checkpoint().metadata().text("general.architecture")) != std::string::npos;
    if (!is_known) return;
    const auto ids = read_ids(shared_path("reference/" + GetParam().file + ".tokens.txt"));
    ModelRun theirs(gguf, {}), ours(directory, {});
    ASSERT_TRUE(theirs.is_ready() && ours.is_ready());
    const auto one = theirs.logits(ids, {512}), two = ours.logits(ids, {512});
    ASSERT_EQ(one.size(), two.size());
    EXPECT_EQ(std::memcmp(one.data(), two.data(), one.size() * sizeof(float)), 0);
}

INSTANTIATE_TEST_SUITE_P(Families, PublishedFamilies, testing::ValuesIn(kCases),
                         [](const testing::TestParamInfo<Case>& info) {
                             std::string name = info.param.file.substr(info.param.file.find('/') + 1);
                             std::ranges::replace(name, '-', '_');
                             return name;
                         });

}  // namespace
}  // namespace hearth::test
