// F32, F16 and BF16 weights; the recipes stand in floats.h.
// Packed group of R rows: F32 and F16 [column][R]; BF16 [pair of columns][R][2].
#include "backends/cpu/formats/floats.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/formats/blocks32.h"
#include "backends/cpu/formats/registers.h"
#include "tensor/decode.h"

namespace hearth::cpu {
namespace {

// One stored row times one token. The row is decoded in small pieces, so any weight type will do.
template <DType kType>
void tile_any(const TileJob& job) {
    constexpr int64_t kPiece = 256;  // even: column k of a piece belongs to sum k % 2
    float w[kPiece], sum[2] = {0, 0};
    for (int64_t at = 0; at < job.columns; at += kPiece) {
        const int64_t count = job.columns - at < kPiece ? job.columns - at : kPiece;
        decode(kType, job.group + row_bytes(kType, at), count, w);
        for (int64_t k = 0; k < count; ++k) {
            float a;
            std::memcpy(&a, job.tile + (at + k) * 4, 4);
            sum[k % 2] += w[k] * a;
        }
    }
    job.out[0] = sum[0] + sum[1];
}

template <DType kType>
constexpr TileFn kTilesAny[1] = {tile_any<kType>};

template <DType kType>
constexpr LinearKernel plain_kernel() {
    return {.type = kType,
            .isa = Isa::any,
            .rows_per_group = 1,
            .activation = ActivationKind::f32,
            .group_bytes = stored_group_bytes<1>,
            .pack = store_group,
            .unpack_row = unpack_stored,
            .tiles = kTilesAny<kType>};
}

#if TARGET_X86 || TARGET_ARM
// Values of kBytes each, kPerCell columns of one row side by side.
template <int kRows, int kBytes, int kPerCell>
struct Interleaved {
    static int64_t group_bytes(DType, int64_t columns) {
        const int64_t cells = (columns + kPerCell - 1) / kPerCell;
        return (cells * kRows * kPerCell * kBytes + 63) / 64 * 64;
    }
    static int64_t at(int64_t column, int row) {
        return ((column / kPerCell * kRows + row) * kPerCell + column % kPerCell) * kBytes;
    }
    static void pack(DType type, const std::byte* rows, int64_t stride, int valid_rows, int64_t columns,
                     std::byte* group) {
        constexpr int64_t kStep = 16 / kBytes;  // columns in a register
        const int64_t bytes = group_bytes(type, columns), whole = columns / kStep * kStep;
        std::memset(group + at(whole, 0), 0, size_t(bytes - at(whole, 0)));
        for (int64_t column = 0; column < whole; column += kStep) {
            four::prefetch(rows + kRows * (stride + column * kBytes), kRows * 16);
            const four::Blocks<kRows> from(rows, stride, valid_rows, column * kBytes);
            for (int row = 0; row < kRows; row += 4) {
                Dwords lines[4];
                four::lines_of(from.row + row, 0, lines);
                for (int t = 0; t < 4; ++t) {
                    const int64_t first = column + t * (4 / kBytes);
                    if constexpr (kBytes * kPerCell == 4) {
                        four::store(group + at(first, row), lines[t]);
                    } else {  // two columns of two bytes
                        const Dwords halves = four::halves_apart(lines[t]);
                        four::store_half(group + at(first, row), halves, 0);
                        four::store_half(group + at(first + 1, row), halves, 1);
                    }
                }
            }
        }
        for (int64_t column = whole; column < columns; ++column) {
            for (int row = 0; row < valid_rows; ++row) {
                std::memcpy(group + at(column, row), rows + row * stride + column * kBytes, kBytes);
            }
        }
    }
    static void unpack_row(DType type, const std::byte* group, int row, int64_t columns, float* out) {
        std::byte piece[256 * kBytes];
        for (int64_t begin = 0; begin < columns; begin += 256) {
            const int64_t count = std::min<int64_t>(256, columns - begin);
            for (int64_t k = 0; k < count; ++k) std::memcpy(piece + k * kBytes, group + at(begin + k, row), kBytes);
            decode(type, piece, count, out + begin);
        }
    }
};

template <DType kType, int kRows>
using Packing = Interleaved<kRows, kType == DType::f32 ? 4 : 2, kType == DType::bf16 ? 2 : 1>;

template <DType kType, int kRows>
constexpr LinearKernel packed_kernel(Isa isa, const TileFn* tiles) {
    return {.type = kType,
            .isa = isa,
            .rows_per_group = kRows,
            .activation = ActivationKind::f32,
            .group_bytes = Packing<kType, kRows>::group_bytes,
            .pack = Packing<kType, kRows>::pack,
            .unpack_row = Packing<kType, kRows>::unpack_row,
            .tiles = tiles};
}
#endif

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
template <DType kType>
ALWAYS_INLINE void two_columns(const std::byte* group, int64_t pair, __m512 (&w)[2]) {
    if constexpr (kType == DType::f32) {
        w[0] = _mm512_load_ps(group + pair * 128);
        w[1] = _mm512_load_ps(group + pair * 128 + 64);
    } else if constexpr (kType == DType::f16) {
        w[0] = wide::halves(group + pair * 64);
        w[1] = wide::halves(group + pair * 64 + 32);
    } else {
        const __m512i both = wide::load(group + pair * 64);
        w[0] = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
        w[1] = _mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32(int(0xFFFF0000))));
    }
}

