// A real family's file in every type: it loads, it runs, and its logits are as near to those of the float weights as
// the weights themselves are.
#include <cmath>
#include <filesystem>

#include "engine/loaded_model.h"
#include "files/gguf.h"
#include "library/quantise_file.h"
#include "models/model_run.h"
#include "tensor/decode.h"

namespace hearth::test {
namespace {

namespace fs = std::filesystem;

std::string quantised(const std::string& from, const QuantiseOptions& options) {
    const auto file = open_gguf(from);
    EXPECT_TRUE(file) << from;
    const auto plan = plan_quantise(*file, options);
    EXPECT_TRUE(plan) << options.type << ": " << plan.error().line();
    const std::string path = temporary_directory() + "/" + options.type + ".gguf";
    const auto written = write_quantised(*file, *plan, path, 2);
    EXPECT_TRUE(written) << options.type;
    return path;
}

// Of all matrices together: how far the file's weights are from the float ones.
double weight_error(const Checkpoint& file, const Checkpoint& floats) {
    double error = 0, size = 0;
    for (const StoredTensor& tensor : floats.tensors()) {
        if (tensor.shape.size() < 2) continue;
        const StoredTensor* other = file.find(tensor.name);
        EXPECT_NE(other, nullptr) << tensor.name;
        std::vector<float> x(size_t(tensor.elements())), y(x.size());
        decode(tensor.type, tensor.data.data(), tensor.elements(), x.data());
        decode(other->type, other->data.data(), tensor.elements(), y.data());
        for (size_t i = 0; i < x.size(); ++i) error += (x[i] - y[i]) * (x[i] - y[i]), size += x[i] * x[i];
    }
    return std::sqrt(error / size);
}

// `growth`: how much larger the error of the logits may be than that of the weights. Every layer adds its matrices'
// errors and passes on those before it.
void expect_near(const std::string& model, const std::string& tokens_file, const std::vector<std::string>& types,
                 double growth) {
    const std::string floats = quantised(model, {.type = "f32", .allow_requantise = true});
    const auto tokens = read_ids(tokens_file);
    // Float activations: only the weights differ.
    ModelRun reference(floats, {.device = "reference"});
    ASSERT_TRUE(reference.is_ready());
    const auto want = reference.logits(tokens, {int64_t(tokens.size())});
    for (const std::string& type : types) {
        const std::string path = quantised(floats, {.type = type, .threads = 2});
        const double weights = weight_error(*open_gguf(path), *open_gguf(floats));
        ModelRun run(path, {.device = "reference"}), fast(path, {.device = "cpu"});
        ASSERT_TRUE(run.is_ready() && fast.is_ready()) << type;
        const double off = relative_rms(run.logits(tokens, {int64_t(tokens.size())}), want);
        const double fast_off = relative_rms(fast.logits(tokens, {int64_t(tokens.size())}), want);
        if (weights < 0.2) {  // beyond, there is little left to compare
            EXPECT_LE(off, growth * weights + 1e-3) << type;
        }
        EXPECT_TRUE(std::isfinite(off)) << type;
        EXPECT_LE(fast_off, off + 0.06) << type;  // activations in eight bits
        fs::remove(path);
    }
}

TEST(QuantisedModels, LogitsAreAsNearAsTheWeights) {
    NEED_SHARED("reference/qwen35/q4_k_m.gguf");
    expect_near(shared_path("reference/qwen35/q4_k_m.gguf"), shared_path("reference/qwen35/q4_k_m.tokens.txt"),
                {"f16",  "bf16",   "q8_0",       "q6_k",       "q5_1",   "q5_0",   "q5_k_m",    "q5_k_s",    "q4_1",
                 "q4_0", "q4_k_m", "q4_k_s",     "iq4_nl",     "iq4_xs", "q3_k_l", "q3_k_m",    "q3_k_s",    "iq3_m",
                 "q2_k", "tq1_0",  "pure-mxfp4", "pure-nvfp4", "tq2_0",  "hq4",    "pure-q2_0", "pure-q1_0", "hq5"},
                10);
}

// Rows of 64 and 32: every k-quant has a stand-in.
TEST(QuantisedModels, NarrowRowsTakeStandIns) {
    NEED_SHARED("reference/qwen35/dense_r1.gguf");
    for (const char* name : {"qwen35/dense_r1", "qwen35/moe", "lfm2/lfm2-a"}) {
        SCOPED_TRACE(name);
        const std::string path = shared_path(std::string("reference/") + name);
        expect_near(path + ".gguf", path + ".tokens.txt", {"q8_0", "q6_k", "q5_k_m", "q4_k_m", "hq4"}, 30);
    }
}

// Types whose fast form is larger than the file's: the same bits either way, and the smaller way only where nothing
// else fits.
TEST(QuantisedModels, WhereMemoryIsShortWeightsStayAsStored) {
    NEED_SHARED("reference/qwen35/q4_k_m.gguf");
    const auto tokens = read_ids(shared_path("reference/qwen35/q4_k_m.tokens.txt"));
    for (const std::string type : {"pure-iq3_s", "pure-tq1_0", "pure-q4_k"}) {
        SCOPED_TRACE(type);
        const std::string path =
            quantised(shared_path("reference/qwen35/q4_k_m.gguf"), {.type = type, .allow_requantise = true});
        for (const char* isa : {"", "avx2", "generic"}) {
            ModelRun fast(path, {.isa = isa}), small(path, {.isa = isa, .weights_as_stored = true});
            if (!fast.is_ready()) continue;  // a row that this machine lacks
            ASSERT_TRUE(small.is_ready());
            EXPECT_EQ(fast.logits(tokens, {int64_t(tokens.size())}), small.logits(tokens, {7}));
        }

        const EngineOptions usual{.isa = "avx2", .threads = 2, .context_tokens = 256};
        EngineOptions options = usual;
        options.weights_as_stored = true;
        auto loaded = LoadedModel::load(*open_gguf(path), usual);
        if (!loaded) continue;
        const MemoryPlan fast = (*loaded)->plan;
        const MemoryPlan small = (*LoadedModel::load(*open_gguf(path), options))->plan;
        EXPECT_FALSE(fast.weights_as_stored);
        if (type == "pure-q4_k") {
            EXPECT_EQ(small.weights, fast.weights);
            continue;
        }
        EXPECT_LT(small.weights, fast.weights);
        options = usual;
        options.memory_bytes = fast.total();
        EXPECT_FALSE((*LoadedModel::load(*open_gguf(path), options))->plan.weights_as_stored);
        --options.memory_bytes;
        loaded = LoadedModel::load(*open_gguf(path), options);
        ASSERT_TRUE(loaded) << loaded.error().line();
        EXPECT_TRUE((*loaded)->plan.weights_as_stored);
        EXPECT_EQ((*loaded)->taken().weights, small.weights);
        options.memory_bytes = small.total() - 1;
        loaded = LoadedModel::load(*open_gguf(path), options);
        ASSERT_FALSE(loaded);
        EXPECT_EQ(loaded.error().kind, ErrorKind::out_of_memory);
    }
}

}  // namespace
}  // namespace hearth::test
