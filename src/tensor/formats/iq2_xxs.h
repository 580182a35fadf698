// IQ2_XXS: eight records of 8 bytes, one per 32 weights: four code words of 8 weights, four 7-bit sign codes, a 4-bit
// scale s.
//   value = (scale * (0.5 + s) * 0.25) * magnitude * sign
#pragma once

#include "tensor/formats/codebooks.h"
#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockIQ2_XXS {
    static constexpr int kElements = 256;
    struct [[gnu::packed]] Record {
        uint8_t words[4];
        uint32_t signs_and_scale;  // bits 7g..7g+6: signs of group g; bits 28..31: s
    };
    uint16_t scale;  // f16
    Record records[8];
};

inline void decode_block(const BlockIQ2_XXS& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int sub = 0; sub < 8; ++sub) {
        const uint32_t bits = block.records[sub].signs_and_scale;
        const float s = scale * (0.5f + float(bits >> 28)) * 0.25f;
        for (int group = 0; group < 4; ++group)
            signed_group(s, kIq2XxsGrid[block.records[sub].words[group]], sign_byte(bits >> 7 * group & 127),
                         out + 32 * sub + 8 * group);
    }
}

}  // namespace hearth
