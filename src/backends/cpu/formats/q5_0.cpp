// Q5_0: 5-bit codes offset by 16, one f16 scale per 32.
// The packed layout holds the fifth bits reordered: bit t of byte j belongs to element 4t + j, so that shifting a line
// by t lays them under the codes of step t. Recipe: blocks32.h, symmetric, c = 8 * code, w = scale / 8.
#include "tensor/formats/q5_0.h"

#include "backends/cpu/formats/blocks32.h"
#include "backends/cpu/formats/blocks32_arm.h"
#include "backends/cpu/formats/blocks32_x86.h"

namespace hearth::cpu {
namespace {

struct Q5_0 {
    static constexpr int kBlockBytes = 22, kBundle = 2, kFields = 1, kFieldBytes = 2, kWords = 5;

    static Split32 split(const std::byte* block) {
        Split32 split;
        std::memcpy(split.fields, block, 2);
        uint32_t high;
        std::memcpy(&high, block + 2, 4);
        split.words[0] = spread_high_bits(high);
        std::memcpy(split.words + 1, block + 6, 16);
        return split;
    }
    static void join(const Split32& split, std::byte* block) {
        std::memcpy(block, split.fields, 2);
        const uint32_t high = gather_high_bits(split.words[0]);
        std::memcpy(block + 2, &high, 4);
        std::memcpy(block + 6, split.words + 1, 16);
    }
    static Meaning32 meaning(const std::byte* at) {
        BlockQ5_0 block;
        std::memcpy(&block, at, sizeof block);
        Meaning32 result;
        for (int i = 0; i < 16; ++i) {
            const int low = (block.codes[i] & 15) | int(block.high_bits >> i & 1) << 4;
            const int high = block.codes[i] >> 4 | int(block.high_bits >> (i + 16) & 1) << 4;
            result.codes[i] = uint8_t(low << 3);
            result.codes[i + 16] = uint8_t(high << 3);
        }
        result.scale = half_to_float(block.scale) * 0x1p-3f;
        return result;
    }
};

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
struct Q5_0Wide {
    static ALWAYS_INLINE __m512i code(const std::byte* lines, int t) {
        const __m512i line = wide::load(lines + 64 * (1 + t % 4)), high = wide::load(lines);
        const __m512i low = wide::both(t < 4 ? wide::shift_left(line, 3) : wide::shift_right(line, 1), 0x78);
        return wide::merge(low, wide::shift_left(high, 7 - t), 0x80);
    }
    static ALWAYS_INLINE __m512 scale(const std::byte* fields) {
        return _mm512_mul_ps(wide::halves(fields), _mm512_set1_ps(0x1p-3f));
    }
};
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
struct Q5_0Narrow {
    static constexpr bool kSigned = false;
    static constexpr int kLines = 4;  // 4 * 2 * 31 * 127 < 2^15
    static constexpr int kShift = 3;
    static ALWAYS_INLINE __m256i code(const std::byte* lines, int t) {  // not shifted up: 0..31
        const __m256i line = narrow::load(lines + 32 * (1 + t % 4)), high = narrow::load(lines);
        const __m256i low = narrow::both(t < 4 ? line : narrow::shift_right(line, 4), 0x0F);
        return narrow::merge(low, t < 4 ? narrow::shift_left(high, 4 - t) : narrow::shift_right(high, t - 4), 0x10);
    }
    static ALWAYS_INLINE __m256 scale(const std::byte* fields) {
        return _mm256_mul_ps(narrow::halves(fields), _mm256_set1_ps(0x1p-3f));
    }
};
TARGET_END
#endif

#if TARGET_ARM
struct Q5_0Arm {
    static constexpr bool kSigned = false;
    static constexpr int kLargest = 31, kShift = 3;
    static ALWAYS_INLINE uint8x16_t code(const std::byte* lines, int t, int half) {
        const uint8x16_t line = arm::load(lines + 32 * (1 + t % 4) + 16 * half), high = arm::load(lines + 16 * half);
        const uint8x16_t low = t < 4 ? arm::both(line, 0x0F) : arm::shift_right(line, 4);
        return arm::merge(low, t < 4 ? arm::shift_left(high, 4 - t) : arm::shift_right(high, t - 4), 0x10);
    }
    static ALWAYS_INLINE float32x4_t scale(const std::byte* fields, int half) {
        return vmulq_n_f32(arm::halves(fields + 8 * half), 0x1p-3f);
    }
};
#endif

}  // namespace

constinit const LinearTable kLinearQ5_0{LINEAR_ROWS_32(DType::q5_0, Q5_0, Q5_0Wide, Q5_0Narrow) LINEAR_ROWS_32_ARM(
    DType::q5_0, Q5_0, Q5_0Arm){Isa::any, plain_kernel32<Q5_0>(DType::q5_0)}};

}  // namespace hearth::cpu
