// TQ1_0: 256 trits, five to a byte (four in the last four bytes); a byte is a fraction in base 3, its trits from the
// front:
//   trit n = (byte * 3^n mod 256) * 3 >> 8,   value = (trit - 1) * scale
// Order: trit 0 of 32 bytes, trit 1 of the same, ... trit 4; likewise 16 bytes with 5 trits, then 4 bytes with 4.
#pragma once

#include "tensor/half.h"

namespace hearth {

struct [[gnu::packed]] BlockTQ1_0 {
    static constexpr int kElements = 256;
    uint8_t codes[48];
    uint8_t last_codes[4];
    uint16_t scale;  // f16
};

inline void decode_block(const BlockTQ1_0& block, float* out) {
    const float scale = half_to_float(block.scale);
    constexpr uint8_t kPowers[5] = {1, 3, 9, 27, 81};
    const auto spread = [&](const uint8_t* codes, int bytes, int trits) {
        for (int n = 0; n < trits; ++n)
            for (int i = 0; i < bytes; ++i) {
                const int trit = uint8_t(codes[i] * kPowers[n]) * 3 >> 8;
                *out++ = float(trit - 1) * scale;
            }
    };
    spread(block.codes, 32, 5);
    spread(block.codes + 32, 16, 5);
    spread(block.last_codes, 4, 4);
}

}  // namespace hearth
