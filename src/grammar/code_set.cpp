#include "grammar/code_set.h"

#include <algorithm>

namespace hearth::grammar {

void CodeSet::add(uint32_t low, uint32_t high) {
    if (low > high) return;
    // The first range that touches the new one; what touches is swallowed.
    auto first = std::ranges::lower_bound(ranges_, low, {}, [](const CodeRange& range) { return range.high + 1; });
    auto last = first;
    for (; last != ranges_.end() && last->low <= high + 1; ++last) {
        low = std::min(low, last->low);
        high = std::max(high, last->high);
    }
    first = ranges_.erase(first, last);
    ranges_.insert(first, {low, high});
}

void CodeSet::add(const CodeSet& other) {
    for (const CodeRange& range : other.ranges_) add(range.low, range.high);
}

CodeSet CodeSet::complement() const {
    CodeSet result;
    uint32_t next = 0;
    for (const CodeRange& range : ranges_) {
        if (range.low > kLastCode) break;
        if (range.low > next) result.ranges_.push_back({next, range.low - 1});
        next = range.high + 1;
    }
    if (next <= kLastCode) result.ranges_.push_back({next, kLastCode});
    return result;
}

CodeSet CodeSet::intersection(const CodeSet& other) const {
    CodeSet result;
    auto a = ranges_.begin();
    auto b = other.ranges_.begin();
    while (a != ranges_.end() && b != other.ranges_.end()) {
        const uint32_t low = std::max(a->low, b->low), high = std::min(a->high, b->high);
        if (low <= high) result.ranges_.push_back({low, high});
        a->high < b->high ? ++a : ++b;
    }
    return result;
}

bool CodeSet::contains(uint32_t code) const {
    const auto range = std::ranges::lower_bound(ranges_, code, {}, &CodeRange::high);
    return range != ranges_.end() && range->low <= code;
}

void append_utf8(std::string& out, uint32_t code) {
    if (code < 0x80) {
        out += char(code);
        return;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static constexpr uint8_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
    out += char(kLead[more] | (code >> (6 * more)));
    for (int i = more - 1; i >= 0; --i) out += char(0x80 | ((code >> (6 * i)) & 63));
}

bool read_codes(std::string_view text, std::vector<uint32_t>& out) {
    for (size_t at = 0; at < text.size();) {
        const auto byte = [&](size_t i) -> uint32_t { return i < text.size() ? uint8_t(text[i]) : 0; };
        const uint32_t first = byte(at);
        const size_t length = first < 0x80   ? 1
                              : first < 0xC2 ? 0
                              : first < 0xE0 ? 2
                              : first < 0xF0 ? 3
                              : first < 0xF5 ? 4
                                             : 0;
        if (length == 0) return false;
        uint32_t code = length == 1 ? first : first & (0x7F >> length);
        for (size_t i = 1; i < length; ++i) {
            if ((byte(at + i) & 0xC0) != 0x80) return false;
            code = code << 6 | (byte(at + i) & 63);
        }
        static constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
        if (code < kLeast[length] || code > kLastCode || (code >= 0xD800 && code < 0xE000)) return false;
        out.push_back(code);
        at += length;
    }
    return true;
}

}  // namespace hearth::grammar
