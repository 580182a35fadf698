// The vocabulary of a Hugging Face directory as tokenizer.ggml.* keys: from tokenizer.json (with tokenizer_config.json
// and chat_template.jinja beside it), or from tokenizer.model where that says more.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "huggingface/translation.h"

namespace hearth::huggingface {

struct TokenizerChoice {
    // tokenizer.ggml.pre where several names share one splitting expression; "": the usual one.
    std::string pre;
    // A vocabulary of pieces with ▁ that is merged by ranks keeps its merges (Gemma 4) instead of becoming scores.
    bool keeps_merges = false;
    bool may_be_words = false;  // vocab.txt is BERT's, not what older BPE releases have under that name
    int64_t rows = 0;           // of the embedding table; a shorter vocabulary is filled up, a longer one is a problem
};

// Problems go to `to.config`; an error is a file that cannot be read at all.
Result<> write_tokenizer(Translation& to, const std::string& directory, const TokenizerChoice& choice);

// A vocabulary on its way into keys.
struct Pieces {
    std::string model, pre;
    std::vector<std::string> tokens;
    std::vector<int32_t> types;  // GGUF's numbers: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte
    std::vector<float> scores;   // empty: none
    std::vector<std::string> merges;
    std::optional<bool> add_bos, add_eos, add_space_prefix, remove_extra_whitespaces, lowercase, strip_accents;
    std::string charsmap;
    std::string first, last;  // what the post-processor puts in front of a text and behind it, by name
};

// tokenizer.model, the protocol buffer of SentencePiece.
Result<Pieces> read_sentencepiece(const std::string& path);

// tekken.json, Mistral's own, cut to `rows` tokens; 0: all.
Result<Pieces> read_tekken(const std::string& path, int64_t rows);
// The first special tokens of such files, by id, where a file does not list its own.
std::span<const std::string_view> tekken_special_tokens();

std::string from_base64(std::string_view text);

// vocab.txt, BERT's own.
Result<Pieces> read_vocab_txt(const std::string& path, const Config& config);

// The name GGUF files have for the way a tokenizer.json cuts text into words; "" when nobody knows it.
// `is_whole_first`: a word that is a token is taken without merging.
std::string pretokenizer_name(const Json& pre_tokenizer, bool is_whole_first);

}  // namespace hearth::huggingface
