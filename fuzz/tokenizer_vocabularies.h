// Small made-up vocabularies of every kind, for fuzzing and tests. All of them can write any text.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace hearth {

struct SmallVocabulary {
    std::deque<std::string> strings;  // what the views below show
    std::vector<std::string_view> tokens, merges;
    std::vector<float> scores;
    std::vector<int32_t> types;
    VocabularySource source;

    void add(std::string text, TokenType type = TokenType::normal, float score = 0);
    void add_merge(std::string text);
    VocabularySource& finish();  // lets `source` point at the lists
};

// Byte-level BPE: all bytes, the merges of a few words, <|im_end|> (control), <think> and "<think>x" (user-defined).
std::unique_ptr<SmallVocabulary> small_bpe(std::string pre = "qwen2");
std::unique_ptr<SmallVocabulary> small_spm();
std::unique_ptr<SmallVocabulary> small_gemma4();
std::unique_ptr<SmallVocabulary> small_wordpiece();
std::unique_ptr<SmallVocabulary> small_unigram();
std::unique_ptr<SmallVocabulary> small_rwkv();    // tokens that begin and end inside characters, <s> (control)
std::unique_ptr<SmallVocabulary> small_plamo2();  // <|plamo:bos|> (control), cuts that cost the same

}  // namespace hearth
