// The 4-bit float E2M1 and the scale bytes around it. Values are kept doubled, so that they are integers, and scales
// halved.
#pragma once

#include <bit>
#include <cstdint>

namespace hearth {

inline constexpr int8_t kFp4Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// Half of 2^(e - 127): 2^(e - 128), subnormal for e = 0 and 1.
inline float e8m0_halved(uint8_t e) {
    return std::bit_cast<float>(e < 2 ? 0x00200000u << e : uint32_t(e - 1) << 23);
}

// Unsigned E4M3: exponent bias 7, subnormals m * 2^-9; 0x7F (NaN elsewhere) is 0. Bit 7 is ignored, except that 0xFF is
// not 0x7F.
inline float ue4m3(uint8_t bits) {
    const int exponent = bits >> 3 & 15, mantissa = bits & 7;
    if (bits == 0x7F) return 0;
    if (exponent == 0) return float(mantissa) * 0x1p-9f;
    return std::bit_cast<float>(uint32_t(exponent + 120) << 23 | uint32_t(mantissa) << 20);
}

}  // namespace hearth
