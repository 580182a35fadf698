// perplexity and imatrix as people meet them, held against what can be computed otherwise.
#include <cmath>
#include <cstring>

#include "base/json.h"
#include "cli/command.h"
#include "files/gguf.h"
#include "tensor/decode.h"

namespace hearth::test {
namespace {

class Quality : public Command {
protected:
    void SetUp() override {
        NEED_SHARED("reference/llama");
        NEED_SHARED("reference/qwen3moe");
        Command::SetUp();
        for (const std::string name :
             {"llama/llama-a", "llama/llama-b-q4km", "qwen3moe/qwen3moe-a", "bert/bert-mean", "qwen35/dense_r1"}) {
            const fs::path to = folder / (name.substr(name.find('/') + 1) + ".gguf");
            if (!fs::exists(to)) fs::copy_file(shared_path("reference/" + name + ".gguf"), to);
        }
        std::string text;
        for (int i = 0; i < 60; ++i)
            text += fmt::format("The river was calm on day {}, and {} boats came.\n", i, i * 7 % 11);
        write("text.txt", text);
    }
    Json json(const std::string& words) const {
        const Ran ran = hearth(words);
        EXPECT_EQ(ran.exit_code, 0) << words << ran.err;
        auto parsed = Json::parse(ran.out);
        EXPECT_TRUE(parsed) << ran.out;
        return parsed ? std::move(*parsed) : Json();
    }
    std::vector<int32_t> ids(const std::string& model_file, const std::string& text) const {
        const auto parsed = Json::parse(hearth("inspect tokens " + model_file + " --json --bos", text).out);
        std::vector<int32_t> found;
        if (parsed && parsed->find("ids"))
            for (const Json& id : parsed->find("ids")->items()) found.push_back(int32_t(id.as_int()));
        return found;
    }
};

// The same figure from the rows that `inspect logits` gives for each piece.
TEST_F(Quality, PerplexityIsWhatTheLogitsSay) {
    const std::string text = read_text(folder / "text.txt");
    const auto tokens = ids("llama-a.gguf", text);
    const Json got = json("perplexity llama-a.gguf text.txt --ctx 64 --chunks 2 --kv f32 --json");
    EXPECT_EQ(got.find("chunks")->as_int(), 2);
    EXPECT_EQ(got.find("scored_tokens")->as_int(), 2 * 31);
    EXPECT_EQ(got.find("unused_tokens")->as_int(), int64_t(tokens.size()) - 128);
    double sum = 0;
    for (size_t piece = 0; piece < 2; ++piece) {
        std::vector<int32_t> part(tokens.begin() + 64 * int64_t(piece), tokens.begin() + 64 * int64_t(piece + 1));
        part[0] = tokens[0];  // BOS
        std::string lines;
        for (const int32_t id : part) lines += fmt::format("{}\n", id);
        EXPECT_EQ(hearth("inspect logits llama-a.gguf --tokens - --out rows.f32", lines).exit_code, 0);
        const auto rows = read_floats(folder / "rows.f32");
        const size_t width = rows.size() / 64;
        for (size_t i = 32; i + 1 < 64; ++i) {
            double total = 0;
            for (size_t j = 0; j < width; ++j) total += std::exp(double(rows[i * width + j]));
            sum += std::log(total) - double(rows[i * width + size_t(part[i + 1])]);
        }
    }
    EXPECT_NEAR(got.find("perplexity")->as_double() / std::exp(sum / 62), 1, 1e-6);
    const auto& interval = got.find("perplexity_interval")->items();
    EXPECT_LT(interval[0].as_double(), got.find("perplexity")->as_double());
    EXPECT_GT(interval[1].as_double(), got.find("perplexity")->as_double());
}

TEST_F(Quality, AModelHeldAgainstItselfAndAgainstAnother) {
    fs::remove(folder / "base.kl");
    const Ran made = hearth("perplexity llama-a.gguf text.txt --ctx 64 --kl-base base.kl --kv f32");
    EXPECT_EQ(made.exit_code, 0) << made.err;
    EXPECT_NE(made.err.find("base.kl"), std::string::npos) << made.err;
    const Json same = json("perplexity llama-a.gguf text.txt --ctx 64 --kl-base base.kl --kv f32 --json");
    EXPECT_EQ(same.find("mean_kl")->as_double(), 0);
    EXPECT_EQ(same.find("max_kl")->as_double(), 0);
    EXPECT_EQ(same.find("top_1_agreement")->as_double(), 1);
    EXPECT_EQ(same.find("perplexity_ratio")->as_double(), 1);
    const Json half = json("perplexity llama-a.gguf text.txt --ctx 64 --kl-base base.kl --kv q4_0 --json");
    const double kl = half.find("mean_kl")->as_double();
    EXPECT_GT(kl, 0);
    EXPECT_LT(kl, 0.5);
    EXPECT_GE(half.find("max_kl")->as_double(), half.find("kl_99_9")->as_double());
    EXPECT_GE(half.find("kl_99_9")->as_double(), kl);
    const Ran shown = hearth("perplexity llama-a.gguf text.txt --ctx 64 --kl-base base.kl --kv q4_0");
    for (const char* words : {"perplexity", "mean KL", "99.9 %", "largest", "likeliest", "pieces of 64"})
        EXPECT_NE(shown.out.find(words), std::string::npos) << shown.out;

    refused("\"$H\" perplexity llama-a.gguf text.txt --ctx 32 --kl-base base.kl", 1, {"base.kl", "--ctx"});
    refused("\"$H\" perplexity $M text.txt --ctx 64 --kl-base base.kl", 1, {"base.kl"});
    write("other.txt", "Another text" + read_text(folder / "text.txt").substr(12));
    refused("\"$H\" perplexity llama-a.gguf other.txt --ctx 64 --kl-base base.kl", 1, {"another text"});
    refused("\"$H\" perplexity llama-a.gguf text.txt --ctx 64 --kl-base text.txt", 1,
            {"text.txt", "log-probabilities"});
}

TEST_F(Quality, WhatGoesWrongIsNamed) {
    write("short.txt", "hi");
    refused("\"$H\" perplexity llama-a.gguf short.txt --ctx 64", 1, {"tokens", "64", "longer"});
    refused("\"$H\" perplexity llama-a.gguf text.txt --ctx 3", 1, {"pieces of 3", "4"});
    refused("\"$H\" perplexity llama-a.gguf ./missing.txt", 1, {"missing.txt"});
    refused("\"$H\" perplexity bert-mean.gguf text.txt", 1, {"no output matrix"});
    refused("\"$H\" imatrix llama-a.gguf text.txt /nonexistent/out.gguf --ctx 64", 1, {"/nonexistent/out.gguf"});
    refused("\"$H\" imatrix llama-a.gguf text.txt", 2, {"OUT"});
}

std::vector<float> stored(const Checkpoint& file, const std::string& name) {
    const StoredTensor* tensor = file.find(name);
    EXPECT_TRUE(tensor) << name;
    if (!tensor) return {};
    std::vector<float> values(size_t(tensor->elements()));
    decode(tensor->type, tensor->data.data(), tensor->elements(), values.data());
    return values;
}

// The first layer's input is the normalised embedding of each token: known without running the model.
TEST_F(Quality, AnImatrixHoldsTheSquaresOfTheInputs) {
    const Ran ran = hearth("imatrix llama-a.gguf text.txt dense.gguf --ctx 64 --chunks 3");
    ASSERT_EQ(ran.exit_code, 0) << ran.err;
    const auto matrix = open_gguf(folder / "dense.gguf"), source = open_gguf(folder / "llama-a.gguf");
    ASSERT_TRUE(matrix && source);
    EXPECT_EQ(matrix->metadata().integer("imatrix.chunk_count"), 3);
    EXPECT_EQ(matrix->metadata().integer("imatrix.chunk_size"), 64);
    EXPECT_EQ((*matrix->metadata().texts("imatrix.datasets"))[0], "text.txt");

    const auto table = stored(*source, "token_embd.weight"), scale = stored(*source, "blk.0.attn_norm.weight");
    const double eps = *source->metadata().number("llama.attention.layer_norm_rms_epsilon");
    auto tokens = ids("llama-a.gguf", read_text(folder / "text.txt"));
    tokens.resize(192);
    tokens[64] = tokens[128] = tokens[0];
    std::vector<double> squares(scale.size());
    for (const int32_t token : tokens) {
        const float* row = table.data() + size_t(token) * scale.size();
        double sum = 0;
        for (size_t i = 0; i < scale.size(); ++i) sum += double(row[i]) * double(row[i]);
        const double factor = 1 / std::sqrt(sum / double(scale.size()) + eps);
        for (size_t i = 0; i < scale.size(); ++i) squares[i] += std::pow(double(row[i]) * factor * double(scale[i]), 2);
    }
    const auto found = stored(*matrix, "blk.0.attn_q.weight.in_sum2");
    ASSERT_EQ(found.size(), squares.size());
    for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], squares[i], 1e-5 * squares[i]);
    EXPECT_EQ(stored(*matrix, "blk.0.attn_v.weight.in_sum2"), found);
    EXPECT_EQ(stored(*matrix, "blk.0.attn_q.weight.counts"), std::vector<float>{192});

