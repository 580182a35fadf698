// Q6_K: 6-bit codes offset by 32, signed 8-bit scales of 16 sub-blocks of 16, block scale f16.
// Recipe: blocks256.h, 16 sub-blocks, c = 4 * code, w_j = (scale / 4) * S_j.
// Packed group of R rows: first the f16 scales of all blocks, [block][R], padded to 64 bytes, so that the blocks stay
// aligned; then per block [16][R] sub-block scales, 32 lines of nibbles, 16 lines of high bits, line t holding dword t
// of each row's bytes. Sub-block of 32 number 4h + k takes nibbles from lines 16h + 8(k & 1) + t, low for k < 2, and
// bits 2k of high lines 8h + t.
#include "tensor/formats/q6_k.h"

#include "backends/cpu/formats/blocks256.h"
#include "backends/cpu/formats/blocks256_x86.h"

namespace hearth::cpu {
namespace {

struct Q6_K {
    static constexpr int kBlockBytes = 210, kSubBlock = 16;
    static constexpr bool kHasMins = false;

    static Meaning256 meaning(const std::byte* at) {
        BlockQ6_K block;
        std::memcpy(&block, at, sizeof block);
        Meaning256 result;
        for (int i = 0; i < 256; ++i) {
            const int half = i / 128, k = i % 128 / 32, l = i % 32;
            const int low = block.codes[64 * half + 32 * (k & 1) + l] >> 4 * (k / 2) & 15;
            result.codes[i] = uint8_t((low | (block.high_bits[32 * half + l] >> 2 * k & 3) << 4) << 2);
        }
        const float quarter = half_to_float(block.scale) * 0.25f;
        for (int j = 0; j < 16; ++j) result.scales[j] = quarter * float(block.scales[j]);
        return result;
    }
};

template <int kGroupRows>
struct Layout {
    static constexpr int kRows = kGroupRows, kStoredBytes = Q6_K::kBlockBytes, kBlockBytes = 208 * kRows;
    // Where line t of the nibbles (0..31) and of the high bits (0..15) starts, in lines after the scales.
    static constexpr int kScalesBytes = 16 * kRows, kLineBytes = 4 * kRows;
    static constexpr int code_line(int t) { return kScalesBytes + (t / 16 * 24 + 8 + t % 16) * kLineBytes; }
    static constexpr int high_line(int t) { return kScalesBytes + (t / 8 * 24 + t % 8) * kLineBytes; }

    static int64_t scales_bytes(int64_t blocks) { return (blocks * kRows * 2 + 63) / 64 * 64; }
    static int64_t group_bytes(int64_t blocks) { return scales_bytes(blocks) + blocks * kBlockBytes; }
    static const std::byte* block(const std::byte* group, int64_t blocks, int64_t index) {
        return group + scales_bytes(blocks) + index * kBlockBytes;
    }
    static void put(std::byte* group, int64_t blocks, int64_t index, int row, const std::byte* stored) {
        std::memcpy(group + (index * kRows + row) * 2, stored + 208, 2);
        std::byte* to = group + scales_bytes(blocks) + index * kBlockBytes;
        for (int j = 0; j < 16; ++j) to[j * kRows + row] = stored[192 + j];
        for (int t = 0; t < 32; ++t) std::memcpy(to + code_line(t) + row * 4, stored + 4 * t, 4);
        for (int t = 0; t < 16; ++t) std::memcpy(to + high_line(t) + row * 4, stored + 128 + 4 * t, 4);
    }
    static void take(const std::byte* group, int64_t blocks, int64_t index, int row, std::byte* stored) {
        std::memcpy(stored + 208, group + (index * kRows + row) * 2, 2);
        const std::byte* from = block(group, blocks, index);
        for (int j = 0; j < 16; ++j) stored[192 + j] = from[j * kRows + row];
        for (int t = 0; t < 32; ++t) std::memcpy(stored + 4 * t, from + code_line(t) + row * 4, 4);
        for (int t = 0; t < 16; ++t) std::memcpy(stored + 128 + 4 * t, from + high_line(t) + row * 4, 4);
    }
};

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
struct Wide {
    static constexpr int kInner = 4;
    static ALWAYS_INLINE void scales(const std::byte* group, int64_t blocks, int64_t index, Scales<16>& scales) {
        const __m512 quarter = _mm512_mul_ps(wide::halves(group + index * 32), _mm512_set1_ps(0.25f));
        const std::byte* block = Layout<16>::block(group, blocks, index);
        UNROLLED for (int j = 0; j < 16; ++j) {
            const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(block + 16 * j));
            _mm512_store_ps(scales.scale[j], _mm512_mul_ps(quarter, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))));
        }
    }
    static ALWAYS_INLINE __m512i code(const std::byte* block, int part, int inner, int t) {
        const __m512i line = wide::load(block + Layout<16>::code_line(part * 16 + (inner & 1) * 8 + t));
        const __m512i high = wide::load(block + Layout<16>::high_line(part * 8 + t));
        const __m512i low = wide::both(inner < 2 ? wide::shift_left(line, 2) : wide::shift_right(line, 2), 0x3C);
        return wide::merge(low, wide::shift_left(high, 6 - 2 * inner), 0xC0);
    }
};
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
struct Narrow {
    static constexpr int kInner = 4;
    static constexpr int kLines = 2;  // 2 * 2 * 63 * 127 < 2^15
    static ALWAYS_INLINE void scales(const std::byte* group, int64_t blocks, int64_t index, Scales<8>& scales) {
        const __m256 quarter = _mm256_mul_ps(narrow::halves(group + index * 16), _mm256_set1_ps(0.25f));
        const std::byte* block = Layout<8>::block(group, blocks, index);
        UNROLLED for (int j = 0; j < 16; ++j) {
            const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(block + 8 * j));
            _mm256_store_ps(scales.scale[j], _mm256_mul_ps(quarter, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))));
        }
    }
    static ALWAYS_INLINE __m256i code(const std::byte* block, int part, int inner, int t) {  // not shifted up: 0..63
        const __m256i line = narrow::load(block + Layout<8>::code_line(part * 16 + (inner & 1) * 8 + t));
        const __m256i high = narrow::load(block + Layout<8>::high_line(part * 8 + t));
        const __m256i low = narrow::both(inner < 2 ? line : narrow::shift_right(line, 4), 0x0F);
        return narrow::merge(
            low, inner < 2 ? narrow::shift_left(high, 4 - 2 * inner) : narrow::shift_right(high, 2 * inner - 4), 0x30);
    }
    static ALWAYS_INLINE __m256i total(__m256i dot, __m256i start) {
        return _mm256_add_epi32(_mm256_slli_epi32(dot, 2), start);
    }
};
TARGET_END
#endif

}  // namespace

constinit const LinearTable kLinearQ6_K{
    LINEAR_ROWS_256(DType::q6_k, Q6_K, Layout, Wide, Narrow){Isa::any, plain_kernel256<Q6_K>(DType::q6_k)}};

}  // namespace hearth::cpu
