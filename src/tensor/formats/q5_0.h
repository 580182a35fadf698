// Q5_0: 32 signed 5-bit codes under one scale: nibbles as in Q4_0, the fifth bits in one word.
//   value = (nibble + 16 * high_bit - 16) * scale
#pragma once

#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockQ5_0 {
    static constexpr int kElements = 32;
    uint16_t scale;      // f16
    uint32_t high_bits;  // bit i belongs to element i
    uint8_t codes[16];   // low nibbles: elements 0..15, high nibbles: 16..31
};

inline void decode_block(const BlockQ5_0& block, float* out) {
    const float scale = half_to_float(block.scale);
    const uint32_t high = block.high_bits;
    for (int i = 0; i < 16; ++i) {
        out[i] = float(int((block.codes[i] & 15u) | (high >> i & 1) << 4) - 16) * scale;
        out[i + 16] = float(int((block.codes[i] >> 4) | (high >> (i + 16) & 1) << 4) - 16) * scale;
    }
}

}  // namespace hearth
