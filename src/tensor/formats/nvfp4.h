// NVFP4: 64 E2M1 codes in 4 sub-blocks of 16 with unsigned E4M3 scales; elements i and i + 8 of a sub-block share a
// byte.
//   value = doubled[code] * (scale / 2)        A tensor-wide factor may lie beside the weight as X.scale; it is not
//   part of the block.
#pragma once

#include "tensor/formats/fp4.h"

namespace hearth {

struct [[gnu::packed]] BlockNVFP4 {
    static constexpr int kElements = 64;
    uint8_t scales[4];
    uint8_t codes[32];  // sub-block s: bytes 8s..8s+7, low nibbles first
};

inline void decode_block(const BlockNVFP4& block, float* out) {
    for (int sub = 0; sub < 4; ++sub) {
        const float scale = ue4m3(block.scales[sub]) / 2;
        const uint8_t* codes = block.codes + 8 * sub;
        for (int i = 0; i < 8; ++i) {
            out[16 * sub + i] = float(kFp4Doubled[codes[i] & 15]) * scale;
            out[16 * sub + i + 8] = float(kFp4Doubled[codes[i] >> 4]) * scale;
        }
    }
}

}  // namespace hearth
