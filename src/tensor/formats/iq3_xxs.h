// IQ3_XXS: one code word per 4 weights; per 32 weights four 7-bit sign codes and a 4-bit scale s.
//   value = (scale * (0.5 + s) * 0.5) * magnitude * sign
#pragma once

#include "tensor/formats/codebooks.h"
#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockIQ3_XXS {
    static constexpr int kElements = 256;
    uint16_t scale;  // f16
    uint8_t words[64];
    uint32_t signs_and_scales[8];  // bits 7g..7g+6: signs of the 8 weights number g; bits 28..31: s
};

inline void decode_block(const BlockIQ3_XXS& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int sub = 0; sub < 8; ++sub) {
        const uint32_t bits = block.signs_and_scales[sub];
        const float s = scale * (0.5f + float(bits >> 28)) * 0.5f;
        for (int group = 0; group < 4; ++group) {
            const uint32_t signs = sign_byte(bits >> 7 * group & 127);
            const uint8_t* words = block.words + 8 * sub + 2 * group;
            float* to = out + 32 * sub + 8 * group;
            signed_group(s, kIq3XxsGrid[words[0]], signs, to);
            signed_group(s, kIq3XxsGrid[words[1]], signs >> 4, to + 4);
        }
    }
}

}  // namespace hearth
