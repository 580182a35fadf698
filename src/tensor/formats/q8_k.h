// Q8_K: 256 signed bytes under one f32 scale, with the sums of each 16 codes for weights that have mins. Activations
// only.
//   value = code * scale            The scale may be negative: the element of largest magnitude has code -127.
#pragma once

#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockQ8_K {
    static constexpr int kElements = 256;
    float scale;
    int8_t values[256];
    int16_t sums[16];
};

inline void decode_block(const BlockQ8_K& block, float* out) {
    const float scale = block.scale;
    for (int i = 0; i < 256; ++i) out[i] = float(block.values[i]) * scale;
}

}  // namespace hearth
