#include "engine/logits_passes.h"

#include <cmath>
#include <cstring>

// Compiles a function a second time for AVX2 and chooses when the program starts. Not under sanitizers: the choice is
// made before they are set up.
#if defined(__x86_64__) && !defined(__clang__) && !defined(HEARTH_SANITIZED)
#define WIDE_PASS __attribute__((target_clones("avx2", "default")))
#define HAS_WIDEST_PASS 1
#define WIDEST_PASS __attribute__((target("avx512f")))
#else
#define WIDE_PASS
#define HAS_WIDEST_PASS 0
#endif

namespace hearth {

namespace {

#define ALWAYS_INLINE __attribute__((always_inline)) inline

// The compiler's own vectors, since it leaves comparisons of floats in plain loops scalar. It does well only with those
// that fit a register, and with AVX-512 only where there is more to compute than to compare.
template <size_t kLanes>
struct Vectors {
    typedef float Floats __attribute__((vector_size(4 * kLanes)));
    typedef int32_t Ints __attribute__((vector_size(4 * kLanes)));
    typedef uint32_t Words __attribute__((vector_size(4 * kLanes)));
    typedef double Doubles __attribute__((vector_size(8 * kLanes)));
};
constexpr size_t kLanes = 8;
using Floats = Vectors<kLanes>::Floats;
using Ints = Vectors<kLanes>::Ints;

ALWAYS_INLINE Floats all(float x) {
    return Floats{x, x, x, x, x, x, x, x};
}

template <class Vector = Floats>
ALWAYS_INLINE Vector load(const float* from) {
    Vector x;
    std::memcpy(&x, from, sizeof x);
    return x;
}

// A whole block; what lies behind the end of the row is forbidden.
struct Block {
    float padded[kRowBlock];
    const float* values;

    ALWAYS_INLINE Block(const RowView& row, size_t block) : values(row.values + block * kRowBlock) {
        const size_t count = std::min(kRowBlock, row.size - block * kRowBlock);
        if (count == kRowBlock) return;
        std::fill(std::copy(values, values + count, padded), padded + kRowBlock, kForbidden);
        values = padded;
    }
};

size_t block_count(const RowView& row) {
    return (row.size + kRowBlock - 1) / kRowBlock;
}

// 2^x for x <= 0, the same bits on every machine; below -120 it stays there, at next to nothing.
//   2^x = 2^whole * e^(rest ln 2),  whole = round(x),  |rest| <= 1/2, by its series to the sixth power: within 3e-7
template <size_t kWidth>
ALWAYS_INLINE typename Vectors<kWidth>::Floats power_of_two(typename Vectors<kWidth>::Floats x) {
    using Vector = typename Vectors<kWidth>::Floats;
    using Bits = typename Vectors<kWidth>::Words;
    const Vector zero = {}, least = zero - 120.0f;
    x = x > least ? x : least;
    const Vector shifted = x + 0x1.8p23f;  // the addition rounds; the low bits now hold `whole`
    const Vector rest = x - (shifted - 0x1.8p23f);
    Vector series = zero + 1.54035304e-4f;  // (ln 2)^n / n!
    series = series * rest + 1.33335581e-3f;
    series = series * rest + 9.61812911e-3f;
    series = series * rest + 5.55041087e-2f;
    series = series * rest + 2.40226507e-1f;
    series = series * rest + 6.93147181e-1f;
    series = series * rest + 1.0f;
    return (Vector)((Bits)series + ((Bits)shifted << 23));
}

template <size_t kWidth>
ALWAYS_INLINE auto weights_of(const Weighing& weighing, typename Vectors<kWidth>::Floats logits) {
    return power_of_two<kWidth>((logits - weighing.best) * weighing.scale);
}

template <size_t kWidth>
ALWAYS_INLINE auto distances(typename Vectors<kWidth>::Floats logits, float origin) {
    using Vector = typename Vectors<kWidth>::Floats;
    return (Vector)((typename Vectors<kWidth>::Words)(logits - origin) & 0x7FFFFFFFu);
}

ALWAYS_INLINE float greatest(Floats x) {
    return std::max(std::max(std::max(x[0], x[1]), std::max(x[2], x[3])),
                    std::max(std::max(x[4], x[5]), std::max(x[6], x[7])));
}

ALWAYS_INLINE bool any_lane(Ints x) {
    uint64_t pairs[kLanes / 2];
    std::memcpy(pairs, &x, sizeof x);
    return ((pairs[0] | pairs[1]) | (pairs[2] | pairs[3])) != 0;
}

// A sum of floats over blocks, in one order whatever the width of registers: sixteen neighbours go to sixteen sums,
// four to one of them as floats, the blocks in double.
constexpr size_t kStripe = 16;
template <size_t kWidth>
struct BlockSum {
    using Vector = typename Vectors<kWidth>::Floats;
    static constexpr size_t kParts = kStripe / kWidth;
    typename Vectors<kWidth>::Doubles total[kParts] = {};
    Vector block[kParts];

