// Eight 6-bit scales S and eight 6-bit mins M in twelve bytes, as Q4_K and Q5_K pack them:
//   j < 4:   S = b[j] & 63                          M = b[j + 4] & 63
//   j >= 4:  S = low(b[j + 4]) | (b[j - 4] >> 6) << 4   M = high(b[j + 4]) | (b[j] >> 6) << 4
#pragma once

#include <cstdint>

namespace hearth {

inline int packed_scale(const uint8_t* bytes, int j) {
    return j < 4 ? bytes[j] & 63 : (bytes[j + 4] & 15) | (bytes[j - 4] >> 6) << 4;
}
inline int packed_min(const uint8_t* bytes, int j) {
    return j < 4 ? bytes[j + 4] & 63 : bytes[j + 4] >> 4 | (bytes[j] >> 6) << 4;
}

}  // namespace hearth
