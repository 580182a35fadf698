// Python's numbers as templates see them: integers without end, floats printed so that they read back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::jinja {

// An integer that does not fit 64 bits, in digits of nine decimal places, lowest first.
class BigInteger {
public:
    BigInteger() = default;
    BigInteger(int64_t value);  // NOLINT: a number is a number
    static BigInteger from_digits(std::string_view decimal, bool is_negative);

    std::string text() const;
    double as_double() const;
    bool fits(int64_t& value) const;
    bool is_negative() const { return is_negative_; }
    BigInteger negated() const;
    size_t digits() const { return digits_.size() * 9; }

    BigInteger operator+(const BigInteger& other) const;
    BigInteger operator-(const BigInteger& other) const { return *this + other.negated(); }
    BigInteger operator*(const BigInteger& other) const;
    int compare(const BigInteger& other) const;  // < 0, 0, > 0

private:
    static int compare_sizes(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b);
    void trim();

    bool is_negative_ = false;
    std::vector<uint32_t> digits_;
};

std::string float_text(double value);  // 1.0, 1e-07, 1e+16, inf, nan
// The nearest number with so many decimal places, halves to the even digit of the decimal expansion.
double rounded(double value, int places);

}  // namespace hearth::jinja
