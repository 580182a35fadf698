// IQ1_M: one 11-bit ternary code word and a shift of +-1/8 per 8 weights, a 3-bit scale s per 16. The f16 scale of the
// block hides in the top nibbles of the four scale words.
//   value = (scale * (2 * s + 1)) * (ternary + shift)
#pragma once

#include "tensor/formats/codebooks.h"
#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockIQ1_M {
    static constexpr int kElements = 256;
    uint8_t words[32];
    uint8_t high[16];  // nibble g % 2 of byte g / 2: three high bits of group g's word, then the shift's sign
    uint16_t
        scales[4];  // 16 weights number t: bits 3 * (t % 4) of word t / 4; top nibbles: the f16 scale, lowest first

    uint16_t scale() const {
        return uint16_t(scales[0] >> 12 | (scales[1] >> 12) << 4 | (scales[2] >> 12) << 8 | (scales[3] >> 12) << 12);
    }
};

inline void decode_block(const BlockIQ1_M& block, float* out) {
    const float scale = half_to_float(block.scale());
    for (int group = 0; group < 32; ++group) {
        const int sub = group / 2, high = block.high[group / 2] >> 4 * (group % 2);
        const float s = scale * float(2 * (block.scales[sub / 4] >> 3 * (sub % 4) & 7) + 1);
        const float shift = high & 8 ? -0.125f : 0.125f;
        const auto& word = kIq1Grid[size_t(block.words[group] | (high & 7) << 8)];
        for (int i = 0; i < 8; ++i) out[8 * group + i] = s * (float(word[size_t(i)]) + shift);
    }
}

}  // namespace hearth
