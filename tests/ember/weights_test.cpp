// What fewer bits cost, on weights that were trained: quantisers, their recipes, importance matrices and caches in the
// order that they promise.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>

#include "ember/ember.h"
#include "engine/engine_run.h"
#include "engine/loaded_model.h"
#include "library/convert.h"

namespace hearth::test {
namespace {

// Rows of every position of the documents, one after the other.
using Rows = std::vector<float>;

Rows rows_of(Engine& engine, const std::vector<EmberDocument>& documents) {
    Rows rows;
    for (const EmberDocument& document : documents) {
        Request request;
        request.tokens = document.tokens;
        request.max_tokens = 1;
        request.reuse = false;
        request.logits = [&](int64_t, std::span<const float> row) { rows.insert(rows.end(), row.begin(), row.end()); };
        ask(engine, std::move(request));
    }
    return rows;
}

// In nats, one per token that training wanted to be learnt: the divergence from the truth before it, and what it cost.
struct Costs {
    std::vector<double> divergence, loss;
};

double mean(const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum / double(values.size());
}

// Half of a 95 % interval of the mean.
double interval(const std::vector<double>& values) {
    const double middle = mean(values);
    double squares = 0;
    for (const double value : values) squares += (value - middle) * (value - middle);
    return 1.96 * std::sqrt(squares) / double(values.size());
}

double log_of_sum(std::span<const float> row) {
    const float top = *std::ranges::max_element(row);
    double sum = 0;
    for (const float value : row) sum += std::exp(double(value - top));
    return double(top) + std::log(sum);
}

class EmberWeights : public testing::Test {
protected:
    static void SetUpTestSuite() {
        const auto engine = open_ember(ember_directory(), {.kv_type = KvType::f32, .context_tokens = 512});
        ASSERT_TRUE(engine);
        documents = ember_documents(engine->tokenizer());
        vocabulary = size_t(engine->model().vocabulary);
        truth = rows_of(*engine, documents);
        size_t tokens = 0;
        for (const EmberDocument& one : documents) tokens += one.tokens.size();
        ASSERT_GT(tokens, 5000u);
        ASSERT_EQ(truth.size(), tokens * vocabulary);
    }
    static void TearDownTestSuite() {
        truth = {};
        documents = {};
    }

    struct Variant {
        std::string type;
        const Imatrix* imatrix = nullptr;
        int64_t target_bytes = 0;
    };
    static Costs costs_of(const Variant& variant, int64_t* bytes = nullptr) {
        const auto source = open_checkpoint(ember_directory());
        EXPECT_TRUE(source);
        const QuantiseOptions options{
            .type = variant.type, .target_bytes = variant.target_bytes, .threads = 2, .imatrix = variant.imatrix};
        const auto plan = plan_quantise(*source, options);
        EXPECT_TRUE(plan) << (plan ? "" : plan.error().line());
        const std::string path = temporary_directory() + "/" + variant.type + ".gguf";
        const auto written = write_quantised(*source, *plan, path, 2);
        EXPECT_TRUE(written) << (written ? "" : written.error().line());
        if (bytes) *bytes = int64_t(std::filesystem::file_size(path));
        const Costs costs = costs_in(*open_ember(path, {.kv_type = KvType::f32, .context_tokens = 512}));
        std::filesystem::remove(path);
        return costs;
    }
    static Costs costs_in(Engine& engine) {
        const Rows rows = rows_of(engine, documents);
        EXPECT_EQ(rows.size(), truth.size());

        Costs costs;
        size_t at = 0;
        for (const auto& [tokens, is_learnt] : documents) {
            for (size_t i = 0; i + 1 < tokens.size(); ++i) {
                if (!is_learnt[i + 1]) continue;
                const auto ours = std::span(rows).subspan((at + i) * vocabulary, vocabulary);
                const auto theirs = std::span(truth).subspan((at + i) * vocabulary, vocabulary);
                const double our_sum = log_of_sum(ours), their_sum = log_of_sum(theirs);
                double divergence = 0;
                for (size_t id = 0; id < vocabulary; ++id) {
                    const double log_truth = double(theirs[id]) - their_sum;
                    divergence += std::exp(log_truth) * (log_truth - double(ours[id]) + our_sum);
                }
                costs.divergence.push_back(divergence);
                costs.loss.push_back(our_sum - double(ours[size_t(tokens[i + 1])]));
            }
            at += tokens.size();
        }
        return costs;
    }