    // Every product of the layers and nothing else: neither the table nor the output matrix.
    size_t expected = 0;
    for (const StoredTensor& tensor : source->tensors())
        if (tensor.name.starts_with("blk.") && tensor.shape.size() == 2) {
            ++expected;
            EXPECT_TRUE(matrix->find(tensor.name + ".in_sum2")) << tensor.name;
        }
    EXPECT_EQ(matrix->tensors().size(), 2 * expected);
    // The same file each time, whatever the number of threads.
    ASSERT_EQ(hearth("imatrix llama-a.gguf text.txt again.gguf --ctx 64 --chunks 3 --threads 1").exit_code, 0);
    EXPECT_EQ(read_bytes(folder / "again.gguf"), read_bytes(folder / "dense.gguf"));

    // What it is for.
    const Ran quantised = hearth("quantize llama-a.gguf q4.gguf --type q4_0 --imatrix dense.gguf");
    ASSERT_EQ(quantised.exit_code, 0) << quantised.err;
    EXPECT_GT(open_gguf(folder / "q4.gguf")->metadata().integer("quantize.imatrix.entries_count").value_or(0), 0);
}

// The last layers of Gemma 4 E2B keep nothing and usually see one token of a prompt only.
TEST_F(Quality, EveryLayerSeesEveryToken) {
    NEED_SHARED("reference/gemma4/g4-e2b.gguf");
    if (!fs::exists(folder / "g4.gguf")) fs::copy_file(shared_path("reference/gemma4/g4-e2b.gguf"), folder / "g4.gguf");
    const Ran ran = hearth("imatrix g4.gguf text.txt tail.gguf --ctx 64 --chunks 2");
    ASSERT_EQ(ran.exit_code, 0) << ran.err;
    const auto matrix = open_gguf(folder / "tail.gguf");
    int checked = 0;
    for (const StoredTensor& tensor : matrix->tensors())
        if (tensor.name.ends_with(".counts")) {
            EXPECT_EQ(stored(*matrix, tensor.name), std::vector<float>{128}) << tensor.name;
            ++checked;
        }
    EXPECT_GT(checked, 20);
}

