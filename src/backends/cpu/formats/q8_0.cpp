// Q8_0: signed bytes, one f16 scale per 32.
// Recipe: blocks32.h, symmetric, c = value + 128, w = scale.
#include "tensor/formats/q8_0.h"

#include "backends/cpu/formats/blocks32.h"
#include "backends/cpu/formats/blocks32_arm.h"
#include "backends/cpu/formats/blocks32_x86.h"

namespace hearth::cpu {
namespace {

struct Q8_0 {
    static constexpr int kBlockBytes = 34, kBundle = 2, kFields = 1, kFieldBytes = 2, kWords = 8;

    static Split32 split(const std::byte* block) {
        Split32 split;
        std::memcpy(split.fields, block, 2);
        std::memcpy(split.words, block + 2, 32);
        return split;
    }
    static void join(const Split32& split, std::byte* block) {
        std::memcpy(block, split.fields, 2);
        std::memcpy(block + 2, split.words, 32);
    }
    static Meaning32 meaning(const std::byte* at) {
        BlockQ8_0 block;
        std::memcpy(&block, at, sizeof block);
        Meaning32 result;
        for (int i = 0; i < 32; ++i) result.codes[i] = uint8_t(block.values[i] + 128);
        result.scale = half_to_float(block.scale);
        return result;
    }
};

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
struct Q8_0Wide {
    static ALWAYS_INLINE __m512i code(const std::byte* lines, int t) {
        return _mm512_xor_si512(wide::load(lines + 64 * t), _mm512_set1_epi8(char(0x80)));
    }
    static ALWAYS_INLINE __m512 scale(const std::byte* fields) { return wide::halves(fields); }
};
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
struct Q8_0Narrow {
    static constexpr bool kSigned = true;
    static constexpr int kLines = 1;
    static ALWAYS_INLINE __m256i code(const std::byte* lines, int t) { return narrow::load(lines + 32 * t); }
    static ALWAYS_INLINE __m256 scale(const std::byte* fields) { return narrow::halves(fields); }
};
TARGET_END
#endif

#if TARGET_ARM
struct Q8_0Arm {
    static constexpr bool kSigned = true;
    static constexpr int kLargest = 128;
    static ALWAYS_INLINE uint8x16_t code(const std::byte* lines, int t, int half) {
        return arm::load(lines + 32 * t + 16 * half);
    }
    static ALWAYS_INLINE float32x4_t scale(const std::byte* fields, int half) { return arm::halves(fields + 8 * half); }
};
#endif

}  // namespace

constinit const LinearTable kLinearQ8_0{LINEAR_ROWS_32(DType::q8_0, Q8_0, Q8_0Wide, Q8_0Narrow) LINEAR_ROWS_32_ARM(
    DType::q8_0, Q8_0, Q8_0Arm){Isa::any, plain_kernel32<Q8_0>(DType::q8_0)}};

}  // namespace hearth::cpu
