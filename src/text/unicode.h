// What a code point is (Unicode 15.1) and how UTF-8 is read and repaired.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "text/unicode_tables.h"

namespace hearth::unicode {

// One byte of classes per code point. Letters that are neither kUpper (Lu, Lt) nor kLower (Ll) are Lm or Lo.
enum Flag : uint8_t {
    kLetter = 1,
    kNumber = 2,
    kPunctuation = 4,
    kSymbol = 8,
    kMark = 16,
    kWhite = 32,
    kUpper = 64,
    kLower = 128,
};

constexpr uint32_t kReplacement = 0xFFFD;
constexpr std::string_view kReplacementText = "\xEF\xBF\xBD";

inline uint8_t flags(uint32_t code) {
    return unicode_tables::kFlags[(unicode_tables::kBlockOf[code >> 7] << 7) | (code & 127)];
}

bool is_han(uint32_t code);            // Script=Han
bool is_control(uint32_t code);        // Cc, Cf, Co, Cs
bool is_decimal_digit(uint32_t code);  // Nd
bool is_word(uint32_t code);           // what \w means to a Unicode-aware expression: letters, marks, Nd, Pc
uint32_t to_lower(uint32_t code);      // simple mapping
uint32_t nfd_base(uint32_t code);      // first code point of the canonical decomposition, else the code point itself

void append(std::string& out, uint32_t code);

// Length of a character as its first byte claims, valid or not: the rule of SentencePiece-like tokenizers.
inline size_t claimed_length(uint8_t first_byte) {
    return first_byte < 0xC0 ? 1 : first_byte < 0xE0 ? 2 : first_byte < 0xF0 ? 3 : 4;
}

struct Char {
    uint32_t code;
    uint32_t length;
};
// Reads one character of text that has passed through `sanitize`; no checks.
inline Char decode(const uint8_t* s) {
    if (s[0] < 0x80) return {s[0], 1};
    if (s[0] < 0xE0) return {uint32_t(s[0] & 0x1F) << 6 | (s[1] & 0x3F), 2};
    if (s[0] < 0xF0) return {uint32_t(s[0] & 0x0F) << 12 | uint32_t(s[1] & 0x3F) << 6 | (s[2] & 0x3F), 3};
    return {uint32_t(s[0] & 0x07) << 18 | uint32_t(s[1] & 0x3F) << 12 | uint32_t(s[2] & 0x3F) << 6 | (s[3] & 0x3F), 4};
}

// How many bytes from `at` on form one character under the lenient rule of tokenizers (overlong forms and surrogates
// pass), 0: the byte at `at` starts none.
size_t lenient_length(std::string_view text, size_t at);

// Whether sanitize would leave the text as it is.
bool is_sanitized(std::string_view text);

// The text with every byte that starts no character replaced by U+FFFD and overlong forms shortened. Returns `text`
// itself when nothing had to change, else a view of `storage`.
std::string_view sanitize(std::string_view text, std::string& storage);

// Strict UTF-8 (RFC 3629), for output. Looks at the sequence starting at `at`: its length if complete and valid;
// otherwise valid is false and length is the maximal part that could still have become valid (at least 1).
struct Sequence {
    size_t length;
    bool valid;
    bool incomplete;  // the text ended inside a so far valid sequence
};
Sequence strict_sequence(std::string_view text, size_t at);

}  // namespace hearth::unicode
