// Q2_K: 256 2-bit codes in 16 sub-blocks, each with a 4-bit scale and a 4-bit min.
//   value = (scale * S) * code - (min * M)        S, M: low and high nibble of the sub-block's byte
// Order of the codes ("q2 order"): element i, half = i / 128, r = i % 128: bits 2 * (r / 32) of byte 32 * half + r
// % 32.
#pragma once

#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockQ2_K {
    static constexpr int kElements = 256;
    uint8_t scales[16];  // low nibble: scale, high nibble: min
    uint8_t codes[64];
    uint16_t scale, min;  // f16
};

inline void decode_block(const BlockQ2_K& block, float* out) {
    const float scale = half_to_float(block.scale), min = half_to_float(block.min);
    for (int sub = 0; sub < 16; ++sub) {
        const float s = scale * float(block.scales[sub] & 15), m = min * float(block.scales[sub] >> 4);
        const uint8_t* codes = block.codes + 32 * (sub / 8) + 16 * (sub % 2);
        const int shift = 2 * (sub % 8 / 2);
        for (int i = 0; i < 16; ++i) out[16 * sub + i] = s * float(codes[i] >> shift & 3) - m;
    }
}

}  // namespace hearth
