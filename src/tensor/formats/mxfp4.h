// MXFP4: 32 E2M1 codes under a power-of-two scale; elements i and i + 16 share a byte.
//   value = doubled[code] * 2^(e - 128)
#pragma once

#include "tensor/formats/fp4.h"

namespace hearth {

struct [[gnu::packed]] BlockMXFP4 {
    static constexpr int kElements = 32;
    uint8_t exponent;
    uint8_t codes[16];  // low nibbles: elements 0..15, high nibbles: 16..31
};

inline void decode_block(const BlockMXFP4& block, float* out) {
    const float scale = e8m0_halved(block.exponent);
    for (int i = 0; i < 16; ++i) {
        out[i] = float(kFp4Doubled[block.codes[i] & 15]) * scale;
        out[i + 16] = float(kFp4Doubled[block.codes[i] >> 4]) * scale;
    }
}

}  // namespace hearth
