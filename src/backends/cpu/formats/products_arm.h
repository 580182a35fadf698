// Where the rows of the kernel table for ARM differ: how they form the products of a sub-block's codes. Each has, in
// its own namespace,
//   products<kSteps, kLargest>(code, x, dot): dot[token][half] = sums over 4 * kSteps columns, for 8 rows
// code(t, half): codes of columns 4t..4t+3 as signed bytes no larger than kLargest, four rows in the lanes; x: those
// columns in a panel's tile. All sums are exact. Included last: it opens target regions.
#pragma once

#include <algorithm>

#include "backends/cpu/formats/registers.h"

#if TARGET_ARM
namespace hearth::cpu {

// A product of bytes has 16 bits, and so have sums of a few of them: of as many lines as cannot leave int16.
namespace neon {
template <int kSteps, int kLargest, int kTokens, class Code>
ALWAYS_INLINE void products(Code code, const std::byte* x, int32x4_t (&dot)[kTokens][2]) {
    constexpr int kMost = 32767 / (127 * kLargest), kLines = std::min(kSteps, kMost >= 8 ? 8 : kMost >= 4 ? 4 : 2);
    static_assert(kMost >= 2);
    UNROLLED for (int half = 0; half < 2; ++half) {
        // Loads again for the second half what registers could not keep.
        if (kSteps * kTokens > 8) asm volatile("" : "+r"(x));
        int32x4_t pairs[kTokens][2];  // of two rows each
        UNROLLED for (int first = 0; first < kSteps; first += kLines) {
            int16x8_t sums[kTokens][2];
            UNROLLED for (int t = first; t < first + kLines; ++t) {
                const int8x16_t codes = vreinterpretq_s8_u8(code(t, half));
                UNROLLED for (int token = 0; token < kTokens; ++token) {
                    const int8x16_t four = vreinterpretq_s8_s32(vdupq_n_s32(dword(x + 4 * (t * kTokens + token))));
                    const int8x8_t low = vget_low_s8(codes), low_x = vget_low_s8(four);
                    sums[token][0] = t == first ? vmull_s8(low, low_x) : vmlal_s8(sums[token][0], low, low_x);
                    sums[token][1] =
                        t == first ? vmull_high_s8(codes, four) : vmlal_high_s8(sums[token][1], codes, four);
                }
            }
            UNROLLED for (int token = 0; token < kTokens; ++token) {
                UNROLLED for (int two = 0; two < 2; ++two) {
                    pairs[token][two] =
                        first == 0 ? vpaddlq_s16(sums[token][two]) : vpadalq_s16(pairs[token][two], sums[token][two]);
                }
            }
        }
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            dot[token][half] = vpaddq_s32(pairs[token][0], pairs[token][1]);
        }
    }
}
}  // namespace neon

TARGET_BEGIN(TARGET_DOTPROD)
namespace dotprod {
// The instruction wants a constant: this is one where the loops around are unrolled.
ALWAYS_INLINE int32x4_t add_products(int32x4_t sum, int8x16_t codes, int8x16_t x, int lane) {
    switch (lane) {
        case 0:
            return vdotq_laneq_s32(sum, codes, x, 0);
        case 1:
            return vdotq_laneq_s32(sum, codes, x, 1);
        case 2:
            return vdotq_laneq_s32(sum, codes, x, 2);
        default:
            return vdotq_laneq_s32(sum, codes, x, 3);
    }
}

template <int kSteps, int kLargest, int kTokens, class Code>
ALWAYS_INLINE void products(Code code, const std::byte* x, int32x4_t (&dot)[kTokens][2]) {
    UNROLLED for (int token = 0; token < kTokens; ++token) dot[token][0] = dot[token][1] = vdupq_n_s32(0);
    UNROLLED for (int t = 0; t < kSteps; ++t) {
        const int8x16_t codes[2] = {vreinterpretq_s8_u8(code(t, 0)), vreinterpretq_s8_u8(code(t, 1))};
        UNROLLED for (int token = 0; token < kTokens; ++token) {
            const int number = t * kTokens + token;
            const int8x16_t four = vreinterpretq_s8_u8(arm::load(x + number / 4 * 16));
            dot[token][0] = add_products(dot[token][0], codes[0], four, number % 4);
            dot[token][1] = add_products(dot[token][1], codes[1], four, number % 4);
        }
    }
}
}  // namespace dotprod
TARGET_END

// Two rows times two tokens over eight columns at once. Its lines are those of a slab, where zip_lines() laid the eight
// columns of a row side by side: code(t, half) for an even t holds columns 4t..4t+7 of the half's first two rows, for
// t + 1 of the other two.
TARGET_BEGIN(TARGET_I8MM)
namespace i8mm {
template <int kSteps, int kLargest, int kTokens, class Code>
ALWAYS_INLINE void products(Code code, const std::byte* x, int32x4_t (&dot)[kTokens][2]) {
    constexpr int kPairs = (kTokens + 1) / 2;
    int32x4_t squares[kPairs][2][2];  // [pair of tokens][half][pair of rows]: [row][token]
    UNROLLED for (int pair = 0; pair < kPairs; ++pair) {
        UNROLLED for (int half = 0; half < 2; ++half) {
            squares[pair][half][0] = squares[pair][half][1] = vdupq_n_s32(0);
        }
    }
    UNROLLED for (int t = 0; t < kSteps; t += 2) {
        UNROLLED for (int pair = 0; pair < kPairs; ++pair) {
            // The last of an odd number of tokens has a neighbour that is no token: its products are dropped.
            const auto* first = reinterpret_cast<const int32_t*>(x + 4 * (t * kTokens + 2 * pair));
            const auto* next = first + kTokens;
            const int32x4_t low = vcombine_s32(vld1_s32(first), vdup_n_s32(0));
            const int32x4_t high = vcombine_s32(vld1_s32(next), vdup_n_s32(0));
            const int8x16_t eight = vreinterpretq_s8_s32(vzip1q_s32(low, high));
            UNROLLED for (int half = 0; half < 2; ++half) {
                UNROLLED for (int two = 0; two < 2; ++two) {
                    squares[pair][half][two] =
                        vmmlaq_s32(squares[pair][half][two], vreinterpretq_s8_u8(code(t + two, half)), eight);
                }
            }
        }
    }
    UNROLLED for (int token = 0; token < kTokens; ++token) {
        UNROLLED for (int half = 0; half < 2; ++half) {
            const int32x4_t first = squares[token / 2][half][0], last = squares[token / 2][half][1];
            dot[token][half] = token % 2 == 0 ? vuzp1q_s32(first, last) : vuzp2q_s32(first, last);
        }
    }
}
}  // namespace i8mm
TARGET_END

// Lines t and t + 1 of one half, as i8mm::products() wants them.
ALWAYS_INLINE void zip_lines(uint8x16_t line, uint8x16_t next, std::byte* out, int64_t stride_bytes) {
    const uint32x4_t a = vreinterpretq_u32_u8(line), b = vreinterpretq_u32_u8(next);
    vst1q_u32(reinterpret_cast<uint32_t*>(out), vzip1q_u32(a, b));
    vst1q_u32(reinterpret_cast<uint32_t*>(out + stride_bytes), vzip2q_u32(a, b));
}

}  // namespace hearth::cpu
#endif
