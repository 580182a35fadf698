// Sixteen sub-blocks turned on their side: element i of all of them lies together, one sub-block per lane.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "tensor/half.h"
#include "tensor/quantise/lanes.h"

namespace hearth::quantisers {

inline constexpr int kTile = 16;  // sub-blocks, whatever the width of the registers
inline constexpr float kLargestHalf = 65504;

template <int kSub>
struct Tile {
    alignas(64) float values[kSub][kTile];
    alignas(64) float weights[kSub][kTile];
    alignas(64) float codes[kSub][kTile];  // the levels chosen, as floats
};

// Sub-blocks first .. first + 15 of the job; zeros behind its end. Magnitudes beyond what any block can hold are cut,
// so that squares stay finite.
template <int kSub>
LANES_INLINE void load_tile(const Job& job, int64_t first, Tile<kSub>& tile) {
    for (int lane = 0; lane < kTile; ++lane) {
        const int64_t at = (first + lane) * kSub;
        if (at >= job.count) {
            for (int i = 0; i < kSub; ++i) tile.values[i][lane] = 0, tile.weights[i][lane] = 1;
            continue;
        }
        const float* values = job.values + at;
        for (int i = 0; i < kSub; ++i) tile.values[i][lane] = std::min(std::max(values[i], -1e12f), 1e12f);
        if (job.importance) {
            const float* weights = job.importance + at % job.columns;
            for (int i = 0; i < kSub; ++i) tile.weights[i][lane] = weights[i];
        } else {
            for (int i = 0; i < kSub; ++i) tile.weights[i][lane] = 1;
        }
    }
}

// The stored form of a scale.
inline uint16_t stored_scale(float scale) {
    return float_to_half(std::min(std::max(scale, -kLargestHalf), kLargestHalf));
}
// The same of a factor that whole numbers multiply: too small for f16, it becomes the smallest there is. The whole
// numbers, zero among them, then do what can be done.
inline uint16_t stored_factor(float factor) {
    const uint16_t half = stored_scale(factor);
    return (half & 0x7FFF) == 0 && factor != 0 ? uint16_t((half & 0x8000) | 1) : half;
}

// The common factor of scales that are stored as whole numbers low..high: the one of a few tries with the smallest
// weighted squared error. `scales` may have either sign where low is negative.
inline float common_factor(const float* scales, const float* weights, int count, float low, float high) {
    float extreme = 0;
    for (int i = 0; i < count; ++i)
        if (std::fabs(scales[i]) > std::fabs(extreme)) extreme = scales[i];
    if (extreme == 0) return 0;
    float best = 0, best_error = INFINITY;
    const auto attempt = [&](float at) {
        const float factor = extreme / at, inverse = at / extreme;
        if (!std::isfinite(inverse)) return;
        float error = 0;
        for (int i = 0; i < count; ++i) {
            const float code = std::min(std::max(nearest_integer(scales[i] * inverse), low), high);
            const float off = scales[i] - factor * code;
            error += weights[i] * off * off;
        }
        if (error < best_error) best_error = error, best = factor;
    };
    for (int step = -3; step <= 3; ++step) {
        if (low < 0) attempt(low + 0.3f * float(step));
        attempt(high + 0.3f * float(step));
    }
    return best == 0 ? extreme / high : best;
}

}  // namespace hearth::quantisers
