// Unigram (T5): normalise, then the cut with the highest sum of log-probabilities (Viterbi).
#include <algorithm>
#include <cfloat>
#include <cstring>

#include "text/encoder.h"
#include "text/unicode.h"

namespace hearth {

namespace {

// SentencePiece's precompiled normalisation: a double array whose leaves point to NUL-terminated replacements.
class CharacterMap {
public:
    static Result<CharacterMap> read(std::span<const std::byte> blob) {
        CharacterMap map;
        if (blob.empty()) return map;
        const auto broken = [](std::string what) {
            return fail(ErrorKind::bad_file, "tokenizer.ggml.precompiled_charsmap " + what, "convert the model again");
        };
        uint32_t array_bytes = 0;
        if (blob.size() < 4) return broken("is shorter than its own header");
        std::memcpy(&array_bytes, blob.data(), 4);
        if (array_bytes % 4 != 0 || array_bytes > blob.size() - 4)
            return broken(fmt::format("claims {} bytes of {}", array_bytes, blob.size() - 4));
        map.nodes_.resize(array_bytes / 4);
        std::memcpy(map.nodes_.data(), blob.data() + 4, array_bytes);
        map.replacements_ = {reinterpret_cast<const char*>(blob.data()) + 4 + array_bytes,
                             blob.size() - 4 - array_bytes};
        if (!map.replacements_.empty() && map.replacements_.back() != '\0') return broken("ends inside a replacement");
        return map;
    }

    // Longest prefix of `text` that has a replacement: its length, 0 for none. Indices beyond the array end the walk.
    size_t longest(std::string_view text, std::string_view& replacement) const {
        if (nodes_.empty()) return 0;
        size_t length = 0;
        uint32_t node = base(nodes_[0]);
        for (size_t at = 0; at < text.size(); ++at) {
            const uint8_t byte = uint8_t(text[at]);
            node ^= byte;
            if (byte == 0 || node >= nodes_.size()) break;
            const uint32_t packed = nodes_[node];
            if ((packed & (1u << 31 | 0xFF)) != byte) break;
            node ^= base(packed);
            if (node >= nodes_.size()) break;
            if (packed >> 8 & 1) {
                const uint32_t offset = nodes_[node] & ~(1u << 31);
                if (offset >= replacements_.size()) break;
                length = at + 1;
                replacement = replacements_.substr(offset, replacements_.find('\0', offset) - offset);
            }
        }
        return length;
    }

private:
    static uint32_t base(uint32_t packed) { return (packed >> 10) << ((packed & 1u << 9) >> 6); }
    std::vector<uint32_t> nodes_;
    std::string_view replacements_;
};

class UnigramEncoder : public Encoder {
public:
    UnigramEncoder(const TokenTable& tokens, const UnigramOptions& options, CharacterMap map)
        : tokens_(tokens), options_(options), map_(std::move(map)) {
        float lowest = FLT_MAX;
        for (uint32_t id = 0; id < tokens.size(); ++id) {
            const TokenType type = tokens.type(id);
            if (type == TokenType::normal) lowest = std::min(lowest, tokens.score(id));
            if (type == TokenType::normal || type == TokenType::user_defined || type == TokenType::unused)
                trie_.insert(tokens.text(id), id);
            if (type == TokenType::user_defined) user_defined_.insert(tokens.text(id), id);
        }
        unknown_score_ = lowest - 10.0f;
    }

    void encode(std::string_view text, bool plain, std::vector<int32_t>& out) const override {
        const std::string normal = normalize(text, plain);
        struct Best {
            double score = -DBL_MAX;
            uint32_t begin = 0;
            int32_t id = -1;
        };
        std::vector<Best> best(normal.size() + 1);
        best[0].score = 0;
        for (uint32_t at = 0; at < normal.size();) {
            const uint32_t length =
                uint32_t(std::min(unicode::claimed_length(uint8_t(normal[at])), normal.size() - at));
            const double so_far = best[at].score;
            bool whole_character = false;
            const auto offer = [&](size_t end, int32_t id, double score) {
                if (so_far + score > best[end].score) best[end] = {so_far + score, at, id};
            };
            trie_.prefixes(std::string_view(normal).substr(at), [&](size_t bytes, uint32_t id) {
                if (plain && tokens_.is_special(id)) return;
                whole_character |= bytes == length;
                offer(at + bytes, int32_t(id), tokens_.type(id) == TokenType::user_defined ? 0.0 : tokens_.score(id));
            });
            if (!whole_character) offer(at + length, options_.unknown, unknown_score_);
            at += length;
        }
        // Characters are claimed by their first byte, so the walk back meets only ends that were reached.
        const size_t before = out.size();
        bool after_unknown = false;
        for (size_t end = normal.size(); end > 0; end = best[end].begin) {
            const bool is_unknown = best[end].id == options_.unknown;
            if (best[end].id >= 0 && !(is_unknown && after_unknown)) out.push_back(best[end].id);
            after_unknown = is_unknown;
        }
        std::reverse(out.begin() + ptrdiff_t(before), out.end());
    }
    size_t memory_bytes() const override { return trie_.memory_bytes() + user_defined_.memory_bytes(); }

private:
    std::string normalize(std::string_view text, bool plain) const {
        std::string normal;
        normal.reserve(text.size() + text.size() / 2 + 3);
        bool space_written = false, in_word = false;
        for (size_t at = 0; at < text.size();) {
            std::string_view part;
            at += next_part(text.substr(at), plain, part);
            for (const char c : part) {
                if (c == ' ') {
                    in_word = false;
                    if (!options_.remove_extra_whitespaces) normal += kEscapedSpace;
                    continue;
                }
                if (!in_word) {
                    in_word = true;
                    if ((options_.add_space_prefix && !space_written) || options_.remove_extra_whitespaces) {
                        normal += kEscapedSpace;
                        space_written = true;
                    }
                }
                normal += c;
            }
        }
        return normal;
    }

    // What the first part of `rest` becomes; returns how many bytes it had.
    size_t next_part(std::string_view rest, bool plain, std::string_view& part) const {
        size_t length = 0;
        if (!plain && !user_defined_.empty())
            user_defined_.prefixes(rest, [&](size_t bytes, uint32_t) { length = bytes; });
        if (length == 0) {
            length = map_.longest(rest, part);
            if (length > 0) return length;
            length = unicode::lenient_length(rest, 0);
            if (length == 0) {
                part = unicode::kReplacementText;
                return 1;
            }
        }
        part = rest.substr(0, length);
        return length;
    }

    const TokenTable& tokens_;
    const UnigramOptions options_;
    const CharacterMap map_;
    Trie trie_, user_defined_;
    float unknown_score_ = 0;
};

}  // namespace

Result<std::unique_ptr<Encoder>> make_unigram_encoder(const TokenTable& tokens, const UnigramOptions& options) {
    return std::make_unique<UnigramEncoder>(tokens, options, TRY(CharacterMap::read(options.precompiled_charsmap)));
}

}  // namespace hearth
