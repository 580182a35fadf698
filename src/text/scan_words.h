// The large family of expressions "contraction | word | digits | other signs | white space" that began with GPT-2's.
#pragma once

#include "text/scan.h"

namespace hearth::scan {

// R-gpt2:  's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
struct Gpt2 : Text {
    size_t next(size_t at) const {
        if (const size_t length = contraction(at, false)) return at + length;
        const size_t start = s[at] == ' ' ? at + 1 : at;
        const Look c = look(start);
        if (c.flags & kLetter) return run(start, kLetter);
        if (c.flags & kNumber) return run(start, kNumber);
        if (!(c.flags & (kWhite | kEnd))) return run_without(start, kWhite | kLetter | kNumber);
        return white_space(at, false);
    }
};

enum class Word {
    letters,           // \p{L}+
    letters_or_marks,  // [\p{L}\p{M}]+
    cased,             // U*D+ | U+D*  with U=[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] D=[\p{Ll}\p{Lm}\p{Lo}\p{M}]
    cased_no_han,      // the same without \p{Han}
    // As llama.cpp approximates these: letters outside ASCII have both cases ...
    ascii_cased,        // ... and marks belong to no word,
    ascii_cased_marks,  // ... and marks have both cases,
    uncased_marks,      // ... and no letter or mark has case at all,
    uncased_no_han,     // ... and nothing has case; Han means the ideograph blocks.
    phrases,            // (?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+
};
enum class White { newlines_first, plain, halving };
enum class Tail { none, newlines, newlines_or_slashes, one_newline_or_slash };

struct WordRules {
    Word word = Word::letters;
    bool contraction_first = true;   // an alternative of its own
    bool contraction_after = false;  // an optional end of a word
    int digits = 1;                  // \p{N}{1,digits}, 0: \p{N}+
    Tail tail = Tail::newlines;      // what may follow other signs
    White white = White::newlines_first;
};

inline bool in_ideograph_block(uint32_t code) {
    static constexpr Range kBlocks[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                        {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF},
                                        {0x2CEB0, 0x2EBEF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
    return code >= 0x3400 && in(kBlocks, code);
}

template <WordRules rules>
struct Words : Text {
    static constexpr bool kCased = rules.word == Word::cased || rules.word == Word::cased_no_han ||
                                   rules.word == Word::ascii_cased || rules.word == Word::ascii_cased_marks;
    static constexpr bool kMarksInWord = rules.word == Word::letters_or_marks || rules.word == Word::uncased_marks;
    static constexpr bool kNoHan = rules.word == Word::cased_no_han || rules.word == Word::uncased_no_han;

    // Halving white space looks at the length of a long run again and again; it is measured once.
    size_t white_end = 0, white_count = 0;

    size_t next(size_t at) {
        const Look c = look(at);
        if constexpr (rules.contraction_first)
            if (const size_t length = contraction(at, true)) return at + length;
        if constexpr (kNoHan)
            if (is_han(c)) return han_end(at);
        if (const size_t word_end = word(at, c)) return word_end;
        if (c.flags & kNumber) return digits(at, rules.digits);

        // " ?[^\s\p{L}\p{N}]+" and its tail
        constexpr uint32_t kNotOther =
            kWhite | kLetter | kNumber | (rules.word == Word::letters_or_marks ? uint32_t(kMark) : 0);
        const size_t start = c.code == ' ' ? at + 1 : at;
        if (!(look(start).flags & (kNotOther | kEnd))) {
            const size_t p = run_without(start, kNotOther);
            if constexpr (rules.tail == Tail::none) return p;
            if constexpr (rules.tail == Tail::one_newline_or_slash)
                return p + (byte(p) == '\n' || byte(p) == '\r' || byte(p) == '/');
            return newlines(p, rules.tail == Tail::newlines_or_slashes);
        }
        if constexpr (rules.white == White::halving) return halving_white_space(at);
        return white_space(at, rules.white == White::newlines_first);
    }

private:
    static bool is_han(const Look& c) {
        if constexpr (rules.word == Word::cased_no_han)
            return c.code >= 0x80 && c.code != kNoCode && unicode::is_han(c.code);
        return c.code != kNoCode && in_ideograph_block(c.code);
    }
    size_t han_end(size_t at) const {
        for (Look c = look(at); is_han(c); c = look(at)) at += c.length;
        return at;
    }

    static bool may_lead(const Look& c) {  // [^\r\n\p{L}\p{N}]
        return !(c.flags & (kLetter | kNumber | kEnd)) && c.code != '\n' && c.code != '\r';
    }

    size_t word(size_t at, const Look& c) const {
        if constexpr (kCased) {
            return cased_word(at, c);
        } else {
            size_t start = at;
            if (!starts_word(c)) {
                if (!may_lead(c)) return 0;
                start = at + c.length;
                if (!starts_word(look(start))) return 0;
            }
            return with_contraction(word_end(start));
        }
    }
    static bool starts_word(const Look& c) {
        if constexpr (kMarksInWord) return c.flags & (kLetter | kMark);
        if constexpr (rules.word == Word::uncased_no_han) return (c.flags & kLetter) && !is_han(c);
        return c.flags & kLetter;
    }
    size_t word_end(size_t at) const {
        if constexpr (rules.word == Word::letters) return run(at, kLetter);
        if constexpr (kMarksInWord) return run(at, kLetter | kMark);
        if constexpr (rules.word == Word::uncased_no_han) {
            for (Look c = look(at); starts_word(c); c = look(at)) at += c.length;
            return at;
        }
        while (true) {  // phrases: one letter with its marks, then perhaps one blank if a letter follows
            at = run(at + look(at).length, kMark);
            if (look(at).flags & kLetter) continue;
            if (byte(at) != ' ' || !(look(at + 1).flags & kLetter)) return at;
            ++at;
        }
    }
    size_t with_contraction(size_t at) const { return rules.contraction_after ? at + contraction(at, true) : at; }

    static bool may_be_upper(const Look& c) {
        if (c.code < 0x80) return c.flags & kUpper;
        if constexpr (rules.word == Word::ascii_cased) return c.flags & kLetter;
        if constexpr (rules.word == Word::ascii_cased_marks) return c.flags & (kLetter | kMark);
        if ((c.flags & (kLetter | kMark)) == 0 || (c.flags & kLower)) return false;
        return !kNoHan || !is_han(c);
    }
    static bool may_be_lower(const Look& c) {
        if (c.code < 0x80) return c.flags & kLower;
        if constexpr (rules.word == Word::ascii_cased) return c.flags & kLetter;
        if constexpr (rules.word == Word::ascii_cased_marks) return c.flags & (kLetter | kMark);
        if ((c.flags & (kLetter | kMark)) == 0 || (c.flags & kUpper)) return false;
        return !kNoHan || !is_han(c);
    }

    struct CasedEnds {
        size_t first, second;  // ends under U*D+ and under U+D*, 0: no match
    };
    CasedEnds cased_ends(size_t start) const {
        size_t p = start, behind_last_both = 0;
        Look c = look(p);
        while (may_be_upper(c)) {
            p += c.length;
            if (may_be_lower(c)) behind_last_both = p;
            c = look(p);
        }
        const size_t upper_end = p;
        while (may_be_lower(c)) {
            p += c.length;
            c = look(p);
        }
        // Without a D behind it, U* gives back until its last character that is also a D.
        return {p > upper_end ? p : behind_last_both, upper_end > start ? p : 0};
    }
    size_t cased_word(size_t at, const Look& c) const {
        CasedEnds led{}, bare{};
        if (may_lead(c)) led = cased_ends(at + c.length);
        if (led.first) return with_contraction(led.first);
        if (c.flags & (kLetter | kMark)) bare = cased_ends(at);
        if (bare.first) return with_contraction(bare.first);
        if (led.second) return with_contraction(led.second);
        return bare.second ? with_contraction(bare.second) : 0;
    }

    // \s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|...|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}
    size_t halving_white_space(size_t at) {
        if (at >= white_end) {
            white_count = 0;
            size_t p = at, behind_newline = 0;
            for (Look c = look(p); c.flags & kWhite; c = look(p), ++white_count) {
                p += c.length;
                if (c.code == '\n' || c.code == '\r') behind_newline = p;
            }
            if (behind_newline) return behind_newline;
            white_end = p;
        }
        size_t take = 1;
        for (size_t size = 512; size >= 2; size = size == 4 ? 2 : size / 2) {
            if (white_count > size || (white_count == size && white_end == end)) {
                take = size;
                break;
            }
        }
        white_count -= take;
        for (; take > 0; --take) at += look(at).length;
        return at;
    }
};

}  // namespace hearth::scan
