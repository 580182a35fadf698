// Speed of the matrix kernels of one core, per weight type: GOP/s for batches, GB/s of packed weights for one token.
//   kernels_bench --benchmark_filter=q4_k          one type
//   HEARTH_CPU=avx2 kernels_bench                  another row of the kernel table
// `peak` is what the processor's own instruction reaches without any memory, `read` what one core reads from memory:
// the roofs. Times are the thread's processor time for products, wall time for memory.
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "backends/cpu/linear.h"
#include "backends/cpu/target.h"
#include "base/rng.h"

namespace hearth::cpu {
namespace {

Isa asked_isa() {
    const char* name = std::getenv("HEARTH_CPU");
    if (!name) return chosen_isa();
    const auto isa = parse_isa(name);
    if (!isa) {
        std::fprintf(stderr, "%s\n", isa.error().line().c_str());
        std::exit(1);
    }
    return *isa;
}

using Bytes = std::unique_ptr<std::byte, void (*)(void*)>;
// On huge pages where the system gives them, as the runtime keeps its weights.
Bytes aligned_bytes(int64_t size) {
    constexpr int64_t kHuge = 2 << 20;
    const int64_t alignment = size >= kHuge ? kHuge : 4096, bytes = (size + alignment - 1) / alignment * alignment;
    auto* memory = static_cast<std::byte*>(std::aligned_alloc(size_t(alignment), size_t(bytes)));
    if (alignment == kHuge) madvise(memory, size_t(bytes), MADV_HUGEPAGE);
    return {memory, std::free};
}

// Codes at random, scales that keep all sums finite and normal.
std::vector<std::byte> random_matrix(DType type, int64_t rows, int64_t columns) {
    Rng rng(1);
    std::vector<std::byte> bytes(size_t(rows * row_bytes(type, columns)));
    for (size_t at = 0; at + 8 <= bytes.size(); at += 8) {
        // Any two bytes are a normal number as f16 or bf16, any single one a middling exponent.
        const uint64_t word = (rng.next() & 0x2F2F2F2F2F2F2F2Full) | 0x4040404040404040ull;
        std::memcpy(&bytes[at], &word, 8);
    }
    return bytes;
}

// One matrix of random weights. `tokens` activations each; every round multiplies all rows.
void measure(benchmark::State& state, DType type, int64_t rows, int64_t columns, int64_t tokens) {
    const Isa isa = asked_isa();
    const LinearKernel& kernel = linear_kernel(type, isa, columns);
    const int64_t distinct = std::min<int64_t>(rows, 256), group_bytes = kernel.group_bytes(type, columns);
    const int64_t groups = groups_of(kernel, rows), distinct_groups = groups_of(kernel, distinct);
    const auto matrix = random_matrix(type, distinct, columns);
    const Bytes packed = aligned_bytes(groups * group_bytes),
                scratch = aligned_bytes(scratch_bytes(kernel, columns) + 64);
    pack_groups(kernel, matrix.data(), distinct, columns, 0, distinct_groups, packed.get());
    for (int64_t group = distinct_groups; group < groups; ++group) {
        std::memcpy(packed.get() + group * group_bytes, packed.get() + group % distinct_groups * group_bytes,
                    size_t(group_bytes));
    }
    std::vector<float> x(size_t(tokens * columns)), out(size_t(tokens * rows));
    Rng rng(2);
    for (float& value : x) value = rng.normal();
    const Bytes panel = aligned_bytes(panel_bytes(kernel.activation, isa, tokens, columns));
    pack_panel(kernel.activation, isa, {.x = x.data(), .stride = columns, .tokens = tokens, .columns = columns}, 0,
               tokens, panel.get());
    for (auto round : state) {
        multiply(kernel, {.weights = packed.get(),
                          .rows = rows,
                          .columns = columns,
                          .panel = panel.get(),
                          .tokens = tokens,
                          .out = out.data(),
                          .out_stride = rows,
                          .scratch = scratch.get()});
        benchmark::ClobberMemory();
    }
    using benchmark::Counter;
    const double rounds = double(state.iterations());
    state.counters["GOP/s"] = Counter(2e-9 * double(rows * columns * tokens) * rounds, Counter::kIsRate);
    state.counters["GB/s"] = Counter(1e-9 * double(groups * group_bytes) * rounds, Counter::kIsRate);
}

void measure_packing(benchmark::State& state, DType type, int64_t columns) {
    const LinearKernel& kernel = linear_kernel(type, asked_isa(), columns);
    const auto matrix = random_matrix(type, 256, columns);
    const Bytes packed = aligned_bytes(packed_bytes(kernel, 256, columns));
    for (auto round : state) {
        pack_groups(kernel, matrix.data(), 256, columns, 0, groups_of(kernel, 256), packed.get());
        benchmark::ClobberMemory();
    }
    state.counters["GB/s"] =
        benchmark::Counter(1e-9 * double(matrix.size()) * double(state.iterations()), benchmark::Counter::kIsRate);
}

void measure_panel(benchmark::State& state, ActivationKind kind, int64_t tokens, int64_t columns) {
    const Isa isa = asked_isa();
    std::vector<float> x(size_t(tokens * columns));
    Rng rng(2);
    for (float& value : x) value = rng.normal();
    const Bytes panel = aligned_bytes(panel_bytes(kind, isa, tokens, columns));
    for (auto round : state) {
        pack_panel(kind, isa, {.x = x.data(), .stride = columns, .tokens = tokens, .columns = columns}, 0, tokens,
                   panel.get());
        benchmark::ClobberMemory();
    }
    state.counters["Gvalues/s"] =
        benchmark::Counter(1e-9 * double(tokens * columns) * double(state.iterations()), benchmark::Counter::kIsRate);
}

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
void dot_peak(benchmark::State& state) {
    alignas(64) static int32_t numbers[96];
    __m512i sum[12];
    UNROLLED for (int i = 0; i < 12; ++i) sum[i] = _mm512_setzero_si512();
    const __m512i weights = _mm512_set1_epi8(3);
    constexpr int kRounds = 1000;
    for (auto round : state) {
        for (int i = 0; i < kRounds; ++i) {
            const int32_t* at = numbers;
            asm volatile("" : "+r"(at));
            UNROLLED for (int k = 0; k < 8; ++k) {
                UNROLLED for (int j = 0; j < 12; ++j) {
                    sum[j] = _mm512_dpbusd_epi32(sum[j], weights, _mm512_set1_epi32(at[12 * k + j]));
                }
            }
        }
        UNROLLED for (int i = 0; i < 12; ++i) asm volatile("" : "+v"(sum[i]));
    }
    state.counters["GOP/s"] =
        benchmark::Counter(1e-9 * kRounds * 96 * 128 * double(state.iterations()), benchmark::Counter::kIsRate);
}

void read_roof(benchmark::State& state) {
    constexpr int64_t kBytes = int64_t{256} << 20;
    const Bytes memory = aligned_bytes(kBytes);
    std::memset(memory.get(), 1, kBytes);
    for (auto round : state) {
        __m512i sum[4] = {};
        for (int64_t at = 0; at < kBytes; at += 256) {
            UNROLLED for (int i = 0; i < 4; ++i) {
                const std::byte* line = memory.get() + at + 64 * i;
                _mm_prefetch(reinterpret_cast<const char*>(line + 6144), _MM_HINT_T0);
                sum[i] = _mm512_xor_si512(sum[i], _mm512_load_si512(line));
            }
        }
        UNROLLED for (int i = 0; i < 4; ++i) asm volatile("" : "+v"(sum[i]));
    }
    state.counters["GB/s"] =
        benchmark::Counter(1e-9 * kBytes * double(state.iterations()), benchmark::Counter::kIsRate);
}
TARGET_END
#endif

constexpr DType kTypes[] = {DType::q8_0,   DType::q4_0,    DType::q4_1,    DType::q5_0, DType::q5_1,
                            DType::iq4_nl, DType::mxfp4,   DType::q4_k,    DType::q5_k, DType::q6_k,
                            DType::iq4_xs, DType::bf16,    DType::f16,     DType::f32,  DType::q3_k,
                            DType::q2_k,   DType::iq3_xxs, DType::iq2_xxs, DType::tq2_0};

void register_all() {
    using benchmark::RegisterBenchmark;
#if TARGET_X86
    if (machine_runs(Isa::avx512)) {
        RegisterBenchmark("peak/vpdpbusd", dot_peak);
        RegisterBenchmark("read/1thread", read_roof)->UseRealTime();
    }
#endif
    for (DType type : kTypes) {
        const std::string name(info(type).name);
        // One token, memory: about 128 MB of weights. The same from the second-level cache: 32 rows.
        const int64_t rows = (int64_t{128} << 20) / row_bytes(type, 4096) / 16 * 16;
        RegisterBenchmark((name + "/decode_memory").c_str(), measure, type, rows, 4096, 1)->UseRealTime();
        // What eight users at once ask of memory and processor.
        RegisterBenchmark((name + "/tokens:8/memory").c_str(), measure, type, rows, 4096, 8)->UseRealTime();
        RegisterBenchmark((name + "/tokens:8/memory/columns:1024").c_str(), measure, type, rows * 4, 1024, 8)
            ->UseRealTime();
        RegisterBenchmark((name + "/decode_cache").c_str(), measure, type, 32, 4096, 1);
        for (int64_t tokens : {4, 8, 64, 512}) {
            RegisterBenchmark((name + "/tokens:" + std::to_string(tokens)).c_str(), measure, type, 256, 4096, tokens);
        }
        for (int64_t columns : {1024, 12288}) {
            RegisterBenchmark((name + "/tokens:512/columns:" + std::to_string(columns)).c_str(), measure, type, 256,
                              columns, 512);
        }
        RegisterBenchmark((name + "/pack").c_str(), measure_packing, type, 4096);
    }
    RegisterBenchmark("panel/q8_32", measure_panel, ActivationKind::q8_32, 64, 4096);
    RegisterBenchmark("panel/q8_256", measure_panel, ActivationKind::q8_256, 64, 4096);
    RegisterBenchmark("panel/f32", measure_panel, ActivationKind::f32, 64, 4096);
    RegisterBenchmark("panel/bf16", measure_panel, ActivationKind::bf16, 64, 4096);
}

}  // namespace
}  // namespace hearth::cpu

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    hearth::cpu::register_all();
    benchmark::RunSpecifiedBenchmarks();
}
