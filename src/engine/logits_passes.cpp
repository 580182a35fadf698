#include "engine/logits_passes.h"

#include <bit>
#include <cmath>
#include <cstring>

// Compiles a function a second time for AVX2 and chooses when the program starts. Not under sanitizers: the choice is
// made before they are set up.
#if defined(__x86_64__) && !defined(__clang__) && !defined(HEARTH_SANITIZED)
#define WIDE_PASS __attribute__((target_clones("avx2", "default")))
#else
#define WIDE_PASS
#endif

namespace hearth {

namespace {

// The compiler's own vectors, since it leaves comparisons of floats in plain loops scalar.
constexpr size_t kLanes = 8;
using Floats = float __attribute__((vector_size(4 * kLanes)));
using Ints = int32_t __attribute__((vector_size(4 * kLanes)));
using Words = uint32_t __attribute__((vector_size(4 * kLanes)));
using Doubles = double __attribute__((vector_size(8 * kLanes)));

#define ALWAYS_INLINE __attribute__((always_inline)) inline

ALWAYS_INLINE Floats all(float x) {
    return Floats{x, x, x, x, x, x, x, x};
}

ALWAYS_INLINE Floats load(const float* from) {
    Floats x;
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
ALWAYS_INLINE Floats power_of_two(Floats x) {
    x = x > all(-120.0f) ? x : all(-120.0f);
    const Floats shifted = x + 0x1.8p23f;  // the addition rounds; the low bits now hold `whole`
    const Floats rest = x - (shifted - 0x1.8p23f);
    Floats series = all(1.54035304e-4f);  // (ln 2)^n / n!
    series = series * rest + 1.33335581e-3f;
    series = series * rest + 9.61812911e-3f;
    series = series * rest + 5.55041087e-2f;
    series = series * rest + 2.40226507e-1f;
    series = series * rest + 6.93147181e-1f;
    series = series * rest + 1.0f;
    return (Floats)((Words)series + ((Words)shifted << 23));
}

ALWAYS_INLINE Floats weights(const Weighing& weighing, Floats logits) {
    return power_of_two((logits - weighing.best) * weighing.scale);
}

ALWAYS_INLINE float greatest(Floats x) {
    return std::max(std::max(std::max(x[0], x[1]), std::max(x[2], x[3])),
                    std::max(std::max(x[4], x[5]), std::max(x[6], x[7])));
}

ALWAYS_INLINE double sum_lanes(Doubles x) {
    return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
}

constexpr float kClassesPerUnit = 16;

ALWAYS_INLINE Ints classes(Floats logits, float origin) {
    Floats distance = (logits - origin) * kClassesPerUnit;
    distance = distance < 0 ? -distance : distance;
    const Floats last = all(kDistanceClasses - 1);
    return __builtin_convertvector(distance < last ? distance : last, Ints);
}

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

// Eight neighbouring vectors are added as floats by twos, the rest in double. (That a block of nothing may count as
// next to nothing is lost in rounding: the best one's weight is 1.)
WIDE_PASS double weigh_blocks(RowView row, Weighing weighing, double* block_mass) {
    Doubles total = {};
    for (size_t block = 0; block < block_count(row); ++block) {
        if (block_mass) block_mass[block] = 0;
        if (weighing.is_nothing(row.block_best[block])) continue;
        const Block x(row, block);
        Floats sums[kRowBlock / kLanes / 2];
        for (size_t part = 0; part < kRowBlock / kLanes / 2; ++part)
            sums[part] = weights(weighing, load(x.values + part * 2 * kLanes)) +
                         weights(weighing, load(x.values + (part * 2 + 1) * kLanes));
        const Doubles sum =
            __builtin_convertvector(sums[0] + sums[1], Doubles) + __builtin_convertvector(sums[2] + sums[3], Doubles);
        total += sum;
        if (block_mass) block_mass[block] = sum_lanes(sum);
    }
    return sum_lanes(total);
}

WIDE_PASS Moments weighted_moments(RowView row, Weighing weighing) {
    Doubles total = {}, first = {};
    for (size_t block = 0; block < block_count(row); ++block) {
        if (weighing.is_nothing(row.block_best[block])) continue;
        const Block x(row, block);
        for (size_t i = 0; i < kRowBlock; i += kLanes) {
            const Floats logits = load(x.values + i);
            const Floats weight = weights(weighing, logits), depth = logits - weighing.best;
            const Floats deepest = all(-200);  // forbidden ones would bring in 0 times infinity
            total += __builtin_convertvector(weight, Doubles);
            first += __builtin_convertvector(weight * (depth > deepest ? depth : deepest), Doubles);
        }
    }
    return {sum_lanes(total), sum_lanes(first)};
}

// Every lane has sums of its own: neighbours often fall into one class, and each would wait for the other's addition.
WIDE_PASS void mass_by_class(RowView row, float origin, Weighing weighing, std::vector<double>& mass) {
    mass.assign(kDistanceClasses * kLanes, 0);
    double* sums = mass.data();
    for (size_t block = 0; block < block_count(row); ++block) {
        if (weighing.is_nothing(row.block_best[block])) continue;
        const Block x(row, block);
        for (size_t i = 0; i < kRowBlock; i += kLanes) {
            const Floats logits = load(x.values + i);
            const Doubles weight = __builtin_convertvector(weights(weighing, logits), Doubles);
            const Ints place = classes(logits, origin) * int32_t(kLanes);
            for (size_t lane = 0; lane < kLanes; ++lane) sums[size_t(place[lane]) + lane] += weight[lane];
        }
    }
    for (size_t at = 0; at < size_t(kDistanceClasses); ++at) {
        const double* lanes = sums + at * kLanes;
        sums[at] = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
    }
    mass.resize(kDistanceClasses);
}

WIDE_PASS void gather_class(RowView row, float origin, int32_t distance_class, std::vector<Candidate>& out) {
    for (size_t block = 0; block < block_count(row); ++block) {
        const Block x(row, block);
        uint64_t found = 0;
        for (size_t i = 0; i < kRowBlock; i += kLanes) {
            const Ints is_in = classes(load(x.values + i), origin) == distance_class;
            for (size_t lane = 0; lane < kLanes; ++lane) found |= uint64_t(is_in[lane] & 1) << (i + lane);
        }
        for (; found != 0; found &= found - 1) {
            const size_t at = block * kRowBlock + size_t(std::countr_zero(found));
            if (at < row.size) out.push_back({row.values[at], int32_t(at), 0});
        }
    }
}

WIDE_PASS void keep_classes(RowView row, float origin, int32_t last, float* values, float* block_best) {
    for (size_t block = 0; block < block_count(row); ++block) {
        const Block x(row, block);
        float out[kRowBlock];
        Floats best = all(kForbidden);
        for (size_t i = 0; i < kRowBlock; i += kLanes) {
            const Floats logits = load(x.values + i);
            const Floats y = classes(logits, origin) <= last ? logits : all(kForbidden);
            best = y > best ? y : best;
            std::memcpy(out + i, &y, sizeof y);
        }
        std::copy(out, out + std::min(kRowBlock, row.size - block * kRowBlock), values + block * kRowBlock);
        block_best[block] = greatest(best);
    }
}

WIDE_PASS double weigh_candidates(std::span<Candidate> candidates, Weighing weighing) {
    double total = 0;
    for (size_t i = 0; i < candidates.size(); i += kLanes) {
        const size_t count = std::min(kLanes, candidates.size() - i);
        Floats logits = all(weighing.best);
        for (size_t lane = 0; lane < count; ++lane) logits[lane] = candidates[i + lane].logit;
        const Floats weight = weights(weighing, logits);
        for (size_t lane = 0; lane < count; ++lane)
            total += candidates[i + lane].weight = weighing.is_nothing(logits[lane]) ? 0 : weight[lane];
    }
    return total;
}

}  // namespace hearth
