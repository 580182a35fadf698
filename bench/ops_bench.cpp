// Ops of the CPU backend in the shapes of a small Qwen 3.5: attention 8 heads on 2 of width 256, delta rule 16 heads of
// 128 x 128. First argument of every benchmark: threads.
#include <benchmark/benchmark.h>

#include <memory>
#include <numeric>
#include <vector>

#include "backends/cpu/cpu_backend.h"
#include "base/rng.h"

namespace hearth {
namespace {

struct Bed {
    explicit Bed(int threads) {
        backend = std::move(*make_cpu_backend({.threads = threads}, ledger, false));
        (void)backend->reserve_scratch(int64_t{1} << 30);
    }
    Tensor random(int64_t rows, int64_t heads, int64_t width, float deviation = 1) {
        Rng rng(uint64_t(rows + heads + width));
        std::vector<float> values(size_t(rows * heads * width));
        for (float& value : values) value = deviation * rng.normal();
        return backend->upload(values, rows, heads * width)->heads(heads);
    }
    Step step(int64_t tokens, int64_t past) {
        pages.resize(size_t((past + tokens + kPageTokens - 1) / kPageTokens));
        std::iota(pages.begin(), pages.end(), 0);
        Step step;
        step.sequences.push_back(
            {.tokens = tokens, .past = past, .pages = {std::span<const int32_t>(pages)}, .slot_read = 0});
        for (int64_t t = 0; t < tokens; ++t) {
            step.sequence.push_back(0);
            step.kv_index.push_back(past + t);
            step.positions.push_back({past + t, past + t, past + t, 0});
            step.source.push_back(0);
        }
        return step;
    }
    MemoryLedger ledger;
    std::unique_ptr<Backend> backend;
    std::vector<int32_t> pages;
};

constexpr int64_t kHeads = 8, kKvHeads = 2, kWidth = 256;

void attention(benchmark::State& state) {
    Bed bed(int(state.range(0)));
    const int64_t tokens = state.range(1), past = state.range(2);
    const auto type = KvType(state.range(3));
    const KvGeometry geometry{kKvHeads, kWidth, kWidth};
    const int64_t bytes = bed.backend->kv_page_bytes(geometry, type);
    const Step step = bed.step(tokens, past);
    const auto memory = *bed.backend->allocate(int64_t(bed.pages.size()) * bytes, MemoryUse::kv);
    const KvLayer layer{.geometry = geometry, .type = type, .base = memory->address, .page_stride = bytes};
    const Tensor q = bed.random(tokens, kHeads, kWidth), k = bed.random(tokens, kKvHeads, kWidth);
    for (auto _ : state) {
        const Scratch scratch = bed.backend->ops().scratch();
        bed.backend->ops().attention(q, k, k, {.scale = 0.0625f}, layer, step);
    }
    const double keys = double(past) + double(tokens) / 2;
    state.counters["GFLOPS"] = benchmark::Counter(4e-9 * double(tokens * kHeads * kWidth) * keys,
                                                  benchmark::Counter::kIsIterationInvariantRate);
    state.counters["GB/s"] = benchmark::Counter(1e-9 * double(bytes) / 64 * double(past + tokens),
                                                benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(attention)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond)
    ->ArgsProduct({{1, 2}, {512}, {0, 3584}, {int(KvType::f16)}})
    ->ArgsProduct({{1, 2}, {1}, {512, 4096, 32768}, {int(KvType::f16)}})
    ->ArgsProduct({{2}, {1, 512}, {4096}, {int(KvType::f32), int(KvType::q8_0), int(KvType::q4_0)}});

void append_only(benchmark::State& state) {  // attention of width 1 key: what the cache writes cost
    Bed bed(int(state.range(0)));
    const int64_t tokens = 512;
    const KvGeometry geometry{kKvHeads, kWidth, kWidth};
    const int64_t bytes = bed.backend->kv_page_bytes(geometry, KvType::f16);
    const Step step = bed.step(tokens, 0);
    const auto memory = *bed.backend->allocate(int64_t(bed.pages.size()) * bytes, MemoryUse::kv);
    const KvLayer layer{.geometry = geometry, .type = KvType::f16, .base = memory->address, .page_stride = bytes};
    const Tensor q = bed.random(tokens, kHeads, kWidth), k = bed.random(tokens, kKvHeads, kWidth);
    for (auto _ : state) {
        const Scratch scratch = bed.backend->ops().scratch();
        bed.backend->ops().attention(q, k, k, {.scale = 0.0625f, .window = 1}, layer, step);
    }
}
BENCHMARK(append_only)->UseRealTime()->Unit(benchmark::kMicrosecond)->Arg(1)->Arg(2);

void delta_rule(benchmark::State& state) {
    Bed bed(int(state.range(0)));
    const int64_t tokens = state.range(1), heads = 16, width = 128;
    const auto memory = *bed.backend->allocate(heads * width * width * 4, MemoryUse::state);
    const StateBuffer buffer{reinterpret_cast<float*>(memory->address), heads * width * width, heads * width * width};
    const Step step = bed.step(tokens, 0);
    const Tensor q = bed.random(tokens, heads, width, 0.09f), v = bed.random(tokens, heads, width);
    Tensor keep = bed.random(tokens, 1, heads, 0);
    const Tensor write = bed.random(tokens, 1, heads, 0.2f);
    for (auto _ : state) {
        const Scratch scratch = bed.backend->ops().scratch();
        bed.backend->ops().gated_delta_rule({.q = q, .k = q, .v = v, .log_keep = keep, .write = write}, buffer, step);
    }
    // Four vector operations per cell and token: three FMAs and a product.
    state.counters["Gcell-ops"] = benchmark::Counter(4e-9 * double(tokens * heads * width * width),
                                                     benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(delta_rule)->UseRealTime()->Unit(benchmark::kMicrosecond)->ArgsProduct({{1, 2}, {1, 8, 512}});

// Mamba-2 as in Nemotron 3 Nano 4B: 96 heads of 80, state 128.
void mamba(benchmark::State& state) {
    Bed bed(int(state.range(0)));
    const int64_t tokens = state.range(1), heads = 96, width = 80, groups = 8, n = 128, floats = heads * width * n;
    const auto memory = *bed.backend->allocate(floats * 4, MemoryUse::state);
    const StateBuffer buffer{reinterpret_cast<float*>(memory->address), floats, floats};
    const Step step = bed.step(tokens, 0);
    const Tensor u = bed.random(tokens, heads, width), b = bed.random(tokens, groups, n, 0.1f);
    const Tensor dt = bed.random(tokens, 1, heads, 0.1f), a = bed.random(1, 1, heads, 0);
    for (auto _ : state) {
        const Scratch scratch = bed.backend->ops().scratch();
        bed.backend->ops().mamba({.u = u, .b = b, .c = b, .dt = dt, .a = a, .d = a}, buffer, step);
    }
    // Three vector operations per cell and token: two FMAs and a product.
    state.counters["Gcell-ops"] =
        benchmark::Counter(3e-9 * double(tokens * floats), benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(mamba)->UseRealTime()->Unit(benchmark::kMicrosecond)->ArgsProduct({{1, 2}, {1, 8, 512}});

void conv_silu(benchmark::State& state) {
    Bed bed(int(state.range(0)));
    const int64_t tokens = state.range(1), channels = 6144;
    const auto memory = *bed.backend->allocate(3 * channels * 4, MemoryUse::state);
    const StateBuffer buffer{reinterpret_cast<float*>(memory->address), 3 * channels, 3 * channels};
    const Step step = bed.step(tokens, 0);
    const Tensor x = bed.random(tokens, 1, channels), taps = bed.random(channels, 1, 4);
    for (auto _ : state) {
        const Scratch scratch = bed.backend->ops().scratch();
        bed.backend->ops().causal_conv_silu(x, taps, {}, buffer, step);
    }
}
BENCHMARK(conv_silu)->UseRealTime()->Unit(benchmark::kMicrosecond)->ArgsProduct({{1, 2}, {1, 512}});

void small_ops(benchmark::State& state) {  // one each: norm, swiglu, rope
    Bed bed(int(state.range(0)));
    const int64_t tokens = state.range(1);
    Ops& ops = bed.backend->ops();
    const Step step = bed.step(tokens, 0);
    Rope rope;
    for (int i = 0; i < 32; ++i) rope.frequency.push_back(1.0 / (1 + i));
    const Tensor x = bed.random(tokens, 1, 1024), gate = bed.random(tokens, 1, 3584),
                 q = bed.random(tokens, kHeads, kWidth);
    for (auto _ : state) {
        const Scratch scratch = ops.scratch();
        ops.rms_norm(x, x.row_range(0, 1), 1e-6f);
        ops.swiglu(gate, gate);
        ops.rope(q, rope, step);
    }
}
BENCHMARK(small_ops)->UseRealTime()->Unit(benchmark::kMicrosecond)->ArgsProduct({{1, 2}, {1, 512}});

void fork_join(benchmark::State& state) {
    ThreadPool pool(int(state.range(0)));
    for (auto _ : state) pool.run(state.range(0) * state.range(1), 1, [](int64_t, int64_t, int) {});
}
BENCHMARK(fork_join)->UseRealTime()->ArgsProduct({{1, 2}, {1, 12}});

}  // namespace
}  // namespace hearth

BENCHMARK_MAIN();