template <DType kType, int kTokens>
void tile_avx512(const TileJob& job) {
    constexpr int kPairBytes = kType == DType::f32 ? 128 : 64;
    __m512 sum[2][kTokens];
    UNROLLED for (int token = 0; token < kTokens; ++token) sum[0][token] = sum[1][token] = _mm512_setzero_ps();
    const std::byte* a = job.tile;
    const int64_t pairs = job.columns / 2;
    for (int64_t pair = 0; pair < pairs; ++pair) {
        __m512 w[2];
        prefetch<kTokens>(job.group + pair * kPairBytes, kPairBytes);
        two_columns<kType>(job.group, pair, w);
        UNROLLED for (int k = 0; k < 2; ++k) {
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                const __m512 x = _mm512_set1_ps(real(a + 4 * (k * kTokens + token)));
                sum[k][token] = _mm512_fmadd_ps(w[k], x, sum[k][token]);
            }
        }
        a += 8 * kTokens;
    }
    if (job.columns % 2) {
        __m512 w;
        const std::byte* last = job.group + pairs * kPairBytes;
        if constexpr (kType == DType::f32) w = _mm512_load_ps(last);
        if constexpr (kType == DType::f16) w = wide::halves(last);
        if constexpr (kType == DType::bf16) w = _mm512_castsi512_ps(_mm512_slli_epi32(wide::load(last), 16));
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            sum[0][token] = _mm512_fmadd_ps(w, _mm512_set1_ps(real(a + 4 * token)), sum[0][token]);
        }
    }
    const __mmask16 rows = __mmask16((1u << job.rows) - 1);
    UNROLLED for (int token = 0; token < kTokens; ++token) {
        _mm512_mask_storeu_ps(job.out + token * job.out_stride, rows, _mm512_add_ps(sum[0][token], sum[1][token]));
    }
}
TARGET_END

TARGET_BEGIN(TARGET_AVX512_BF16)
ALWAYS_INLINE __m512bh pairs_of(__m512i bits) {
    return (__m512bh)bits;
}

