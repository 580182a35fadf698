// How code points become bytes: UTF-8, and the ways JSON has to write a character inside a string.
#include <algorithm>
#include <tuple>

#include "grammar/network_builder.h"

namespace hearth::grammar {

void NetworkBuilder::add_codes(const CodeSet& set, Spelling spelling, uint32_t from, uint32_t to) {
    if (spelling == Spelling::bytes) {
        for (const CodeRange& range : set.ranges()) add_edge(from, uint8_t(range.low), uint8_t(range.high), to);
        return;
    }
    if (spelling != Spelling::json) {
        // Halves of pairs have no UTF-8; llama.cpp takes what would be theirs.
        add_utf8(spelling == Spelling::utf8 ? set.without(CodeSet(0xD800, 0xDFFF)) : set, from, to);
        if (spelling == Spelling::wide_utf8 && set.contains(kLastCode))
            add_utf8_range({kLastCode + 1, 0x3FFFFF, 3}, 0xF0, from, to);
        return;
    }
    static const CodeSet kPlain = [] {
        CodeSet plain(0x20, 0x21);
        plain.add(0x23, 0x5B);
        plain.add(0x5D, 0xD7FF);
        plain.add(0xE000, kLastCode);
        return plain;
    }();
    add_utf8(set.intersection(kPlain), from, to);
    const auto [found, is_new] = shared_.try_emplace({Shared::escapes, set, 0, to}, 0);
    if (is_new) {
        const uint32_t entry = found->second = position();
        add_escapes(set, entry, to);
    }
    add_empty(from, found->second);
}

void NetworkBuilder::add_utf8(const CodeSet& set, uint32_t from, uint32_t to) {
    CodeSet beyond;
    for (const CodeRange& range : set.ranges()) {
        if (range.low < 0x80) add_edge(from, uint8_t(range.low), uint8_t(std::min(range.high, 0x7Fu)), to);
        if (range.high >= 0x80) beyond.add(std::max(range.low, 0x80u), std::min(range.high, kLastCode));
    }
    if (beyond.is_empty()) return;
    const auto [found, is_new] = shared_.try_emplace({Shared::utf8, beyond, 0, to}, 0);
    if (is_new) {
        const uint32_t entry = found->second = position();
        static constexpr uint8_t kPrefixes[] = {0xC0, 0xE0, 0xF0};
        static constexpr CodeRange kLengths[] = {{0x80, 0x7FF}, {0x800, 0xFFFF}, {0x10000, kLastCode}};
        for (const CodeRange& range : beyond.ranges())
            for (int more = 1; more <= 3; ++more) {
                const uint32_t low = std::max(range.low, kLengths[more - 1].low);
                const uint32_t high = std::min(range.high, kLengths[more - 1].high);
                if (low <= high) add_utf8_range({low, high, more}, kPrefixes[more - 1], entry, to);
            }
    }
    add_empty(from, found->second);
}

// Codes that differ in their last `more` continuation bytes and in the byte before, whose upper bits are `prefix`.
void NetworkBuilder::add_utf8_range(Utf8Range range, uint8_t prefix, uint32_t from, uint32_t to) {
    auto [low, high, more] = range;
    if (more == 0) return add_edge(from, uint8_t(prefix | low), uint8_t(prefix | high), to);
    const uint32_t rest = (1u << (6 * more)) - 1;
    const auto part = [&](uint32_t first, uint32_t last) {  // under one byte
        const uint8_t byte = uint8_t(prefix | (first >> (6 * more)));
        const uint32_t next = position();
        add_edge(from, byte, byte, next);
        add_utf8_range({first & rest, last & rest, more - 1}, 0x80, next, to);
    };
    if ((low & rest) != 0 || (low | rest) > high) {
        const uint32_t end = std::min(low | rest, high);
        part(low, end);
        if (end == high) return;
        low = end + 1;
    }
    const bool is_ragged = (high & rest) != rest;
    const uint32_t full_end = is_ragged ? (high & ~rest) : high + 1;  // one behind the last full byte's codes
    if (low < full_end)
        add_edge(from, uint8_t(prefix | (low >> (6 * more))), uint8_t(prefix | ((full_end - 1) >> (6 * more))),
                 continuation(more, to));
    if (is_ragged) part(full_end, high);
}

// The position from which any `bytes` continuation bytes lead to `to`.
uint32_t NetworkBuilder::continuation(int bytes, uint32_t to) {
    if (bytes == 0) return to;
    const auto [found, is_new] = shared_.try_emplace({Shared::continuation, CodeSet(), bytes, to}, 0);
    if (is_new) {
        const uint32_t entry = found->second = position();
        add_edge(entry, 0x80, 0xBF, continuation(bytes - 1, to));
    }
    return shared_.at({Shared::continuation, CodeSet(), bytes, to});
}

// A backslash and what may follow it to mean a character of the set. Surrogates come in pairs only.
void NetworkBuilder::add_escapes(const CodeSet& set, uint32_t from, uint32_t to) {
    const uint32_t escape = position();
    add_edge(from, '\\', '\\', escape);
    static constexpr std::pair<char, uint32_t> kShort[] = {{'"', '"'},  {'\\', '\\'}, {'/', '/'},  {'b', '\b'},
                                                           {'f', '\f'}, {'n', '\n'},  {'r', '\r'}, {'t', '\t'}};
    for (const auto& [letter, code] : kShort)
        if (set.contains(code)) add_edge(escape, uint8_t(letter), uint8_t(letter), to);
    CodeSet spelled(0, 0x1F);  // what can be written no other way
    if (rules_.has_unicode_escapes) spelled = CodeSet::all();
    spelled = spelled.intersection(set);
    if (spelled.is_empty()) return;
    const uint32_t digits = position();
    add_edge(escape, 'u', 'u', digits);
    CodeSet basic(0, 0xD7FF);
    basic.add(0xE000, 0xFFFF);
    add_hex(spelled.intersection(basic), 4, digits, to);
    const CodeSet pairs = spelled.intersection(CodeSet(0x10000, kLastCode));
    for (const CodeRange& range : pairs.ranges()) {
        const uint32_t first = range.low - 0x10000, last = range.high - 0x10000;
        for (uint32_t low = first; low <= last;) {
            // As many first halves as share their set of second halves.
            uint32_t high = std::min(low | 0x3FF, last);
            if ((low & 0x3FF) == 0 && (last & 0x3FF) == 0x3FF)
                high = last;
            else if ((low & 0x3FF) == 0 && high != last)
                high = (last & ~0x3FFu) - 1;
            const bool whole = (low & 0x3FF) == 0 && (high & 0x3FF) == 0x3FF;
            const uint32_t backslash = position(), u = position(), second = position();
            add_hex(CodeSet(0xD800 + (low >> 10), 0xD800 + (high >> 10)), 4, digits, backslash);
            add_edge(backslash, '\\', '\\', u);
            add_edge(u, 'u', 'u', second);
            add_hex(whole ? CodeSet(0xDC00, 0xDFFF) : CodeSet(0xDC00 + (low & 0x3FF), 0xDC00 + (high & 0x3FF)), 4,
                    second, to);
            low = high + 1;
        }
    }
}

void NetworkBuilder::add_hex_digits(uint32_t from, uint32_t low, uint32_t high, uint32_t to) {
    if (low < 10) add_edge(from, uint8_t('0' + low), uint8_t('0' + std::min(high, 9u)), to);
    if (high < 10) return;
    const uint32_t first = std::max(low, 10u) - 10, last = high - 10;
    add_edge(from, uint8_t('a' + first), uint8_t('a' + last), to);
    add_edge(from, uint8_t('A' + first), uint8_t('A' + last), to);
}

uint32_t NetworkBuilder::any_hex(int digits, uint32_t to) {
    if (digits == 0) return to;
    const auto [found, is_new] = shared_.try_emplace({Shared::any_hex, CodeSet(), digits, to}, 0);
    if (is_new) {
        const uint32_t entry = found->second = position();
        add_hex_digits(entry, 0, 15, any_hex(digits - 1, to));
    }
    return shared_.at({Shared::any_hex, CodeSet(), digits, to});
}

// Numbers of the set, below 16^digits, as that many hexadecimal digits.
void NetworkBuilder::add_hex(const CodeSet& set, int digits, uint32_t from, uint32_t to) {
    const uint32_t block = 1u << (4 * (digits - 1));
    for (uint32_t digit = 0; digit < 16;) {
        const auto inside = [&](uint32_t d) { return set.intersection(CodeSet(d * block, d * block + block - 1)); };
        const auto is_full = [&](uint32_t d) { return inside(d) == CodeSet(d * block, d * block + block - 1); };
        if (is_full(digit)) {
            uint32_t last = digit;
            while (last + 1 < 16 && is_full(last + 1)) ++last;
            add_hex_digits(from, digit, last, any_hex(digits - 1, to));
            digit = last + 1;
            continue;
        }
        if (const CodeSet part = inside(digit); !part.is_empty()) {
            CodeSet moved;
            for (const CodeRange& range : part.ranges())
                moved.add(range.low - digit * block, range.high - digit * block);
            const uint32_t next = position();
            add_hex_digits(from, digit, digit, next);
            add_hex(moved, digits - 1, next, to);
        }
        ++digit;
    }
}

}  // namespace hearth::grammar
