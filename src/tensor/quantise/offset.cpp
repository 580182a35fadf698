// Types whose values are scale * q + offset with whole q from 0 up. For given q the best pair follows from least
// squares,
//   s = (W XQ - X Q) / (W QQ - Q^2),   b = (QQ X - Q XQ) / (W QQ - Q^2)      W = sum w, X = sum wx, Q = sum wq, ...
// so a search only has to try ways to divide the range of a sub-block, and compare what the error then is. K-quants
// store -b, never negative, and both as small whole numbers of common factors: the second half of this file fits those
// factors, the whole numbers and the codes in turns.
#include <cstring>

#include "tensor/formats/q2_k.h"
#include "tensor/formats/q4_1.h"
#include "tensor/formats/q4_k.h"
#include "tensor/formats/q5_1.h"
#include "tensor/formats/q5_k.h"
#include "tensor/quantise/kinds.h"
#include "tensor/quantise/tile.h"

namespace hearth::quantisers {

namespace {

template <class V>
struct Line {
    V scale, offset;
    V scale_cost, offset_cost;  // sum(w q^2), sum(w): how much errors of the two cost
};

template <int kSub, int kHigh, bool kIsMin, class V>
struct LineSearch {
    const Tile<kSub>& tile;
    int lane;
    V weight, sum, squares;  // of w, w x, w x^2
    V best_gain = {}, best_scale = {}, best_offset = {}, best_cost = {};

