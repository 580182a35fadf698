// PLaMo 2: of all cuts of a text into tokens the cheapest, found from its end; of equally cheap ones the one whose next
// token is longest. Costs are whole numbers (ten thousandths of a negated score), so sums have no rounding. A character
// that is no token costs more than nearly any token and is written byte by byte.
#include <algorithm>
#include <cmath>

#include "text/encoder.h"
#include "text/unicode.h"

namespace hearth {

namespace {

constexpr double kPerScore = 1e4;
constexpr int64_t kCostOfUnknown = 10'000'000, kForbidden = 20'000'000;  // a token at this cost or above is never used

class Plamo2Encoder : public Encoder {
public:
    Plamo2Encoder(const TokenTable& tokens, bool drops_mark) : tokens_(tokens), drops_mark_(drops_mark) {
        costs_.resize(tokens.size());
        std::string storage;
        for (uint32_t id = 0; id < tokens.size(); ++id) {
            const std::string_view text = tokens.text(id);
            const double cost = -std::round(double(tokens.score(id)) * kPerScore);
            // Halves of characters would be met inside others.
            const bool is_whole = unicode::sanitize(text, storage).data() == text.data();
            if (tokens.type(id) == TokenType::byte || !is_whole || !(cost < double(kForbidden))) continue;
            if (!std::isfinite(cost)) continue;
            costs_[id] = int32_t(std::max(cost, -2e9));
            trie_.insert(text, id);
        }
    }

    void encode(std::string_view text, bool plain, std::vector<int32_t>& out) const override {
        std::string storage;
        text = unicode::sanitize(text, storage);
        constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
        if (drops_mark_ && text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
        struct Best {
            int64_t cost = 0;     // of everything from here to the end
            uint32_t length = 0;  // of the token that begins here
            int32_t id = -1;      // -1: the bytes of one character
        };
        std::vector<Best> best(text.size() + 1);
        for (size_t at = text.size(); at-- > 0;) {
            if ((uint8_t(text[at]) & 0xC0) == 0x80) continue;  // inside a character
            const size_t length = unicode::claimed_length(uint8_t(text[at]));
            Best& here = best[at];
            here = {best[at + length].cost + kCostOfUnknown, uint32_t(length), -1};
            trie_.prefixes(text.substr(at), [&](size_t bytes, uint32_t id) {
                if (plain && tokens_.is_special(id)) return;
                const int64_t cost = best[at + bytes].cost + costs_[id];
                if (cost <= here.cost) here = {cost, uint32_t(bytes), int32_t(id)};
            });
        }
        for (size_t at = 0; at < text.size(); at += best[at].length) {
            if (best[at].id >= 0) {
                out.push_back(best[at].id);
                continue;
            }
            for (const char byte : text.substr(at, best[at].length))
                out.push_back(int32_t(tokens_.byte_token(uint8_t(byte))));
        }
    }
    size_t memory_bytes() const override { return trie_.memory_bytes() + costs_.size() * sizeof(int32_t); }

private:
    const TokenTable& tokens_;
    const bool drops_mark_;
    std::vector<int32_t> costs_;
    Trie trie_;
};

}  // namespace

Result<std::unique_ptr<Encoder>> make_plamo2_encoder(const TokenTable& tokens, bool drops_byte_order_mark) {
    for (int byte = 0; byte < 256; ++byte) {
        const uint32_t id = tokens.byte_token(uint8_t(byte));
        const char one = char(byte);
        if (id == TokenTable::kNone || tokens.piece(id) != std::string_view(&one, 1))
            return fail(ErrorKind::bad_file, fmt::format("the vocabulary has no token for the byte 0x{:02X}", byte),
                        "convert the model again");
    }
    return std::make_unique<Plamo2Encoder>(tokens, drops_byte_order_mark);
}

}  // namespace hearth
