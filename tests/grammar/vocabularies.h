// Vocabularies for the tests of grammars: recorded ones, and a small one that is always there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "grammar/matcher.h"

namespace hearth::test {

using MadeVocabulary = std::shared_ptr<const grammar::Vocabulary>;

// "gpt-2": reference/tokenizers/gpt-2.gguf.xz. Null, and a failed test, when it cannot be read.
MadeVocabulary recorded_vocabulary(const std::string& name);
// All bytes, words and fragments of JSON, two control tokens, the last token ends.
MadeVocabulary small_vocabulary();

// All bits set, then masked.
grammar::TokenBits mask_of(grammar::Matcher& matcher);
std::vector<int32_t> ids_of(const grammar::TokenBits& bits);
// What mask() must say, token by token.
grammar::TokenBits brute_force_mask(grammar::Matcher& matcher);
// Where the text stops to match: its size when all of it does, without regard to whether it may end there.
size_t accepted_bytes(const std::shared_ptr<const grammar::Grammar>& grammar, std::string_view text, bool& may_end);
bool accepts(const std::shared_ptr<const grammar::Grammar>& grammar, std::string_view text);

}  // namespace hearth::test
