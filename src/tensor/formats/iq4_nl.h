// IQ4_NL: 32 4-bit codes that name one of 16 unevenly spaced levels; elements i and i + 16 share a byte.
//   value = scale * level[code]
#pragma once

#include "tensor/half.h"

namespace hearth {

inline constexpr int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

struct [[gnu::packed]] BlockIQ4_NL {
    static constexpr int kElements = 32;
    uint16_t scale;     // f16
    uint8_t codes[16];  // low nibbles: elements 0..15, high nibbles: 16..31
};

inline void decode_block(const BlockIQ4_NL& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int i = 0; i < 16; ++i) {
        out[i] = scale * float(kIq4Levels[block.codes[i] & 15]);
        out[i + 16] = scale * float(kIq4Levels[block.codes[i] >> 4]);
    }
}

}  // namespace hearth
