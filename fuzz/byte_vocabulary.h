// A vocabulary of single bytes and whatever special tokens a test needs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/byte_alphabet.h"
#include "promise.h"
#include "text/tokenizer.h"

namespace hearth::chat::test {

struct ByteVocabulary {
    // Control tokens first, then user-defined ones.
    explicit ByteVocabulary(const std::vector<std::string>& control, const std::vector<std::string>& visible = {}) {
        for (int byte = 0; byte < 256; ++byte) add(byte_letter(uint8_t(byte)), TokenType::normal);
        add("th", TokenType::normal);
        for (const std::string& special : control) add(special, TokenType::control);
        for (const std::string& special : visible) add(special, TokenType::user_defined);
        views.assign(texts.begin(), texts.end());
        source.model = "gpt2", source.pre = "qwen2";
        source.tokens = views, source.types = types, source.merges = merges;
        source.eos = 257;
        auto made = Tokenizer::make(source);
        promise(made.has_value(), "the vocabulary is one");
        tokenizer = std::move(*made);
    }
    std::vector<int32_t> ids(std::string_view text) const {  // specials count
        std::vector<int32_t> out;
        promise(tokenizer->encode(text, {.parse_special = true}, out).has_value(), "every text has tokens");
        return out;
    }
    int32_t id(std::string_view text) const { return *tokenizer->find(text); }

    std::vector<std::string> texts;
    std::vector<std::string_view> views, merges{"t h"};
    std::vector<int32_t> types;
    VocabularySource source;
    std::unique_ptr<Tokenizer> tokenizer;

private:
    void add(std::string text, TokenType type) {
        texts.push_back(std::move(text));
        types.push_back(int32_t(type));
    }
};

}  // namespace hearth::chat::test
