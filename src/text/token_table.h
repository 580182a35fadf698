// The tokens of a vocabulary: text, type, the bytes each stands for, and look-up by either.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/string_table.h"
#include "text/vocabulary.h"

namespace hearth {

constexpr std::string_view kEscapedSpace = "\xE2\x96\x81";  // U+2581, how SentencePiece writes a blank

// GPT-2 writes bytes as printable characters: 33-126, 161-172 and 174-255 as themselves, the other 68 in order from
// U+0100. Appends the bytes behind `text`; false (and garbage in `out`) when a character is no stand-in.
bool append_unmapped(std::string& out, std::string_view text);

// How a file writes the bytes of ordinary tokens.
enum class Spelling {
    marked_blanks,  // U+2581 for a blank
    byte_alphabet,  // GPT-2's stand-ins
    escaped,        // as Python shows bytes: \n, \t, \r, \\, \', \x7f
    plain,
};

class TokenTable {
public:
    static constexpr uint32_t kNone = StringTable::kNone;

    // Types may still change until `build_pieces`.
    static Result<TokenTable> make(const VocabularySource& source, Spelling spelling);
    void build_pieces();

    size_t size() const { return texts_.size(); }
    std::string_view text(uint32_t id) const { return texts_[id]; }
    TokenType type(uint32_t id) const { return types_[id]; }
    void set_type(uint32_t id, TokenType type) { types_[id] = type; }
    float score(uint32_t id) const { return scores_.empty() ? 0.0f : scores_[id]; }
    size_t longest_text() const { return longest_text_; }

    // Control, unknown and user-defined tokens that are more than white space: what plain text must never turn into.
    bool is_special(uint32_t id) const { return special_[id]; }

    uint32_t find_text(std::string_view text) const;  // as written in the file
    // Among the tokens as merging sees them: raw bytes under a byte alphabet, else the text.
    uint32_t find(std::string_view key) const { return by_key_.find(keys(), key); }
    uint32_t find(std::string_view key, uint64_t hash) const { return by_key_.find(keys(), key, hash); }
    uint64_t hash(std::string_view key) const { return by_key_.hash(key); }
    void prefetch(uint64_t hash) const { by_key_.prefetch(hash); }
    std::string_view key(uint32_t id) const { return keys()[id]; }

    // What the token contributes to text; that of control and unknown tokens only where specials are shown.
    std::string_view piece(uint32_t id) const {
        return std::string_view(pieces_).substr(piece_begin_[id], piece_begin_[id + 1] - piece_begin_[id]);
    }
    // The token for one byte: <0xXX>, else the token whose text is that byte; kNone where there is neither.
    uint32_t byte_token(uint8_t byte) const { return byte_tokens_[byte]; }
    size_t memory_bytes() const;

private:
    StringTable::Keys keys() const { return has_byte_alphabet() ? raw_.data() : texts_.data(); }
    bool has_byte_alphabet() const { return spelling_ == Spelling::byte_alphabet; }
    void append_normal(uint32_t id);  // to pieces_

    Spelling spelling_ = Spelling::marked_blanks;
    std::vector<std::string_view> texts_;
    std::deque<std::string> placeholders_;  // unique stand-ins for empty texts
    std::vector<TokenType> types_;
    std::vector<float> scores_;
    std::vector<bool> special_;
    size_t longest_text_ = 0;
    std::vector<char> raw_bytes_;        // byte alphabet: the bytes of all tokens, one behind the other
    std::vector<std::string_view> raw_;  // views of raw_bytes_; data() == nullptr: not writable in the byte alphabet
    StringTable by_key_;
    StringTable by_text_;  // byte alphabet: the tokens that have no raw bytes
    std::string pieces_;
    std::vector<uint32_t> piece_begin_;
    std::vector<uint32_t> byte_tokens_;
};

}  // namespace hearth
