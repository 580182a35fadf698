// IQ1_S: one 11-bit ternary code word per 8 weights; per 32 weights a 3-bit scale s and a common shift of +-1/8.
//   value = (scale * (2 * s + 1)) * (ternary + shift)
#pragma once

#include "tensor/formats/codebooks.h"
#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockIQ1_S {
    static constexpr int kElements = 256;
    uint16_t scale;  // f16
    uint8_t words[32];
    uint16_t high[8];  // bits 3g..3g+2: high bits of group g's word; bits 12..14: s; bit 15: the shift is negative
};

inline void decode_block(const BlockIQ1_S& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int sub = 0; sub < 8; ++sub) {
        const int high = block.high[sub];
        const float s = scale * float(2 * (high >> 12 & 7) + 1), shift = high & 0x8000 ? -0.125f : 0.125f;
        for (int group = 0; group < 4; ++group) {
            const auto& word = kIq1Grid[size_t(block.words[4 * sub + group] | (high >> 3 * group & 7) << 8)];
            for (int i = 0; i < 8; ++i) out[32 * sub + 8 * group + i] = s * (float(word[size_t(i)]) + shift);
        }
    }
}

}  // namespace hearth
