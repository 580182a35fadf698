// The recipe of blocks256.h with 16 rows in the lanes of a 512-bit register, or 8 in 256 bits. Included last.
//
// A format brings, besides its Layout:   code(block, part, inner, t): columns 4t..4t+3 of sub-block of 32 number part *
// kInner + inner
//                                        scales(group, blocks, block, Scales&): w_j of all rows, mins
// The narrow kernel has kSigned, kLines and kShift as in blocks32_x86.h.
#pragma once

#include <algorithm>

#include "backends/cpu/formats/blocks256.h"
#include "backends/cpu/formats/registers.h"
#include "backends/cpu/formats/slab_x86.h"

#if TARGET_X86
namespace hearth::cpu {

TARGET_BEGIN(TARGET_AVX512)
template <class Layout, class Wide>
void unpack256_avx512(const std::byte* group, int64_t columns, int64_t begin, int64_t end, std::byte* slab) {
    const int64_t blocks = columns / 256;
    auto* out = reinterpret_cast<Slab256<16>*>(slab);
    for (int64_t block = begin / 256; block < end / 256; ++block, ++out) {
        const std::byte* weights = Layout::block(group, blocks, block);
        Wide::scales(group, blocks, block, out->scales);
#pragma GCC unroll 1
        for (int part = 0; part < 8 / Wide::kInner; ++part) {
            prefetch<1>(weights + part * (Layout::kBlockBytes * Wide::kInner / 8),
                        Layout::kBlockBytes * Wide::kInner / 8);
            UNROLLED for (int inner = 0; inner < Wide::kInner; ++inner) {
                UNROLLED for (int t = 0; t < 8; ++t) {
                    _mm512_store_si512(out->codes[(part * Wide::kInner + inner) * 8 + t],
                                       Wide::code(weights, part, inner, t));
                }
            }
        }
    }
}

template <class Format, class Layout, class Wide, int kTokens>
void tile256_avx512(const TileJob& job) {
    constexpr int kSteps = Format::kSubBlock / 4, kSubBlocksPer32 = 32 / Format::kSubBlock;
    // Sub-blocks that share lines are summed up side by side where registers allow: each line is then loaded once.
    constexpr int kBatch = Wide::kInner * kSubBlocksPer32 * kTokens <= 16 ? Wide::kInner : 1;
    // Where they do not, lines that several sub-blocks share are spelled out first, in the order in which they lie:
    // going over them again and again, a Zen 4 read memory at a third of its speed.
    constexpr bool kSpelledOut = kBatch < Wide::kInner;
    alignas(64) std::byte spelled_out[kSpelledOut ? Wide::kInner * 8 : 1][64];
    __m512 sum[kTokens];
    UNROLLED for (int token = 0; token < kTokens; ++token) sum[token] = _mm512_setzero_ps();
    const int64_t blocks = job.columns / 256;
    const std::byte* a = job.tile;
    for (int64_t block = 0; block < blocks; ++block) {
        const std::byte* weights = Layout::block(job.group, blocks, block);
        Scales<16> scales;
        Wide::scales(job.group, blocks, block, scales);
        __m512 total[kTokens];
        UNROLLED for (int token = 0; token < kTokens; ++token) total[token] = _mm512_setzero_ps();
#pragma GCC unroll 1
        for (int part = 0; part < 8 / Wide::kInner; ++part) {
            constexpr int kPartBytes = Layout::kBlockBytes * Wide::kInner / 8;
            const std::byte* codes_a = a + part * Wide::kInner * 32 * kTokens;
            if constexpr (kSpelledOut) {
                prefetch<kTokens>(weights + part * kPartBytes, kPartBytes);
                UNROLLED for (int t = 0; t < 8; ++t) {
                    UNROLLED for (int inner = 0; inner < Wide::kInner; ++inner) {
                        _mm512_store_si512(spelled_out[inner * 8 + t], Wide::code(weights, part, inner, t));
                    }
                }
            }
            UNROLLED for (int first = 0; first < Wide::kInner; first += kBatch) {
                if (!kSpelledOut)
                    prefetch<kTokens>(weights + part * kPartBytes + first * kPartBytes / Wide::kInner / 64 * 64,
                                      (first + kBatch) * kPartBytes / Wide::kInner / 64 * 64 -
                                          first * kPartBytes / Wide::kInner / 64 * 64);
                const int first_number = (part * Wide::kInner + first) * kSubBlocksPer32;
                __m512i products[kBatch * kSubBlocksPer32][kTokens];
                UNROLLED for (int number = 0; number < kBatch * kSubBlocksPer32; ++number) {
                    UNROLLED for (int token = 0; token < kTokens; ++token) {
                        const std::byte* start = a + 276 * kTokens + 4 * ((first_number + number) * kTokens + token);
                        products[number][token] =
                            Format::kHasMins ? _mm512_setzero_si512() : _mm512_set1_epi32(dword(start));
                    }
                }
                UNROLLED for (int t = 0; t < 8; ++t) {
                    UNROLLED for (int inner = first; inner < first + kBatch; ++inner) {
                        const __m512i codes =
                            kSpelledOut ? wide::load(spelled_out[inner * 8 + t]) : Wide::code(weights, part, inner, t);
                        const int number = (inner - first) * kSubBlocksPer32 + t / kSteps;
                        UNROLLED for (int token = 0; token < kTokens; ++token) {
                            const std::byte* x = codes_a + 4 * ((inner * 8 + t) * kTokens + token);
                            products[number][token] =
                                _mm512_dpbusd_epi32(products[number][token], codes, _mm512_set1_epi32(dword(x)));
                        }
                    }
                }
                UNROLLED for (int number = 0; number < kBatch * kSubBlocksPer32; ++number) {
                    const __m512 scale = _mm512_load_ps(scales.scale[first_number + number]);
                    UNROLLED for (int token = 0; token < kTokens; ++token) {
                        total[token] =
                            _mm512_fmadd_ps(_mm512_cvtepi32_ps(products[number][token]), scale, total[token]);
                    }
                }
            }
        }
        if constexpr (Format::kHasMins) subtract_mins<Format::kSubBlock>(total, scales, a);
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            sum[token] = _mm512_fmadd_ps(total[token], _mm512_set1_ps(real(a + 256 * kTokens + 4 * token)), sum[token]);
        }
        a += 340 * kTokens;
    }
    const __mmask16 rows = __mmask16((1u << job.rows) - 1);
    UNROLLED for (int token = 0; token < kTokens; ++token) {
        _mm512_mask_storeu_ps(job.out + token * job.out_stride, rows, sum[token]);
    }
}
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
template <class Layout, class Narrow, bool kDot>
void unpack256_narrow(const std::byte* group, int64_t columns, int64_t begin, int64_t end, std::byte* slab) {
    const int64_t blocks = columns / 256;
    auto* out = reinterpret_cast<Slab256<8>*>(slab);
    for (int64_t block = begin / 256; block < end / 256; ++block, ++out) {
        const std::byte* weights = Layout::block(group, blocks, block);
        Narrow::scales(group, blocks, block, out->scales);
#pragma GCC unroll 1
        for (int part = 0; part < 8 / Narrow::kInner; ++part) {
            prefetch<1>(weights + part * (Layout::kBlockBytes * Narrow::kInner / 8),
                        Layout::kBlockBytes * Narrow::kInner / 8);
            UNROLLED for (int inner = 0; inner < Narrow::kInner; ++inner) {
                UNROLLED for (int t = 0; t < 8; ++t) {
                    narrow::spell_out<Narrow, kDot>(Narrow::code(weights, part, inner, t),
                                                    out->codes[(part * Narrow::kInner + inner) * 8 + t]);
                }
            }
        }
    }
}

