// Q8_0: 32 signed bytes under one scale. Weights, KV cache, and the activations that meet 32-element weights.
//   value = code * scale            Codes of -128 occur in files of other writers.
#pragma once

#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockQ8_0 {
    static constexpr int kElements = 32;
    uint16_t scale;  // f16
    int8_t values[32];
};

inline void decode_block(const BlockQ8_0& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int i = 0; i < 32; ++i) out[i] = float(block.values[i]) * scale;
}

}  // namespace hearth
