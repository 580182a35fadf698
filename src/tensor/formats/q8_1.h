// Q8_1: Q8_0 plus the scaled sum of its codes, which folds the offsets of Q4_1 and Q5_1 into a dot product. Activations
// only.
//   value = code * scale,   sum = f16(scale_before_rounding * sum of codes)
#pragma once

#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockQ8_1 {
    static constexpr int kElements = 32;
    uint16_t scale, sum;  // f16
    int8_t values[32];
};

inline void decode_block(const BlockQ8_1& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int i = 0; i < 32; ++i) out[i] = float(block.values[i]) * scale;
}

}  // namespace hearth
