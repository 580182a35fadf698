// Q4_1: 32 unsigned 4-bit codes, a scale and an offset; elements i and i + 16 share a byte.
//   value = code * scale + offset
#pragma once

#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockQ4_1 {
    static constexpr int kElements = 32;
    uint16_t scale, offset;  // f16
    uint8_t codes[16];       // low nibbles: elements 0..15, high nibbles: 16..31
};

inline void decode_block(const BlockQ4_1& block, float* out) {
    const float scale = half_to_float(block.scale), offset = half_to_float(block.offset);
    for (int i = 0; i < 16; ++i) {
        out[i] = float(block.codes[i] & 15) * scale + offset;
        out[i + 16] = float(block.codes[i] >> 4) * scale + offset;
    }
}

}  // namespace hearth
