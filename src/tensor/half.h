// The two 16-bit floats, exactly: subnormals honoured, encoding rounds to nearest even.
#pragma once

#include <bit>
#include <cstdint>

namespace hearth {

// Three cases computed and chosen by masks: without branches, loops over it become vector code.
inline float half_to_float(uint16_t half) {
    const uint32_t sign = uint32_t(half & 0x8000) << 16, rest = half & 0x7FFF;
    const uint32_t normal = (rest << 13) + (112u << 23), special = 0x7F800000u | rest << 13;  // special: infinity, NaN
    const uint32_t subnormal = std::bit_cast<uint32_t>(float(int32_t(rest)) * 0x1p-24f);
    const uint32_t is_normal = uint32_t(int32_t(0x03FF - rest) >> 31),
                   is_special = uint32_t(int32_t(0x7BFF - rest) >> 31);
    return std::bit_cast<float>(sign | (subnormal & ~is_normal) | (normal & is_normal) | (special & is_special));
}

inline uint16_t float_to_half(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value), sign = (bits >> 16) & 0x8000;
    const uint32_t magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000u) return uint16_t(sign | 0x7E00 | (magnitude >> 13 & 0x1FF));
    if (magnitude >= 0x477FF000u) return uint16_t(sign | 0x7C00);  // rounds to 65536 or more: infinity
    if (magnitude < 0x38800000u) {                                 // subnormal or zero: count units of 2^-24
        const float scaled =
            std::bit_cast<float>(magnitude) + 0.5f;  // 0.5 has an ulp of 2^-24: the addition rounds for us
        return uint16_t(sign | (std::bit_cast<uint32_t>(scaled) - 0x3F000000u));
    }
    const uint32_t odd = magnitude >> 13 & 1;
    return uint16_t(sign | (magnitude + 0xFFF + odd - (112u << 23)) >> 13);
}

inline float bfloat_to_float(uint16_t value) {
    return std::bit_cast<float>(uint32_t(value) << 16);
}

inline uint16_t float_to_bfloat(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    if ((bits & 0x7FFFFFFF) > 0x7F800000u) return uint16_t(bits >> 16 | 64);  // NaN stays NaN, made quiet
    return uint16_t((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

}  // namespace hearth
