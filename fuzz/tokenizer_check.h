// What the fuzzers and the replay of their corpora do with any bytes. Both abort when a promise is broken.
#pragma once

#include <string_view>

namespace hearth {

// First byte: which vocabulary (every pre-tokenizer, every kind, or one made of the bytes themselves); second: options;
// the rest is the text.
void check_tokenizer(std::string_view input);

// Bytes as pieces in several cuts, and as token ids; the first few bytes also give stop strings.
void check_detokenizer(std::string_view input);

}  // namespace hearth
