// The header that Q4_K and Q5_K share in their packed layout: block scales, and the 6-bit scales and mins of 8
// sub-blocks in exactly the 12 bytes per row they have in files, but ready for registers.
//   [R] f16 block scale, [R] f16 scale of the mins,
//   [8R] bytes: low nibble = low 4 bits of scale number i, high nibble = low 4 bits of min number i,
//   [4R] bytes: bits 0-1 / 2-3 = high bits of scales i and i + 4R, bits 4-5 / 6-7 = high bits of mins i and i + 4R.
// Scales are numbered j * R + row, mins ((j / 2) * R + row) * 2 + j % 2: pairs of neighbours lie together as the 16-bit
// multiply-add of the mins with pairs of activation sums wants them.
#pragma once

#include "backends/cpu/formats/blocks256_arm.h"
#include "backends/cpu/formats/blocks256_x86.h"
#include "tensor/formats/scales_6bit.h"

namespace hearth::cpu {

template <int kRows>
struct Header6Bit {
    static constexpr int kBytes = 16 * kRows;

    static int scale_number(int j, int row) { return j * kRows + row; }
    static int min_number(int j, int row) { return ((j / 2) * kRows + row) * 2 + j % 2; }

    static int get(const uint8_t* header, int number, int shift) {
        const int at = shift + 2 * (number / (4 * kRows));
        return (header[4 * kRows + number] >> shift & 15) | (header[12 * kRows + number % (4 * kRows)] >> at & 3) << 4;
    }

    // Stored blocks begin with scale, min and 12 bytes, in whose dwords the scales, and the mins, of four sub-blocks
    // lie side by side (tensor/formats/scales_6bit.h).
    static void put(std::byte* block, const std::byte* const* rows) {
        uint8_t scales[8 * kRows], mins[8 * kRows];  // by number
        for (int row = 0; row < kRows; row += 4) {
            Dwords head[4];
            four::lines_of(rows + row, 0, head);
            const Dwords both = four::halves_apart(head[0]);
            four::store_half(block + 2 * row, both, 0);
            four::store_half(block + 2 * kRows + 2 * row, both, 1);
            for (int half = 0; half < 2; ++half) {  // sub-blocks 0..3, 4..7
                Dwords scale = head[1] & 0x3F3F3F3Fu, min = head[2] & 0x3F3F3F3Fu;
                if (half == 1) {
                    scale = (head[3] & 0x0F0F0F0Fu) | (head[1] >> 2 & 0x30303030u);
                    min = (head[3] >> 4 & 0x0F0F0F0Fu) | (head[2] >> 2 & 0x30303030u);
                }
                scale = four::bytes_apart(scale);
                min = four::halves_apart(min);
                for (int j = 0; j < 4; ++j) four::store_dword(scales + scale_number(4 * half + j, row), scale, j);
                for (int j = 0; j < 4; j += 2) four::store_half(mins + min_number(4 * half + j, row), min, j / 2);
            }
        }
        auto* header = reinterpret_cast<uint8_t*>(block);
        for (int i = 0; i < 8 * kRows; ++i) header[4 * kRows + i] = uint8_t((scales[i] & 15) | mins[i] << 4);
        for (int i = 0; i < 4 * kRows; ++i) {
            const int j = i + 4 * kRows;
            header[12 * kRows + i] =
                uint8_t(scales[i] >> 4 | scales[j] >> 4 << 2 | mins[i] >> 4 << 4 | mins[j] >> 4 << 6);
        }
    }
    static void take(const std::byte* block, int row, std::byte* head) {
        std::memcpy(head, block + 2 * row, 2);
        std::memcpy(head + 2, block + 2 * kRows + 2 * row, 2);
        const auto* header = reinterpret_cast<const uint8_t*>(block);
        auto* packed = reinterpret_cast<uint8_t*>(head + 4);
        std::memset(packed, 0, 12);
        for (int j = 0; j < 8; ++j) {
            const int scale = get(header, scale_number(j, row), 0), min = get(header, min_number(j, row), 4);
            if (j < 4) {
                packed[j] |= uint8_t(scale);
                packed[j + 4] |= uint8_t(min);
            } else {
                packed[j + 4] = uint8_t((scale & 15) | (min & 15) << 4);
                packed[j - 4] |= uint8_t(scale >> 4 << 6);
                packed[j] |= uint8_t(min >> 4 << 6);
            }
        }
    }
};

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
ALWAYS_INLINE void scales_6bit_avx512(const std::byte* block, Scales<16>& scales) {
    const __m512 scale = wide::halves(block);
    _mm512_store_ps(scales.min_scale, wide::halves(block + 32));
    const __m512i low0 = wide::load(block + 64), low1 = wide::load(block + 128), high = wide::load(block + 192);
    alignas(64) uint8_t bytes[128];
    _mm512_store_si512(bytes, wide::merge(wide::both(low0, 0x0F), wide::shift_left(high, 4), 0x30));
    _mm512_store_si512(bytes + 64, wide::merge(wide::both(low1, 0x0F), wide::shift_left(high, 2), 0x30));
    _mm512_store_si512(scales.mins, wide::merge(wide::both(wide::shift_right(low0, 4), 0x0F), high, 0x30));
    _mm512_store_si512(scales.mins + 64,
                       wide::merge(wide::both(wide::shift_right(low1, 4), 0x0F), wide::shift_right(high, 2), 0x30));
    UNROLLED for (int j = 0; j < 8; ++j) {
        const __m512i six = _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes + 16 * j)));
        _mm512_store_ps(scales.scale[j], _mm512_mul_ps(scale, _mm512_cvtepi32_ps(six)));
    }
}
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
ALWAYS_INLINE void scales_6bit_avx2(const std::byte* block, Scales<8>& scales) {
    const __m256 scale = narrow::halves(block);
    _mm256_store_ps(scales.min_scale, narrow::halves(block + 16));
    const __m256i low0 = narrow::load(block + 32), low1 = narrow::load(block + 64), high = narrow::load(block + 96);
    alignas(32) uint8_t bytes[64];
    const auto store = [](uint8_t * to, __m256i x) __attribute__((always_inline)) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(to), x);
    };
    store(bytes, narrow::merge(narrow::both(low0, 0x0F), narrow::shift_left(high, 4), 0x30));
    store(bytes + 32, narrow::merge(narrow::both(low1, 0x0F), narrow::shift_left(high, 2), 0x30));
    store(scales.mins, narrow::merge(narrow::both(narrow::shift_right(low0, 4), 0x0F), high, 0x30));
    store(scales.mins + 32,
          narrow::merge(narrow::both(narrow::shift_right(low1, 4), 0x0F), narrow::shift_right(high, 2), 0x30));
    UNROLLED for (int j = 0; j < 8; ++j) {
        const __m256i six = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes + 8 * j)));
        _mm256_store_ps(scales.scale[j], _mm256_mul_ps(scale, _mm256_cvtepi32_ps(six)));
    }
}
TARGET_END
#endif