template <int kTokens>
void tile_bf16_dot(const TileJob& job) {
    __m512 sum[2][kTokens];
    UNROLLED for (int token = 0; token < kTokens; ++token) sum[0][token] = sum[1][token] = _mm512_setzero_ps();
    const std::byte* a = job.tile;
    const int64_t cells = (job.columns + 1) / 2;
    int64_t cell = 0;
    for (; cell + 2 <= cells; cell += 2) {
        prefetch<kTokens>(job.group + cell * 64, 128);
        UNROLLED for (int k = 0; k < 2; ++k) {
            const __m512bh w = pairs_of(wide::load(job.group + (cell + k) * 64));
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                const __m512bh x = pairs_of(_mm512_set1_epi32(dword(a + 4 * (k * kTokens + token))));
                sum[k][token] = _mm512_dpbf16_ps(sum[k][token], w, x);
            }
        }
        a += 8 * kTokens;
    }
    if (cell < cells) {
        const __m512bh w = pairs_of(wide::load(job.group + cell * 64));
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            sum[0][token] = _mm512_dpbf16_ps(sum[0][token], w, pairs_of(_mm512_set1_epi32(dword(a + 4 * token))));
        }
    }
    const __mmask16 rows = __mmask16((1u << job.rows) - 1);
    UNROLLED for (int token = 0; token < kTokens; ++token) {
        _mm512_mask_storeu_ps(job.out + token * job.out_stride, rows, _mm512_add_ps(sum[0][token], sum[1][token]));
    }
}
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
template <DType kType>
ALWAYS_INLINE void two_columns(const std::byte* group, int64_t pair, __m256 (&w)[2]) {
    if constexpr (kType == DType::f32) {
        w[0] = _mm256_castsi256_ps(narrow::load(group + pair * 64));
        w[1] = _mm256_castsi256_ps(narrow::load(group + pair * 64 + 32));
    } else if constexpr (kType == DType::f16) {
        w[0] = narrow::halves(group + pair * 32);
        w[1] = narrow::halves(group + pair * 32 + 16);
    } else {
        const __m256i both = narrow::load(group + pair * 32);
        w[0] = _mm256_castsi256_ps(_mm256_slli_epi32(both, 16));
        w[1] = _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32(int(0xFFFF0000))));
    }
}

template <DType kType, int kTokens>
void tile_avx2(const TileJob& job) {
    constexpr int kPairBytes = kType == DType::f32 ? 64 : 32;
    __m256 sum[2][kTokens];
    UNROLLED for (int token = 0; token < kTokens; ++token) sum[0][token] = sum[1][token] = _mm256_setzero_ps();
    const std::byte* a = job.tile;
    const int64_t pairs = job.columns / 2;
    for (int64_t pair = 0; pair < pairs; ++pair) {
        __m256 w[2];
        prefetch<kTokens>(job.group + pair * kPairBytes, kPairBytes);
        two_columns<kType>(job.group, pair, w);
        UNROLLED for (int k = 0; k < 2; ++k) {
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                const __m256 x = _mm256_set1_ps(real(a + 4 * (k * kTokens + token)));
                sum[k][token] = _mm256_fmadd_ps(w[k], x, sum[k][token]);
            }
        }
        a += 8 * kTokens;
    }
    if (job.columns % 2) {
        __m256 w;
        const std::byte* last = job.group + pairs * kPairBytes;
        if constexpr (kType == DType::f32) w = _mm256_castsi256_ps(narrow::load(last));
        if constexpr (kType == DType::f16) w = narrow::halves(last);
        if constexpr (kType == DType::bf16) w = _mm256_castsi256_ps(_mm256_slli_epi32(narrow::load(last), 16));
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            sum[0][token] = _mm256_fmadd_ps(w, _mm256_set1_ps(real(a + 4 * token)), sum[0][token]);
        }
    }
    UNROLLED for (int token = 0; token < kTokens; ++token) {
        narrow::store(job.out + token * job.out_stride, _mm256_add_ps(sum[0][token], sum[1][token]), job.rows);
    }
}
TARGET_END

template <DType kType>
constexpr TileFn kTilesAvx512[8] = {tile_avx512<kType, 1>, tile_avx512<kType, 2>, tile_avx512<kType, 3>,
                                    tile_avx512<kType, 4>, tile_avx512<kType, 5>, tile_avx512<kType, 6>,
                                    tile_avx512<kType, 7>, tile_avx512<kType, 8>};
template <DType kType>
constexpr TileFn kTilesAvx2[4] = {tile_avx2<kType, 1>, tile_avx2<kType, 2>, tile_avx2<kType, 3>, tile_avx2<kType, 4>};
constexpr TileFn kTilesBf16Dot[8] = {tile_bf16_dot<1>, tile_bf16_dot<2>, tile_bf16_dot<3>, tile_bf16_dot<4>,
                                     tile_bf16_dot<5>, tile_bf16_dot<6>, tile_bf16_dot<7>, tile_bf16_dot<8>};
#define LINEAR_ROWS(type)                                                    \
    {Isa::avx512, packed_kernel<type, 16>(Isa::avx512, kTilesAvx512<type>)}, \
        {Isa::avx2, packed_kernel<type, 8>(Isa::avx2, kTilesAvx2<type>)},
