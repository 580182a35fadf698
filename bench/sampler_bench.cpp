// Time of one sampled token at a 248k vocabulary. Rows look like a language model's: a broad bell of impossible tokens
// and a few dozen likely ones; "flat" rows (a hot, undecided model) are the hard case.
#include <benchmark/benchmark.h>

#include "base/rng.h"
#include "engine/loop_detector.h"
#include "engine/sampler.h"

namespace hearth {
namespace {

constexpr int64_t kVocabulary = 248320;

std::vector<std::vector<float>> rows(bool is_flat) {
    Rng rng(1);
    std::vector<std::vector<float>> rows(8, std::vector<float>(kVocabulary));
    for (auto& row : rows) {
        for (float& x : row) x = 2.2f * rng.normal();
        if (is_flat) continue;
        for (int i = 0; i < 40; ++i) row[rng.below(kVocabulary)] = 18 - 0.25f * float(i) + rng.normal();
    }
    return rows;
}

void sample(benchmark::State& state, SamplerOptions options, bool is_flat) {
    const auto logits = rows(is_flat);
    options.seed = 1;
    auto sampler = Sampler::make(options, kVocabulary);
    Rng rng(2);
    for (int i = 0; i < 4000; ++i) sampler->accept(int32_t(rng.below(kVocabulary)));
    size_t turn = 0;
    for (auto _ : state) {
        const auto token = sampler->sample(logits[turn++ % logits.size()]);
        benchmark::DoNotOptimize(token);
        sampler->accept(token->id);
    }
}

void loop_detector(benchmark::State& state) {
    LoopDetector detector;
    Rng rng(2);
    for (auto _ : state) benchmark::DoNotOptimize(detector.accept(int32_t(rng.below(1000))));
}

const int registered = [] {
    const auto add = [](const std::string& name, const SamplerOptions& options) {
        for (const bool is_flat : {false, true})
            benchmark::RegisterBenchmark(("sample/" + name + (is_flat ? "/flat" : "")).c_str(), sample, options,
                                         is_flat)
                ->Unit(benchmark::kMillisecond);
    };
    add("greedy", {.temperature = 0});
    add("typical", {.temperature = 0.7f, .top_k = 20, .top_p = 0.9f, .min_p = 0.05f, .repetition_penalty = 1.1f});
    add("top_p_only", {.temperature = 0.7f, .top_p = 0.95f});
    add("top_p_penalty", {.temperature = 0.7f, .top_p = 0.95f, .repetition_penalty = 1.1f});
    add("min_p_only", {.min_p = 0.05f});
    add("temperature_only", {.temperature = 1.0f});
    add("top_k_1000", {.top_k = 1000, .top_p = 0.95f});
    add("typical_p", {.typical_p = 0.95f});
    add("xtc_only", {.xtc_probability = 0.5f, .xtc_threshold = 0.1f});
    add("dry_4000_tokens", {.top_k = 20, .dry_multiplier = 0.8f});
    add("logprobs_20", {.top_k = 20, .logprobs = 20});
    benchmark::RegisterBenchmark("loop_detector/token", loop_detector);
    return 0;
}();

}  // namespace
}  // namespace hearth
BENCHMARK_MAIN();
