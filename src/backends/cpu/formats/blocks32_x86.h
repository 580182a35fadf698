// The recipe of blocks32.h with 16 rows in the lanes of a 512-bit register, or 8 in 256 bits. Included last.
//
// A format brings, for the wide kernel:   code(lines, t): columns 4t..4t+3 of all rows as unsigned codes c
//                                         scale(fields), offset(fields)
// and for the narrow kernel, which must keep sums of products in int16 for a while (unless kDot: the row avxvnni):
//   kSigned   code() gives signed codes; products of |code| with sign(code) * a, safe as |code| <= 128 and |a| <= 127
//   kLines    so many lines may be added up in int16 without overflow
//   kShift    unsigned codes of symmetric types are c >> kShift
#pragma once

#include "backends/cpu/formats/blocks32.h"
#include "backends/cpu/formats/registers.h"
#include "backends/cpu/formats/slab_x86.h"

#if TARGET_X86
namespace hearth::cpu {

TARGET_BEGIN(TARGET_AVX512)
template <class Format, class Wide>
void unpack32_avx512(const std::byte* group, int64_t, int64_t begin, int64_t end, std::byte* slab) {
    using Layout = Layout32<Format, 16>;
    auto* out = reinterpret_cast<Slab32<16>*>(slab);
    for (int64_t block = begin / 32; block < end / 32; ++block, ++out) {
        const std::byte *fields = group + Layout::fields_at(block), *lines = group + Layout::codes_at(block);
        prefetch<1>(lines, Layout::kCodeBytes);
        _mm512_store_ps(out->scale, Wide::scale(fields));
        if constexpr (Format::kFields == 2) _mm512_store_ps(out->offset, Wide::offset(fields));
        UNROLLED for (int t = 0; t < 8; ++t) _mm512_store_si512(out->codes[t], Wide::code(lines, t));
    }
}

template <class Format, class Wide, int kTokens>
void tile32_avx512(const TileJob& job) {
    using Layout = Layout32<Format, 16>;
    constexpr bool kHasOffset = Format::kFields == 2;
    __m512 sum[kTokens];
    UNROLLED for (int token = 0; token < kTokens; ++token) sum[token] = _mm512_setzero_ps();
    const int64_t blocks = job.columns / 32;
    const std::byte *bundle = job.group, *a = job.tile;
    for (int64_t block = 0; block < blocks; ++block) {
        const int in_bundle = int(block % Format::kBundle);
        const std::byte* fields = bundle + in_bundle * Layout::kFieldsBytes;
        const std::byte* lines = bundle + Layout::kHeaderBytes + in_bundle * Layout::kCodeBytes;
        if (in_bundle == 0) prefetch<kTokens>(bundle, Layout::kHeaderBytes);
        prefetch<kTokens>(lines, Layout::kCodeBytes);
        __m512i products[kTokens];
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            products[token] =
                kHasOffset ? _mm512_setzero_si512() : _mm512_set1_epi32(dword(a + 32 * kTokens + 4 * token));
        }
        UNROLLED for (int t = 0; t < 8; ++t) {
            const __m512i codes = Wide::code(lines, t);
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                products[token] = _mm512_dpbusd_epi32(products[token], codes,
                                                      _mm512_set1_epi32(dword(a + 4 * (t * kTokens + token))));
            }
        }
        const __m512 scale = Wide::scale(fields);
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            const __m512 factor = _mm512_mul_ps(scale, _mm512_set1_ps(real(a + 36 * kTokens + 4 * token)));
            sum[token] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products[token]), factor, sum[token]);
        }
        if constexpr (kHasOffset) {
            const __m512 offset = Wide::offset(fields);
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                sum[token] = _mm512_fmadd_ps(offset, _mm512_set1_ps(real(a + 40 * kTokens + 4 * token)), sum[token]);
            }
        }
        a += 44 * kTokens;
        if (in_bundle == Format::kBundle - 1) bundle += Layout::kBundleBytes;
    }
    const __mmask16 rows = __mmask16((1u << job.rows) - 1);
    UNROLLED for (int token = 0; token < kTokens; ++token) {
        _mm512_mask_storeu_ps(job.out + token * job.out_stride, rows, sum[token]);
    }
}
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
template <class Format, class Narrow, bool kDot>
void unpack32_narrow(const std::byte* group, int64_t, int64_t begin, int64_t end, std::byte* slab) {
    using Layout = Layout32<Format, 8>;
    auto* out = reinterpret_cast<Slab32<8>*>(slab);
    for (int64_t block = begin / 32; block < end / 32; ++block, ++out) {
        const std::byte *fields = group + Layout::fields_at(block), *lines = group + Layout::codes_at(block);
        prefetch<1>(lines, Layout::kCodeBytes);
        _mm256_store_ps(out->scale, Narrow::scale(fields));
        if constexpr (Format::kFields == 2) _mm256_store_ps(out->offset, Narrow::offset(fields));
        UNROLLED for (int t = 0; t < 8; ++t) narrow::spell_out<Narrow, kDot>(Narrow::code(lines, t), out->codes[t]);
    }
}

