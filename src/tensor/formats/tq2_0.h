// TQ2_0: 256 ternary codes of 2 bits in q2 order (see q2_k.h); the scale stands at the end.
//   value = (code - 1) * scale
#pragma once

#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockTQ2_0 {
    static constexpr int kElements = 256;
    uint8_t codes[64];
    uint16_t scale;  // f16
};

inline void decode_block(const BlockTQ2_0& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int part = 0; part < 8; ++part) {
        const uint8_t* codes = block.codes + 32 * (part / 4);
        const int shift = 2 * (part % 4);
        for (int i = 0; i < 32; ++i) out[32 * part + i] = float((codes[i] >> shift & 3) - 1) * scale;
    }
}

}  // namespace hearth
