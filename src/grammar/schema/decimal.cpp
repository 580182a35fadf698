#include "grammar/schema/decimal.h"

#include <algorithm>
#include <cstdlib>

namespace hearth::grammar {

std::optional<Decimal> Decimal::read(std::string_view text) {
    constexpr int kMostDigits = 400;
    Decimal made;
    if (text.starts_with("-")) {
        made.is_negative = true;
        text.remove_prefix(1);
    }
    const size_t e = std::min(text.find_first_of("eE"), text.size());
    const std::string exponent_text(text.substr(std::min(e + 1, text.size())));
    if (exponent_text.size() > 8) return std::nullopt;
    long exponent = std::strtol(exponent_text.c_str(), nullptr, 10);
    const std::string_view mantissa = text.substr(0, e);
    const size_t point = std::min(mantissa.find('.'), mantissa.size());
    std::string digits(mantissa.substr(0, point));
    if (point < mantissa.size()) {
        digits += mantissa.substr(point + 1);
        exponent -= long(mantissa.size() - point - 1);
    }
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
    while (digits.ends_with('0')) {
        digits.pop_back();
        ++exponent;
    }
    if (digits.empty()) return Decimal{};
    if (std::abs(exponent) + long(digits.size()) > kMostDigits) return std::nullopt;
    if (exponent >= 0) {
        made.whole = digits + std::string(size_t(exponent), '0');
        return made;
    }
    const size_t places = size_t(-exponent);
    if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
    made.whole = digits.substr(0, digits.size() - places);
    made.fraction = digits.substr(digits.size() - places);
    return made;
}

std::string Decimal::text() const {
    return (is_negative ? "-" : "") + whole + (fraction.empty() ? "" : "." + fraction);
}

std::strong_ordering Decimal::operator<=>(const Decimal& other) const {
    if (is_negative != other.is_negative)
        return is_negative ? std::strong_ordering::less : std::strong_ordering::greater;
    auto order = whole.size() <=> other.whole.size();
    if (order == 0) order = whole.compare(other.whole) <=> 0;
    if (order == 0) order = fraction.compare(other.fraction) <=> 0;
    return is_negative ? 0 <=> order : order;
}

// Long division of the digits, both scaled to whole numbers.
bool is_multiple(const Decimal& value, const Decimal& divisor) {
    const size_t places = std::max(value.fraction.size(), divisor.fraction.size());
    const auto scaled = [&](const Decimal& d) {
        std::string digits = d.whole + d.fraction + std::string(places - d.fraction.size(), '0');
        digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
        return digits;
    };
    const std::string dividend = scaled(value), by = scaled(divisor);
    const auto not_less = [&](const std::string& a) { return a.size() != by.size() ? a.size() > by.size() : a >= by; };
    std::string rest;
    for (const char digit : dividend) {
        if (!rest.empty() || digit != '0') rest += digit;
        while (!rest.empty() && not_less(rest)) {
            int borrow = 0;
            for (size_t i = 0; i < rest.size(); ++i) {
                char& place = rest[rest.size() - 1 - i];
                int difference = place - '0' - borrow - (i < by.size() ? by[by.size() - 1 - i] - '0' : 0);
                borrow = difference < 0;
                place = char('0' + difference + 10 * borrow);
            }
            rest.erase(0, std::min(rest.find_first_not_of('0'), rest.size()));
        }
    }
    return rest.empty();
}

}  // namespace hearth::grammar