    ALWAYS_INLINE void begin_block() {
        for (Vector& part : block) part = Vector{};
    }
    ALWAYS_INLINE void add(size_t at, Vector x) { block[at / kWidth % kParts] += x; }
    ALWAYS_INLINE void end_block() {
        for (size_t part = 0; part < kParts; ++part)
            total[part] += __builtin_convertvector(block[part], typename Vectors<kWidth>::Doubles);
    }
    ALWAYS_INLINE double sum() const {
        double lanes[kStripe];
        for (size_t part = 0; part < kParts; ++part)
            std::memcpy(lanes + part * kWidth, &total[part], sizeof total[part]);
        for (size_t width = kStripe / 2; width > 0; width /= 2)
            for (size_t lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
        return lanes[0];
    }
    // Of the block that ended last.
    ALWAYS_INLINE double block_sum() const {
        using Eight = Vectors<8>::Doubles;
        float lanes[kStripe];
        for (size_t part = 0; part < kParts; ++part)
            std::memcpy(lanes + part * kWidth, &block[part], sizeof block[part]);
        const auto x = __builtin_convertvector(load(lanes), Eight) + __builtin_convertvector(load(lanes + 8), Eight);
        return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
    }
};

template <size_t kWidth>
ALWAYS_INLINE double weigh_blocks_in(RowView row, Weighing weighing, double* block_mass, float* weights) {
    BlockSum<kWidth> mass;
    for (size_t block = 0; block < block_count(row); ++block) {
        if (block_mass) block_mass[block] = 0;
        if (weighing.is_nothing(row.block_best[block])) continue;
        const Block x(row, block);
        mass.begin_block();
#pragma GCC unroll 8
        for (size_t i = 0; i < kRowBlock; i += kWidth) {
            const auto weight = weights_of<kWidth>(weighing, load<typename Vectors<kWidth>::Floats>(x.values + i));
            if (weights) std::memcpy(weights + block * kRowBlock + i, &weight, sizeof weight);
            mass.add(i, weight);
        }
        mass.end_block();
        if (block_mass) block_mass[block] = mass.block_sum();
    }
    return mass.sum();
}

template <size_t kWidth>
ALWAYS_INLINE Moments weighted_moments_in(RowView row, Weighing weighing, float* weights) {
    using Vector = typename Vectors<kWidth>::Floats;
    BlockSum<kWidth> total, first;
    for (size_t block = 0; block < block_count(row); ++block) {
        if (weighing.is_nothing(row.block_best[block])) continue;
        const Block x(row, block);
        total.begin_block();
        first.begin_block();
        for (size_t i = 0; i < kRowBlock; i += kWidth) {
            const Vector logits = load<Vector>(x.values + i), depth = logits - weighing.best;
            const Vector weight = weights_of<kWidth>(weighing, logits);
            const Vector deepest = Vector{} - 200.0f;  // forbidden ones would bring in 0 times infinity
            std::memcpy(weights + block * kRowBlock + i, &weight, sizeof weight);
            total.add(i, weight);
            first.add(i, weight * (depth > deepest ? depth : deepest));
        }
        total.end_block();
        first.end_block();
    }
    return {total.sum(), first.sum()};
}

template <size_t kWidth>
ALWAYS_INLINE std::array<double, kRadii> mass_within_in(RowView row, const float* weights, Weighing weighing,
                                                        float origin, const Radii& radii, size_t every) {
    using Vector = typename Vectors<kWidth>::Floats;
    BlockSum<kWidth> within[kRadii];
    for (size_t block = 0; block < block_count(row); block += every) {
        if (weighing.is_nothing(row.block_best[block])) continue;
        const Block x(row, block);
#pragma GCC unroll 4
        for (size_t at = 0; at < kRadii; ++at) within[at].begin_block();
#pragma GCC unroll 8
        for (size_t i = 0; i < kRowBlock; i += kWidth) {
            const Vector distance = distances<kWidth>(load<Vector>(x.values + i), origin);
            const Vector weight = load<Vector>(weights + block * kRowBlock + i);
#pragma GCC unroll 4
            for (size_t at = 0; at < kRadii; ++at) {
                const Vector radius = Vector{} + radii[at];
                within[at].add(i, distance <= radius ? weight : Vector{});
            }
        }
#pragma GCC unroll 4
        for (size_t at = 0; at < kRadii; ++at) within[at].end_block();
    }
    std::array<double, kRadii> mass;
    for (size_t at = 0; at < kRadii; ++at) mass[at] = within[at].sum() * double(every);
    return mass;
}

WIDE_PASS double weigh_blocks_8(RowView row, Weighing weighing, double* block_mass, float* weights) {
    return weigh_blocks_in<8>(row, weighing, block_mass, weights);
}
WIDE_PASS Moments weighted_moments_8(RowView row, Weighing weighing, float* weights) {
    return weighted_moments_in<8>(row, weighing, weights);
}
WIDE_PASS std::array<double, kRadii> mass_within_8(RowView row, const float* weights, Weighing weighing, float origin,
                                                   const Radii& radii, size_t every) {
    return mass_within_in<8>(row, weights, weighing, origin, radii, every);
}

#if HAS_WIDEST_PASS
WIDEST_PASS double weigh_blocks_16(RowView row, Weighing weighing, double* block_mass, float* weights) {
    return weigh_blocks_in<16>(row, weighing, block_mass, weights);
}
WIDEST_PASS Moments weighted_moments_16(RowView row, Weighing weighing, float* weights) {
    return weighted_moments_in<16>(row, weighing, weights);
}
WIDEST_PASS std::array<double, kRadii> mass_within_16(RowView row, const float* weights, Weighing weighing,
                                                      float origin, const Radii& radii, size_t every) {
    return mass_within_in<16>(row, weights, weighing, origin, radii, every);
}
bool has_widest() {
    static const bool has = __builtin_cpu_supports("avx512f");
    return has;
}
#define CHOOSE(pass, ...) (has_widest() ? pass##_16(__VA_ARGS__) : pass##_8(__VA_ARGS__))
#else
#define CHOOSE(pass, ...) pass##_8(__VA_ARGS__)
#endif

}  // namespace

WIDE_PASS bool find_block_bests(std::span<const float> row, float* block_best) {
    const RowView view = {row.data(), row.size(), block_best};
    Ints bad = {};
    for (size_t block = 0; block < block_count(view); ++block) {
        const Block x(view, block);
        Floats best = all(kForbidden);
        for (size_t i = 0; i < kRowBlock; i += kLanes) {
            const Floats y = load(x.values + i);
            best = y > best ? y : best;
            bad |= ~(y < -kForbidden);  // NaN or +inf
        }
        block_best[block] = greatest(best);
    }
    int32_t any = 0;
    for (size_t lane = 0; lane < kLanes; ++lane) any |= bad[lane];
    return any == 0;
}

double weigh_blocks(RowView row, Weighing weighing, double* block_mass, float* weights) {
    return CHOOSE(weigh_blocks, row, weighing, block_mass, weights);
}

Moments weighted_moments(RowView row, Weighing weighing, float* weights) {
    return CHOOSE(weighted_moments, row, weighing, weights);
}

std::array<double, kRadii> mass_within(RowView row, const float* weights, Weighing weighing, float origin,
                                       const Radii& radii, size_t every) {
    return CHOOSE(mass_within, row, weights, weighing, origin, radii, every);
}

WIDE_PASS void gather_between(RowView row, float origin, float after, float upto, std::vector<Candidate>& out) {
    for (size_t block = 0; block < block_count(row); ++block) {
        const Block x(row, block);
        Ints is_in[kRowBlock / kLanes], any = {};
        for (size_t part = 0; part < kRowBlock / kLanes; ++part) {
            const Floats distance = distances<kLanes>(load(x.values + part * kLanes), origin);
            any |= is_in[part] = (distance > after) & (distance <= upto);
        }
        if (!any_lane(any)) continue;
        for (size_t part = 0; part < kRowBlock / kLanes; ++part) {
            if (!any_lane(is_in[part])) continue;
            const size_t first = block * kRowBlock + part * kLanes;
            for (size_t lane = 0; lane < std::min(kLanes, row.size - first); ++lane)
                if (is_in[part][lane]) out.push_back({row.values[first + lane], int32_t(first + lane), 0});
        }
    }
}

WIDE_PASS void keep_within(RowView row, float origin, float radius, float* values, float* block_best) {
    for (size_t block = 0; block < block_count(row); ++block) {
        const Block x(row, block);
        float out[kRowBlock];
        Floats best = all(kForbidden);
        for (size_t i = 0; i < kRowBlock; i += kLanes) {
            const Floats logits = load(x.values + i);
            const Floats y = distances<kLanes>(logits, origin) <= radius ? logits : all(kForbidden);
            best = y > best ? y : best;
            std::memcpy(out + i, &y, sizeof y);
        }
        std::copy(out, out + std::min(kRowBlock, row.size - block * kRowBlock), values + block * kRowBlock);
        block_best[block] = greatest(best);
    }
}

WIDE_PASS size_t estimate_count(RowView row, float at_least) {
    Ints count = {};
    for (size_t block = 0; block < block_count(row); block += kSample) {
        if (!(row.block_best[block] >= at_least)) continue;
        const Block x(row, block);
        for (size_t i = 0; i < kRowBlock; i += kLanes) count -= load(x.values + i) >= at_least;
    }
    size_t sum = 0;
    for (size_t lane = 0; lane < kLanes; ++lane) sum += size_t(count[lane]);
    return sum * kSample;
}

WIDE_PASS double weigh_candidates(std::span<Candidate> candidates, Weighing weighing) {
    double total = 0;
    for (size_t i = 0; i < candidates.size(); i += kLanes) {
        const size_t count = std::min(kLanes, candidates.size() - i);
        Floats logits = all(weighing.best);
        for (size_t lane = 0; lane < count; ++lane) logits[lane] = candidates[i + lane].logit;
        const Floats weight = weights_of<kLanes>(weighing, logits);
        for (size_t lane = 0; lane < count; ++lane)
            total += candidates[i + lane].weight = weighing.is_nothing(logits[lane]) ? 0 : weight[lane];
    }
    return total;
}

}  // namespace hearth
