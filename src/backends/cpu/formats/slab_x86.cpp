// Products of many tokens with groups that were spelled out: the recipes of blocks32.h and blocks256.h, with nothing
// left to unpack. Two groups and five tokens: each activation that is loaded meets two registers of weights, and the
// ten sums are enough to hide how long a product takes. Six tokens leave too few registers, one group loads as much as
// it multiplies: both a tenth to a fifth slower on a Zen 5.
#include "backends/cpu/formats/slab_x86.h"

#include "backends/cpu/formats/registers.h"

#if TARGET_X86
namespace hearth::cpu {
namespace {

TARGET_BEGIN(TARGET_AVX512)

ALWAYS_INLINE __mmask16 mask_of(int rows) {
    return rows >= 16 ? __mmask16(0xFFFF) : rows <= 0 ? __mmask16(0) : __mmask16((1u << rows) - 1);
}

// The sums of two groups and a tile of tokens, begun at zero or at what the columns before came to.
template <int kTokens>
struct Sums {
    __m512 of[2][kTokens];

    ALWAYS_INLINE explicit Sums(const TileJob& job) {
        UNROLLED for (int group = 0; group < 2; ++group) {
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                of[group][token] = job.continues ? _mm512_maskz_loadu_ps(mask_of(job.rows - 16 * group),
                                                                         job.out + token * job.out_stride + 16 * group)
                                                 : _mm512_setzero_ps();
            }
        }
    }
    ALWAYS_INLINE void store(const TileJob& job) const {
        UNROLLED for (int group = 0; group < 2; ++group) {
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                _mm512_mask_storeu_ps(job.out + token * job.out_stride + 16 * group, mask_of(job.rows - 16 * group),
                                      of[group][token]);
            }
        }
    }
};

// products[group][token] += codes of 4 columns of both groups times those of each token.
template <int kTokens>
ALWAYS_INLINE void add_products(__m512i (&products)[2][kTokens], const std::byte* first, const std::byte* second,
                                const std::byte* x) {
    const __m512i codes[2] = {wide::load(first), wide::load(second)};
    UNROLLED for (int token = 0; token < kTokens; ++token) {
        const __m512i four = _mm512_set1_epi32(dword(x + 4 * token));
        UNROLLED for (int group = 0; group < 2; ++group) {
            products[group][token] = _mm512_dpbusd_epi32(products[group][token], codes[group], four);
        }
    }
}

template <bool kOffset, int kTokens>
void slab32(const TileJob& job) {
    Sums<kTokens> sums(job);
    const auto* first = reinterpret_cast<const Slab32<16>*>(job.group);
    const auto* second = reinterpret_cast<const Slab32<16>*>(job.second_group);
    const std::byte* a = job.tile;
    for (int64_t block = 0; block < job.columns / 32; ++block, ++first, ++second) {
        __m512i products[2][kTokens];
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            products[0][token] = products[1][token] =
                kOffset ? _mm512_setzero_si512() : _mm512_set1_epi32(dword(a + 32 * kTokens + 4 * token));
        }
        UNROLLED for (int t = 0; t < 8; ++t) {
            add_products(products, first->codes[t], second->codes[t], a + 4 * t * kTokens);
        }
        const Slab32<16>* const slabs[2] = {first, second};
        UNROLLED for (int group = 0; group < 2; ++group) {
            const __m512 scale = _mm512_load_ps(slabs[group]->scale);
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                const __m512 factor = _mm512_mul_ps(scale, _mm512_set1_ps(real(a + 36 * kTokens + 4 * token)));
                sums.of[group][token] =
                    _mm512_fmadd_ps(_mm512_cvtepi32_ps(products[group][token]), factor, sums.of[group][token]);
            }
            if constexpr (kOffset) {
                const __m512 offset = _mm512_load_ps(slabs[group]->offset);
                UNROLLED for (int token = 0; token < kTokens; ++token) {
                    const __m512 scaled_sum = _mm512_set1_ps(real(a + 40 * kTokens + 4 * token));
                    sums.of[group][token] = _mm512_fmadd_ps(offset, scaled_sum, sums.of[group][token]);
                }
            }
        }
        a += 44 * kTokens;
    }
    sums.store(job);
}

template <int kSubBlock, bool kMins, int kTokens>
void slab256(const TileJob& job) {
    static_assert(kSubBlock == 16 || kMins, "the panel holds starts of 16 columns");
    constexpr int kSteps = kSubBlock / 4;
    Sums<kTokens> sums(job);
    const auto* first = reinterpret_cast<const Slab256<16>*>(job.group);
    const auto* second = reinterpret_cast<const Slab256<16>*>(job.second_group);
    const std::byte* a = job.tile;
    for (int64_t block = 0; block < job.columns / 256; ++block, ++first, ++second) {
        __m512 total[2][kTokens];
        UNROLLED for (int token = 0; token < kTokens; ++token) total[0][token] = total[1][token] = _mm512_setzero_ps();
#pragma GCC unroll 1
        for (int number = 0; number < 256 / kSubBlock; ++number) {
            __m512i products[2][kTokens];
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                const std::byte* start = a + 276 * kTokens + 4 * (number * kTokens + token);
                products[0][token] = products[1][token] =
                    kMins ? _mm512_setzero_si512() : _mm512_set1_epi32(dword(start));
            }
            UNROLLED for (int step = 0; step < kSteps; ++step) {
                const int t = number * kSteps + step;
                add_products(products, first->codes[t], second->codes[t], a + 4 * t * kTokens);
            }
            const __m512 scale[2] = {_mm512_load_ps(first->scales.scale[number]),
                                     _mm512_load_ps(second->scales.scale[number])};
            UNROLLED for (int group = 0; group < 2; ++group) {
                UNROLLED for (int token = 0; token < kTokens; ++token) {
                    total[group][token] =
                        _mm512_fmadd_ps(_mm512_cvtepi32_ps(products[group][token]), scale[group], total[group][token]);
                }
            }
        }
        if constexpr (kMins) {
            subtract_mins<kSubBlock>(total[0], first->scales, a);
            subtract_mins<kSubBlock>(total[1], second->scales, a);
        }
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            const __m512 scale = _mm512_set1_ps(real(a + 256 * kTokens + 4 * token));
            UNROLLED for (int group = 0; group < 2; ++group) {
                sums.of[group][token] = _mm512_fmadd_ps(total[group][token], scale, sums.of[group][token]);
            }
        }
        a += 340 * kTokens;
    }
    sums.store(job);
}
TARGET_END

}  // namespace

#define SLAB_TILES(name, kernel, ...)                                                                   \
    constinit SlabTiles name = {kernel<__VA_ARGS__, 1>, kernel<__VA_ARGS__, 2>, kernel<__VA_ARGS__, 3>, \
                                kernel<__VA_ARGS__, 4>, kernel<__VA_ARGS__, 5>}
SLAB_TILES(kSlabTiles32, slab32, false);
SLAB_TILES(kSlabTiles32Offset, slab32, true);
SLAB_TILES(kSlabTiles256Sub32Mins, slab256, 32, true);
SLAB_TILES(kSlabTiles256Sub16, slab256, 16, false);
SLAB_TILES(kSlabTiles256Sub16Mins, slab256, 16, true);

}  // namespace hearth::cpu
#endif
