// Q4_0: 4-bit codes offset by 8, one f16 scale per 32.
// Recipe: blocks32.h, symmetric, c = 16 * code, w = scale / 16.
#include "tensor/formats/q4_0.h"

#include "backends/cpu/formats/blocks32.h"
#include "backends/cpu/formats/blocks32_arm.h"
#include "backends/cpu/formats/blocks32_x86.h"

namespace hearth::cpu {
namespace {

struct Q4_0 {
    static constexpr int kBlockBytes = 18, kBundle = 2, kFields = 1, kFieldBytes = 2, kWords = 4;

    static Split32 split(const std::byte* block) {
        Split32 split;
        std::memcpy(split.fields, block, 2);
        std::memcpy(split.words, block + 2, 16);
        return split;
    }
    static void join(const Split32& split, std::byte* block) {
        std::memcpy(block, split.fields, 2);
        std::memcpy(block + 2, split.words, 16);
    }
    static Meaning32 meaning(const std::byte* at) {
        BlockQ4_0 block;
        std::memcpy(&block, at, sizeof block);
        Meaning32 result;
        for (int i = 0; i < 16; ++i) {
            result.codes[i] = uint8_t(block.codes[i] << 4);
            result.codes[i + 16] = uint8_t(block.codes[i] & 0xF0);
        }
        result.scale = half_to_float(block.scale) * 0x1p-4f;
        return result;
    }
};

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
struct Q4_0Wide {
    static ALWAYS_INLINE __m512i code(const std::byte* lines, int t) {
        const __m512i line = wide::load(lines + 64 * (t % 4));
        return wide::both(t < 4 ? wide::shift_left(line, 4) : line, 0xF0);
    }
    static ALWAYS_INLINE __m512 scale(const std::byte* fields) {
        return _mm512_mul_ps(wide::halves(fields), _mm512_set1_ps(0x1p-4f));
    }
};
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
struct Q4_0Narrow {
    static constexpr bool kSigned = false;
    static constexpr int kLines = 8;  // 8 * 2 * 15 * 127 < 2^15
    static constexpr int kShift = 4;
    static ALWAYS_INLINE __m256i code(const std::byte* lines, int t) {  // not shifted up: 0..15
        const __m256i line = narrow::load(lines + 32 * (t % 4));
        return narrow::both(t < 4 ? line : narrow::shift_right(line, 4), 0x0F);
    }
    static ALWAYS_INLINE __m256 scale(const std::byte* fields) {
        return _mm256_mul_ps(narrow::halves(fields), _mm256_set1_ps(0x1p-4f));
    }
};
TARGET_END
#endif

#if TARGET_ARM
struct Q4_0Arm {
    static constexpr bool kSigned = false;
    static constexpr int kLargest = 15, kShift = 4;
    static ALWAYS_INLINE uint8x16_t code(const std::byte* lines, int t, int half) {
        const uint8x16_t line = arm::load(lines + 32 * (t % 4) + 16 * half);
        return t < 4 ? arm::both(line, 0x0F) : arm::shift_right(line, 4);
    }
    static ALWAYS_INLINE float32x4_t scale(const std::byte* fields, int half) {
        return vmulq_n_f32(arm::halves(fields + 8 * half), 0x1p-4f);
    }
};
#endif

}  // namespace

constinit const LinearTable kLinearQ4_0{LINEAR_ROWS_32(DType::q4_0, Q4_0, Q4_0Wide, Q4_0Narrow) LINEAR_ROWS_32_ARM(
    DType::q4_0, Q4_0, Q4_0Arm){Isa::any, plain_kernel32<Q4_0>(DType::q4_0)}};

}  // namespace hearth::cpu