    static inline std::vector<EmberDocument> documents;
    static inline Rows truth;
    static inline size_t vocabulary = 0;
};

TEST_F(EmberWeights, EveryBitThatIsTakenCostsSomething) {
    const std::vector<std::string> types{"q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k"};
    std::vector<Costs> costs;
    for (const std::string& type : types) {
        costs.push_back(costs_of({.type = type}));
        fmt::print("{:8} divergence {:.3e}, perplexity {:.4f}\n", type, mean(costs.back().divergence),
                   std::exp(mean(costs.back().loss)));
    }
    for (size_t i = 1; i < types.size(); ++i) {
        EXPECT_LT(mean(costs[i - 1].divergence), mean(costs[i].divergence)) << types[i - 1] << ", " << types[i];
        EXPECT_LT(mean(costs[i - 1].loss), mean(costs[i].loss) + interval(costs[i].loss))
            << types[i - 1] << ", " << types[i];
    }
}

// The same weights; only what the attention layers remember is rounded.
TEST_F(EmberWeights, CachesOfFewerBitsCostLittle) {
    double before = 0;
    for (const auto& [name, type] : {std::pair("f16", KvType::f16), {"q8_0", KvType::q8_0}, {"q4_0", KvType::q4_0}}) {
        const auto engine = open_ember(ember_directory(), {.kv_type = type, .context_tokens = 512});
        ASSERT_TRUE(engine);
        const Costs costs = costs_in(*engine);
        const double divergence = mean(costs.divergence);
        fmt::print("cache {:5} divergence {:.3e} +- {:.1e}, largest {:.2e}, perplexity {:.4f}\n", name, divergence,
                   interval(costs.divergence), *std::ranges::max_element(costs.divergence), std::exp(mean(costs.loss)));
        EXPECT_GT(divergence, before) << name;
        if (type == KvType::f16) {
            EXPECT_LE(divergence, 1e-5);
        }
        if (type == KvType::q8_0) {
            EXPECT_LE(divergence, 1e-3);
        }
        before = divergence;
    }
}

TEST_F(EmberWeights, KnowingTheInputsHelps) {
    const std::string path = temporary_directory() + "/ember.imatrix";
    {
        const auto engine =
            open_ember(ember_directory(), {.kv_type = KvType::f32, .context_tokens = 512, .measure_inputs = true});
        ASSERT_TRUE(engine);
        // From other documents than those that are scored.
        const auto cases = ember_cases("cases.jsonl");
        for (size_t i = 0; i < cases.size(); i += 2) {
            EmbedRequest request;
            const std::string text = cases[i].prompt + cases[i].expected + "<|im_end|>";
            ASSERT_TRUE(engine->tokenizer().encode(text, {.parse_special = true}, request.tokens));
            if (request.tokens.size() > 250) continue;  // the rules of tools would drown all else
            request.each_row = [](int64_t, std::span<const float>) {};
            ask(*engine, std::move(request));
        }
        std::map<std::string, InputSums, std::less<>> sums;
        for (auto& [name, found] : engine->take_input_squares())
            sums[name] = {std::move(found.squares), std::move(found.rows)};
        ASSERT_TRUE(write_imatrix(path, sums, {.dataset = "cases"}));
    }
    const auto imatrix = read_imatrix(path);
    ASSERT_TRUE(imatrix);
    for (const std::string type : {"q4_k_m", "q3_k_m", "iq4_xs"}) {
        const double without = mean(costs_of({.type = type}).divergence);
        const double with = mean(costs_of({.type = type, .imatrix = &*imatrix}).divergence);
        fmt::print("{:8} divergence {:.3e} without, {:.3e} with importance\n", type, without, with);
        EXPECT_LT(with, without) << type;
    }
}

TEST_F(EmberWeights, MeasuredMixesBeatTheUsualOnesAtEqualBytes) {
    for (const auto& [usual, measured] : {std::pair("q4_k_m", "hq4"), std::pair("q5_k_m", "hq5")}) {
        int64_t usual_bytes = 0, measured_bytes = 0;
        const double usual_cost = mean(costs_of({.type = usual}, &usual_bytes).divergence);
        const double cost = mean(costs_of({.type = measured}, &measured_bytes).divergence);
        fmt::print("{} {:.3e} in {} bytes, {} {:.3e} in {}\n", usual, usual_cost, usual_bytes, measured, cost,
                   measured_bytes);
        EXPECT_LE(measured_bytes, usual_bytes);
        EXPECT_LT(cost, usual_cost) << measured;
    }
}

// What lies in data/ is made from the directory here by the command that training/run.sh gives.
TEST_F(EmberWeights, TheFileComesFromTheDirectory) {
    auto conversion = plan_conversion(ember_directory(), "q8_0");
    ASSERT_TRUE(conversion) << (conversion ? "" : conversion.error().line());
    const std::string path = temporary_directory() + "/converted.gguf";
    ASSERT_TRUE(write_quantised(conversion->source, conversion->plan, path, 2));
    EXPECT_TRUE(read_bytes(path) == read_bytes(ember_file()));
    EXPECT_LE(std::filesystem::file_size(ember_file()), 9'000'000u);
}

}  // namespace
}  // namespace hearth::test
