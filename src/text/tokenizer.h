// Text to token ids and back, for every kind of vocabulary a GGUF file can hold.
//
// The ids are those the models were trained with. Where llama.cpp approximates a published expression (Tekken, o200k:
// marks and case outside ASCII) the published one is followed; TokenizerCompat::llama_cpp gives the peer's ids one to
// one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/input_span.h"
#include "text/special_ids.h"
#include "text/vocabulary.h"

namespace hearth {

struct EncodeOptions {
    // Control tokens written in the text become those tokens. For text the template wrote, never for what users wrote.
    bool parse_special = false;
    // Put what the model expects around a text: BOS and EOS, or [CLS] and [SEP].
    bool add_special = false;
    // User-defined tokens (Qwen's <think>, Gemma's HTML tags) are recognised even without parse_special, as in
    // training. false, for user content: no special token is formed at all, by its text or by merging (parse_special is
    // then ignored). Runs of white space that are user-defined tokens stay possible: Gemma has no other newline.
    bool user_defined = true;
};

// Immutable once made; all const functions may be called from any number of threads at once.
class Tokenizer {
public:
    static Result<std::unique_ptr<Tokenizer>> make(const VocabularySource& source,
                                                   TokenizerCompat compat = TokenizerCompat::published);
    ~Tokenizer();

    // Appends the ids of `text`; any bytes are allowed. Fails for texts of 1 GiB or more, and for models without
    // vocabulary.
    Result<> encode(std::string_view text, const EncodeOptions& options, std::vector<int32_t>& out) const;
    // Text of a template with text of people in it, `input` says where (ascending): the template's specials count, and
    // in words that people wrote no special token is formed. Words are cut and merged across the borders, as in
    // training.
    Result<> encode_marked(std::string_view text, std::span<const InputSpan> input, bool add_special,
                           std::vector<int32_t>& out) const;

    // The bytes a token contributes to generated text: "" for control and unknown tokens unless they are to be shown,
    // and for ids outside the vocabulary. May end inside a UTF-8 character. Valid while the Tokenizer lives.
    std::string_view piece(int32_t id, bool show_special = false) const;
    // The pieces one after another; no clean-up of blanks. Bytes as they are, perhaps not valid UTF-8 (see
    // Detokenizer).
    std::string decode(std::span<const int32_t> ids, bool show_special) const;

    TokenizerKind kind() const { return kind_; }
    int64_t size() const;
    std::string_view text(int32_t id) const;  // as written in the file; "" outside the vocabulary
    TokenType type(int32_t id) const;         // after roles were assigned; unused outside the vocabulary
    float score(int32_t id) const;
    std::optional<int32_t> find(std::string_view text) const;  // the token written so in the file

    const SpecialIds& special() const { return special_; }
    bool add_bos() const { return add_bos_; }
    bool add_eos() const { return add_eos_; }
    bool add_sep() const { return add_sep_; }
    bool add_space_prefix() const { return add_space_prefix_; }
    const std::vector<int32_t>& prefix() const { return prefix_; }           // what add_special puts in front
    const std::vector<int32_t>& suffix() const { return suffix_; }           // and behind
    const std::vector<int32_t>& end_of_generation() const { return ends_; }  // ascending
    bool is_end(int32_t id) const;

    size_t memory_bytes() const;  // held by the tables, the file's own bytes not counted

private:
    struct Parts;
    Tokenizer();
    Result<> check(std::string_view text) const;

    TokenizerKind kind_ = TokenizerKind::none;
    SpecialIds special_;
    bool add_bos_ = false, add_eos_ = false, add_sep_ = false, add_space_prefix_ = false;
    std::vector<int32_t> prefix_, suffix_, ends_;
    std::unique_ptr<Parts> parts_;
};

}  // namespace hearth
