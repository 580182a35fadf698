// Q5_1: 5-bit codes with a scale and an offset, both f16, per 32; fifth bits reordered as in q5_0.cpp.
// Recipe: blocks32.h, with offset, c = code, w = scale.
#include "tensor/formats/q5_1.h"

#include "backends/cpu/formats/blocks32.h"
#include "backends/cpu/formats/blocks32_arm.h"
#include "backends/cpu/formats/blocks32_x86.h"

namespace hearth::cpu {
namespace {

struct Q5_1 {
    static constexpr int kBlockBytes = 24, kBundle = 1, kFields = 2, kFieldBytes = 2, kWords = 5;

    static Split32 split(const std::byte* block) {
        Split32 split;
        std::memcpy(split.fields, block, 4);
        uint32_t high;
        std::memcpy(&high, block + 4, 4);
        split.words[0] = spread_high_bits(high);
        std::memcpy(split.words + 1, block + 8, 16);
        return split;
    }
    static void join(const Split32& split, std::byte* block) {
        std::memcpy(block, split.fields, 4);
        const uint32_t high = gather_high_bits(split.words[0]);
        std::memcpy(block + 4, &high, 4);
        std::memcpy(block + 8, split.words + 1, 16);
    }
    static Meaning32 meaning(const std::byte* at) {
        BlockQ5_1 block;
        std::memcpy(&block, at, sizeof block);
        Meaning32 result;
        for (int i = 0; i < 16; ++i) {
            const int low = (block.codes[i] & 15) | int(block.high_bits >> i & 1) << 4;
            const int high = block.codes[i] >> 4 | int(block.high_bits >> (i + 16) & 1) << 4;
            result.codes[i] = uint8_t(low);
            result.codes[i + 16] = uint8_t(high);
        }
        result.scale = half_to_float(block.scale);
        result.offset = half_to_float(block.offset);
        return result;
    }
};

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
struct Q5_1Wide {
    static ALWAYS_INLINE __m512i code(const std::byte* lines, int t) {
        const __m512i line = wide::load(lines + 64 * (1 + t % 4)), high = wide::load(lines);
        const __m512i low = wide::both(t < 4 ? line : wide::shift_right(line, 4), 0x0F);
        return wide::merge(low, t < 4 ? wide::shift_left(high, 4 - t) : wide::shift_right(high, t - 4), 0x10);
    }
    static ALWAYS_INLINE __m512 scale(const std::byte* fields) { return wide::halves(fields); }
    static ALWAYS_INLINE __m512 offset(const std::byte* fields) { return wide::halves(fields + 32); }
};
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
struct Q5_1Narrow {
    static constexpr bool kSigned = false;
    static constexpr int kLines = 4;  // 4 * 2 * 31 * 127 < 2^15
    static ALWAYS_INLINE __m256i code(const std::byte* lines, int t) {
        const __m256i line = narrow::load(lines + 32 * (1 + t % 4)), high = narrow::load(lines);
        const __m256i low = narrow::both(t < 4 ? line : narrow::shift_right(line, 4), 0x0F);
        return narrow::merge(low, t < 4 ? narrow::shift_left(high, 4 - t) : narrow::shift_right(high, t - 4), 0x10);
    }
    static ALWAYS_INLINE __m256 scale(const std::byte* fields) { return narrow::halves(fields); }
    static ALWAYS_INLINE __m256 offset(const std::byte* fields) { return narrow::halves(fields + 16); }
};
TARGET_END
#endif

#if TARGET_ARM
struct Q5_1Arm {
    static constexpr bool kSigned = false;
    static constexpr int kLargest = 31;
    static ALWAYS_INLINE uint8x16_t code(const std::byte* lines, int t, int half) {
        const uint8x16_t line = arm::load(lines + 32 * (1 + t % 4) + 16 * half), high = arm::load(lines + 16 * half);
        const uint8x16_t low = t < 4 ? arm::both(line, 0x0F) : arm::shift_right(line, 4);
        return arm::merge(low, t < 4 ? arm::shift_left(high, 4 - t) : arm::shift_right(high, t - 4), 0x10);
    }
    static ALWAYS_INLINE float32x4_t scale(const std::byte* fields, int half) { return arm::halves(fields + 8 * half); }
    static ALWAYS_INLINE float32x4_t offset(const std::byte* fields, int half) {
        return arm::halves(fields + 16 + 8 * half);
    }
};
#endif

}  // namespace

constinit const LinearTable kLinearQ5_1{LINEAR_ROWS_32(DType::q5_1, Q5_1, Q5_1Wide, Q5_1Narrow) LINEAR_ROWS_32_ARM(
    DType::q5_1, Q5_1, Q5_1Arm){Isa::any, plain_kernel32<Q5_1>(DType::q5_1)}};

}  // namespace hearth::cpu
