// The code books of the IQ types: every code word spelled out as the magnitudes (or ternary values) of its weights.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace hearth {

template <size_t kWords, class Value, size_t kWeights>
using Grid = std::array<std::array<Value, kWeights>, kWords>;

extern const Grid<256, uint8_t, 8> kIq2XxsGrid;  // magnitudes 8, 25, 43
extern const Grid<512, uint8_t, 8> kIq2XsGrid;
extern const Grid<1024, uint8_t, 8> kIq2SGrid;
extern const Grid<256, uint8_t, 4> kIq3XxsGrid;  // magnitudes 4, 12, 20, 28, 36, 44, 52, 62
extern const Grid<512, uint8_t, 4> kIq3SGrid;    // magnitudes 1, 3, 5, ..., 15
extern const Grid<2048, int8_t, 8> kIq1Grid;     // -1, 0, 1

// The sign byte of a 7-bit code: bit i set means that weight i is negative; bit 7 makes the number of set bits even.
inline uint8_t sign_byte(uint32_t code) {
    return uint8_t(code | uint32_t(__builtin_parity(code)) << 7);
}

// out[i] = scale * magnitude[i], negative where the sign bit is set.
template <size_t kWeights>
inline void signed_group(float scale, const std::array<uint8_t, kWeights>& magnitudes, uint32_t signs, float* out) {
    for (size_t i = 0; i < kWeights; ++i) {
        const float value = scale * float(magnitudes[i]);
        out[i] = signs >> i & 1 ? -value : value;
    }
}

}  // namespace hearth