    // Codes are (x - low) * inverse; keeps the line through them if no other was better.
    LANES_INLINE void attempt(V low, V inverse) {
        V q1 = {}, q2 = {}, xq = {};
        for (int i = 0; i < kSub; ++i) {
            const V x = load<V>(tile.values[i] + lane), w = load<V>(tile.weights[i] + lane);
            const V q = clamped(nearest_integer((x - low) * inverse), 0, kHigh), wq = w * q;
            q1 += wq;
            q2 += wq * q;
            xq += wq * x;
        }
        const V determinant = weight * q2 - q1 * q1;
        // All codes alike: a scale means nothing then (rounding leaves a little of the difference).
        const V inverse_determinant = determinant > weight * q2 * 1e-6f ? inverse_or_zero(determinant) : V{};
        V scale = (weight * xq - sum * q1) * inverse_determinant, offset = (q2 * sum - q1 * xq) * inverse_determinant;
        if (kIsMin) {
            const auto is_above = offset > V{};
            scale = is_above ? xq * inverse_or_zero(q2) : scale;
            offset = is_above ? V{} : offset;
        }
        const V gain = scale * xq + offset * sum;
        const auto is_better = gain > best_gain;
        best_gain = is_better ? gain : best_gain;
        best_scale = is_better ? scale : best_scale;
        best_offset = is_better ? offset : best_offset;
        best_cost = is_better ? q2 : best_cost;
    }
};

// The tries: the range is divided into kHigh + by steps, for `by` from kFrom to kTo (in 1/10), and its lower end is
// moved by 0 or more half steps.
template <int kFrom, int kTo, int kStep, int kMoves>
struct Tries {
    static constexpr int kBegin = kFrom, kEnd = kTo, kBy = kStep, kLowMoves = kMoves;
};

template <int kSub, int kHigh, bool kIsMin, class Plan, class V>
LANES_INLINE Line<V> fit_line(const Tile<kSub>& tile, int lane) {
    V low = load<V>(tile.values[0] + lane), high = low;
    LineSearch<kSub, kHigh, kIsMin, V> search{tile, lane, {}, {}, {}};
    for (int i = 0; i < kSub; ++i) {
        const V x = load<V>(tile.values[i] + lane), w = load<V>(tile.weights[i] + lane);
        low = smaller(low, x);
        high = larger(high, x);
        search.weight += w;
        search.sum += w * x;
    }
    if (kIsMin) low = smaller(low, V{});
    const V range = high - low,
            unit = range > all<V>(1e-30f) ? all<V>(1.0f) / (range > V{} ? range : all<V>(1.0f)) : V{};
    // A constant: no scale, only an offset.
    const V mean = search.sum / search.weight;
    search.best_offset = kIsMin ? smaller(mean, V{}) : mean;
    search.best_gain = search.best_offset * search.sum;
    for (int move = 0; move < Plan::kLowMoves; ++move) {
        const V from = low + range * (0.5f * float(move) / float(kHigh));
        for (int by = Plan::kBegin; by <= Plan::kEnd; by += Plan::kBy)
            search.attempt(from, unit * (float(kHigh) + 0.1f * float(by)));
    }
    for (int round = 0; round < 3; ++round) search.attempt(search.best_offset, inverse_or_zero(search.best_scale));
    return {search.best_scale, search.best_offset, search.best_cost, search.weight};
}

// ---- scale and offset stored as they are

template <int kSub>
LANES_INLINE void pack(const Tile<kSub>& tile, int lane, BlockQ4_1& block) {
    for (int i = 0; i < 16; ++i)
        block.codes[i] = uint8_t(int(tile.codes[i][lane]) | int(tile.codes[i + 16][lane]) << 4);
}
template <int kSub>
LANES_INLINE void pack(const Tile<kSub>& tile, int lane, BlockQ5_1& block) {
    uint32_t high = 0;
    for (int i = 0; i < 16; ++i) {
        const uint32_t a = uint32_t(tile.codes[i][lane]), b = uint32_t(tile.codes[i + 16][lane]);
        block.codes[i] = uint8_t((a & 15) | (b & 15) << 4);
        high |= a >> 4 << i | b >> 4 << (i + 16);
    }
    block.high_bits = high;
}

template <class Block, int kHigh, class Plan, int kLanes>
LANES_INLINE void one_line(const Job& job) {
    using V = Floats<kLanes>;
    Tile<32> tile;
    auto* blocks = reinterpret_cast<Block*>(job.out);
    const int64_t count = job.count / 32;
    for (int64_t first = 0; first < count; first += kTile) {
        load_tile(job, first, tile);
        alignas(64) float scales[kTile], offsets[kTile];
        uint16_t scale[kTile], offset[kTile];
        for (int lane = 0; lane < kTile; lane += kLanes) {
            const Line<V> line = fit_line<32, kHigh, false, Plan, V>(tile, lane);
            store(scales + lane, line.scale);
            store(offsets + lane, line.offset);
        }
        for (int lane = 0; lane < kTile; ++lane) {
            scale[lane] = stored_scale(scales[lane]);
            offset[lane] = stored_scale(offsets[lane]);
            scales[lane] = half_to_float(scale[lane]);
            offsets[lane] = half_to_float(offset[lane]);
        }
        for (int lane = 0; lane < kTile; lane += kLanes) {
            const V inverse = inverse_or_zero(load<V>(scales + lane)), low = load<V>(offsets + lane);
            for (int i = 0; i < 32; ++i) {
                const V q = (load<V>(tile.values[i] + lane) - low) * inverse;
                store(tile.codes[i] + lane, clamped(nearest_integer(q), 0, kHigh));
            }
        }
        for (int lane = 0; lane < kTile && first + lane < count; ++lane) {
            Block& block = blocks[first + lane];
            block.scale = scale[lane];
            block.offset = offset[lane];
            pack(tile, lane, block);
        }
    }
}

template <int kLanes>
LANES_INLINE void q4_1_body(const Job& job) {
    one_line<BlockQ4_1, 15, Tries<-16, 9, 1, 2>, kLanes>(job);
}
template <int kLanes>
LANES_INLINE void q5_1_body(const Job& job) {
    one_line<BlockQ5_1, 31, Tries<-16, 8, 2, 2>, kLanes>(job);
}

// ---- whole numbers of two common factors

void pack_scales(const float* scales, const float* mins, uint8_t* bytes) {
    std::memset(bytes, 0, 12);
    for (int j = 0; j < 8; ++j) {
        const int scale = int(scales[j]), min = int(mins[j]);
        if (j < 4) {
            bytes[j] |= uint8_t(scale);
            bytes[j + 4] |= uint8_t(min);
        } else {
            bytes[j + 4] = uint8_t((scale & 15) | (min & 15) << 4);
            bytes[j - 4] |= uint8_t((scale >> 4) << 6);
            bytes[j] |= uint8_t((min >> 4) << 6);
        }
    }
}

template <int kSub>
LANES_INLINE void pack(const Tile<kSub>& tile, int first, const float* scales, const float* mins, BlockQ2_K& block) {
    std::memset(block.codes, 0, sizeof block.codes);
    for (int sub = 0; sub < 16; ++sub) {
        block.scales[sub] = uint8_t(int(scales[sub]) | int(mins[sub]) << 4);
        uint8_t* codes = block.codes + 32 * (sub / 8) + 16 * (sub % 2);
        for (int i = 0; i < 16; ++i) codes[i] |= uint8_t(int(tile.codes[i][first + sub]) << 2 * (sub % 8 / 2));
    }
}
template <int kSub>
LANES_INLINE void pack(const Tile<kSub>& tile, int first, const float* scales, const float* mins, BlockQ4_K& block) {
    pack_scales(scales, mins, block.scales);
    for (int pair = 0; pair < 4; ++pair)
        for (int i = 0; i < 32; ++i)
            block.codes[32 * pair + i] =
                uint8_t(int(tile.codes[i][first + 2 * pair]) | int(tile.codes[i][first + 2 * pair + 1]) << 4);
}
template <int kSub>
LANES_INLINE void pack(const Tile<kSub>& tile, int first, const float* scales, const float* mins, BlockQ5_K& block) {
    pack_scales(scales, mins, block.scales);
    std::memset(block.high_bits, 0, sizeof block.high_bits);
    for (int pair = 0; pair < 4; ++pair)
        for (int i = 0; i < 32; ++i) {
            const int a = int(tile.codes[i][first + 2 * pair]), b = int(tile.codes[i][first + 2 * pair + 1]);
            block.codes[32 * pair + i] = uint8_t((a & 15) | (b & 15) << 4);
            block.high_bits[i] |= uint8_t(a >> 4 << 2 * pair | b >> 4 << (2 * pair + 1));
        }
}

// What one sub-block adds to the least squares of the two factors: u = S q and v = M against x, all weighted.
struct FactorSums {
    alignas(64) float uu[kTile], uv[kTile], vv[kTile], xu[kTile], xv[kTile];
};

struct Factors {
    uint16_t scale = 0, min = 0;
};

Factors solved(const FactorSums& sums, int first, int count, Factors before) {
    double uu = 0, uv = 0, vv = 0, xu = 0, xv = 0;
    for (int sub = first; sub < first + count; ++sub)
        uu += sums.uu[sub], uv += sums.uv[sub], vv += sums.vv[sub], xu += sums.xu[sub], xv += sums.xv[sub];
    // x ~ d u - m v
    if (uu <= 0) return {0, vv > 0 && xv < 0 ? stored_factor(float(-xv / vv)) : uint16_t(0)};
    const double determinant = uu * vv - uv * uv;
    if (vv <= 0 || determinant <= 1e-9 * uu * vv) return {stored_factor(float(xu / uu)), before.min};
    const double d = (vv * xu - uv * xv) / determinant, m = (uv * xu - uu * xv) / determinant;
    if (d <= 0 || m < 0) return {stored_factor(float(std::max(xu / uu, 0.0))), before.min};
    return {stored_factor(float(d)), stored_factor(float(m))};
}

template <class Block, int kSub, int kHigh, int kWholeHigh, int kReach, class Plan, int kLanes>
LANES_INLINE void two_levels(const Job& job) {
    using V = Floats<kLanes>;
    constexpr int kSubs = 256 / kSub, kBlocks = kTile / kSubs;
    Tile<kSub> tile;
    auto* blocks = reinterpret_cast<Block*>(job.out);
    const int64_t count = job.count / 256;
    for (int64_t first = 0; first < count; first += kBlocks) {
        load_tile(job, first * kSubs, tile);
        alignas(64) float scales[kTile], mins[kTile], scale_costs[kTile], min_costs[kTile];
        for (int lane = 0; lane < kTile; lane += kLanes) {
            const Line<V> line = fit_line<kSub, kHigh, true, Plan, V>(tile, lane);
            // A negative scale would be a line the wrong way round: the search never prefers one.
            store(scales + lane, larger(line.scale, V{}));
            store(mins + lane, -line.offset);
            store(scale_costs + lane, line.scale_cost);
            store(min_costs + lane, line.offset_cost);
        }
        Factors stored[kBlocks], best_stored[kBlocks];
        float best_error[kBlocks];
        alignas(64) float whole[kTile], whole_min[kTile], best_whole[kTile], best_min[kTile], d[kTile], m[kTile];
        for (int block = 0; block < kBlocks; ++block) {
            const int at = block * kSubs;
            stored[block] = {stored_factor(common_factor(scales + at, scale_costs + at, kSubs, 0, kWholeHigh)),
                             stored_factor(common_factor(mins + at, min_costs + at, kSubs, 0, kWholeHigh))};
            best_error[block] = INFINITY;
        }
        for (int round = 0; round < 3; ++round) {
            for (int sub = 0; sub < kTile; ++sub) {
                d[sub] = half_to_float(stored[sub / kSubs].scale);
                m[sub] = half_to_float(stored[sub / kSubs].min);
                if (round > 0) continue;
                const float scale = d[sub] == 0 ? 0 : nearest_integer(scales[sub] / d[sub]);
                const float min = m[sub] == 0 ? 0 : nearest_integer(mins[sub] / m[sub]);
                whole[sub] = std::min(std::max(scale, 0.0f), float(kWholeHigh));
                whole_min[sub] = std::min(std::max(min, 0.0f), float(kWholeHigh));
            }
            alignas(64) float errors[kTile];
            FactorSums sums;
            for (int lane = 0; lane < kTile; lane += kLanes) {
                const V factor = load<V>(d + lane), min_factor = load<V>(m + lane);
                const V inverse_min = inverse_or_zero(min_factor), middle = load<V>(whole + lane),
                        min_before = load<V>(whole_min + lane);
                V error = all<V>(INFINITY), best = {}, best_m = {};
                V b_uu = {}, b_q1 = {}, b_xu = {}, weight = {}, sum = {};
                for (int i = 0; i < kSub; ++i) {
                    const V w = load<V>(tile.weights[i] + lane);
                    weight += w;
                    sum += w * load<V>(tile.values[i] + lane);
                }
                for (int reach = -kReach; reach <= kReach; ++reach) {
                    const V code = clamped(middle + float(reach), 0, kWholeHigh);
                    const V step = factor * code, inverse = inverse_or_zero(step);
                    // The min that fits the codes chosen with the min so far.
                    V q1 = {};
                    const V shift = min_factor * min_before;
                    for (int i = 0; i < kSub; ++i) {
                        const V x = load<V>(tile.values[i] + lane), w = load<V>(tile.weights[i] + lane);
                        q1 += w * clamped(nearest_integer((x + shift) * inverse), 0, kHigh);
                    }
                    const V wanted = (step * q1 - sum) / weight;
                    const V min_code = clamped(nearest_integer(wanted * inverse_min), 0, kWholeHigh);
                    const V min = min_factor * min_code;
                    V off_squares = {}, q1_now = {}, q2 = {}, xq = {};
                    for (int i = 0; i < kSub; ++i) {
                        const V x = load<V>(tile.values[i] + lane), w = load<V>(tile.weights[i] + lane);
                        const V q = clamped(nearest_integer((x + min) * inverse), 0, kHigh), wq = w * q;
                        const V off = (x + min) - step * q;
                        off_squares += w * (off * off);
                        q1_now += wq;
                        q2 += wq * q;
                        xq += wq * x;
                    }
                    const auto is_better = off_squares < error;
                    error = is_better ? off_squares : error;
                    best = is_better ? code : best;
                    best_m = is_better ? min_code : best_m;
                    b_uu = is_better ? q2 : b_uu;
                    b_q1 = is_better ? q1_now : b_q1;
                    b_xu = is_better ? xq : b_xu;
                }
                store(whole + lane, best);
                store(whole_min + lane, best_m);
                store(errors + lane, error);
                store(sums.uu + lane, best * best * b_uu);
                store(sums.uv + lane, best * best_m * b_q1);
                store(sums.vv + lane, best_m * best_m * weight);
                store(sums.xu + lane, best * b_xu);
                store(sums.xv + lane, best_m * sum);
            }
            for (int block = 0; block < kBlocks; ++block) {
                const int at = block * kSubs;
                float error = 0;
                for (int sub = at; sub < at + kSubs; ++sub) error += errors[sub];
                if (error < best_error[block]) {
                    best_error[block] = error;
                    best_stored[block] = stored[block];
                    std::copy(whole + at, whole + at + kSubs, best_whole + at);
                    std::copy(whole_min + at, whole_min + at + kSubs, best_min + at);
                }
                stored[block] = solved(sums, at, kSubs, stored[block]);
            }
        }
        for (int sub = 0; sub < kTile; ++sub) {
            scales[sub] = half_to_float(best_stored[sub / kSubs].scale) * best_whole[sub];
            mins[sub] = half_to_float(best_stored[sub / kSubs].min) * best_min[sub];
        }
        for (int lane = 0; lane < kTile; lane += kLanes) {
            const V inverse = inverse_or_zero(load<V>(scales + lane)), min = load<V>(mins + lane);
            for (int i = 0; i < kSub; ++i) {
                const V q = (load<V>(tile.values[i] + lane) + min) * inverse;
                store(tile.codes[i] + lane, clamped(nearest_integer(q), 0, kHigh));
            }
        }
        for (int block = 0; block < kBlocks && first + block < count; ++block) {
            const int at = block * kSubs;
            blocks[first + block].scale = best_stored[block].scale;
            blocks[first + block].min = best_stored[block].min;
            pack(tile, at, best_whole + at, best_min + at, blocks[first + block]);
        }
    }
}

template <int kLanes>
LANES_INLINE void q2_k_body(const Job& job) {
    two_levels<BlockQ2_K, 16, 3, 15, 2, Tries<-10, 12, 1, 3>, kLanes>(job);
}
template <int kLanes>
LANES_INLINE void q4_k_body(const Job& job) {
    two_levels<BlockQ4_K, 32, 15, 63, 1, Tries<-16, 8, 2, 2>, kLanes>(job);
}
template <int kLanes>
LANES_INLINE void q5_k_body(const Job& job) {
    two_levels<BlockQ5_K, 32, 31, 63, 1, Tries<-16, 8, 2, 2>, kLanes>(job);
}

}  // namespace

JOB_ROWS(kQ4_1, q4_1_body)
JOB_ROWS(kQ5_1, q5_1_body)
JOB_ROWS(kQ2K, q2_k_body)
JOB_ROWS(kQ4K, q4_k_body)
JOB_ROWS(kQ5K, q5_k_body)

}  // namespace hearth::quantisers
