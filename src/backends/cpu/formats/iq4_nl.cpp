// IQ4_NL: 4-bit codes that name one of 16 levels, one f16 scale per 32.
// Recipe: blocks32.h, symmetric, c = level + 128, w = scale.
#include "tensor/formats/iq4_nl.h"

#include "backends/cpu/formats/blocks32.h"
#include "backends/cpu/formats/blocks32_arm.h"
#include "backends/cpu/formats/blocks32_x86.h"

namespace hearth::cpu {
namespace {

struct Iq4Nl {
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
        BlockIQ4_NL block;
        std::memcpy(&block, at, sizeof block);
        Meaning32 result;
        for (int i = 0; i < 16; ++i) {
            result.codes[i] = uint8_t(kIq4Levels[block.codes[i] & 15] + 128);
            result.codes[i + 16] = uint8_t(kIq4Levels[block.codes[i] >> 4] + 128);
        }
        result.scale = half_to_float(block.scale);
        return result;
    }
};

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
struct Iq4NlWide {
    static ALWAYS_INLINE __m512i code(const std::byte* lines, int t) {
        const __m512i levels = _mm512_xor_si512(wide::table(kIq4Levels), _mm512_set1_epi8(char(0x80)));
        const __m512i line = wide::load(lines + 64 * (t % 4));
        return _mm512_shuffle_epi8(levels, wide::both(t < 4 ? line : wide::shift_right(line, 4), 0x0F));
    }
    static ALWAYS_INLINE __m512 scale(const std::byte* fields) { return wide::halves(fields); }
};
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
struct Iq4NlNarrow {
    static constexpr bool kSigned = true;
    static constexpr int kLines = 1;
    static ALWAYS_INLINE __m256i code(const std::byte* lines, int t) {
        const __m256i line = narrow::load(lines + 32 * (t % 4));
        return _mm256_shuffle_epi8(narrow::table(kIq4Levels),
                                   narrow::both(t < 4 ? line : narrow::shift_right(line, 4), 0x0F));
    }
    static ALWAYS_INLINE __m256 scale(const std::byte* fields) { return narrow::halves(fields); }
};
TARGET_END
#endif

#if TARGET_ARM
struct Iq4NlArm {
    static constexpr bool kSigned = true;
    static constexpr int kLargest = 127;
    static ALWAYS_INLINE uint8x16_t code(const std::byte* lines, int t, int half) {
        const uint8x16_t line = arm::load(lines + 32 * (t % 4) + 16 * half);
        return arm::look_up(kIq4Levels, t < 4 ? arm::both(line, 0x0F) : arm::shift_right(line, 4));
    }
    static ALWAYS_INLINE float32x4_t scale(const std::byte* fields, int half) { return arm::halves(fields + 8 * half); }
};
#endif

}  // namespace

constinit const LinearTable kLinearIq4Nl{
    LINEAR_ROWS_32(DType::iq4_nl, Iq4Nl, Iq4NlWide, Iq4NlNarrow)
        LINEAR_ROWS_32_ARM(DType::iq4_nl, Iq4Nl, Iq4NlArm){Isa::any, plain_kernel32<Iq4Nl>(DType::iq4_nl)}};

}  // namespace hearth::cpu
