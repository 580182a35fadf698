#include "grammar/vocabulary.h"

#include <algorithm>
#include <bit>

#include "grammar/code_set.h"

namespace hearth::grammar {

namespace {

void set_bit(TokenBits& bits, uint32_t id) {
    bits[id / 32] |= 1u << (id % 32);
}

// Characters of a token that is plain text inside a JSON string, 0: it is not.
uint32_t plain_characters(std::string_view bytes, std::vector<uint32_t>& codes) {
    for (const char c : bytes)
        if (uint8_t(c) < 0x20 || c == '"' || c == '\\') return 0;
    codes.clear();
    return read_codes(bytes, codes) ? uint32_t(codes.size()) : 0;
}

}  // namespace

std::shared_ptr<const Vocabulary> Vocabulary::make(std::span<const VocabularyToken> tokens) {
    auto made = std::make_shared<Vocabulary>();
    Vocabulary& v = *made;
    const size_t words = (tokens.size() + 31) / 32;
    v.text_bits_.assign(words, 0);
    v.control_bits_.assign(words, 0);
    v.same_bytes_.assign(tokens.size(), TokenTree::kNoToken);
    v.plain_.assign(kCountedCharacters + 2, TokenBits(words, 0));
    std::vector<uint32_t> sorted, codes;
    std::array<uint32_t, 256> starting{};
    std::vector<uint32_t> characters(tokens.size(), 0);
    for (uint32_t id = 0; id < tokens.size(); ++id) {
        const VocabularyToken& token = tokens[id];
        v.uses_.push_back(token.use);
        v.begins_.push_back(uint32_t(v.bytes_.size()));
        v.name_begins_.push_back(uint32_t(v.names_.size()));
        v.names_ += token.name;
        if (token.use == TokenUse::control) set_bit(v.control_bits_, id);
        if (token.use == TokenUse::end) v.ends_.push_back(int32_t(id));
        if (token.use != TokenUse::text) continue;
        // No text contains NUL, and an empty token would never bring it to an end.
        if (token.bytes.empty() || token.bytes[0] == '\0' || token.bytes.size() > UINT16_MAX - 1) {
            v.uses_.back() = TokenUse::unused;
            continue;
        }
        v.bytes_ += token.bytes;
        v.longest_ = std::max(v.longest_, token.bytes.size());
        set_bit(v.text_bits_, id);
        sorted.push_back(id);
        characters[id] = plain_characters(token.bytes, codes);
        if (const uint32_t count = characters[id]) {
            if (count > kCountedCharacters) v.long_plain_.push_back({count, id});
            for (uint32_t n = count; n < v.plain_.size(); ++n) set_bit(v.plain_[n], id);
            set_bit(v.plain_.back(), id);
            ++starting[uint8_t(token.bytes[0])];
            uint64_t kinds = 0;
            for (const char byte : token.bytes) kinds |= 1ull << kind_of_byte(uint8_t(byte));
            for (uint64_t rest = kinds & kListedKinds; rest; rest &= rest - 1)
                v.plain_with_[size_t(std::countr_zero(rest))].push_back(id);
        }
    }
    v.begins_.push_back(uint32_t(v.bytes_.size()));
    v.name_begins_.push_back(uint32_t(v.names_.size()));
    std::ranges::sort(v.long_plain_);
    std::ranges::sort(sorted, [&](uint32_t a, uint32_t b) {
        const int order = v.bytes(int32_t(a)).compare(v.bytes(int32_t(b)));
        return order ? order < 0 : a < b;
    });
    v.all_ = v.tree_of(sorted);
    for (int byte = 0; byte < 256; ++byte)
        if (starting[size_t(byte)] >= 200) v.plain_from_[size_t(byte)].assign(words, 0);
    for (const uint32_t id : sorted)
        if (auto& bits = v.plain_from_[uint8_t(v.bytes(int32_t(id))[0])]; characters[id] && !bits.empty())
            set_bit(bits, id);
    std::erase_if(sorted, [&](uint32_t id) { return characters[id] > 0; });
    v.not_plain_ = v.tree_of(sorted);
    return made;
}

TokenTree Vocabulary::tree_of(const std::vector<uint32_t>& sorted) {
    TokenTree tree;
    std::vector<uint32_t> path;  // nodes from the top to the current one
    const auto leave = [&](size_t depth) {
        for (; path.size() > depth; path.pop_back())
            tree.nodes[path.back()].size = uint32_t(tree.nodes.size() - path.back());
    };
    std::string_view before;
    uint32_t before_id = TokenTree::kNoToken;
    for (const uint32_t id : sorted) {
        const std::string_view text = bytes(int32_t(id));
        if (before_id != TokenTree::kNoToken && text == before) {
            same_bytes_[before_id] = id;
            before_id = id;
            continue;
        }
        size_t common = 0;
        while (common < before.size() && common < text.size() && before[common] == text[common]) ++common;
        leave(common);
        for (size_t i = common; i < text.size(); ++i) {
            path.push_back(uint32_t(tree.nodes.size()));
            tree.nodes.push_back({1, TokenTree::kNoToken, uint16_t(i + 1), uint8_t(text[i])});
        }
        tree.nodes.back().token = id;
        before = text;
        before_id = id;
    }
    leave(0);
    tree.kinds_below.assign(tree.nodes.size(), 0);
    tree.levels_below.assign(tree.nodes.size(), 0);
    tree.tokens_before.reserve(tree.nodes.size() + 1);
    for (const TokenTree::Node& node : tree.nodes) {
        tree.tokens_before.push_back(uint32_t(tree.tokens.size()));
        each_token(node, [&](uint32_t id) { tree.tokens.push_back(id); });
    }
    tree.tokens_before.push_back(uint32_t(tree.tokens.size()));
    for (size_t i = tree.nodes.size(); i-- > 0;) {  // children follow their parents
        const size_t end = i + tree.nodes[i].size;
        for (size_t child = i + 1; child < end; child += tree.nodes[child].size) {
            tree.kinds_below[i] |= tree.kinds_below[child] | 1ull << kind_of_byte(tree.nodes[child].byte);
            tree.levels_below[i] = std::max<uint16_t>(tree.levels_below[i], uint16_t(tree.levels_below[child] + 1));
        }
    }
    uint32_t next = uint32_t(tree.nodes.size());
    tree.first_of_byte.fill(next);
    for (uint32_t i = 0; i < tree.nodes.size(); i += tree.nodes[i].size) tree.first_of_byte[tree.nodes[i].byte] = i;
    for (int byte = 255; byte >= 0; --byte) {
        uint32_t& first = tree.first_of_byte[size_t(byte)];
        if (first == tree.nodes.size()) first = next;
        next = first;
    }
    return tree;
}

std::optional<int32_t> Vocabulary::find(std::string_view name) const {
    for (size_t id = 0; id < size(); ++id)
        if (std::string_view(names_).substr(name_begins_[id], name_begins_[id + 1] - name_begins_[id]) == name)
            return int32_t(id);
    return std::nullopt;
}

void Vocabulary::add_plain(uint32_t most_characters, TokenBits& bits) const {
    const TokenBits& counted = plain_[std::min(most_characters, kCountedCharacters)];
    for (size_t word = 0; word < bits.size(); ++word) bits[word] |= counted[word];
    for (const auto& [count, id] : long_plain_) {
        if (count > most_characters) break;
        set_bit(bits, id);
    }
}

size_t Vocabulary::memory_bytes() const {
    size_t bytes = bytes_.capacity() + names_.capacity() + 4 * (begins_.capacity() + name_begins_.capacity()) +
                   4 * same_bytes_.capacity() + uses_.capacity() + 4 * words() * plain_.size() +
                   (sizeof(TokenTree::Node) + 18) * (all_.nodes.capacity() + not_plain_.nodes.capacity());
    for (const TokenBits& bits : plain_from_) bytes += 4 * bits.capacity();
    for (const auto& ids : plain_with_) bytes += 4 * ids.capacity();
    return bytes;
}

}  // namespace hearth::grammar
