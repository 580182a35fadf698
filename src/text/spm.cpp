// SentencePiece BPE: neighbours are joined when their text is a token, best score first.
#include <algorithm>
#include <bit>

#include "text/encoder.h"
#include "text/merging.h"
#include "text/piece_cache.h"
#include "text/unicode.h"
#include "text/word_boundaries.h"

namespace hearth {

namespace {

// Order of scores as integers: the higher the score, the smaller the number.
uint32_t order_of(float score) {
    const uint32_t bits = std::bit_cast<uint32_t>(score + 0.0f);  // -0 becomes 0
    const uint32_t ascending = bits >> 31 ? ~bits : bits | 0x80000000;
    return ~ascending;
}

class SpmEncoder : public Encoder {
public:
    SpmEncoder(const TokenTable& tokens, const SpmOptions& options)
        : tokens_(tokens), options_(options), owner_{PieceCache::new_owner(), PieceCache::new_owner()} {
        for (uint32_t id = 0; id < tokens.size(); ++id) boundaries_.add(tokens.text(id));
    }

    void encode(std::string_view text, bool plain, std::vector<int32_t>& out) const override {
        std::string escaped;
        escaped.reserve(text.size() + text.size() / 2 + 3);
        if (options_.add_space_prefix) escaped += kEscapedSpace;
        for (const char c : text) c == ' ' ? escaped += kEscapedSpace : escaped += c;
        const std::string_view all = escaped;
        // A broken character may swallow part of a U+2581 behind it; then words do not stand apart.
        if (!unicode::is_sanitized(text)) return merge_word(all, plain, out);
        for (size_t at = 0; at < all.size();) {
            const size_t end = boundaries_.word_end(all, at);
            encode_word(all.substr(at, end - at), plain, out);
            at = end;
        }
    }
    size_t memory_bytes() const override { return 0; }

private:
    static constexpr uint32_t kUnknown = TokenTable::kNone;

    void encode_word(std::string_view word, bool plain, std::vector<int32_t>& out) const {
        if (word.size() > PieceCache::kLongestText) return merge_word(word, plain, out);
        auto& entry = PieceCache::entry(word, owner_[plain]);
        if (PieceCache::holds(entry, word, owner_[plain])) {
            out.insert(out.end(), entry.ids, entry.ids + entry.count);
            return;
        }
        const size_t before = out.size();
        merge_word(word, plain, out);
        PieceCache::store(entry, word, owner_[plain], out.data() + before, out.size() - before);
    }

    void merge_word(std::string_view word, bool plain, std::vector<int32_t>& out) const {
        thread_local std::vector<Symbol> symbols;
        symbols.clear();
        for (uint32_t at = 0; at < word.size();) {
            const size_t length = std::min(unicode::claimed_length(uint8_t(word[at])), word.size() - at);
            symbols.push_back({at, kUnknown});
            at += uint32_t(length);
        }
        symbols.push_back({uint32_t(word.size()), 0});
        merge_symbols(symbols, [&](const Symbol& a, const Symbol&, uint32_t end) -> Join {
            if (end - a.begin > tokens_.longest_text()) return {};
            const uint32_t id = tokens_.find(word.substr(a.begin, end - a.begin));
            if (id == TokenTable::kNone || (plain && tokens_.is_special(id))) return {};
            return {order_of(tokens_.score(id)), id};
        });
        for (size_t i = 0; i + 1 < symbols.size(); ++i) {
            const std::string_view text = word.substr(symbols[i].begin, symbols[i + 1].begin - symbols[i].begin);
            uint32_t id = symbols[i].id;
            if (id == kUnknown) id = tokens_.find(text);
            if (id != kUnknown && !(plain && tokens_.is_special(id)))
                out.push_back(int32_t(id));
            else
                for (const char c : text) emit_byte(uint8_t(c), out);
        }
        if (symbols.capacity() > 1 << 20) std::vector<Symbol>().swap(symbols);
    }

    void emit_byte(uint8_t byte, std::vector<int32_t>& out) const {
        const uint32_t id = tokens_.byte_token(byte);
        if (id != TokenTable::kNone)
            out.push_back(int32_t(id));
        else if (options_.unknown >= 0)
            out.push_back(options_.unknown);
    }

    const TokenTable& tokens_;
    const SpmOptions options_;
    WordBoundaries boundaries_;
    const uint32_t owner_[2];
};

}  // namespace

std::unique_ptr<Encoder> make_spm_encoder(const TokenTable& tokens, const SpmOptions& options) {
    return std::make_unique<SpmEncoder>(tokens, options);
}

}  // namespace hearth
