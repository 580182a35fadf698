// Q2_K: 2-bit codes, 4-bit scales and mins of 16 sub-blocks of 16, their block scales f16.
// Recipe: blocks256.h, 16 sub-blocks, c = code, w_j = scale * scale_j, m = min, min_j.
// Packed block of R rows: [R] f16 scales, [R] f16 mins; [16][R] bytes of scale_j and, above it, min_j; for each half of
// the block 8 lines of codes: line t holds columns 4t..4t+3 of its four sub-blocks of 32, two bits above each other.
#include "tensor/formats/q2_k.h"

#include "backends/cpu/formats/blocks256.h"
#include "backends/cpu/formats/blocks256_arm.h"
#include "backends/cpu/formats/blocks256_x86.h"

namespace hearth::cpu {
namespace {

struct Q2_K {
    static constexpr int kBlockBytes = sizeof(BlockQ2_K), kSubBlock = 16;
    static constexpr bool kHasMins = true;

    static Meaning256 meaning(const std::byte* at) {
        BlockQ2_K block;
        std::memcpy(&block, at, sizeof block);
        Meaning256 result;
        for (int i = 0; i < 256; ++i) {
            result.codes[i] = uint8_t(block.codes[32 * (i / 128) + i % 32] >> 2 * (i % 128 / 32) & 3);
        }
        const float scale = half_to_float(block.scale);
        for (int j = 0; j < 16; ++j) {
            result.scales[j] = scale * float(block.scales[j] & 15);
            result.mins[j] = block.scales[j] >> 4;
        }
        result.min_scale = half_to_float(block.min);
        return result;
    }
};

template <int kGroupRows>
struct Layout {
    static constexpr int kRows = kGroupRows, kStoredBytes = Q2_K::kBlockBytes, kBlockBytes = 84 * kRows;
    static constexpr int kScalesAt = 4 * kRows, kCodesAt = kScalesAt + 16 * kRows, kLineBytes = 4 * kRows;
    static constexpr int line(int half, int t) { return kCodesAt + (8 * half + t) * kLineBytes; }

