// Q6_K: 6-bit codes offset by 32, signed 8-bit scales of 16 sub-blocks of 16, block scale f16.
// Recipe: blocks256.h, 16 sub-blocks, c = 4 * code, w_j = (scale / 4) * S_j.
// Packed block of R rows: [R] f16 scales and as much padding, so that lines stay aligned (apart from their block, in
// one array, they cost a third of the speed from memory); [16][R] sub-block scales; 2 * 8 * 3 lines of codes. The four
// sub-blocks of 32 of half h are k = 0..3; the three lines number 24h + 3t + 0, 1, 2 hold columns 4t..4t+3 of k = 0, 1,
// 2 in the upper six bits of their bytes (which is c) and those of k = 3 in pieces of two bits below, the highest
// first: one operation unpacks each of the first three.
#include "tensor/formats/q6_k.h"

#include "backends/cpu/formats/blocks256.h"
#include "backends/cpu/formats/blocks256_arm.h"
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
    static constexpr int kRows = kGroupRows, kStoredBytes = Q6_K::kBlockBytes, kBlockBytes = 212 * kRows;
    static constexpr int kScalesAt = 4 * kRows, kCodesAt = kScalesAt + 16 * kRows, kLineBytes = 4 * kRows;
    static constexpr int line(int half, int t, int k) { return kCodesAt + (24 * half + 3 * t + k) * kLineBytes; }

    static int64_t group_bytes(int64_t blocks) { return (blocks * kBlockBytes + 63) / 64 * 64; }
    static const std::byte* block(const std::byte* group, int64_t, int64_t index) {
        return group + index * kBlockBytes;
    }
    static void put(std::byte* to, const std::byte* const* rows) {
        for (int row = 0; row < kRows; ++row) std::memcpy(to + 2 * row, rows[row] + 208, 2);
        std::memset(to + 2 * kRows, 0, 2 * kRows);
        for (int row = 0; row < kRows; row += 4) {
            four::copy_bytes(rows + row, 192, to + kScalesAt + row, kRows);
            for (int half = 0; half < 2; ++half) {
                for (int first = 0; first < 8; first += 4) {
                    Dwords low[2][4], high[4];  // four columns of each row
                    four::lines_of(rows + row, 64 * half + 4 * first, low[0]);
                    four::lines_of(rows + row, 64 * half + 4 * first + 32, low[1]);
                    four::lines_of(rows + row, 128 + 32 * half + 4 * first, high);
                    for (int t = 0; t < 4; ++t) {
                        const Dwords a = low[0][t], b = low[1][t], top = high[t];
                        std::byte* line_0 = to + line(half, first + t, 0) + 4 * row;
                        // Codes of k = 0, 1, 2 in the upper six bits, two bits of k = 3's below.
                        four::store(line_0,
                                    (a << 2 & 0x3C3C3C3Cu) | (top << 6 & 0xC0C0C0C0u) | (top >> 6 & 0x03030303u));
                        four::store(line_0 + kLineBytes,
                                    (b << 2 & 0x3C3C3C3Cu) | (top << 4 & 0xC0C0C0C0u) | (b >> 6 & 0x03030303u));
                        four::store(line_0 + 2 * kLineBytes,
                                    (a >> 2 & 0x3C3C3C3Cu) | (top << 2 & 0xC0C0C0C0u) | (b >> 4 & 0x03030303u));
                    }
                }
            }
        }
    }
    static void take(const std::byte* from, int row, std::byte* stored) {
        std::memcpy(stored + 208, from + 2 * row, 2);
        for (int j = 0; j < 16; ++j) stored[192 + j] = from[kScalesAt + j * kRows + row];
        uint32_t low[32] = {}, high[16] = {};
        for (int half = 0; half < 2; ++half) {
            for (int t = 0; t < 8; ++t) {
                uint32_t codes[4] = {};
                for (int k = 0; k < 3; ++k) {
                    uint32_t word;
                    std::memcpy(&word, from + line(half, t, k) + row * 4, 4);
                    codes[k] = word >> 2 & 0x3F3F3F3Fu;
                    codes[3] |= (word & 0x03030303u) << (4 - 2 * k);
                }
                for (int k = 0; k < 4; ++k) {
                    low[16 * half + 8 * (k & 1) + t] |= (codes[k] & 0x0F0F0F0Fu) << 4 * (k / 2);
                    high[8 * half + t] |= (codes[k] >> 4 & 0x03030303u) << 2 * k;
                }
            }
        }
        std::memcpy(stored, low, 128);
        std::memcpy(stored + 128, high, 64);
    }
};

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
struct Wide {
    static constexpr int kInner = 4;
    static ALWAYS_INLINE void scales(const std::byte* group, int64_t blocks, int64_t index, Scales<16>& scales) {
        const std::byte* block = Layout<16>::block(group, blocks, index);
        const __m512 quarter = _mm512_mul_ps(wide::halves(block), _mm512_set1_ps(0.25f));
        UNROLLED for (int j = 0; j < 16; ++j) {
            const __m128i bytes =
                _mm_load_si128(reinterpret_cast<const __m128i*>(block + Layout<16>::kScalesAt + 16 * j));
            _mm512_store_ps(scales.scale[j], _mm512_mul_ps(quarter, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))));
        }
    }
    static ALWAYS_INLINE __m512i code(const std::byte* block, int half, int k, int t) {
        const auto line = [&](int of) __attribute__((always_inline)) {
            return wide::load(block + Layout<16>::line(half, t, of));
        };
        if (k < 3) return wide::both(line(k), 0xFC);
        const __m512i pieces =
            wide::merge(wide::both(wide::shift_left(line(0), 6), 0xC0), wide::shift_left(line(1), 4), 0x30);
        return wide::merge(pieces, wide::shift_left(line(2), 2), 0x0C);
    }
};
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
struct Narrow {
    static constexpr int kInner = 4;
    static constexpr bool kSigned = false;
    static constexpr int kLines = 2;  // 2 * 2 * 63 * 127 < 2^15
    static constexpr int kShift = 2;
    static ALWAYS_INLINE void scales(const std::byte* group, int64_t blocks, int64_t index, Scales<8>& scales) {
        const std::byte* block = Layout<8>::block(group, blocks, index);
        const __m256 quarter = _mm256_mul_ps(narrow::halves(block), _mm256_set1_ps(0.25f));
        UNROLLED for (int j = 0; j < 16; ++j) {
            const __m128i bytes =
                _mm_loadl_epi64(reinterpret_cast<const __m128i*>(block + Layout<8>::kScalesAt + 8 * j));
            _mm256_store_ps(scales.scale[j], _mm256_mul_ps(quarter, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))));
        }
    }
    static ALWAYS_INLINE __m256i code(const std::byte* block, int half, int k, int t) {  // not shifted up: 0..63
        const auto line = [&](int of) __attribute__((always_inline)) {
            return narrow::load(block + Layout<8>::line(half, t, of));
        };
        if (k < 3) return narrow::both(narrow::shift_right(line(k), 2), 0x3F);
        const __m256i pieces = narrow::merge(narrow::both(line(2), 0x03), narrow::shift_left(line(1), 2), 0x0C);
        return narrow::merge(pieces, narrow::shift_left(line(0), 4), 0x30);
    }
};
TARGET_END
#endif

