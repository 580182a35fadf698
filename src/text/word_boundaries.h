// SentencePiece-like vocabularies merge across whole paragraphs in principle. In practice no token continues with a
// blank (U+2581) behind most characters; there a paragraph can be cut into independent words without changing the
// result.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/token_table.h"

namespace hearth {

class WordBoundaries {
public:
    // Tells about one text that merging may form: all of them must be added.
    void add(std::string_view text) {
        for (size_t at = text.find(kEscapedSpace, 1); at < text.size(); at = text.find(kEscapedSpace, at + 1)) {
            const size_t behind = at + kEscapedSpace.size();
            if (behind < text.size())
                joined_.set(pair(text[at - 1], text[behind]));
            else
                ends_.set(uint8_t(text[at - 1]));
        }
    }
    // End of the word that begins at `at`: the next U+2581 that nothing can join to what stands before it.
    size_t word_end(std::string_view text, size_t at) const {
        for (size_t next = text.find(kEscapedSpace, at + 1); next != text.npos;
             next = text.find(kEscapedSpace, next + 1)) {
            if (ends_.test(uint8_t(text[next - 1]))) continue;
            const size_t behind = next + kEscapedSpace.size();
            if (behind == text.size() || !joined_.test(pair(text[next - 1], text[behind]))) return next;
        }
        return text.size();
    }

private:
    static size_t pair(char before, char behind) { return size_t{uint8_t(before)} << 8 | uint8_t(behind); }

    // By the byte before a U+2581 inside a token: whether the token goes on, and with which byte, or ends there.
    std::bitset<65536> joined_;
    std::bitset<256> ends_;
};

}  // namespace hearth