TEST_F(Quality, ExpertsCountTheTokensThatChoseThem) {
    const Ran ran = hearth("imatrix qwen3moe-a.gguf text.txt moe.gguf --ctx 64 --chunks 2");
    ASSERT_EQ(ran.exit_code, 0) << ran.err;
    const auto matrix = open_gguf(folder / "moe.gguf"), source = open_gguf(folder / "qwen3moe-a.gguf");
    const int64_t used = *source->metadata().integer("qwen3moe.expert_used_count");
    const auto counts = stored(*matrix, "blk.0.ffn_down_exps.weight.counts");
    EXPECT_EQ(int64_t(counts.size()), *source->metadata().integer("qwen3moe.expert_count"));
    double sum = 0;
    for (const float count : counts) sum += double(count);
    EXPECT_EQ(sum, double(128 * used));
    EXPECT_EQ(stored(*matrix, "blk.0.ffn_gate_exps.weight.counts"), counts);
    // Over all experts the gate saw each token's input as often as it has experts, the router once.
    const auto gate = stored(*matrix, "blk.0.ffn_gate_exps.weight.in_sum2"),
               router = stored(*matrix, "blk.0.ffn_gate_inp.weight.in_sum2");
    for (size_t i = 0; i < router.size(); ++i) {
        double total = 0;
        for (size_t expert = 0; expert < counts.size(); ++expert) total += double(gate[expert * router.size() + i]);
        EXPECT_NEAR(total, double(used) * double(router[i]), 1e-5 * total);
    }
}

}  // namespace
}  // namespace hearth::test
