// IQ4_XS: 256 codes of IQ4_NL's levels in 8 sub-blocks of 32 with signed 6-bit scales.
//   value = (scale * (S - 32)) * level[code]        S: four low bits in a nibble of scales_low, two high bits in
//   scales_high
#pragma once

#include "tensor/formats/iq4_nl.h"

namespace hearth {

struct [[gnu::packed]] BlockIQ4_XS {
    static constexpr int kElements = 256;
    uint16_t scale;         // f16
    uint16_t scales_high;   // sub-block b: bits 2b
    uint8_t scales_low[4];  // sub-block b: nibble b % 2 of byte b / 2
    uint8_t codes[128];     // each sub-block's 16 bytes as in IQ4_NL

    int sub_scale(int sub) const {  // -32..31
        return ((scales_low[sub / 2] >> 4 * (sub % 2) & 15) | (scales_high >> 2 * sub & 3) << 4) - 32;
    }
};

inline void decode_block(const BlockIQ4_XS& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int sub = 0; sub < 8; ++sub) {
        const float s = scale * float(block.sub_scale(sub));
        const uint8_t* codes = block.codes + 16 * sub;
        for (int i = 0; i < 16; ++i) {
            out[32 * sub + i] = s * float(kIq4Levels[codes[i] & 15]);
            out[32 * sub + i + 16] = s * float(kIq4Levels[codes[i] >> 4]);
        }
    }
}

}  // namespace hearth
