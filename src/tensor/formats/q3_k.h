// Q3_K: 256 3-bit codes in 16 sub-blocks with signed 6-bit scales. Two bits of a code in q2 order (see q2_k.h), the
// third in `high_bits`.
//   value = (scale * (S - 32)) * (code + 4 * high_bit - 4)
// S of sub-block s: four low bits in nibble s / 8 of byte s % 8; two high bits at 2 * (s / 4) of byte 8 + s % 4.
#pragma once

#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockQ3_K {
    static constexpr int kElements = 256;
    uint8_t high_bits[32];  // element i: bit i / 32 of byte i % 32
    uint8_t codes[64];
    uint8_t scales[12];
    uint16_t scale;  // f16

    int sub_scale(int sub) const {  // -32..31
        const int low = scales[sub % 8] >> 4 * (sub / 8) & 15, high = scales[8 + sub % 4] >> 2 * (sub / 4) & 3;
        return (low | high << 4) - 32;
    }
};

inline void decode_block(const BlockQ3_K& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int sub = 0; sub < 16; ++sub) {
        const float s = scale * float(block.sub_scale(sub));
        const uint8_t* codes = block.codes + 32 * (sub / 8) + 16 * (sub % 2);
        const uint8_t* high = block.high_bits + 16 * (sub % 2);
        const int shift = 2 * (sub % 8 / 2), bit = sub / 2;
        for (int i = 0; i < 16; ++i)
            out[16 * sub + i] = s * float((codes[i] >> shift & 3) + 4 * (high[i] >> bit & 1) - 4);
    }
}

}  // namespace hearth