template <class Format, class Layout, class Narrow, int kTokens, bool kDot>
void tile256_narrow(const TileJob& job) {
    constexpr int kSteps = Format::kSubBlock / 4, kSubBlocksPer32 = 32 / Format::kSubBlock;
    __m256 sum[kTokens];
    UNROLLED for (int token = 0; token < kTokens; ++token) sum[token] = _mm256_setzero_ps();
    const int64_t blocks = job.columns / 256;
    const std::byte* a = job.tile;
    for (int64_t block = 0; block < blocks; ++block) {
        const std::byte* weights = Layout::block(job.group, blocks, block);
        Scales<8> scales;
        Narrow::scales(job.group, blocks, block, scales);
        __m256 total[kTokens];
        UNROLLED for (int token = 0; token < kTokens; ++token) total[token] = _mm256_setzero_ps();
#pragma GCC unroll 1
        for (int part = 0; part < 8 / Narrow::kInner; ++part) {
            constexpr int kPartBytes = Layout::kBlockBytes * Narrow::kInner / 8;
            const std::byte* codes_a = a + part * Narrow::kInner * 32 * kTokens;
            UNROLLED for (int inner = 0; inner < Narrow::kInner; ++inner) {
                // Spread evenly: the processor holds some twenty requests at a time.
                const int from = inner * kPartBytes / Narrow::kInner / 64 * 64;
                const int to = (inner + 1) * kPartBytes / Narrow::kInner / 64 * 64;
                prefetch<kTokens>(weights + part * kPartBytes + from, to - from);
                UNROLLED for (int sub = 0; sub < kSubBlocksPer32; ++sub) {
                    const int number = (part * Narrow::kInner + inner) * kSubBlocksPer32 + sub;
                    __m256i dot[kTokens];
                    if constexpr (kDot) {
                        UNROLLED for (int token = 0; token < kTokens; ++token) {
                            const std::byte* start = a + 276 * kTokens + 4 * (number * kTokens + token);
                            dot[token] = Narrow::kSigned ? _mm256_set1_epi32(dword(start)) : _mm256_setzero_si256();
                        }
                        UNROLLED for (int t = sub * kSteps; t < (sub + 1) * kSteps; ++t) {
                            __m256i codes = Narrow::code(weights, part, inner, t);
                            if (Narrow::kSigned) codes = _mm256_xor_si256(codes, _mm256_set1_epi8(char(0x80)));
                            UNROLLED for (int token = 0; token < kTokens; ++token) {
                                const std::byte* x = codes_a + 4 * ((inner * 8 + t) * kTokens + token);
                                dot[token] = narrow::add_products(dot[token], codes, _mm256_set1_epi32(dword(x)));
                            }
                        }
                    } else {
                        UNROLLED for (int first = 0; first < kSteps; first += Narrow::kLines) {
                            __m256i sums16[kTokens];
                            UNROLLED for (int line = first; line < first + Narrow::kLines; ++line) {
                                const int t = sub * kSteps + line;
                                const __m256i codes = Narrow::code(weights, part, inner, t);
                                const __m256i sizes = Narrow::kSigned ? _mm256_abs_epi8(codes) : codes;
                                UNROLLED for (int token = 0; token < kTokens; ++token) {
                                    const std::byte* x = codes_a + 4 * ((inner * 8 + t) * kTokens + token);
                                    __m256i four = _mm256_set1_epi32(dword(x));
                                    if (Narrow::kSigned) four = _mm256_sign_epi8(four, codes);
                                    const __m256i pairs = _mm256_maddubs_epi16(sizes, four);
                                    sums16[token] = line == first ? pairs : narrow::add_16(sums16[token], pairs);
                                }
                            }
                            UNROLLED for (int token = 0; token < kTokens; ++token) {
                                const __m256i sums = narrow::pair_sums(sums16[token]);
                                dot[token] = first == 0 ? sums : narrow::add_32(dot[token], sums);
                            }
                        }
                    }
                    const __m256 scale = _mm256_load_ps(scales.scale[number]);
                    UNROLLED for (int token = 0; token < kTokens; ++token) {
                        __m256i products = dot[token];
                        if constexpr (!Format::kHasMins && !(kDot && Narrow::kSigned)) {
                            const std::byte* start = a + 276 * kTokens + 4 * (number * kTokens + token);
                            products = narrow::total<Narrow>(products, start);
                        }
                        total[token] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), scale, total[token]);
                    }
                }
            }
        }
        if constexpr (Format::kHasMins) narrow::subtract_mins<Format::kSubBlock>(total, scales, a);
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            sum[token] = _mm256_fmadd_ps(total[token], _mm256_set1_ps(real(a + 256 * kTokens + 4 * token)), sum[token]);
        }
        a += 340 * kTokens;
    }
    UNROLLED for (int token = 0; token < kTokens; ++token) {
        narrow::store(job.out + token * job.out_stride, sum[token], job.rows);
    }
}
TARGET_END