template <class Format, class Narrow, int kTokens, bool kDot>
void tile32_narrow(const TileJob& job) {
    using Layout = Layout32<Format, 8>;
    constexpr bool kHasOffset = Format::kFields == 2;
    __m256 sum[kTokens];
    UNROLLED for (int token = 0; token < kTokens; ++token) sum[token] = _mm256_setzero_ps();
    const int64_t blocks = job.columns / 32;
    const std::byte *bundle = job.group, *a = job.tile;
    for (int64_t block = 0; block < blocks; ++block) {
        const int in_bundle = int(block % Format::kBundle);
        const std::byte* fields = bundle + in_bundle * Layout::kFieldsBytes;
        const std::byte* lines = bundle + Layout::kHeaderBytes + in_bundle * Layout::kCodeBytes;
        prefetch<kTokens>(lines, Layout::kCodeBytes);
        __m256i dot[kTokens];
        if constexpr (kDot) {
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                dot[token] =
                    Narrow::kSigned ? _mm256_set1_epi32(dword(a + 32 * kTokens + 4 * token)) : _mm256_setzero_si256();
            }
            UNROLLED for (int t = 0; t < 8; ++t) {
                __m256i codes = Narrow::code(lines, t);
                if (Narrow::kSigned) codes = _mm256_xor_si256(codes, _mm256_set1_epi8(char(0x80)));
                UNROLLED for (int token = 0; token < kTokens; ++token) {
                    const __m256i x = _mm256_set1_epi32(dword(a + 4 * (t * kTokens + token)));
                    dot[token] = narrow::add_products(dot[token], codes, x);
                }
            }
        } else {
            UNROLLED for (int first = 0; first < 8; first += Narrow::kLines) {
                __m256i sums16[kTokens];
                UNROLLED for (int t = first; t < first + Narrow::kLines; ++t) {
                    const __m256i codes = Narrow::code(lines, t);
                    const __m256i sizes = Narrow::kSigned ? _mm256_abs_epi8(codes) : codes;
                    UNROLLED for (int token = 0; token < kTokens; ++token) {
                        __m256i x = _mm256_set1_epi32(dword(a + 4 * (t * kTokens + token)));
                        if (Narrow::kSigned) x = _mm256_sign_epi8(x, codes);
                        const __m256i pairs = _mm256_maddubs_epi16(sizes, x);
                        sums16[token] = t == first ? pairs : narrow::add_16(sums16[token], pairs);
                    }
                }
                UNROLLED for (int token = 0; token < kTokens; ++token) {
                    const __m256i sums = narrow::pair_sums(sums16[token]);
                    dot[token] = first == 0 ? sums : narrow::add_32(dot[token], sums);
                }
            }
        }
        const __m256 scale = Narrow::scale(fields);
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            __m256i products = dot[token];
            if constexpr (!kHasOffset && !(kDot && Narrow::kSigned)) {
                products = narrow::total<Narrow>(products, a + 32 * kTokens + 4 * token);
            }
            const __m256 factor = _mm256_mul_ps(scale, _mm256_set1_ps(real(a + 36 * kTokens + 4 * token)));
            sum[token] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), factor, sum[token]);
        }
        if constexpr (kHasOffset) {
            const __m256 offset = Narrow::offset(fields);
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                sum[token] = _mm256_fmadd_ps(offset, _mm256_set1_ps(real(a + 40 * kTokens + 4 * token)), sum[token]);
            }
        }
        a += 44 * kTokens;
        if (in_bundle == Format::kBundle - 1) bundle += Layout::kBundleBytes;
    }
    UNROLLED for (int token = 0; token < kTokens; ++token) {
        narrow::store(job.out + token * job.out_stride, sum[token], job.rows);
    }
}
TARGET_END

template <class Format, class Wide>
inline constexpr TileFn kTile32Avx512[8] = {tile32_avx512<Format, Wide, 1>, tile32_avx512<Format, Wide, 2>,
                                            tile32_avx512<Format, Wide, 3>, tile32_avx512<Format, Wide, 4>,
                                            tile32_avx512<Format, Wide, 5>, tile32_avx512<Format, Wide, 6>,
                                            tile32_avx512<Format, Wide, 7>, tile32_avx512<Format, Wide, 8>};
template <class Format, class Wide>
inline constexpr Slabs kSlabs32Avx512 = {unpack32_avx512<Format, Wide>, slab_tiles32<Format>(),
                                         slab_bytes<Slab32<16>, 32>, 2};
template <class Format, class Narrow, bool kDot>
inline constexpr Slabs kSlabs32Narrow = {unpack32_narrow<Format, Narrow, kDot>,
                                         NarrowSlabs32<Format::kFields == 2, NarrowCodesOf<Narrow, kDot>>::kTiles,
                                         slab_bytes<Slab32<8>, 32>, 2};
template <class Format, class Narrow, bool kDot>
inline constexpr TileFn kTile32Narrow[4] = {
    tile32_narrow<Format, Narrow, 1, kDot>, tile32_narrow<Format, Narrow, 2, kDot>,
    tile32_narrow<Format, Narrow, 3, kDot>, tile32_narrow<Format, Narrow, 4, kDot>};

}  // namespace hearth::cpu
#define LINEAR_ROWS_32(type, Format, Wide, Narrow)                                                               \
    {Isa::avx512,                                                                                                \
     packed_kernel32<Format, 16>(type, Isa::avx512, kTile32Avx512<Format, Wide>, kSlabs32Avx512<Format, Wide>)}, \
        {Isa::avxvnni, packed_kernel32<Format, 8>(type, Isa::avxvnni, kTile32Narrow<Format, Narrow, true>,       \
                                                  kSlabs32Narrow<Format, Narrow, true>)},                        \
        {Isa::avx2, packed_kernel32<Format, 8>(type, Isa::avx2, kTile32Narrow<Format, Narrow, false>,            \
                                               kSlabs32Narrow<Format, Narrow, false>)},
#else
#define LINEAR_ROWS_32(type, Format, Wide, Narrow)
#endif
