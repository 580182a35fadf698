// Q4_K: 256 4-bit codes in 8 sub-blocks of 32, each with a 6-bit scale S and a 6-bit min M (scales_6bit.h).
//   value = (scale * S) * code - (min * M)
// Sub-blocks 2c and 2c + 1 are the low and the high nibbles of bytes 32c..32c+31.
#pragma once

#include "tensor/formats/scales_6bit.h"
#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockQ4_K {
    static constexpr int kElements = 256;
    uint16_t scale, min;  // f16
    uint8_t scales[12];
    uint8_t codes[128];
};

inline void decode_block(const BlockQ4_K& block, float* out) {
    const float scale = half_to_float(block.scale), min = half_to_float(block.min);
    for (int sub = 0; sub < 8; ++sub) {
        const float s = scale * float(packed_scale(block.scales, sub)), m = min * float(packed_min(block.scales, sub));
        const uint8_t* codes = block.codes + 32 * (sub / 2);
        const int shift = 4 * (sub % 2);
        for (int i = 0; i < 32; ++i) out[32 * sub + i] = s * float(codes[i] >> shift & 15) - m;
    }
}

}  // namespace hearth