#if TARGET_ARM
ALWAYS_INLINE void scales_6bit_arm(const std::byte* block, arm::Scales& scales) {
    const float32x4_t scale[2] = {arm::halves(block), arm::halves(block + 8)};
    vst1q_f32(scales.min_scale, arm::halves(block + 16));
    vst1q_f32(scales.min_scale + 4, arm::halves(block + 24));
    UNROLLED for (int pair = 0; pair < 4; ++pair) {  // of sub-blocks
        const uint8x16_t low = arm::load(block + 32 + 16 * pair), high = arm::load(block + 96 + 16 * (pair % 2));
        const uint8x16_t six = arm::merge(arm::both(low, 0x0F), arm::shift_left(high, pair < 2 ? 4 : 2), 0x30);
        const uint16x8_t wide[2] = {vmovl_u8(vget_low_u8(six)), vmovl_high_u8(six)};
        UNROLLED for (int j = 0; j < 2; ++j) {
            float* to = scales.scale[2 * pair + j];
            vst1q_f32(to, vmulq_f32(scale[0], vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide[j])))));
            vst1q_f32(to + 4, vmulq_f32(scale[1], vcvtq_f32_u32(vmovl_high_u16(wide[j]))));
        }
        const uint8x16_t mins = arm::merge(arm::shift_right(low, 4), arm::shift_right(high, pair < 2 ? 0 : 2), 0x30);
        const uint16x8_t both = vreinterpretq_u16_u8(mins);  // [row]: two sub-blocks
        vst1q_s16(scales.mins[2 * pair], vreinterpretq_s16_u16(vandq_u16(both, vdupq_n_u16(0xFF))));
        vst1q_s16(scales.mins[2 * pair + 1], vreinterpretq_s16_u16(vshrq_n_u16(both, 8)));
    }
}
#endif

}  // namespace hearth::cpu
