// Products of many tokens with groups that were spelled out, with 8 rows in 256 bits: as in slab_x86.cpp, two groups
// and up to four tokens at once, for the rows avxvnni and avx2.
#include <algorithm>

#include "backends/cpu/formats/registers.h"
#include "backends/cpu/formats/slab_x86.h"

#if TARGET_X86
namespace hearth::cpu {
namespace {

TARGET_BEGIN(TARGET_AVX2)

using Line = std::byte[32];

// Of two groups and a tile of tokens, begun at zero or at what the columns before came to.
template <int kTokens>
struct Sums {
    __m256 of[2][kTokens];

    ALWAYS_INLINE explicit Sums(const TileJob& job) {
        UNROLLED for (int group = 0; group < 2; ++group) {
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                of[group][token] = job.continues ? narrow::load_rows(job.out + token * job.out_stride + 8 * group,
                                                                     job.rows - 8 * group)
                                                 : _mm256_setzero_ps();
            }
        }
    }
    ALWAYS_INLINE void store(const TileJob& job) const {
        UNROLLED for (int group = 0; group < 2; ++group) {
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                narrow::store(job.out + token * job.out_stride + 8 * group, of[group][token], job.rows - 8 * group);
            }
        }
    }
};

// Calls use(group, token, S) with S of kSteps lines of both groups. `a` are the tokens' codes, `start` their starts.
template <class Codes, bool kSymmetric, int kSteps, int kTokens, class Use>
ALWAYS_INLINE void multiply(const Line* first, const Line* second, const std::byte* a, const std::byte* start,
                            const Use& use) {
    if constexpr (Codes::kDot) {
        __m256i products[2][kTokens];
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            products[0][token] = products[1][token] =
                kSymmetric ? _mm256_set1_epi32(dword(start + 4 * token)) : _mm256_setzero_si256();
        }
        UNROLLED for (int t = 0; t < kSteps; ++t) {
            const __m256i codes[2] = {narrow::load(first[t]), narrow::load(second[t])};
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                const __m256i four = _mm256_set1_epi32(dword(a + 4 * (t * kTokens + token)));
                UNROLLED for (int group = 0; group < 2; ++group) {
                    products[group][token] = narrow::add_products(products[group][token], codes[group], four);
                }
            }
        }
        UNROLLED for (int group = 0; group < 2; ++group) {
            UNROLLED for (int token = 0; token < kTokens; ++token) use(group, token, products[group][token]);
        }
        return;
    }
    constexpr int kLines = std::min(kSteps, Codes::kLines);
    // Tokens whose sums of both lengths stay in registers together.
    constexpr int kAtOnce = kLines == kSteps ? 4 : 2;
    const __m256i factor = _mm256_set1_epi16(int16_t(1 << Codes::kShift));
    UNROLLED for (int begin = 0; begin < kTokens; begin += kAtOnce) {
        __m256i products[2][kAtOnce];
        UNROLLED for (int from = 0; from < kSteps; from += kLines) {
            __m256i sums16[2][kAtOnce];
            UNROLLED for (int t = from; t < from + kLines; ++t) {
                const __m256i codes[2] = {narrow::load(first[t]), narrow::load(second[t])};
                UNROLLED for (int i = 0; i < kAtOnce; ++i) {
                    if (begin + i >= kTokens) continue;
                    const __m256i four = _mm256_set1_epi32(dword(a + 4 * (t * kTokens + begin + i)));
                    UNROLLED for (int group = 0; group < 2; ++group) {
                        const __m256i pairs = Codes::kSigned
                                                  ? _mm256_maddubs_epi16(_mm256_abs_epi8(codes[group]),
                                                                         _mm256_sign_epi8(four, codes[group]))
                                                  : _mm256_maddubs_epi16(codes[group], four);
                        sums16[group][i] = t == from ? pairs : narrow::add_16(sums16[group][i], pairs);
                    }
                }
            }
            UNROLLED for (int i = 0; i < kAtOnce; ++i) {
                if (begin + i >= kTokens) continue;
                UNROLLED for (int group = 0; group < 2; ++group) {
                    const __m256i sums = _mm256_madd_epi16(sums16[group][i], factor);
                    products[group][i] = from == 0 ? sums : narrow::add_32(products[group][i], sums);
                }
            }
        }
        UNROLLED for (int i = 0; i < kAtOnce; ++i) {
            if (begin + i >= kTokens) continue;
            UNROLLED for (int group = 0; group < 2; ++group) {
                __m256i product = products[group][i];
                if (kSymmetric && !Codes::kSigned) {
                    product = _mm256_add_epi32(product, _mm256_set1_epi32(dword(start + 4 * (begin + i))));
                }
                use(group, begin + i, product);
            }
        }
    }
}

