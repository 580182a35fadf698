// Numbers as digits, without rounding: bounds of schemas and whether values are equal.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace hearth::grammar {

// sign * whole.fraction, without needless zeros ("0" and "" for nothing).
struct Decimal {
    bool is_negative = false;
    std::string whole = "0", fraction;

    // JSON's notation; nothing when it would take more than 400 digits.
    static std::optional<Decimal> read(std::string_view text);
    static std::optional<Decimal> read(double) = delete;
    bool is_integer() const { return fraction.empty(); }
    bool is_zero() const { return whole == "0" && fraction.empty(); }
    std::string text() const;
    bool operator==(const Decimal&) const = default;
    std::strong_ordering operator<=>(const Decimal& other) const;
};

// Whether value = n * divisor for a whole n. The divisor must not be zero.
bool is_multiple(const Decimal& value, const Decimal& divisor);

}  // namespace hearth::grammar
