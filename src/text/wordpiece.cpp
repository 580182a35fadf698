// WordPiece (BERT): words are cut greedily into the longest tokens; a word that cannot be cut is one unknown token.
// GGUF marks word-initial pieces with U+2581 and leaves continuations bare.
#include "text/encoder.h"
#include "text/unicode.h"

namespace hearth {

namespace {

// The ranges BERT treats as ideographs; one of them starts too late (2B920 instead of 2B820) in every implementation.
bool is_ideograph(uint32_t code) {
    return (code >= 0x4E00 && code <= 0x9FFF) || (code >= 0x3400 && code <= 0x4DBF) ||
           (code >= 0x20000 && code <= 0x2A6DF) || (code >= 0x2A700 && code <= 0x2B73F) ||
           (code >= 0x2B740 && code <= 0x2B81F) || (code >= 0x2B920 && code <= 0x2CEAF) ||
           (code >= 0xF900 && code <= 0xFAFF) || (code >= 0x2F800 && code <= 0x2FA1F);
}

class WordPieceEncoder : public Encoder {
public:
    WordPieceEncoder(const TokenTable& tokens, const WordPieceOptions& options) : tokens_(tokens), options_(options) {
        for (uint32_t id = 0; id < tokens.size(); ++id) trie_.insert(tokens.text(id), id);
    }

    void encode(std::string_view text, bool plain, std::vector<int32_t>& out) const override {
        std::string repaired;
        text = unicode::sanitize(text, repaired);
        std::string word(kEscapedSpace);
        const auto finish = [&] {
            if (word.size() > kEscapedSpace.size()) encode_word(word, plain, out);
            word.resize(kEscapedSpace.size());
        };
        const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
        for (size_t at = 0; at < text.size();) {
            auto [code, length] = unicode::decode(bytes + at);
            at += length;
            if (options_.strip_accents) code = unicode::nfd_base(code);
            const uint8_t flags = unicode::flags(code);
            if (flags & unicode::kWhite) {
                finish();
                continue;
            }
            if (code == 0 || code == unicode::kReplacement || (flags == 0 && unicode::is_control(code))) continue;
            if (options_.strip_accents && (flags & unicode::kMark)) continue;
            const uint32_t written = options_.lowercase ? unicode::to_lower(code) : code;
            const bool alone =
                (flags & unicode::kPunctuation) || (code < 0x7F && (flags & unicode::kSymbol)) || is_ideograph(code);
            if (alone) finish();
            unicode::append(word, written);
            if (alone) finish();
        }
        finish();
    }
    size_t memory_bytes() const override { return trie_.memory_bytes(); }

private:
    void encode_word(std::string_view word, bool plain, std::vector<int32_t>& out) const {
        const size_t before = out.size();
        for (size_t at = 0; at < word.size();) {
            size_t longest = 0;
            uint32_t best = 0;
            trie_.prefixes(word.substr(at), [&](size_t length, uint32_t id) {
                if (plain && tokens_.is_special(id)) return;
                longest = length;
                best = id;
            });
            if (longest == 0) {
                out.resize(before);
                break;
            }
            out.push_back(int32_t(best));
            at += longest;
        }
        if (out.size() == before && options_.unknown >= 0) out.push_back(options_.unknown);
    }

    const TokenTable& tokens_;
    const WordPieceOptions options_;
    Trie trie_;
};

}  // namespace

std::unique_ptr<Encoder> make_wordpiece_encoder(const TokenTable& tokens, const WordPieceOptions& options) {
    return std::make_unique<WordPieceEncoder>(tokens, options);
}

}  // namespace hearth