#if TARGET_ARM
struct Arm {
    static constexpr int kInner = 4, kLargest = 63, kShift = 2;
    static constexpr bool kSigned = false;
    static ALWAYS_INLINE void scales(const std::byte* block, arm::Scales& scales) {
        const float32x4_t quarter[2] = {vmulq_n_f32(arm::halves(block), 0.25f),
                                        vmulq_n_f32(arm::halves(block + 8), 0.25f)};
        arm::signed_scales<16>(block + Layout<8>::kScalesAt, quarter, scales);
    }
    static ALWAYS_INLINE uint8x16_t code(const std::byte* block, int part, int k, int t, int half) {
        const auto line = [&](int of) __attribute__((always_inline)) {
            return arm::load(block + Layout<8>::line(part, t, of) + 16 * half);
        };
        if (k < 3) return arm::shift_right(line(k), 2);
        const uint8x16_t pieces = arm::merge(arm::both(line(2), 0x03), arm::shift_left(line(1), 2), 0x0C);
        return arm::merge(pieces, arm::shift_left(line(0), 4), 0x30);
    }
};
#endif

}  // namespace

constinit const LinearTable kLinearQ6_K{LINEAR_ROWS_256(DType::q6_k, Q6_K, Layout, Wide, Narrow) LINEAR_ROWS_256_ARM(
    DType::q6_k, Q6_K, Layout, Arm){Isa::any, plain_kernel256<Q6_K>(DType::q6_k)}};

}  // namespace hearth::cpu