#elif TARGET_ARM
// Column k of four rows of a pair of columns.
template <DType kType>
ALWAYS_INLINE float32x4_t column_of(const std::byte* pair, int k, int half) {
    if constexpr (kType == DType::f32) {
        return vld1q_f32(reinterpret_cast<const float*>(pair) + 8 * k + 4 * half);
    } else if constexpr (kType == DType::f16) {
        return arm::halves(pair + 16 * k + 8 * half);
    } else {
        const uint32x4_t both = vreinterpretq_u32_u8(arm::load(pair + 16 * half));
        return vreinterpretq_f32_u32(k == 0 ? vshlq_n_u32(both, 16) : vandq_u32(both, vdupq_n_u32(0xFFFF0000)));
    }
}

template <DType kType, int kTokens>
void tile_neon(const TileJob& job) {
    constexpr int kPairBytes = kType == DType::f32 ? 64 : 32;
    float32x4_t sum[2][kTokens][2];
    UNROLLED for (int token = 0; token < kTokens; ++token) {
        sum[0][token][0] = sum[0][token][1] = sum[1][token][0] = sum[1][token][1] = vdupq_n_f32(0);
    }
    const std::byte *weights = job.group, *a = job.tile;
    for (int64_t pair = 0; pair < job.columns / 2; ++pair) {
        UNROLLED for (int k = 0; k < 2; ++k) {
            const float32x4_t w[2] = {column_of<kType>(weights, k, 0), column_of<kType>(weights, k, 1)};
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                const float x = real(a + 4 * (k * kTokens + token));
                sum[k][token][0] = vfmaq_n_f32(sum[k][token][0], w[0], x);
                sum[k][token][1] = vfmaq_n_f32(sum[k][token][1], w[1], x);
            }
        }
        weights += kPairBytes;
        a += 8 * kTokens;
    }
    if (job.columns % 2) {
        const float32x4_t w[2] = {column_of<kType>(weights, 0, 0), column_of<kType>(weights, 0, 1)};
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            const float x = real(a + 4 * token);
            sum[0][token][0] = vfmaq_n_f32(sum[0][token][0], w[0], x);
            sum[0][token][1] = vfmaq_n_f32(sum[0][token][1], w[1], x);
        }
    }
    UNROLLED for (int token = 0; token < kTokens; ++token) {
        const float32x4_t both[2] = {vaddq_f32(sum[0][token][0], sum[1][token][0]),
                                     vaddq_f32(sum[0][token][1], sum[1][token][1])};
        arm::store(job.out + token * job.out_stride, both, job.rows);
    }
}

template <DType kType>
constexpr TileFn kTilesNeon[4] = {tile_neon<kType, 1>, tile_neon<kType, 2>, tile_neon<kType, 3>, tile_neon<kType, 4>};
#define LINEAR_ROWS(type) {Isa::neon, packed_kernel<type, 8>(Isa::neon, kTilesNeon<type>)},
#else
#define LINEAR_ROWS(type)
#endif

}  // namespace

constinit const LinearTable kLinearF32{LINEAR_ROWS(DType::f32){Isa::any, plain_kernel<DType::f32>()}};
constinit const LinearTable kLinearF16{LINEAR_ROWS(DType::f16){Isa::any, plain_kernel<DType::f16>()}};
constinit const LinearTable kLinearBf16{LINEAR_ROWS(DType::bf16){Isa::any, plain_kernel<DType::bf16>()}};

#if TARGET_X86
constinit const LinearKernel kLinearBf16Dot = [] {
    LinearKernel kernel = packed_kernel<DType::bf16, 16>(Isa::avx512, kTilesBf16Dot);
    kernel.activation = ActivationKind::bf16;
    return kernel;
}();
constinit const TileFn* const kTilesF32Avx512 = kTilesAvx512<DType::f32>;
constinit const TileFn* const kTilesF32Avx2 = kTilesAvx2<DType::f32>;
#else
constinit const LinearKernel kLinearBf16Dot = plain_kernel<DType::bf16>();
#endif
#if TARGET_ARM
constinit const TileFn* const kTilesF32Neon = kTilesNeon<DType::f32>;
#endif

}  // namespace hearth::cpu
