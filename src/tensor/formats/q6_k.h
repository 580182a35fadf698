// Q6_K: 256 6-bit codes in 16 sub-blocks with signed 8-bit scales (-128 occurs); the f16 scale stands at the end.
//   value = (scale * scales[i / 16]) * (code - 32)
// Element i: half = i / 128, k = i % 128 / 32, l = i % 32. Four low bits: byte 64 * half + 32 * (k & 1) + l, low nibble
// for k = 0, 1, high nibble for k = 2, 3. Two high bits: bits 2k of high_bits[32 * half + l].
#pragma once

#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockQ6_K {
    static constexpr int kElements = 256;
    uint8_t codes[128];
    uint8_t high_bits[64];
    int8_t scales[16];
    uint16_t scale;  // f16
};

inline void decode_block(const BlockQ6_K& block, float* out) {
    const float scale = half_to_float(block.scale);
    for (int part = 0; part < 8; ++part) {
        const int half = part / 4, k = part % 4;
        const uint8_t* codes = block.codes + 64 * half + 32 * (k & 1);
        const uint8_t* high = block.high_bits + 32 * half;
        for (int sub = 0; sub < 2; ++sub) {
            const float s = scale * float(block.scales[2 * part + sub]);
            for (int l = 16 * sub; l < 16 * sub + 16; ++l)
                out[32 * part + l] = s * float(((codes[l] >> 4 * (k / 2) & 15) | (high[l] >> 2 * k & 3) << 4) - 32);
        }
    }
}

}  // namespace hearth
