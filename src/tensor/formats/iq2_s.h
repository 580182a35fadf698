// IQ2_S: 32 groups of 8 weights: 10 bits of code word, a full byte of signs; a 4-bit scale s for each two groups.
//   value = (scale * (0.5 + s) * 0.25) * magnitude * sign
#pragma once

#include "tensor/formats/codebooks.h"
#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockIQ2_S {
    static constexpr int kElements = 256;
    uint16_t scale;  // f16
    uint8_t words[32];
    uint8_t signs[32];
    uint8_t words_high[8];  // group g: bits 2 * (g % 4) of byte g / 4
    uint8_t scales[8];      // 16 weights number t: nibble t % 2 of byte t / 2
};

inline void decode_block(const BlockIQ2_S& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int group = 0; group < 32; ++group) {
        const int pair = group / 2;
        const float s = scale * (0.5f + float(block.scales[pair / 2] >> 4 * (pair % 2) & 15)) * 0.25f;
        const int word = block.words[group] | (block.words_high[group / 4] >> 2 * (group % 4) & 3) << 8;
        signed_group(s, kIq2SGrid[size_t(word)], block.signs[group], out + 8 * group);
    }
}

}  // namespace hearth
