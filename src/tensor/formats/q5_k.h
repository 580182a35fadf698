// Q5_K: Q4_K with a fifth bit per code: bit i / 32 of high_bits[i % 32].
//   value = (scale * S) * (nibble + 16 * high_bit) - (min * M)
#pragma once

#include "tensor/formats/scales_6bit.h"
#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockQ5_K {
    static constexpr int kElements = 256;
    uint16_t scale, min;  // f16
    uint8_t scales[12];
    uint8_t high_bits[32];
    uint8_t codes[128];
};

inline void decode_block(const BlockQ5_K& block, float* out) {
    const float scale = half_to_float(block.scale), min = half_to_float(block.min);
    for (int sub = 0; sub < 8; ++sub) {
        const float s = scale * float(packed_scale(block.scales, sub)), m = min * float(packed_min(block.scales, sub));
        const uint8_t* codes = block.codes + 32 * (sub / 2);
        const int shift = 4 * (sub % 2);
        for (int i = 0; i < 32; ++i)
            out[32 * sub + i] = s * float((codes[i] >> shift & 15) + 16 * (block.high_bits[i] >> sub & 1)) - m;
    }
}

}  // namespace hearth
