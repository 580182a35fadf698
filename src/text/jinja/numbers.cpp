#include "text/jinja/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace hearth::jinja {

namespace {

constexpr uint32_t kBase = 1'000'000'000;

}  // namespace

BigInteger::BigInteger(int64_t value) : is_negative_(value < 0) {
    uint64_t rest = value < 0 ? 0 - uint64_t(value) : uint64_t(value);
    for (; rest > 0; rest /= kBase) digits_.push_back(uint32_t(rest % kBase));
}

BigInteger BigInteger::from_digits(std::string_view decimal, bool is_negative) {
    BigInteger made;
    made.is_negative_ = is_negative;
    for (size_t end = decimal.size(); end > 0;) {
        const size_t begin = end > 9 ? end - 9 : 0;
        uint32_t digit = 0;
        for (size_t i = begin; i < end; ++i) digit = digit * 10 + uint32_t(decimal[i] - '0');
        made.digits_.push_back(digit);
        end = begin;
    }
    made.trim();
    return made;
}

void BigInteger::trim() {
    while (!digits_.empty() && digits_.back() == 0) digits_.pop_back();
    if (digits_.empty()) is_negative_ = false;
}

std::string BigInteger::text() const {
    if (digits_.empty()) return "0";
    std::string out = is_negative_ ? "-" : "";
    out += fmt::format("{}", digits_.back());
    for (size_t i = digits_.size() - 1; i-- > 0;) out += fmt::format("{:09}", digits_[i]);
    return out;
}

double BigInteger::as_double() const {
    return std::strtod(text().c_str(), nullptr);
}

bool BigInteger::fits(int64_t& value) const {
    const std::string digits = text();
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return read.ec == std::errc();
}

BigInteger BigInteger::negated() const {
    BigInteger made = *this;
    made.is_negative_ = !is_negative_ && !digits_.empty();
    return made;
}

int BigInteger::compare_sizes(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
    if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
    for (size_t i = a.size(); i-- > 0;)
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    return 0;
}

int BigInteger::compare(const BigInteger& other) const {
    if (is_negative_ != other.is_negative_) return is_negative_ ? -1 : 1;
    const int sizes = compare_sizes(digits_, other.digits_);
    return is_negative_ ? -sizes : sizes;
}

BigInteger BigInteger::operator+(const BigInteger& other) const {
    BigInteger sum;
    if (is_negative_ == other.is_negative_) {
        sum.is_negative_ = is_negative_;
        uint64_t carry = 0;
        for (size_t i = 0; i < std::max(digits_.size(), other.digits_.size()) || carry > 0; ++i) {
            carry += (i < digits_.size() ? digits_[i] : 0) + uint64_t(i < other.digits_.size() ? other.digits_[i] : 0);
            sum.digits_.push_back(uint32_t(carry % kBase));
            carry /= kBase;
        }
    } else {
        const bool is_larger = compare_sizes(digits_, other.digits_) >= 0;
        const BigInteger &large = is_larger ? *this : other, &small = is_larger ? other : *this;
        sum.is_negative_ = large.is_negative_;
        int64_t borrow = 0;
        for (size_t i = 0; i < large.digits_.size(); ++i) {
            int64_t digit = int64_t(large.digits_[i]) - borrow - (i < small.digits_.size() ? small.digits_[i] : 0);
            borrow = digit < 0;
            sum.digits_.push_back(uint32_t(digit + (borrow ? kBase : 0)));
        }
    }
    sum.trim();
    return sum;
}

BigInteger BigInteger::operator*(const BigInteger& other) const {
    BigInteger product;
    product.is_negative_ = is_negative_ != other.is_negative_;
    product.digits_.assign(digits_.size() + other.digits_.size() + 1, 0);
    for (size_t i = 0; i < digits_.size(); ++i) {
        uint64_t carry = 0;
        for (size_t j = 0; j < other.digits_.size() || carry > 0; ++j) {
            carry += product.digits_[i + j] + (j < other.digits_.size() ? uint64_t{digits_[i]} * other.digits_[j] : 0);
            product.digits_[i + j] = uint32_t(carry % kBase);
            carry /= kBase;
        }
    }
    product.trim();
    return product;
}

std::string float_text(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    // The shortest digits that read back: d.ddde+XX
    char buffer[40];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
    const std::string_view shortest(buffer, size_t(end - buffer));
    const size_t e = shortest.find('e');
    const int exponent = std::atoi(std::string(shortest.substr(e + 1)).c_str());
    if (exponent < -4 || exponent >= 16)
        return fmt::format("{}e{}{:02}", shortest.substr(0, e), exponent < 0 ? '-' : '+', std::abs(exponent));
    const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
    std::string text(buffer, fixed);
    if (text.find('.') == std::string::npos) text += ".0";
    return text;
}

double rounded(double value, int places) {
    if (!std::isfinite(value) || places > 300) return value;
    if (places >= 0) return std::strtod(fmt::format("{:.{}f}", value, places).c_str(), nullptr);
    const double unit = std::pow(10.0, -places);
    return std::nearbyint(value / unit) * unit;
}

}  // namespace hearth::jinja
