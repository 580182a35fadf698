// MXFP4: E2M1 codes under a power-of-two scale per 32.
// The scale 2^(e - 128) is made from the bits of 2^(e - 127), which for e = 0 is the subnormal 0x00400000, and halved.
// Recipe: blocks32.h, symmetric, c = doubled value + 128, w = 2^(e - 128).
#include "tensor/formats/mxfp4.h"

#include "backends/cpu/formats/blocks32.h"
#include "backends/cpu/formats/blocks32_arm.h"
#include "backends/cpu/formats/blocks32_x86.h"

namespace hearth::cpu {
namespace {

struct Mxfp4 {
    static constexpr int kBlockBytes = 17, kBundle = 4, kFields = 1, kFieldBytes = 1, kWords = 4;

    static Split32 split(const std::byte* block) {
        Split32 split;
        std::memcpy(split.fields, block, 1);
        std::memcpy(split.words, block + 1, 16);
        return split;
    }
    static void join(const Split32& split, std::byte* block) {
        std::memcpy(block, split.fields, 1);
        std::memcpy(block + 1, split.words, 16);
    }
    static Meaning32 meaning(const std::byte* at) {
        BlockMXFP4 block;
        std::memcpy(&block, at, sizeof block);
        Meaning32 result;
        for (int i = 0; i < 16; ++i) {
            result.codes[i] = uint8_t(kFp4Doubled[block.codes[i] & 15] + 128);
            result.codes[i + 16] = uint8_t(kFp4Doubled[block.codes[i] >> 4] + 128);
        }
        result.scale = e8m0_halved(block.exponent);
        return result;
    }
};

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
struct Mxfp4Wide {
    static ALWAYS_INLINE __m512i code(const std::byte* lines, int t) {
        const __m512i levels = _mm512_xor_si512(wide::table(kFp4Doubled), _mm512_set1_epi8(char(0x80)));
        const __m512i line = wide::load(lines + 64 * (t % 4));
        return _mm512_shuffle_epi8(levels, wide::both(t < 4 ? line : wide::shift_right(line, 4), 0x0F));
    }
    static ALWAYS_INLINE __m512 scale(const std::byte* fields) {
        const __m512i e = _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(fields)));
        const __m512i bits = _mm512_max_epu32(_mm512_slli_epi32(e, 23), _mm512_set1_epi32(0x00400000));
        return _mm512_mul_ps(_mm512_castsi512_ps(bits), _mm512_set1_ps(0.5f));
    }
};
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
struct Mxfp4Narrow {
    static constexpr bool kSigned = true;
    static constexpr int kLines = 8;  // 8 * 2 * 12 * 127 < 2^15
    static ALWAYS_INLINE __m256i code(const std::byte* lines, int t) {
        const __m256i line = narrow::load(lines + 32 * (t % 4));
        return _mm256_shuffle_epi8(narrow::table(kFp4Doubled),
                                   narrow::both(t < 4 ? line : narrow::shift_right(line, 4), 0x0F));
    }
    static ALWAYS_INLINE __m256 scale(const std::byte* fields) {
        const __m256i e = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(fields)));
        const __m256i bits = _mm256_max_epu32(_mm256_slli_epi32(e, 23), _mm256_set1_epi32(0x00400000));
        return _mm256_mul_ps(_mm256_castsi256_ps(bits), _mm256_set1_ps(0.5f));
    }
};
TARGET_END
#endif

#if TARGET_ARM
struct Mxfp4Arm {
    static constexpr bool kSigned = true;
    static constexpr int kLargest = 12;
    static ALWAYS_INLINE uint8x16_t code(const std::byte* lines, int t, int half) {
        const uint8x16_t line = arm::load(lines + 32 * (t % 4) + 16 * half);
        return arm::look_up(kFp4Doubled, t < 4 ? arm::both(line, 0x0F) : arm::shift_right(line, 4));
    }
    static ALWAYS_INLINE float32x4_t scale(const std::byte* fields, int half) {
        const uint16x8_t all = vmovl_u8(vld1_u8(reinterpret_cast<const uint8_t*>(fields)));
        const uint32x4_t e = vmovl_u16(half == 0 ? vget_low_u16(all) : vget_high_u16(all));
        const uint32x4_t bits = vmaxq_u32(vshlq_n_u32(e, 23), vdupq_n_u32(0x00400000));
        return vmulq_n_f32(vreinterpretq_f32_u32(bits), 0.5f);
    }
};
#endif

}  // namespace

constinit const LinearTable kLinearMxfp4{LINEAR_ROWS_32(DType::mxfp4, Mxfp4, Mxfp4Wide, Mxfp4Narrow) LINEAR_ROWS_32_ARM(
    DType::mxfp4, Mxfp4, Mxfp4Arm){Isa::any, plain_kernel32<Mxfp4>(DType::mxfp4)}};

}  // namespace hearth::cpu
