// A vocabulary as grammars see it: the bytes of its tokens as a tree, and the tokens that are plain text inside a JSON
// string, which are nine of ten and need not be looked at one by one.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::grammar {

enum class TokenUse : uint8_t {
    text,     // may be written wherever its bytes fit
    control,  // only where a grammar names it
    end,      // ends the answer; allowed where the text may end
    unused,   // never
};

struct VocabularyToken {
    std::string_view bytes;  // what it contributes to the text; only looked at for TokenUse::text
    std::string_view name;   // as grammars write it, <name>
    TokenUse use = TokenUse::text;
};

// Bits of ids: id % 32 of word id / 32.
using TokenBits = std::vector<uint32_t>;

// Nodes in preorder, siblings by ascending byte: the children of a node follow it, and a node's subtree is skipped by
// adding its size.
// Bytes in 64 kinds: those that grammars take together, such as small letters, are one.
constexpr uint8_t kind_of_byte(uint8_t byte) {
    if (byte >= 'a' && byte <= 'z') return 1;
    if (byte >= 'A' && byte <= 'Z') return 2;
    if (byte >= '0' && byte <= '9') return 3;
    if (byte >= 0x80) return byte < 0xC0 ? 4 : byte < 0xE0 ? 5 : byte < 0xF0 ? 6 : 7;
    if (byte < 0x20) return byte == '\n' ? 8 : byte == '\t' ? 9 : byte == '\r' ? 10 : 0;
    // 33 of punctuation, the blank and DEL, each by itself.
    return uint8_t(11 + (byte < '0'   ? byte - 0x20
                         : byte < 'A' ? byte - 0x20 - 10
                         : byte < 'a' ? byte - 0x20 - 36
                                      : byte - 0x20 - 62));
}

struct TokenTree {
    struct Node {
        uint32_t size;
        uint32_t token;  // kNoToken, or the first token of these bytes
        uint16_t depth;  // from 1
        uint8_t byte;
    };
    static constexpr uint32_t kNoToken = UINT32_MAX;
    std::vector<Node> nodes;
    std::array<uint32_t, 257> first_of_byte;  // index of the top node of that byte, or of the next; [256]: the end
    // Per node: which kinds of bytes its subtree has below it, and how deep it is; the tokens before it in `tokens`.
    std::vector<uint64_t> kinds_below;
    std::vector<uint16_t> levels_below;
    std::vector<uint32_t> tokens_before;
    std::vector<uint32_t> tokens;  // of all nodes, in their order
};

// Immutable once made, for any number of threads.
class Vocabulary {
public:
    static std::shared_ptr<const Vocabulary> make(std::span<const VocabularyToken> tokens);

    size_t size() const { return uses_.size(); }
    size_t words() const { return (size() + 31) / 32; }
    TokenUse use(int32_t id) const { return uses_[size_t(id)]; }
    std::string_view bytes(int32_t id) const {
        return std::string_view(bytes_).substr(begins_[size_t(id)], begins_[size_t(id) + 1] - begins_[size_t(id)]);
    }
    std::optional<int32_t> find(std::string_view name) const;
    const std::vector<int32_t>& ends() const { return ends_; }
    const TokenBits& text_bits() const { return text_bits_; }
    const TokenBits& control_bits() const { return control_bits_; }
    size_t longest() const { return longest_; }

    const TokenTree& all() const { return all_; }
    template <class Visit>
    void each_token(const TokenTree::Node& node, Visit visit) const {
        for (uint32_t id = node.token; id != TokenTree::kNoToken; id = same_bytes_[id]) visit(id);
    }

    // Plain tokens: whole characters, none of them a quote, a backslash or a control character.
    const TokenTree& not_plain() const { return not_plain_; }
    const TokenBits& plain() const { return plain_.back(); }
    // Sets the bits of plain tokens of at most that many characters.
    void add_plain(uint32_t most_characters, TokenBits& bits) const;
    // Plain tokens that contain a kind of bytes, by id. Only of kinds that are rare in them (kListedKinds).
    static constexpr uint64_t kListedKinds = ~0xFFFull;  // punctuation, each by itself
    const std::vector<uint32_t>& plain_with(int kind) const { return plain_with_[size_t(kind)]; }
    // Plain tokens that begin with a byte; empty: too few to be worth it.
    const TokenBits& plain_from(uint8_t byte) const { return plain_from_[byte]; }
    size_t memory_bytes() const;

private:
    static constexpr uint32_t kCountedCharacters = 32;
    TokenTree tree_of(const std::vector<uint32_t>& sorted);

    std::vector<TokenUse> uses_;
    std::string bytes_, names_;
    std::vector<uint32_t> begins_, name_begins_, same_bytes_;
    std::vector<int32_t> ends_;
    TokenBits text_bits_, control_bits_;
    size_t longest_ = 1;
    TokenTree all_, not_plain_;
    std::vector<TokenBits> plain_;                           // [n]: of at most n characters; the last: all
    std::vector<std::pair<uint32_t, uint32_t>> long_plain_;  // characters, id; those of more than kCountedCharacters
    std::array<std::vector<uint32_t>, 64> plain_with_;
    std::array<TokenBits, 256> plain_from_;
};

}  // namespace hearth::grammar
