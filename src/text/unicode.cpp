#include "text/unicode.h"

#include <algorithm>
#include <cstring>
#include <span>

namespace hearth::unicode {

using unicode_tables::CodeRange;

static bool contains(std::span<const CodeRange> ranges, uint32_t code) {
    const auto after = std::ranges::upper_bound(ranges, code, {}, &CodeRange::first);
    return after != ranges.begin() && code <= std::prev(after)->last;
}

bool is_han(uint32_t code) {
    return code >= 0x2E80 && contains(unicode_tables::kHan, code);
}
bool is_control(uint32_t code) {
    return contains(unicode_tables::kControl, code);
}
bool is_decimal_digit(uint32_t code) {
    return code < 0x80 ? code - '0' < 10 : (flags(code) & kNumber) && contains(unicode_tables::kDecimalDigit, code);
}
bool is_word(uint32_t code) {
    return (flags(code) & (kLetter | kMark)) || is_decimal_digit(code) || contains(unicode_tables::kConnector, code);
}

uint32_t to_lower(uint32_t code) {
    if (code < 0x80) return code - 'A' < 26 ? code + 32 : code;
    const auto& ranges = unicode_tables::kLower;
    const auto after = std::ranges::upper_bound(ranges, code, {}, &unicode_tables::LowerRange::first);
    if (after == ranges.begin()) return code;
    const auto& range = *std::prev(after);
    const bool maps = code <= range.last && (code - range.first) % range.step == 0;
    return maps ? uint32_t(int64_t(code) + range.distance) : code;
}

uint32_t nfd_base(uint32_t code) {
    if (code < 0xC0) return code;
    if (code - 0xAC00 < 11172) return 0x1100 + (code - 0xAC00) / (21 * 28);
    const auto& table = unicode_tables::kDecomposition;
    const auto found = std::ranges::lower_bound(table, code, {}, &unicode_tables::Decomposition::code);
    return found != table.end() && found->code == code ? found->first : code;
}

void append(std::string& out, uint32_t code) {
    if (code < 0x80) {
        out += char(code);
    } else if (code < 0x800) {
        out += char(0xC0 | code >> 6);
        out += char(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        out += char(0xE0 | code >> 12);
        out += char(0x80 | (code >> 6 & 0x3F));
        out += char(0x80 | (code & 0x3F));
    } else {
        out += char(0xF0 | code >> 18);
        out += char(0x80 | (code >> 12 & 0x3F));
        out += char(0x80 | (code >> 6 & 0x3F));
        out += char(0x80 | (code & 0x3F));
    }
}

size_t lenient_length(std::string_view text, size_t at) {
    const uint8_t first = uint8_t(text[at]);
    if (first < 0x80) return 1;
    if (first < 0xC0 || first >= 0xF8) return 0;
    const size_t length = claimed_length(first);
    if (text.size() - at < length) return 0;
    for (size_t i = 1; i < length; ++i)
        if ((uint8_t(text[at + i]) & 0xC0) != 0x80) return 0;
    if (length == 4 && decode(reinterpret_cast<const uint8_t*>(text.data()) + at).code > 0x10FFFF) return 0;
    return length;
}

// First byte that sanitize would have to change, text.size() when there is none.
static size_t first_flaw(std::string_view text) {
    static constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
    size_t at = 0;
    while (at < text.size()) {
        uint64_t eight;
        if (text.size() - at >= 8 && (std::memcpy(&eight, bytes + at, 8), (eight & 0x8080808080808080) == 0)) {
            at += 8;
            continue;
        }
        const size_t length = lenient_length(text, at);
        if (length == 0 || decode(bytes + at).code < kSmallest[length]) return at;
        at += length;
    }
    return at;
}

bool is_sanitized(std::string_view text) {
    return first_flaw(text) == text.size();
}

std::string_view sanitize(std::string_view text, std::string& storage) {
    size_t at = first_flaw(text);
    if (at == text.size()) return text;
    storage.assign(text.substr(0, at));
    while (at < text.size()) {
        const size_t length = lenient_length(text, at);
        append(storage, length ? decode(reinterpret_cast<const uint8_t*>(text.data()) + at).code : kReplacement);
        at += std::max<size_t>(length, 1);
    }
    return storage;
}

Sequence strict_sequence(std::string_view text, size_t at) {
    const uint8_t first = uint8_t(text[at]);
    if (first < 0x80) return {1, true, false};
    if (first < 0xC2 || first > 0xF4) return {1, false, false};
    const size_t length = claimed_length(first);
    // The second byte carries the only extra limits: no overlong forms, no surrogates, nothing above U+10FFFF.
    const uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    for (size_t i = 1; i < length; ++i) {
        if (at + i == text.size()) return {i, false, true};
        const uint8_t byte = uint8_t(text[at + i]);
        if (byte < (i == 1 ? low : 0x80) || byte > (i == 1 ? high : 0xBF)) return {i, false, false};
    }
    return {length, true, false};
}

}  // namespace hearth::unicode
