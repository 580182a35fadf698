// Q4_1: 4-bit codes with a scale and an offset, both f16, per 32.
// Recipe: blocks32.h, with offset, c = code, w = scale.
#include "tensor/formats/q4_1.h"

#include "backends/cpu/formats/blocks32.h"
#include "backends/cpu/formats/blocks32_arm.h"
#include "backends/cpu/formats/blocks32_x86.h"

namespace hearth::cpu {
namespace {

struct Q4_1 {
    static constexpr int kBlockBytes = 20, kBundle = 1, kFields = 2, kFieldBytes = 2, kWords = 4;

    static Split32 split(const std::byte* block) {
        Split32 split;
        std::memcpy(split.fields, block, 4);
        std::memcpy(split.words, block + 4, 16);
        return split;
    }
    static void join(const Split32& split, std::byte* block) {
        std::memcpy(block, split.fields, 4);
        std::memcpy(block + 4, split.words, 16);
    }
    static Meaning32 meaning(const std::byte* at) {
        BlockQ4_1 block;
        std::memcpy(&block, at, sizeof block);
        Meaning32 result;
        for (int i = 0; i < 16; ++i) {
            result.codes[i] = block.codes[i] & 15;
            result.codes[i + 16] = block.codes[i] >> 4;
        }
        result.scale = half_to_float(block.scale);
        result.offset = half_to_float(block.offset);
        return result;
    }
};

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
struct Q4_1Wide {
    static ALWAYS_INLINE __m512i code(const std::byte* lines, int t) {
        const __m512i line = wide::load(lines + 64 * (t % 4));
        return wide::both(t < 4 ? line : wide::shift_right(line, 4), 0x0F);
    }
    static ALWAYS_INLINE __m512 scale(const std::byte* fields) { return wide::halves(fields); }
    static ALWAYS_INLINE __m512 offset(const std::byte* fields) { return wide::halves(fields + 32); }
};
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
struct Q4_1Narrow {
    static constexpr bool kSigned = false;
    static constexpr int kLines = 8;  // 8 * 2 * 15 * 127 < 2^15
    static ALWAYS_INLINE __m256i code(const std::byte* lines, int t) {
        const __m256i line = narrow::load(lines + 32 * (t % 4));
        return narrow::both(t < 4 ? line : narrow::shift_right(line, 4), 0x0F);
    }
    static ALWAYS_INLINE __m256 scale(const std::byte* fields) { return narrow::halves(fields); }
    static ALWAYS_INLINE __m256 offset(const std::byte* fields) { return narrow::halves(fields + 16); }
};
TARGET_END
#endif

#if TARGET_ARM
struct Q4_1Arm {
    static constexpr bool kSigned = false;
    static constexpr int kLargest = 15;
    static ALWAYS_INLINE uint8x16_t code(const std::byte* lines, int t, int half) {
        const uint8x16_t line = arm::load(lines + 32 * (t % 4) + 16 * half);
        return t < 4 ? arm::both(line, 0x0F) : arm::shift_right(line, 4);
    }
    static ALWAYS_INLINE float32x4_t scale(const std::byte* fields, int half) { return arm::halves(fields + 8 * half); }
    static ALWAYS_INLINE float32x4_t offset(const std::byte* fields, int half) {
        return arm::halves(fields + 16 + 8 * half);
    }
};
#endif

}  // namespace

constinit const LinearTable kLinearQ4_1{LINEAR_ROWS_32(DType::q4_1, Q4_1, Q4_1Wide, Q4_1Narrow) LINEAR_ROWS_32_ARM(
    DType::q4_1, Q4_1, Q4_1Arm){Isa::any, plain_kernel32<Q4_1>(DType::q4_1)}};

}  // namespace hearth::cpu