template <bool kOffset, class Codes, int kTokens>
void slab32(const TileJob& job) {
    using Slab = Slab32<8>;
    Sums<kTokens> sums(job);
    const auto* first = reinterpret_cast<const Slab*>(job.group);
    const auto* second = reinterpret_cast<const Slab*>(job.second_group);
    const std::byte* a = job.tile;
    for (int64_t block = 0; block < job.columns / 32; ++block, ++first, ++second) {
        const __m256 scale[2] = {_mm256_load_ps(first->scale), _mm256_load_ps(second->scale)};
        multiply<Codes, !kOffset, 8, kTokens>(
            first->codes, second->codes, a,
            a + 32 * kTokens, [&](int group, int token, __m256i products) __attribute__((always_inline)) {
                const __m256 factor = _mm256_mul_ps(scale[group], _mm256_set1_ps(real(a + 36 * kTokens + 4 * token)));
                __m256& sum = sums.of[group][token];
                sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), factor, sum);
                if constexpr (kOffset) {
                    const __m256 offset = _mm256_load_ps((group == 0 ? first : second)->offset);
                    sum = _mm256_fmadd_ps(offset, _mm256_set1_ps(real(a + 40 * kTokens + 4 * token)), sum);
                }
            });
        a += 44 * kTokens;
    }
    sums.store(job);
}

template <int kSubBlock, bool kMins, class Codes, int kTokens>
void slab256(const TileJob& job) {
    static_assert(kSubBlock == 16 || kMins, "the panel holds starts of 16 columns");
    constexpr int kSteps = kSubBlock / 4;
    using Slab = Slab256<8>;
    Sums<kTokens> sums(job);
    const auto* first = reinterpret_cast<const Slab*>(job.group);
    const auto* second = reinterpret_cast<const Slab*>(job.second_group);
    const std::byte* a = job.tile;
    for (int64_t block = 0; block < job.columns / 256; ++block, ++first, ++second) {
        __m256 total[2][kTokens];
        UNROLLED for (int token = 0; token < kTokens; ++token) total[0][token] = total[1][token] = _mm256_setzero_ps();
#pragma GCC unroll 1
        for (int number = 0; number < 256 / kSubBlock; ++number) {
            const __m256 scale[2] = {_mm256_load_ps(first->scales.scale[number]),
                                     _mm256_load_ps(second->scales.scale[number])};
            multiply<Codes, !kMins, kSteps, kTokens>(
                first->codes + number * kSteps, second->codes + number * kSteps, a + 4 * number * kSteps * kTokens,
                a + 276 * kTokens + 4 * number * kTokens,
                [&](int group, int token, __m256i products) __attribute__((always_inline)) {
                    __m256& sum = total[group][token];
                    sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), scale[group], sum);
                });
        }
        if constexpr (kMins) {
            narrow::subtract_mins<kSubBlock>(total[0], first->scales, a);
            narrow::subtract_mins<kSubBlock>(total[1], second->scales, a);
        }
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            const __m256 scale = _mm256_set1_ps(real(a + 256 * kTokens + 4 * token));
            UNROLLED for (int group = 0; group < 2; ++group) {
                sums.of[group][token] = _mm256_fmadd_ps(total[group][token], scale, sums.of[group][token]);
            }
        }
        a += 340 * kTokens;
    }
    sums.store(job);
}
TARGET_END

}  // namespace

template <bool kOffset, class Codes>
constinit const TileFn NarrowSlabs32<kOffset, Codes>::kTiles[] = {slab32<kOffset, Codes, 1>, slab32<kOffset, Codes, 2>,
                                                                  slab32<kOffset, Codes, 3>, slab32<kOffset, Codes, 4>};
template <int kSubBlock, bool kMins, class Codes>
constinit const TileFn NarrowSlabs256<kSubBlock, kMins, Codes>::kTiles[] = {
    slab256<kSubBlock, kMins, Codes, 1>, slab256<kSubBlock, kMins, Codes, 2>, slab256<kSubBlock, kMins, Codes, 3>,
    slab256<kSubBlock, kMins, Codes, 4>};

NARROW_SLABS()

}  // namespace hearth::cpu
#endif
