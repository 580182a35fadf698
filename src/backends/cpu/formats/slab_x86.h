// What groups of rows look like when they are spelled out for many tokens: a byte for every code, floats for every
// scale, in pieces of at most kSlabColumns columns. The kernels of slab_x86.cpp multiply the slabs of two groups at
// once and serve all types with blocks of one length; what a type brings is the unpacking. For 16 rows in the lanes of
// a 512-bit register.
#pragma once

#include <algorithm>

#include "backends/cpu/linear.h"
#include "backends/cpu/target.h"

#if TARGET_X86
namespace hearth::cpu {

// The scales of one block of 256, as the recipe of blocks256.h wants them.
template <int kRows>
struct alignas(64) Scales {
    float scale[16][kRows];
    uint8_t mins[8 * kRows];  // of eight sub-blocks: [pair of sub-blocks][row][2]
    // Sub-blocks of 16: `mins` are those of the second of each 32 columns, this is how much more the first has.
    float more[8][kRows];
    float min_scale[kRows];
};

template <int kRows>
struct alignas(64) Slab256 {
    Scales<kRows> scales;
    std::byte codes[64][4 * kRows];  // line 8 * (sub-block of 32) + t
};
template <int kRows>
struct alignas(64) Slab32 {
    float scale[kRows], offset[kRows];
    std::byte codes[8][4 * kRows];
};

inline int64_t slab256_bytes(DType, int64_t columns) {
    return std::min(columns, kSlabColumns) / 256 * int64_t(sizeof(Slab256<16>));
}
inline int64_t slab32_bytes(DType, int64_t columns) {
    return std::min(columns, kSlabColumns) / 32 * int64_t(sizeof(Slab32<16>));
}

// [tokens of the tile - 1], by what the recipe of a type does.
inline constexpr int kSlabTileTokens = 5;  // panel_tile_tokens() of many
using SlabTiles = const TileFn[kSlabTileTokens];
extern SlabTiles kSlabTiles32, kSlabTiles32Offset, kSlabTiles256Sub32Mins, kSlabTiles256Sub16, kSlabTiles256Sub16Mins;

template <class Format>
constexpr const TileFn* slab_tiles32() {
    return Format::kFields == 2 ? kSlabTiles32Offset : kSlabTiles32;
}
template <class Format>
constexpr const TileFn* slab_tiles256() {
    static_assert(Format::kSubBlock == 16 || Format::kHasMins);
    if (Format::kSubBlock == 32) return kSlabTiles256Sub32Mins;
    return Format::kHasMins ? kSlabTiles256Sub16Mins : kSlabTiles256Sub16;
}

}  // namespace hearth::cpu
#endif
