// Q1_0: 128 signs under one scale.
//   value = bit ? scale : -scale
#pragma once

#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockQ1_0 {
    static constexpr int kElements = 128;
    uint16_t scale;     // f16
    uint8_t codes[16];  // element i: bit i % 8 of byte i / 8
};

inline void decode_block(const BlockQ1_0& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int i = 0; i < 128; ++i) out[i] = block.codes[i / 8] >> i % 8 & 1 ? scale : -scale;
}

}  // namespace hearth
