// Parts of the pre-tokenizer scanners. Text is sanitized UTF-8, positions are byte offsets, [begin, end) is the current
// piece: look-ahead never leaves it. Comments give the regular expression that a part stands for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "text/unicode.h"

namespace hearth::scan {

using unicode::kLetter, unicode::kLower, unicode::kMark, unicode::kNumber, unicode::kPunctuation, unicode::kSymbol,
    unicode::kUpper, unicode::kWhite;

constexpr uint32_t kEnd = 256;  // class of "behind the piece"
constexpr uint32_t kNoCode = ~0u;

struct Look {
    uint32_t code, length, flags;
};

struct Text {
    const uint8_t* s;
    size_t begin, end;

    Look look(size_t at) const {
        if (at >= end) return {kNoCode, 0, kEnd};
        if (s[at] < 0x80) return {s[at], 1, unicode_tables::kFlags[s[at]]};  // block 0 is ASCII's
        const auto [code, length] = unicode::decode(s + at);
        return {code, length, unicode::flags(code)};
    }
    uint32_t byte(size_t at) const { return at < end ? s[at] : kNoCode; }

    // End of the run of characters having one of the classes in `mask`.
    size_t run(size_t at, uint32_t mask) const {
        while (at < end) {
            if (s[at] < 0x80) {
                if (!(unicode_tables::kFlags[s[at]] & mask)) break;
                ++at;
            } else {
                const auto [code, length] = unicode::decode(s + at);
                if (!(unicode::flags(code) & mask)) break;
                at += length;
            }
        }
        return at;
    }
    // End of the run of characters having none of them.
    size_t run_without(size_t at, uint32_t mask) const {
        while (at < end) {
            if (s[at] < 0x80) {
                if (unicode_tables::kFlags[s[at]] & mask) break;
                ++at;
            } else {
                const auto [code, length] = unicode::decode(s + at);
                if (unicode::flags(code) & mask) break;
                at += length;
            }
        }
        return at;
    }
    // \p{N}{1,most}, most 0: unlimited
    size_t digits(size_t at, int most) const {
        for (int n = 0; most == 0 || n < most; ++n) {
            const Look c = look(at);
            if (!(c.flags & kNumber)) break;
            at += c.length;
        }
        return at;
    }
    size_t newlines(size_t at, bool slash_too) const {
        while (at < end && (s[at] == '\n' || s[at] == '\r' || (slash_too && s[at] == '/'))) ++at;
        return at;
    }
    // (?i:'s|'t|'re|'ve|'m|'ll|'d) at `at`: its length or 0
    size_t contraction(size_t at, bool any_case) const {
        if (byte(at) != '\'') return 0;
        const uint32_t fold = any_case ? 32 : 0;
        const auto letter = [&](size_t i) { return byte(i) < 0x80 ? byte(i) | fold : 0; };
        const uint32_t a = letter(at + 1);
        if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
        const uint32_t b = letter(at + 2);
        return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
    }
    // \s*[\r\n]+|\s+(?!\S)|\s+ (without newlines: the last two only); at least one white space stands at `at`.
    size_t white_space(size_t at, bool with_newlines) const {
        size_t last = at, behind_newline = 0, p = at;
        while (true) {
            const Look c = look(p);
            if (!(c.flags & kWhite)) break;
            last = p;
            p += c.length;
            if (c.code == '\n' || c.code == '\r') behind_newline = p;
        }
        if (with_newlines && behind_newline) return behind_newline;
        return p == end || last == at ? p : last;
    }
};

struct Match {
    size_t begin, end;  // begin == kNone: nothing more
    static constexpr size_t kNone = ~size_t{0};
};

// For expressions that match everywhere: Scanner::next(at) is the end of the piece that begins at `at`.
template <class Scanner>
void pieces(const uint8_t* s, size_t begin, size_t end, std::vector<uint32_t>& ends) {
    Scanner scanner{{s, begin, end}};
    for (size_t at = begin; at < end;) ends.push_back(uint32_t(at = scanner.next(at)));
}

// For expressions with gaps: Scanner::find(at) is the first match from `at` on. Gaps become pieces of their own.
template <class Scanner>
void matches(const uint8_t* s, size_t begin, size_t end, std::vector<uint32_t>& ends) {
    Scanner scanner{{s, begin, end}};
    size_t done = begin;
    while (done < end) {
        const Match match = scanner.find(done);
        if (match.begin == Match::kNone) break;
        if (match.begin > done) ends.push_back(uint32_t(match.begin));
        ends.push_back(uint32_t(done = match.end));
    }
    if (done < end) ends.push_back(uint32_t(end));
}

using Range = unicode_tables::CodeRange;

inline bool in(std::span<const Range> ranges, uint32_t code) {
    for (const Range& range : ranges)
        if (code >= range.first && code <= range.last) return true;
    return false;
}

// \s?[class]{least,most}: first run of characters for which Class::has(code, flags) holds. most 0: unlimited.
template <class Class, int most = 0, bool leading_white = false, int least = 1>
struct ClassRun : Text {
    Match find(size_t at) const {
        size_t white = Match::kNone;  // where a white space directly before `at` begins
        while (at < end) {
            Look c = look(at);
            if (Class::has(c.code, c.flags)) {
                const size_t start = leading_white && white != Match::kNone ? white : at;
                int n = 0;
                for (; (most == 0 || n < most) && c.length && Class::has(c.code, c.flags); ++n) {
                    at += c.length;
                    c = look(at);
                }
                if (n >= least) return {start, at};
                continue;
            }
            white = c.flags & kWhite ? at : Match::kNone;
            at += c.length;
        }
        return {Match::kNone, 0};
    }
};

}  // namespace hearth::scan
