// What groups of rows look like when they are spelled out for many tokens: a byte for every code, floats for every
// scale, in pieces of at most kSlabColumns columns. The kernels of slab_x86.cpp multiply the slabs of two groups at
// once and serve all types with blocks of one length; what a type brings is the unpacking.
#pragma once

#include <algorithm>
#include <type_traits>

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

template <class Slab, int kColumns>
int64_t slab_bytes(DType, int64_t columns) {
    return std::min(columns, kSlabColumns) / kColumns * int64_t(sizeof(Slab));
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

// The same with 8 rows in 256 bits (slab_avx2.cpp). The row avxvnni has the codes of the recipe and one instruction for
// their products; avx2 the narrow kernel's own codes (blocks32_x86.h), whose products it adds up in int16 for a while.
template <bool kUsesDot, bool kHasSign, int kLinesAtOnce, int kShiftOfCodes>
struct NarrowCodes {
    static constexpr bool kDot = kUsesDot, kSigned = kHasSign;
    static constexpr int kLines = kLinesAtOnce, kShift = kShiftOfCodes;
};
template <class Narrow, bool kDot>
using NarrowCodesOf =
    std::conditional_t<kDot, NarrowCodes<true, false, 0, 0>,
                       NarrowCodes<false, Narrow::kSigned, Narrow::kLines, narrow::shift_of<Narrow>()>>;

inline constexpr int kNarrowTileTokens = 4;
template <bool kOffset, class Codes>
struct NarrowSlabs32 {
    static const TileFn kTiles[kNarrowTileTokens];
};
template <int kSubBlock, bool kMins, class Codes>
struct NarrowSlabs256 {
    static const TileFn kTiles[kNarrowTileTokens];
};

// Every combination that a type has; one that is missing here does not compile.
using NarrowDot = NarrowCodes<true, false, 0, 0>;
template <int kLines, int kShift>
using NarrowUnsigned = NarrowCodes<false, false, kLines, kShift>;
template <int kLines>
using NarrowSigned = NarrowCodes<false, true, kLines, 0>;
#define NARROW_SLABS(EXTERN)                                                                   \
    EXTERN template struct NarrowSlabs32<false, NarrowDot>;                                    \
    EXTERN template struct NarrowSlabs32<true, NarrowDot>;                                     \
    EXTERN template struct NarrowSlabs256<32, true, NarrowDot>;                                \
    EXTERN template struct NarrowSlabs256<16, false, NarrowDot>;                               \
    EXTERN template struct NarrowSlabs256<16, true, NarrowDot>;                                \
    EXTERN template struct NarrowSlabs32<false, NarrowSigned<1>>;           /* q8_0, iq4_nl */ \
    EXTERN template struct NarrowSlabs32<false, NarrowSigned<8>>;           /* mxfp4 */        \
    EXTERN template struct NarrowSlabs32<false, NarrowUnsigned<8, 4>>;      /* q4_0 */         \
    EXTERN template struct NarrowSlabs32<false, NarrowUnsigned<4, 3>>;      /* q5_0 */         \
    EXTERN template struct NarrowSlabs32<true, NarrowUnsigned<8, 0>>;       /* q4_1 */         \
    EXTERN template struct NarrowSlabs32<true, NarrowUnsigned<4, 0>>;       /* q5_1 */         \
    EXTERN template struct NarrowSlabs256<32, true, NarrowUnsigned<8, 0>>;  /* q4_k */         \
    EXTERN template struct NarrowSlabs256<32, true, NarrowUnsigned<4, 0>>;  /* q5_k */         \
    EXTERN template struct NarrowSlabs256<16, true, NarrowUnsigned<4, 0>>;  /* q2_k */         \
    EXTERN template struct NarrowSlabs256<16, false, NarrowUnsigned<2, 2>>; /* q6_k */         \
    EXTERN template struct NarrowSlabs256<16, false, NarrowSigned<1>>;      /* iq4_xs */       \
    EXTERN template struct NarrowSlabs256<16, false, NarrowSigned<2>>;      /* few_levels.cpp */
NARROW_SLABS(extern)

TARGET_BEGIN(TARGET_AVX2)
namespace narrow {
template <class Narrow, bool kDot>
ALWAYS_INLINE void spell_out(__m256i codes, std::byte* line) {
    if (kDot && Narrow::kSigned) codes = _mm256_xor_si256(codes, _mm256_set1_epi8(char(0x80)));
    if (kDot && !Narrow::kSigned) codes = shift_left(codes, shift_of<Narrow>());
    _mm256_store_si256(reinterpret_cast<__m256i*>(line), codes);
}
// total[token] -= the mins of a block times the sums of each token's activations.
template <int kSubBlock, int kTokens>
ALWAYS_INLINE void subtract_mins(__m256 (&total)[kTokens], const Scales<8>& scales, const std::byte* a) {
    UNROLLED for (int token = 0; token < kTokens; ++token) {
        __m256i products = _mm256_setzero_si256();
        UNROLLED for (int pair = 0; pair < 4; ++pair) {
            const auto* at = reinterpret_cast<const __m128i*>(scales.mins + 16 * pair);
            const __m256i mins = _mm256_cvtepu8_epi16(_mm_load_si128(at));
            const std::byte* x = a + 260 * kTokens + 4 * (pair * kTokens + token);
            products = _mm256_add_epi32(products, _mm256_madd_epi16(mins, _mm256_set1_epi32(dword(x))));
        }
        __m256 sum_of_mins = _mm256_cvtepi32_ps(products);
        if constexpr (kSubBlock == 16) {
            __m256 more = _mm256_setzero_ps();
            UNROLLED for (int number = 0; number < 8; ++number) {
                const __m256i start = _mm256_set1_epi32(dword(a + 276 * kTokens + 4 * (2 * number * kTokens + token)));
                more = _mm256_fmadd_ps(_mm256_load_ps(scales.more[number]), _mm256_cvtepi32_ps(start), more);
            }
            sum_of_mins = _mm256_fmadd_ps(more, _mm256_set1_ps(-0x1p-7f), sum_of_mins);
        }
        total[token] = _mm256_fnmadd_ps(sum_of_mins, _mm256_load_ps(scales.min_scale), total[token]);
    }
}
}  // namespace narrow
TARGET_END

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
