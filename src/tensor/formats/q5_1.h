// Q5_1: 32 unsigned 5-bit codes, a scale and an offset: nibbles as in Q4_1, the fifth bits in one word.
//   value = (nibble + 16 * high_bit) * scale + offset
#pragma once

#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockQ5_1 {
    static constexpr int kElements = 32;
    uint16_t scale, offset;  // f16
    uint32_t high_bits;      // bit i belongs to element i
    uint8_t codes[16];       // low nibbles: elements 0..15, high nibbles: 16..31
};

inline void decode_block(const BlockQ5_1& block, float* out) {
    const float scale = half_to_float(block.scale), offset = half_to_float(block.offset);
    const uint32_t high = block.high_bits;
    for (int i = 0; i < 16; ++i) {
        out[i] = float(int((block.codes[i] & 15u) | (high >> i & 1) << 4)) * scale + offset;
        out[i + 16] = float(int((block.codes[i] >> 4) | (high >> (i + 16) & 1) << 4)) * scale + offset;
    }
}

}  // namespace hearth
