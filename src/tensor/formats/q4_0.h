// Q4_0: 32 signed 4-bit codes under one scale; elements i and i + 16 share a byte.
//   value = (code - 8) * scale            The scale is often negative: the largest magnitude maps to code 0.
#pragma once

#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockQ4_0 {
    static constexpr int kElements = 32;
    uint16_t scale;     // f16
    uint8_t codes[16];  // low nibbles: elements 0..15, high nibbles: 16..31
};

inline void decode_block(const BlockQ4_0& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int i = 0; i < 16; ++i) {
        out[i] = float((block.codes[i] & 15) - 8) * scale;
        out[i + 16] = float((block.codes[i] >> 4) - 8) * scale;
    }
}

}  // namespace hearth
