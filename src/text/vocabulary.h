// What a model file says about its vocabulary, in plain terms: whoever reads a file format fills this in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hearth {

enum class TokenizerKind {
    bpe,        // byte-level BPE ("gpt2")
    spm,        // SentencePiece BPE by score ("llama")
    wordpiece,  // "bert"
    unigram,    // "t5"
    gemma4,     // BPE over raw UTF-8
    rwkv,       // the longest token first
    plamo2,     // the cheapest cut
    none,       // a model without text
};
enum class TokenType : uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

// Whose splits to follow where llama.cpp only approximates the expression a tokenizer was published with.
enum class TokenizerCompat { published, llama_cpp };

// The bytes behind `tokens`' and `merges`' views and behind `precompiled_charsmap` must stay valid while the Tokenizer
// lives (they usually lie in the mapped file); everything else, the arrays of views included, is copied.
struct VocabularySource {
    std::string model, pre;                    // tokenizer.ggml.model / .pre, "" when absent
    std::span<const std::string_view> tokens;  // index = id
    std::span<const float> scores;             // empty, or one per token
    std::span<const int32_t> types;            // empty (all normal), or one TokenType per token
    std::span<const std::string_view> merges;  // "left right", rank = index
    std::optional<int64_t> bos, eos, eot, eom, unknown, separator, padding, mask;
    std::optional<int64_t> fim_pre, fim_suf, fim_mid, fim_pad, fim_rep, fim_sep;
    std::vector<int64_t> more_eos;  // eos_token_ids of some files
    std::optional<bool> add_bos, add_eos, add_sep, add_space_prefix, remove_extra_whitespaces, lowercase, strip_accents;
    std::span<const std::byte> precompiled_charsmap;
    std::string model_name;  // general.name: Phi-3's specials swallow the white space behind them
};

}  // namespace hearth
