// Q2_0: 64 2-bit codes under one scale: -scale, 0, scale, 2 * scale.
//   value = (code - 1) * scale
#pragma once

#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockQ2_0 {
    static constexpr int kElements = 64;
    uint16_t scale;     // f16
    uint8_t codes[16];  // element i: bits 2 * (i % 4) of byte i / 4
};

inline void decode_block(const BlockQ2_0& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int i = 0; i < 64; ++i) out[i] = float((block.codes[i / 4] >> 2 * (i % 4) & 3) - 1) * scale;
}

}  // namespace hearth
