// What each kind of tokenizer does with a stretch of text that contains no special tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/token_table.h"
#include "text/vocabulary.h"

namespace hearth {

struct PreTokenizer;

class Encoder {
public:
    virtual ~Encoder() = default;
    // Appends the ids of `text`. With `plain` no token for which TokenTable::is_special holds is formed. Thread-safe.
    virtual void encode(std::string_view text, bool plain, std::vector<int32_t>& out) const = 0;
    virtual size_t memory_bytes() const = 0;
};

struct SpmOptions {
    bool add_space_prefix = true;
    int32_t unknown = -1;
};
struct WordPieceOptions {
    bool lowercase = true, strip_accents = true;
    int32_t unknown = -1;
};
struct UnigramOptions {
    bool add_space_prefix = false, remove_extra_whitespaces = false;
    int32_t unknown = -1;
    std::span<const std::byte> precompiled_charsmap;
};

struct RwkvOptions {
    int32_t unknown = -1;
    bool matches_specials = false;  // text that reads like a control token or a filler becomes that token
};

// All keep a reference to `tokens`, whose pieces are built.
Result<std::unique_ptr<Encoder>> make_bpe_encoder(const TokenTable& tokens, PreTokenizer pre_tokenizer,
                                                  std::span<const std::string_view> merges);
std::unique_ptr<Encoder> make_spm_encoder(const TokenTable& tokens, const SpmOptions& options);
std::unique_ptr<Encoder> make_wordpiece_encoder(const TokenTable& tokens, const WordPieceOptions& options);
Result<std::unique_ptr<Encoder>> make_unigram_encoder(const TokenTable& tokens, const UnigramOptions& options);
std::unique_ptr<Encoder> make_rwkv_encoder(const TokenTable& tokens, const RwkvOptions& options);
Result<std::unique_ptr<Encoder>> make_plamo2_encoder(const TokenTable& tokens, bool drops_byte_order_mark);

}  // namespace hearth
