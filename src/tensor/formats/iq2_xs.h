// IQ2_XS: 32 groups of 8 weights: 9 bits of code word, 7 bits of signs; a 4-bit scale s for each two groups.
//   value = (scale * (0.5 + s) * 0.25) * magnitude * sign
#pragma once

#include "tensor/formats/codebooks.h"
#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockIQ2_XS {
    static constexpr int kElements = 256;
    uint16_t scale;      // f16
    uint16_t words[32];  // low 9 bits: code word, high 7 bits: signs
    uint8_t scales[8];   // 16 weights number t: nibble t % 2 of byte t / 2
};

inline void decode_block(const BlockIQ2_XS& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int group = 0; group < 32; ++group) {
        const int pair = group / 2;
        const float s = scale * (0.5f + float(block.scales[pair / 2] >> 4 * (pair % 2) & 15)) * 0.25f;
        const uint32_t word = block.words[group];
        signed_group(s, kIq2XsGrid[word & 511], sign_byte(word >> 9), out + 8 * group);
    }
}

}  // namespace hearth
