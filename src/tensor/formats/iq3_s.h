// IQ3_S: one 9-bit code word per 4 weights, full sign bytes, a 4-bit scale s per 32 weights.
//   value = (scale * (1 + 2 * s)) * magnitude * sign
#pragma once

#include "tensor/formats/codebooks.h"
#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockIQ3_S {
    static constexpr int kElements = 256;
    uint16_t scale;  // f16
    uint8_t words[64];
    uint8_t words_high[8];  // word k: bit k % 8 of byte k / 8
    uint8_t signs[32];      // one byte per 8 weights
    uint8_t scales[4];      // 32 weights number b: nibble b % 2 of byte b / 2
};

inline void decode_block(const BlockIQ3_S& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int k = 0; k < 64; ++k) {
        const int sub = k / 8;
        const float s = scale * float(1 + 2 * (block.scales[sub / 2] >> 4 * (sub % 2) & 15));
        const int word = block.words[k] | (block.words_high[k / 8] >> k % 8 & 1) << 8;
        signed_group(s, kIq3SGrid[size_t(word)], uint32_t(block.signs[k / 2] >> 4 * (k % 2)), out + 4 * k);
    }
}

}  // namespace hearth
