// Types whose values are a scale times a level of a fixed grid: whole numbers, the curved 4-bit levels of IQ4, the
// 4-bit float. For given levels q of a sub-block the best scale is sum(w x q) / sum(w q^2), and what it leaves of the
// error falls as sum(w x q)^2 / sum(w q^2) grows; so a search may try any divisors and compare that. Where the scale
// must then be rounded (to a whole number of a common factor, to a small float), the levels are chosen again for the
// rounded scale, and its neighbours are tried too.
#include <cstring>

#include "tensor/formats/fp4.h"
#include "tensor/formats/iq4_nl.h"
#include "tensor/formats/iq4_xs.h"
#include "tensor/formats/mxfp4.h"
#include "tensor/formats/nvfp4.h"
#include "tensor/formats/q2_0.h"
#include "tensor/formats/q3_k.h"
#include "tensor/formats/q4_0.h"
#include "tensor/formats/q5_0.h"
#include "tensor/formats/q6_k.h"
#include "tensor/formats/q8_0.h"
#include "tensor/quantise/kinds.h"
#include "tensor/quantise/tile.h"

namespace hearth::quantisers {

namespace {

// A grid knows its ends, the spacing near them (the unit of the tries), and the level nearest to a value.
template <int kFirst, int kLast, int kSteps>
struct WholeNumbers {
    static constexpr float kLow = kFirst, kHigh = kLast, kUnit = 1;
    static constexpr int kTries = kSteps;  // tries to each side of both ends
    template <class V>
    static LANES_INLINE V nearest(V value) {
        return nearest_integer(clamped(value, kLow, kHigh));
    }
};

struct Curved {
    static constexpr float kLow = -127, kHigh = 113, kUnit = 12;
    static constexpr int kTries = 6;
    template <class V>
    static LANES_INLINE V nearest(V value) {
        V level = all<V>(float(kIq4Levels[0]));
        for (int i = 1; i < 16; ++i) {
            const float below = kIq4Levels[i - 1], at = kIq4Levels[i];
            level += value > all<V>((below + at) / 2) ? all<V>(at - below) : V{};
        }
        return level;
    }
};

// E2M1, doubled: 0 1 2 3 4 6 8 12 and their negatives.
struct SmallFloat {
    template <class V>
    static LANES_INLINE V nearest(V value) {
        const V size = smaller(magnitude(value), all<V>(12.0f));
        const V ones = nearest_integer(size), twos = nearest_integer(size * 0.5f) * 2.0f,
                fours = nearest_integer(size * 0.25f) * 4.0f;
        const V level = size < all<V>(4.0f) ? ones : (size < all<V>(8.0f) ? twos : fours);
        return value < V{} ? -level : level;
    }
};

template <class V>
struct Fit {
    V scale;
    V weight;  // sum(w q^2): how much an error of the scale costs
};

template <class Grid, int kSub, class V>
struct Search {
    const Tile<kSub>& tile;
    int lane;
    V best_gain = {}, best_scale = {}, best_weight = {};

