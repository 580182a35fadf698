// Cuts text into the pieces inside which BPE may merge. Models are trained with one particular regular expression each;
// here every known one is a hand-written scanner, linear in the text and without recursion.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/vocabulary.h"

namespace hearth {

// Appends the ends of the pieces of text[begin, end) in order; the last one is `end`.
using SplitPass = void (*)(const uint8_t* text, size_t begin, size_t end, std::vector<uint32_t>& ends);

struct PreTokenizer {
    std::vector<SplitPass> passes;  // each splits every piece of the one before
    bool ignore_merges = false;     // a piece that is a token is that token, whatever the merges say
    bool add_bos = false;           // default where the file says nothing
    bool add_sep = false;
    bool default_bos = true;      // false: without an id in the file there is no BOS
    bool byte_alphabet = true;    // false: tokens are plain UTF-8, not GPT-2's printable stand-ins for bytes
    bool escape_spaces = false;   // blank becomes U+2581 first
    bool whole_newlines = false;  // a run of newlines that is a token is taken whole

    // `text` must have passed unicode::sanitize and be shorter than 4 GB. `ends` is overwritten.
    void split(std::string_view text, std::vector<uint32_t>& ends) const;
};

// By the value of tokenizer.ggml.pre ("" is "default"). Unknown names are refused: guessing would cost quality
// silently.
Result<PreTokenizer> find_pre_tokenizer(std::string_view name, TokenizerCompat compat);
std::vector<std::string_view> pre_tokenizer_names();

}  // namespace hearth
