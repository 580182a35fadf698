// RWKV "World": always the longest token that the text goes on with. Tokens are byte strings, so characters may be cut;
// every byte is a token, and nothing is normalised.
#include "text/encoder.h"

namespace hearth {

namespace {

class RwkvEncoder : public Encoder {
public:
    RwkvEncoder(const TokenTable& tokens, const RwkvOptions& options) : tokens_(tokens), unknown_(options.unknown) {
        for (uint32_t id = 0; id < tokens.size(); ++id) {
            const TokenType type = tokens.type(id);
            // The published vocabulary has neither control tokens nor fillers: those stand in files only.
            const bool is_ours = type != TokenType::control && type != TokenType::unknown && type != TokenType::unused;
            if (is_ours || options.matches_specials)
                trie_.insert(type == TokenType::unused ? tokens.text(id) : tokens.piece(id), id);
        }
    }

    void encode(std::string_view text, bool plain, std::vector<int32_t>& out) const override {
        while (!text.empty()) {
            size_t longest = 0;
            uint32_t best = 0;
            trie_.prefixes(text, [&](size_t length, uint32_t id) {
                if (plain && tokens_.is_special(id)) return;
                longest = length;
                best = id;
            });
            if (longest > 0)
                out.push_back(int32_t(best));
            else if (unknown_ >= 0)
                out.push_back(unknown_);
            text.remove_prefix(longest > 0 ? longest : 1);
        }
    }
    size_t memory_bytes() const override { return trie_.memory_bytes(); }

private:
    const TokenTable& tokens_;
    const int32_t unknown_;
    Trie trie_;
};

}  // namespace

std::unique_ptr<Encoder> make_rwkv_encoder(const TokenTable& tokens, const RwkvOptions& options) {
    return std::make_unique<RwkvEncoder>(tokens, options);
}

}  // namespace hearth