    LANES_INLINE void attempt(V inverse) {
        V xq = {}, qq = {};
        for (int i = 0; i < kSub; ++i) {
            const V x = load<V>(tile.values[i] + lane), w = load<V>(tile.weights[i] + lane);
            const V q = Grid::nearest(x * inverse), wq = w * q;
            xq += wq * x;
            qq += wq * q;
        }
        const V scale = xq * inverse_or_zero(qq), gain = scale * xq;
        const auto is_better = gain > best_gain;
        best_gain = is_better ? gain : best_gain;
        best_scale = is_better ? scale : best_scale;
        best_weight = is_better ? qq : best_weight;
    }
};

// The best scale of each lane's sub-block, as if scales were free.
template <class Grid, int kSub, class V>
LANES_INLINE Fit<V> fit_scale(const Tile<kSub>& tile, int lane) {
    V extreme = {};
    for (int i = 0; i < kSub; ++i) {
        const V x = load<V>(tile.values[i] + lane);
        extreme = magnitude(x) > magnitude(extreme) ? x : extreme;
    }
    const V inverse = inverse_or_zero(magnitude(extreme) < all<V>(1e-30f) ? V{} : extreme);
    Search<Grid, kSub, V> search{tile, lane};
    for (int step = -Grid::kTries; step <= Grid::kTries; ++step) {
        const float by = Grid::kUnit * float(step) / float(Grid::kTries > 0 ? Grid::kTries : 1);
        search.attempt(inverse * (Grid::kLow + by));
        search.attempt(inverse * (Grid::kHigh + by));
    }
    for (int round = 0; round < 2; ++round) search.attempt(inverse_or_zero(search.best_scale));
    return {search.best_scale, search.best_weight};
}

template <class Grid, int kSub, class V>
LANES_INLINE V error_of(const Tile<kSub>& tile, int lane, V scale) {
    const V inverse = inverse_or_zero(scale);
    V error = {};
    for (int i = 0; i < kSub; ++i) {
        const V x = load<V>(tile.values[i] + lane), w = load<V>(tile.weights[i] + lane);
        const V off = x - scale * Grid::nearest(x * inverse);
        error += w * (off * off);
    }
    return error;
}

template <class Grid, int kSub, class V>
LANES_INLINE void choose_levels(Tile<kSub>& tile, int lane, V scale) {
    const V inverse = inverse_or_zero(scale);
    for (int i = 0; i < kSub; ++i) store(tile.codes[i] + lane, Grid::nearest(load<V>(tile.values[i] + lane) * inverse));
}

// ---- one scale, stored as it is

LANES_INLINE int byte_of(float level) {
    return int(level);
}
int curved_code(float level) {
    int code = 0;
    while (float(kIq4Levels[code]) < level) ++code;
    return code;
}
int small_float_code(float level) {
    const float size = std::fabs(level);
    const int code = size <= 4 ? int(size) : size == 6 ? 5 : size == 8 ? 6 : 7;
    return level < 0 ? code | 8 : code;
}

template <int kSub>
LANES_INLINE void pack(const Tile<kSub>& tile, int lane, BlockQ4_0& block) {
    for (int i = 0; i < 16; ++i)
        block.codes[i] = uint8_t(byte_of(tile.codes[i][lane] + 8) | byte_of(tile.codes[i + 16][lane] + 8) << 4);
}
template <int kSub>
LANES_INLINE void pack(const Tile<kSub>& tile, int lane, BlockQ5_0& block) {
    uint32_t high = 0;
    for (int i = 0; i < 16; ++i) {
        const uint32_t a = uint32_t(tile.codes[i][lane] + 16), b = uint32_t(tile.codes[i + 16][lane] + 16);
        block.codes[i] = uint8_t((a & 15) | (b & 15) << 4);
        high |= a >> 4 << i | b >> 4 << (i + 16);
    }
    block.high_bits = high;
}
template <int kSub>
LANES_INLINE void pack(const Tile<kSub>& tile, int lane, BlockQ8_0& block) {
    for (int i = 0; i < 32; ++i) block.values[i] = int8_t(byte_of(tile.codes[i][lane]));
}
template <int kSub>
LANES_INLINE void pack(const Tile<kSub>& tile, int lane, BlockIQ4_NL& block) {
    for (int i = 0; i < 16; ++i)
        block.codes[i] = uint8_t(curved_code(tile.codes[i][lane]) | curved_code(tile.codes[i + 16][lane]) << 4);
}
template <int kSub>
LANES_INLINE void pack(const Tile<kSub>& tile, int lane, BlockQ2_0& block) {
    for (int i = 0; i < 16; ++i) {
        int bits = 0;
        for (int k = 0; k < 4; ++k) bits |= byte_of(tile.codes[4 * i + k][lane] + 1) << 2 * k;
        block.codes[i] = uint8_t(bits);
    }
}

template <class Block, class Grid, int kLanes>
LANES_INLINE void one_scale(const Job& job) {
    using V = Floats<kLanes>;
    constexpr int kSub = Block::kElements;
    Tile<kSub> tile;
    auto* blocks = reinterpret_cast<Block*>(job.out);
    const int64_t count = job.count / kSub;
    for (int64_t first = 0; first < count; first += kTile) {
        load_tile(job, first, tile);
        alignas(64) float scales[kTile];
        uint16_t stored[kTile];
        for (int lane = 0; lane < kTile; lane += kLanes)
            store(scales + lane, fit_scale<Grid, kSub, V>(tile, lane).scale);
        for (int lane = 0; lane < kTile; ++lane) {
            stored[lane] = stored_scale(scales[lane]);
            scales[lane] = half_to_float(stored[lane]);
        }
        for (int lane = 0; lane < kTile; lane += kLanes) choose_levels<Grid, kSub>(tile, lane, load<V>(scales + lane));
        for (int lane = 0; lane < kTile && first + lane < count; ++lane) {
            Block& block = blocks[first + lane];
            block.scale = stored[lane];
            pack(tile, lane, block);
        }
    }
}

template <int kLanes>
LANES_INLINE void q4_0_body(const Job& job) {
    one_scale<BlockQ4_0, WholeNumbers<-8, 7, 12>, kLanes>(job);
}
template <int kLanes>
LANES_INLINE void q5_0_body(const Job& job) {
    one_scale<BlockQ5_0, WholeNumbers<-16, 15, 10>, kLanes>(job);
}
template <int kLanes>
LANES_INLINE void q8_0_body(const Job& job) {
    one_scale<BlockQ8_0, WholeNumbers<-127, 127, 2>, kLanes>(job);
}
template <int kLanes>
LANES_INLINE void iq4_nl_body(const Job& job) {
    one_scale<BlockIQ4_NL, Curved, kLanes>(job);
}
template <int kLanes>
LANES_INLINE void q2_0_body(const Job& job) {
    one_scale<BlockQ2_0, WholeNumbers<-1, 2, 12>, kLanes>(job);
}

// ---- scales that are whole numbers of a common f16 factor

// Packs lanes first .. of the tile, one super-block.
template <int kSub>
LANES_INLINE void pack(const Tile<kSub>& tile, int first, const float* scales, BlockQ3_K& block) {
    std::memset(&block, 0, sizeof block);
    for (int sub = 0; sub < 16; ++sub) {
        const int scale = byte_of(scales[sub] + 32);
        block.scales[sub % 8] |= uint8_t((scale & 15) << 4 * (sub / 8));
        block.scales[8 + sub % 4] |= uint8_t((scale >> 4) << 2 * (sub / 4));
        for (int i = 0; i < 16; ++i) {
            const int code = byte_of(tile.codes[i][first + sub] + 4), at = 16 * sub + i;
            block.codes[32 * (at / 128) + at % 32] |= uint8_t((code & 3) << 2 * (at % 128 / 32));
            block.high_bits[at % 32] |= uint8_t((code >> 2) << at / 32);
        }
    }
}
template <int kSub>
LANES_INLINE void pack(const Tile<kSub>& tile, int first, const float* scales, BlockQ6_K& block) {
    std::memset(&block, 0, sizeof block);
    for (int sub = 0; sub < 16; ++sub) {
        block.scales[sub] = int8_t(byte_of(scales[sub]));
        const int half = sub / 8, k = sub % 8 / 2;
        uint8_t* low = block.codes + 64 * half + 32 * (k & 1) + 16 * (sub & 1);
        uint8_t* high = block.high_bits + 32 * half + 16 * (sub & 1);
        for (int i = 0; i < 16; ++i) {
            const int code = byte_of(tile.codes[i][first + sub] + 32);
            low[i] |= uint8_t((code & 15) << 4 * (k / 2));
            high[i] |= uint8_t((code >> 4) << 2 * k);
        }
    }
}
template <int kSub>
LANES_INLINE void pack(const Tile<kSub>& tile, int first, const float* scales, BlockIQ4_XS& block) {
    std::memset(&block, 0, sizeof block);
    int high = 0;
    for (int sub = 0; sub < 8; ++sub) {
        const int scale = byte_of(scales[sub] + 32);
        block.scales_low[sub / 2] |= uint8_t((scale & 15) << 4 * (sub % 2));
        high |= (scale >> 4) << 2 * sub;
        for (int i = 0; i < 16; ++i)
            block.codes[16 * sub + i] =
                uint8_t(curved_code(tile.codes[i][first + sub]) | curved_code(tile.codes[i + 16][first + sub]) << 4);
    }
    block.scales_high = uint16_t(high);
}

template <class Block, class Grid, int kSub, int kScaleLow, int kScaleHigh, int kLanes>
LANES_INLINE void two_levels(const Job& job) {
    using V = Floats<kLanes>;
    constexpr int kSubs = 256 / kSub, kBlocks = kTile / kSubs;
    Tile<kSub> tile;
    auto* blocks = reinterpret_cast<Block*>(job.out);
    const int64_t count = job.count / 256;
    for (int64_t first = 0; first < count; first += kBlocks) {
        load_tile(job, first * kSubs, tile);
        alignas(64) float scales[kTile], weights[kTile], whole[kTile], factors[kTile];
        for (int lane = 0; lane < kTile; lane += kLanes) {
            const Fit<V> fit = fit_scale<Grid, kSub, V>(tile, lane);
            store(scales + lane, fit.scale);
            store(weights + lane, fit.weight);
        }
        uint16_t stored[kBlocks], best_stored[kBlocks];
        alignas(64) float best_whole[kTile];
        float best_error[kBlocks];
        for (int block = 0; block < kBlocks; ++block) {
            const int at = block * kSubs;
            stored[block] = stored_factor(common_factor(scales + at, weights + at, kSubs, kScaleLow, kScaleHigh));
            best_error[block] = INFINITY;
            best_stored[block] = 0;
            for (int sub = at; sub < at + kSubs; ++sub) {
                factors[sub] = half_to_float(stored[block]);
                const float code = factors[sub] == 0 ? 0 : nearest_integer(scales[sub] / factors[sub]);
                whole[sub] = std::min(std::max(code, float(kScaleLow)), float(kScaleHigh));
                best_whole[sub] = 0;
            }
        }
        for (int round = 0; round < 3; ++round) {
            alignas(64) float errors[kTile], xq[kTile], qq[kTile];
            for (int lane = 0; lane < kTile; lane += kLanes) {
                const V factor = load<V>(factors + lane), middle = load<V>(whole + lane);
                V best = middle, error = error_of<Grid, kSub>(tile, lane, factor * middle);
                for (const float by : {-1.0f, 1.0f}) {
                    const V code = clamped(middle + by, kScaleLow, kScaleHigh);
                    const V other = error_of<Grid, kSub>(tile, lane, factor * code);
                    best = other < error ? code : best;
                    error = other < error ? other : error;
                }
                store(whole + lane, best);
                store(errors + lane, error);
                // What the common factor should be for these whole numbers and their levels.
                const V inverse = inverse_or_zero(factor * best);
                V sum_xq = {}, sum_qq = {};
                for (int i = 0; i < kSub; ++i) {
                    const V x = load<V>(tile.values[i] + lane), w = load<V>(tile.weights[i] + lane);
                    const V q = best * Grid::nearest(x * inverse), wq = w * q;
                    sum_xq += wq * x;
                    sum_qq += wq * q;
                }
                store(xq + lane, sum_xq);
                store(qq + lane, sum_qq);
            }
            for (int block = 0; block < kBlocks; ++block) {
                const int at = block * kSubs;
                float error = 0, sum_xq = 0, sum_qq = 0;
                for (int sub = at; sub < at + kSubs; ++sub) error += errors[sub], sum_xq += xq[sub], sum_qq += qq[sub];
                if (error < best_error[block]) {
                    best_error[block] = error;
                    best_stored[block] = stored[block];
                    std::copy(whole + at, whole + at + kSubs, best_whole + at);
                }
                stored[block] = sum_qq > 0 ? stored_factor(sum_xq / sum_qq) : uint16_t(0);
                for (int sub = at; sub < at + kSubs; ++sub) factors[sub] = half_to_float(stored[block]);
            }
        }
        for (int sub = 0; sub < kTile; ++sub) scales[sub] = half_to_float(best_stored[sub / kSubs]) * best_whole[sub];
        for (int lane = 0; lane < kTile; lane += kLanes) choose_levels<Grid, kSub>(tile, lane, load<V>(scales + lane));
        for (int block = 0; block < kBlocks && first + block < count; ++block) {
            pack(tile, block * kSubs, best_whole + block * kSubs, blocks[first + block]);
            blocks[first + block].scale = best_stored[block];
        }
    }
}

template <int kLanes>
LANES_INLINE void q3_k_body(const Job& job) {
    two_levels<BlockQ3_K, WholeNumbers<-4, 3, 10>, 16, -32, 31, kLanes>(job);
}
template <int kLanes>
LANES_INLINE void q6_k_body(const Job& job) {
    two_levels<BlockQ6_K, WholeNumbers<-32, 31, 5>, 16, -128, 127, kLanes>(job);
}
template <int kLanes>
LANES_INLINE void iq4_xs_body(const Job& job) {
    two_levels<BlockIQ4_XS, Curved, 32, -32, 31, kLanes>(job);
}

// ---- scales that are small floats themselves: a power of two, or unsigned E4M3

float power_of_two_halved(int code) {
    return e8m0_halved(uint8_t(code));
}
float small_scale_halved(int code) {
    return ue4m3(uint8_t(code)) / 2;
}

// Where the tries begin: about the smallest code whose scale brings the largest magnitude within the grid. Powers of
// two begin at code 2, the first whose inverse is a float.
int power_of_two_start(float largest) {
    if (!(largest > 0)) return 2;
    return std::min(std::max(std::ilogb(largest) - 2 + 127, 2), 254);
}
int small_scale_start(float largest) {
    int code = 0;
    while (code < 0x7E && 6 * ue4m3(uint8_t(code)) < largest) ++code;
    return code;
}

template <int kSub, class Put>
LANES_INLINE void pack_pairs(const Tile<kSub>& tile, int lane, Put put) {
    for (int i = 0; i < kSub / 2; ++i)
        put(i) = uint8_t(small_float_code(tile.codes[i][lane]) | small_float_code(tile.codes[i + kSub / 2][lane]) << 4);
}

template <int kSub, int kDown, int kUp, int kFirstCode, int kLastCode, float (*kScaleOf)(int), int (*kStart)(float),
          int kLanes>
LANES_INLINE void choose_scale_codes(Tile<kSub>& tile, int* codes) {
    using V = Floats<kLanes>;
    alignas(64) float scales[kTile], errors[kTile], largest[kTile], best[kTile];
    int start[kTile];
    for (int lane = 0; lane < kTile; lane += kLanes) {
        V top = {};
        for (int i = 0; i < kSub; ++i) top = larger(top, magnitude(load<V>(tile.values[i] + lane)));
        store(largest + lane, top);
    }
    for (int lane = 0; lane < kTile; ++lane) codes[lane] = start[lane] = kStart(largest[lane]);
    // The plain choice first, so that a tie keeps it.
    for (int turn = 0; turn <= kDown + kUp; ++turn) {
        const int by = turn <= kDown ? -turn : turn - kDown;
        for (int lane = 0; lane < kTile; ++lane)
            scales[lane] = kScaleOf(std::min(std::max(start[lane] + by, kFirstCode), kLastCode));
        for (int lane = 0; lane < kTile; lane += kLanes)
            store(errors + lane, error_of<SmallFloat, kSub>(tile, lane, load<V>(scales + lane)));
        for (int lane = 0; lane < kTile; ++lane)
            if (turn == 0 || errors[lane] < best[lane]) {
                best[lane] = errors[lane];
                codes[lane] = std::min(std::max(start[lane] + by, kFirstCode), kLastCode);
            }
    }
    for (int lane = 0; lane < kTile; ++lane) scales[lane] = kScaleOf(codes[lane]);
    for (int lane = 0; lane < kTile; lane += kLanes)
        choose_levels<SmallFloat, kSub>(tile, lane, load<V>(scales + lane));
}

template <int kLanes>
LANES_INLINE void mxfp4_body(const Job& job) {
    Tile<32> tile;
    auto* blocks = reinterpret_cast<BlockMXFP4*>(job.out);
    const int64_t count = job.count / 32;
    for (int64_t first = 0; first < count; first += kTile) {
        load_tile(job, first, tile);
        int codes[kTile];
        choose_scale_codes<32, 1, 1, 2, 254, power_of_two_halved, power_of_two_start, kLanes>(tile, codes);
        for (int lane = 0; lane < kTile && first + lane < count; ++lane) {
            BlockMXFP4& block = blocks[first + lane];
            block.exponent = uint8_t(codes[lane]);
            pack_pairs(tile, lane, [&](int i) -> uint8_t& { return block.codes[i]; });
        }
    }
}

template <int kLanes>
LANES_INLINE void nvfp4_body(const Job& job) {
    Tile<16> tile;
    auto* blocks = reinterpret_cast<BlockNVFP4*>(job.out);
    const int64_t count = job.count / 16;
    for (int64_t first = 0; first < count; first += kTile) {
        load_tile(job, first, tile);
        int codes[kTile];
        choose_scale_codes<16, 5, 8, 0, 0x7E, small_scale_halved, small_scale_start, kLanes>(tile, codes);
        for (int lane = 0; lane < kTile && first + lane < count; ++lane) {
            BlockNVFP4& block = blocks[(first + lane) / 4];
            const int sub = int((first + lane) % 4);
            block.scales[sub] = uint8_t(codes[lane]);
            pack_pairs(tile, lane, [&](int i) -> uint8_t& { return block.codes[8 * sub + i]; });
        }
    }
}

}  // namespace

JOB_ROWS(kQ4_0, q4_0_body)
JOB_ROWS(kQ5_0, q5_0_body)
JOB_ROWS(kQ8_0, q8_0_body)
JOB_ROWS(kIq4Nl, iq4_nl_body)
JOB_ROWS(kQ2_0, q2_0_body)
JOB_ROWS(kQ3K, q3_k_body)
JOB_ROWS(kQ6K, q6_k_body)
JOB_ROWS(kIq4Xs, iq4_xs_body)
JOB_ROWS(kMxfp4, mxfp4_body)
JOB_ROWS(kNvfp4, nvfp4_body)

}  // namespace hearth::quantisers
