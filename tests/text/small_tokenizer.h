// Tokenizers of the small made-up vocabularies, and ids without further ado.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"
#include "tokenizer_vocabularies.h"

namespace hearth {

inline std::vector<int32_t> encode(const Tokenizer& tokenizer, std::string_view text,
                                   const EncodeOptions& options = {}) {
    std::vector<int32_t> ids;
    EXPECT_TRUE(tokenizer.encode(text, options, ids));
    return ids;
}

inline std::unique_ptr<Tokenizer> make(const SmallVocabulary& vocabulary,
                                       TokenizerCompat compat = TokenizerCompat::published) {
    auto made = Tokenizer::make(vocabulary.source, compat);
    EXPECT_TRUE(made) << made.error().line();
    return made ? std::move(*made) : nullptr;
}

}  // namespace hearth