    static int64_t group_bytes(int64_t blocks) { return (blocks * kBlockBytes + 63) / 64 * 64; }
    static const std::byte* block(const std::byte* group, int64_t, int64_t index) {
        return group + index * kBlockBytes;
    }
    static void put(std::byte* to, const std::byte* const* rows) {
        for (int row = 0; row < kRows; ++row) {
            std::memcpy(to + 2 * row, rows[row] + offsetof(BlockQ2_K, scale), 2);
            std::memcpy(to + 2 * (kRows + row), rows[row] + offsetof(BlockQ2_K, min), 2);
        }
        for (int row = 0; row < kRows; row += 4) {
            four::copy_bytes(rows + row, offsetof(BlockQ2_K, scales), to + kScalesAt + row, kRows);
            four::copy_lines(rows + row, offsetof(BlockQ2_K, codes), 16, to + kCodesAt + 4 * row, kLineBytes);
        }
    }
    static void take(const std::byte* from, int row, std::byte* stored) {
        BlockQ2_K to;
        std::memcpy(&to.scale, from + 2 * row, 2);
        std::memcpy(&to.min, from + 2 * (kRows + row), 2);
        for (int j = 0; j < 16; ++j) to.scales[j] = uint8_t(from[kScalesAt + j * kRows + row]);
        for (int word = 0; word < 16; ++word) {
            std::memcpy(to.codes + 4 * word, from + line(word / 8, word % 8) + 4 * row, 4);
        }
        std::memcpy(stored, &to, sizeof to);
    }
};

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
struct Wide {
    static constexpr int kInner = 4;
    static ALWAYS_INLINE void scales(const std::byte* group, int64_t blocks, int64_t index, Scales<16>& scales) {
        const std::byte* block = Layout<16>::block(group, blocks, index);
        const __m512 scale = wide::halves(block);
        _mm512_store_ps(scales.min_scale, wide::halves(block + 32));
        __m512i first = _mm512_setzero_si512(), held = first;
        UNROLLED for (int j = 0; j < 16; ++j) {
            const __m128i bytes =
                _mm_load_si128(reinterpret_cast<const __m128i*>(block + Layout<16>::kScalesAt + 16 * j));
            const __m512i both = _mm512_cvtepu8_epi32(bytes);
            const __m512i low = _mm512_and_si512(both, _mm512_set1_epi32(15));
            _mm512_store_ps(scales.scale[j], _mm512_mul_ps(scale, _mm512_cvtepi32_ps(low)));
            const __m512i mins = wide::shift_right(both, 4);
            if (j % 2 == 0) {
                first = mins;
                continue;
            }
            _mm512_store_ps(scales.more[j / 2], _mm512_cvtepi32_ps(_mm512_sub_epi32(first, mins)));
            // Beside each other with the mins of the pair's other half, a row after the other.
            if (j % 4 == 1) {
                held = mins;
            } else {
                const __m512i pair = _mm512_or_si512(held, wide::shift_left(mins, 8));
                _mm256_store_si256(reinterpret_cast<__m256i*>(scales.mins + 32 * (j / 4)), _mm512_cvtepi32_epi16(pair));
            }
        }
    }
    static ALWAYS_INLINE __m512i code(const std::byte* block, int half, int inner, int t) {
        return wide::both(wide::shift_right(wide::load(block + Layout<16>::line(half, t)), 2 * inner), 3);
    }
};
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
struct Narrow {
    static constexpr int kInner = 4;
    static constexpr bool kSigned = false;
    static constexpr int kLines = 4;  // 4 * 2 * 3 * 127 < 2^15
    static ALWAYS_INLINE void scales(const std::byte* group, int64_t blocks, int64_t index, Scales<8>& scales) {
        const std::byte* block = Layout<8>::block(group, blocks, index);
        const __m256 scale = narrow::halves(block);
        _mm256_store_ps(scales.min_scale, narrow::halves(block + 16));
        __m256i first = _mm256_setzero_si256(), held = first;
        UNROLLED for (int j = 0; j < 16; ++j) {
            const __m128i bytes =
                _mm_loadl_epi64(reinterpret_cast<const __m128i*>(block + Layout<8>::kScalesAt + 8 * j));
            const __m256i both = _mm256_cvtepu8_epi32(bytes);
            const __m256i low = _mm256_and_si256(both, _mm256_set1_epi32(15));
            _mm256_store_ps(scales.scale[j], _mm256_mul_ps(scale, _mm256_cvtepi32_ps(low)));
            const __m256i mins = narrow::shift_right(both, 4);
            if (j % 2 == 0) {
                first = mins;
                continue;
            }
            _mm256_store_ps(scales.more[j / 2], _mm256_cvtepi32_ps(_mm256_sub_epi32(first, mins)));
            if (j % 4 == 1) {
                held = mins;
            } else {
                const __m256i pair = _mm256_or_si256(held, narrow::shift_left(mins, 8));
                _mm_store_si128(reinterpret_cast<__m128i*>(scales.mins + 16 * (j / 4)),
                                _mm_packus_epi32(_mm256_castsi256_si128(pair), _mm256_extracti128_si256(pair, 1)));
            }
        }
    }
    static ALWAYS_INLINE __m256i code(const std::byte* block, int half, int inner, int t) {
        return narrow::both(narrow::shift_right(narrow::load(block + Layout<8>::line(half, t)), 2 * inner), 3);
    }
};
TARGET_END
#endif

#if TARGET_ARM
struct Arm {
    static constexpr int kInner = 4, kLargest = 3;
    static constexpr bool kSigned = false;
    static ALWAYS_INLINE void scales(const std::byte* block, arm::Scales& scales) {
        const float32x4_t scale[2] = {arm::halves(block), arm::halves(block + 8)};
        vst1q_f32(scales.min_scale, arm::halves(block + 16));
        vst1q_f32(scales.min_scale + 4, arm::halves(block + 24));
        UNROLLED for (int pair = 0; pair < 8; ++pair) {  // of sub-blocks
            const uint8x16_t bytes = arm::load(block + Layout<8>::kScalesAt + 16 * pair);
            const int8x16_t low = vreinterpretq_s8_u8(arm::both(bytes, 15));
            const int8x16_t mins = vreinterpretq_s8_u8(arm::shift_right(bytes, 4));
            UNROLLED for (int half = 0; half < 2; ++half) {
                const float32x4_t first = arm::floats_of(vget_low_s8(low), half);
                const float32x4_t second = arm::floats_of(vget_high_s8(low), half);
                vst1q_f32(scales.scale[2 * pair] + 4 * half, vmulq_f32(scale[half], first));
                vst1q_f32(scales.scale[2 * pair + 1] + 4 * half, vmulq_f32(scale[half], second));
            }
            vst1q_s16(scales.mins[pair], vmovl_high_s8(mins));
            const int16x8_t more = vsubl_s8(vget_low_s8(mins), vget_high_s8(mins));
            vst1q_s32(scales.more[pair], vmovl_s16(vget_low_s16(more)));
            vst1q_s32(scales.more[pair] + 4, vmovl_high_s16(more));
        }
    }
    static ALWAYS_INLINE uint8x16_t code(const std::byte* block, int part, int inner, int t, int half) {
        return arm::both(arm::shift_right(arm::load(block + Layout<8>::line(part, t) + 16 * half), 2 * inner), 3);
    }
};
#endif

}  // namespace

constinit const LinearTable kLinearQ2_K{LINEAR_ROWS_256(DType::q2_k, Q2_K, Layout, Wide, Narrow) LINEAR_ROWS_256_ARM(
    DType::q2_k, Q2_K, Layout, Arm){Isa::any, plain_kernel256<Q2_K>(DType::q2_k)}};

}  // namespace hearth::cpu