template <class F, class L, class W>
inline constexpr TileFn kTile256Avx512[8] = {
    tile256_avx512<F, L, W, 1>, tile256_avx512<F, L, W, 2>, tile256_avx512<F, L, W, 3>, tile256_avx512<F, L, W, 4>,
    tile256_avx512<F, L, W, 5>, tile256_avx512<F, L, W, 6>, tile256_avx512<F, L, W, 7>, tile256_avx512<F, L, W, 8>};
template <class Format, class Layout, class Wide>
inline constexpr Slabs kSlabs256Avx512 = {unpack256_avx512<Layout, Wide>, slab_tiles256<Format>(),
                                          slab_bytes<Slab256<16>, 256>, 2};
template <class Format, class Layout, class Narrow, bool kDot>
inline constexpr Slabs kSlabs256Narrow = {
    unpack256_narrow<Layout, Narrow, kDot>,
    NarrowSlabs256<Format::kSubBlock, Format::kHasMins, NarrowCodesOf<Narrow, kDot>>::kTiles,
    slab_bytes<Slab256<8>, 256>, 2};
template <class F, class L, class N, bool kDot>
inline constexpr TileFn kTile256Narrow[4] = {tile256_narrow<F, L, N, 1, kDot>, tile256_narrow<F, L, N, 2, kDot>,
                                             tile256_narrow<F, L, N, 3, kDot>, tile256_narrow<F, L, N, 4, kDot>};

}  // namespace hearth::cpu
#define LINEAR_ROWS_256(type, Format, Layout, Wide, Narrow)                                                        \
    {Isa::avx512, packed_kernel256<Layout<16>>(type, Isa::avx512, kTile256Avx512<Format, Layout<16>, Wide>,        \
                                               kSlabs256Avx512<Format, Layout<16>, Wide>)},                        \
        {Isa::avxvnni,                                                                                             \
         packed_kernel256<Layout<8>>(type, Isa::avxvnni, kTile256Narrow<Format, Layout<8>, Narrow, true>,          \
                                     kSlabs256Narrow<Format, Layout<8>, Narrow, true>)},                           \
        {Isa::avx2, packed_kernel256<Layout<8>>(type, Isa::avx2, kTile256Narrow<Format, Layout<8>, Narrow, false>, \
                                                kSlabs256Narrow<Format, Layout<8>, Narrow, false>)},
#else
#define LINEAR_ROWS_256(type, Format, Layout, Wide, Narrow)
#endif
