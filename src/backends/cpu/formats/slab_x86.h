// What groups of rows look like when they are spelled out for many tokens: a byte for every code, floats for every
// scale, in pieces of at most kSlabColumns columns. The kernels of slab_x86.cpp multiply the slabs of two groups at
// once and serve all types with blocks of one length; what a type brings is the unpacking. For 16 rows in the lanes of
// a 512-bit register.
#pragma once

#include <algorithm>

#include "backends/cpu/formats/registers.h"
#include "backends/cpu/linear.h"

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

TARGET_BEGIN(TARGET_AVX512)
// total[token] -= the mins of a block times the sums of each token's activations.
template <int kSubBlock, int kTokens>
ALWAYS_INLINE void subtract_mins(__m512 (&total)[kTokens], const Scales<16>& scales, const std::byte* a) {
    __m512i products[kTokens];
    UNROLLED for (int token = 0; token < kTokens; ++token) products[token] = _mm512_setzero_si512();
    UNROLLED for (int pair = 0; pair < 4; ++pair) {
        const auto* at = reinterpret_cast<const __m256i*>(scales.mins + 32 * pair);
        const __m512i mins = _mm512_cvtepu8_epi16(_mm256_load_si256(at));
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            const std::byte* x = a + 260 * kTokens + 4 * (pair * kTokens + token);
            products[token] = _mm512_dpwssd_epi32(products[token], mins, _mm512_set1_epi32(dword(x)));
        }
    }
    const __m512 min_scale = _mm512_load_ps(scales.min_scale);
    UNROLLED for (int token = 0; token < kTokens; ++token) {
        __m512 sum_of_mins = _mm512_cvtepi32_ps(products[token]);
        if constexpr (kSubBlock == 16) {
            // The panel holds -128 times the sums over 16: whole numbers that floats hold and add exactly.
            __m512 more = _mm512_setzero_ps();
            UNROLLED for (int number = 0; number < 8; ++number) {
                const __m512i start = _mm512_set1_epi32(dword(a + 276 * kTokens + 4 * (2 * number * kTokens + token)));
                more = _mm512_fmadd_ps(_mm512_load_ps(scales.more[number]), _mm512_cvtepi32_ps(start), more);
            }
            sum_of_mins = _mm512_fmadd_ps(more, _mm512_set1_ps(-0x1p-7f), sum_of_mins);
        }
        total[token] = _mm512_fnmadd_ps(sum_of_mins, min_scale, total[token]);
    }
}
TARGET_END

}  // namespace hearth::cpu
#endif
