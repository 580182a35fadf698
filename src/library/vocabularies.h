// Vocabularies of the real sizes for random models: special tokens with their real ids and spelling, the rest made up.
// So a file loads as slowly as the real one, and a chat template finds its markers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "files/metadata.h"

namespace hearth {

struct Vocabulary {
    std::string name;
    std::string model, pre;  // tokenizer.ggml.model and .pre; no `pre`: empty.
    int64_t size = 0;
    int64_t first_word = 0, end_of_words = 0;  // ids of single bytes and made-up words
    std::map<int64_t, std::string> special;
    std::vector<std::pair<std::string, std::string>> roles;   // "bos" -> "<s>"
    std::string spare_front = "<|spare_", spare_back = "|>";  // unused ids: front + id + back
    bool adds_bos = false, adds_eos = false;
    std::string chat_template, rerank_template;
    int64_t segments = 0;  // kinds of segment that encoders tell apart
};

const Vocabulary* find_vocabulary(std::string_view name);

// Appends the tokenizer's keys.
void write_vocabulary(const Vocabulary& vocabulary, Metadata& metadata);

}  // namespace hearth
