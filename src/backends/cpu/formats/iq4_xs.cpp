// IQ4_XS: 4-bit codes that name one of IQ4_NL's levels, signed 6-bit scales of 8 sub-blocks of 32, block scale f16.
// Recipe: blocks256.h, 16 sub-blocks of 16 (pairs share their scale), c = level + 128, w_j = scale * (S_j - 32).
// Packed block of R rows: [R] f16 scales and as much padding; [8][R] sub-block scales as signed bytes; 32 lines of
// nibbles, of which lines 4j..4j+3 feed sub-block j, their low nibbles columns 0..15, their high nibbles 16..31.
#include "tensor/formats/iq4_xs.h"

#include "backends/cpu/formats/blocks256.h"
#include "backends/cpu/formats/blocks256_arm.h"
#include "backends/cpu/formats/blocks256_x86.h"

namespace hearth::cpu {
namespace {

struct Iq4Xs {
    static constexpr int kBlockBytes = 136, kSubBlock = 16;
    static constexpr bool kHasMins = false;

    static Meaning256 meaning(const std::byte* at) {
        BlockIQ4_XS block;
        std::memcpy(&block, at, sizeof block);
        Meaning256 result;
        for (int i = 0; i < 256; ++i) {
            const int code = block.codes[i / 32 * 16 + i % 16] >> 4 * (i % 32 / 16) & 15;
            result.codes[i] = uint8_t(kIq4Levels[code] + 128);
        }
        for (int j = 0; j < 16; ++j) result.scales[j] = half_to_float(block.scale) * float(block.sub_scale(j / 2));
        return result;
    }
};

template <int kGroupRows>
struct Layout {
    static constexpr int kRows = kGroupRows, kStoredBytes = Iq4Xs::kBlockBytes, kBlockBytes = 140 * kRows;
    static constexpr int kScalesAt = 4 * kRows, kCodesAt = kScalesAt + 8 * kRows, kLineBytes = 4 * kRows;

    static int64_t group_bytes(int64_t blocks) { return (blocks * kBlockBytes + 63) / 64 * 64; }
    static const std::byte* block(const std::byte* group, int64_t, int64_t index) {
        return group + index * kBlockBytes;
    }
    static void put(std::byte* to, const std::byte* const* rows) {
        std::memset(to + 2 * kRows, 0, 2 * kRows);
        for (int row = 0; row < kRows; ++row) {
            BlockIQ4_XS from;
            std::memcpy(&from, rows[row], sizeof from);
            std::memcpy(to + 2 * row, &from.scale, 2);
            for (int j = 0; j < 8; ++j) to[kScalesAt + j * kRows + row] = std::byte(from.sub_scale(j));
        }
        for (int row = 0; row < kRows; row += 4) {
            four::copy_lines(rows + row, offsetof(BlockIQ4_XS, codes), 32, to + kCodesAt + 4 * row, kLineBytes);
        }
    }
    static void take(const std::byte* from, int row, std::byte* stored) {
        BlockIQ4_XS to{};
        std::memcpy(&to.scale, from + 2 * row, 2);
        uint16_t high = 0;
        for (int j = 0; j < 8; ++j) {
            const int scale = int8_t(from[kScalesAt + j * kRows + row]) + 32;
            to.scales_low[j / 2] |= uint8_t((scale & 15) << 4 * (j % 2));
            high |= uint16_t((scale >> 4) << 2 * j);
        }
        to.scales_high = high;
        for (int t = 0; t < 32; ++t) std::memcpy(to.codes + 4 * t, from + kCodesAt + t * kLineBytes + row * 4, 4);
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
        UNROLLED for (int j = 0; j < 8; ++j) {
            const __m128i bytes =
                _mm_load_si128(reinterpret_cast<const __m128i*>(block + Layout<16>::kScalesAt + 16 * j));
            const __m512 each = _mm512_mul_ps(scale, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)));
            _mm512_store_ps(scales.scale[2 * j], each);
            _mm512_store_ps(scales.scale[2 * j + 1], each);
        }
    }
    static ALWAYS_INLINE __m512i code(const std::byte* block, int part, int inner, int t) {
        const __m512i levels = _mm512_xor_si512(wide::table(kIq4Levels), _mm512_set1_epi8(char(0x80)));
        const __m512i line = wide::load(block + Layout<16>::kCodesAt + ((part * 4 + inner) * 4 + t % 4) * 64);
        return _mm512_shuffle_epi8(levels, wide::both(t < 4 ? line : wide::shift_right(line, 4), 0x0F));
    }
};
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
struct Narrow {
    static constexpr int kInner = 4;
    static constexpr bool kSigned = true;
    static constexpr int kLines = 1;
    static ALWAYS_INLINE void scales(const std::byte* group, int64_t blocks, int64_t index, Scales<8>& scales) {
        const std::byte* block = Layout<8>::block(group, blocks, index);
        const __m256 scale = narrow::halves(block);
        UNROLLED for (int j = 0; j < 8; ++j) {
            const __m128i bytes =
                _mm_loadl_epi64(reinterpret_cast<const __m128i*>(block + Layout<8>::kScalesAt + 8 * j));
            const __m256 each = _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)));
            _mm256_store_ps(scales.scale[2 * j], each);
            _mm256_store_ps(scales.scale[2 * j + 1], each);
        }
    }
    static ALWAYS_INLINE __m256i code(const std::byte* block, int part, int inner, int t) {
        const __m256i line = narrow::load(block + Layout<8>::kCodesAt + ((part * 4 + inner) * 4 + t % 4) * 32);
        return _mm256_shuffle_epi8(narrow::table(kIq4Levels),
                                   narrow::both(t < 4 ? line : narrow::shift_right(line, 4), 0x0F));
    }
};
TARGET_END
#endif

#if TARGET_ARM
struct Arm {
    static constexpr int kInner = 4, kLargest = 127;
    static constexpr bool kSigned = true;
    static ALWAYS_INLINE void scales(const std::byte* block, arm::Scales& scales) {
        const float32x4_t scale[2] = {arm::halves(block), arm::halves(block + 8)};
        arm::signed_scales<8>(block + Layout<8>::kScalesAt, scale, scales);
    }
    static ALWAYS_INLINE uint8x16_t code(const std::byte* block, int part, int inner, int t, int half) {
        const std::byte* lines = block + Layout<8>::kCodesAt + (part * 4 + inner) * 4 * 32;
        const uint8x16_t line = arm::load(lines + t % 4 * 32 + 16 * half);
        return arm::look_up(kIq4Levels, t < 4 ? arm::both(line, 0x0F) : arm::shift_right(line, 4));
    }
};
#endif

}  // namespace

constinit const LinearTable kLinearIq4Xs{
    LINEAR_ROWS_256(DType::iq4_xs, Iq4Xs, Layout, Wide, Narrow)
        LINEAR_ROWS_256_ARM(DType::iq4_xs, Iq4Xs, Layout, Arm){Isa::any, plain_kernel256<Iq4Xs>(DType::iq4_xs)}};

}  // namespace hearth::cpu
