// The 16-bit floats: every half there and back, rounding at every boundary, against arithmetic in double.
#include "tensor/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace hearth {
namespace {

double value_of_half(int bits) {  // the definition
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const double magnitude = exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
    return bits & 0x8000 ? -magnitude : magnitude;
}

TEST(Half, EveryValueDecodesAndComesBack) {
    for (int bits = 0; bits < 0x10000; ++bits) {
        const float value = half_to_float(uint16_t(bits));
        if ((bits & 0x7C00) == 0x7C00) {
            EXPECT_EQ(std::isnan(value), (bits & 0x3FF) != 0) << bits;
            EXPECT_EQ(std::signbit(value), bits >> 15 != 0) << bits;
            if (std::isnan(value)) {
                EXPECT_TRUE(std::isnan(half_to_float(float_to_half(value)))) << bits;
                continue;
            }
        } else {
            ASSERT_EQ(value, value_of_half(bits)) << bits;
        }
        ASSERT_EQ(float_to_half(value), bits);
    }
}

TEST(Half, RoundsToNearestEvenBetweenAllNeighbours) {
    for (int bits = 0; bits < 0x7BFF; ++bits) {
        const float low = half_to_float(uint16_t(bits)), high = half_to_float(uint16_t(bits + 1));
        const float middle = (low + high) / 2;  // exact: one bit more than a half has
        ASSERT_EQ(float_to_half(middle), bits % 2 ? bits + 1 : bits) << bits;
        ASSERT_EQ(float_to_half(std::nextafter(middle, low)), bits) << bits;
        ASSERT_EQ(float_to_half(std::nextafter(middle, high)), bits + 1) << bits;
        ASSERT_EQ(float_to_half(-middle), 0x8000 | (bits % 2 ? bits + 1 : bits)) << bits;
    }
}

TEST(Half, OverflowsAtTheMiddleAboveTheLargest) {
    EXPECT_EQ(float_to_half(65504), 0x7BFF);
    EXPECT_EQ(float_to_half(std::nextafter(65520.0f, 0.0f)), 0x7BFF);
    EXPECT_EQ(float_to_half(65520), 0x7C00);
    EXPECT_EQ(float_to_half(-1e30f), 0xFC00);
    EXPECT_EQ(float_to_half(std::numeric_limits<float>::infinity()), 0x7C00);
    EXPECT_EQ(float_to_half(std::numeric_limits<float>::denorm_min()), 0);
    EXPECT_EQ(float_to_half(-0.0f), 0x8000);
}

TEST(Bfloat, TopHalfOfAFloatRoundedToNearestEven) {
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
        const float value = bfloat_to_float(uint16_t(bits));
        if (std::isnan(value)) {
            EXPECT_TRUE(std::isnan(bfloat_to_float(float_to_bfloat(value)))) << bits;
            continue;
        }
        ASSERT_EQ(float_to_bfloat(value), bits);
        if ((bits & 0x7FFF) >= 0x7F7F) continue;  // the next one up is infinity
        const uint32_t middle = bits << 16 | 0x8000;
        ASSERT_EQ(float_to_bfloat(std::bit_cast<float>(middle)), bits % 2 ? bits + 1 : bits) << bits;
        ASSERT_EQ(float_to_bfloat(std::bit_cast<float>(middle - 1)), bits) << bits;
        ASSERT_EQ(float_to_bfloat(std::bit_cast<float>(middle + 1)), bits + 1) << bits;
    }
    // A NaN whose upper half alone would read as infinity.
    EXPECT_TRUE(std::isnan(bfloat_to_float(float_to_bfloat(std::bit_cast<float>(0x7F800001u)))));
}

}  // namespace
}  // namespace hearth
