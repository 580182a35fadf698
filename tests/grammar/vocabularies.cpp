#include "vocabularies.h"

#include "vocabulary_file.h"

namespace hearth::test {

using namespace grammar;

MadeVocabulary recorded_vocabulary(const std::string& name) {
    const auto file = read_vocabulary(shared_path("reference/tokenizers/" + name + ".gguf.xz"));
    if (!file) return nullptr;
    const auto tokenizer = Tokenizer::make(file->source);
    EXPECT_TRUE(tokenizer) << tokenizer.error().line();
    if (!tokenizer) return nullptr;
    std::vector<VocabularyToken> tokens;
    for (int32_t id = 0; id < (*tokenizer)->size(); ++id) {
        const TokenType type = (*tokenizer)->type(id);
        const bool is_text = type == TokenType::normal || type == TokenType::byte;
        tokens.push_back({(*tokenizer)->piece(id), (*tokenizer)->text(id),
                          (*tokenizer)->is_end(id) ? TokenUse::end
                          : is_text                ? TokenUse::text
                                                   : TokenUse::control});
    }
    return Vocabulary::make(tokens);
}

MadeVocabulary small_vocabulary() {
    std::vector<std::string> texts;
    for (int byte = 0; byte < 256; ++byte) texts.push_back(std::string(1, char(byte)));
    for (const char* text : {"{\"",
                             "\"}",
                             "\":",
                             "\": ",
                             "\": \"",
                             "\",",
                             "\", \"",
                             "},",
                             "}, {",
                             "[{",
                             "}]",
                             "[]",
                             "{}",
                             ", ",
                             ",\"",
                             "null",
                             "true",
                             "false",
                             "12",
                             "123",
                             "0.",
                             "00",
                             "-1",
                             "1e",
                             "name",
                             "na",
                             "me",
                             "type",
                             "foo",
                             "bar",
                             "abc",
                             "ab",
                             "the",
                             " the",
                             " a",
                             "é",
                             "ü",
                             "\xE4\xBD",
                             "\xBD\xA0",
                             "你",
                             "😀",
                             "\xF0\x9F",
                             "\\n",
                             "\\u",
                             "\\\"",
                             "00e9",
                             "\n",
                             "\n\n",
                             "\n  ",
                             "    ",
                             "aaaaaaaaaaaaaaaa",
                             "hello world, how are you",
                             "ab\"",
                             "\"ab\"",
                             "\"a\": 1",
                             "T",
                             "2024-",
                             "-01",
                             "@x.",
                             "foo\": [",
                             "]}"})
        texts.push_back(text);
    std::vector<VocabularyToken> tokens;
    for (const std::string& text : texts) tokens.push_back({text, text, TokenUse::text});
    tokens.push_back({"<turn>", "<turn>", TokenUse::control});
    tokens.push_back({"<think>", "<think>", TokenUse::control});
    tokens.push_back({"", "", TokenUse::unused});
    tokens.push_back({"<end>", "<end>", TokenUse::end});
    return Vocabulary::make(tokens);
}

TokenBits mask_of(Matcher& matcher) {
    TokenBits bits(matcher.constraint().vocabulary().words(), UINT32_MAX);
    matcher.mask(bits);
    return bits;
}

std::vector<int32_t> ids_of(const TokenBits& bits) {
    std::vector<int32_t> ids;
    for (size_t id = 0; id < 32 * bits.size(); ++id)
        if (bits[id / 32] >> (id % 32) & 1) ids.push_back(int32_t(id));
    return ids;
}

TokenBits brute_force_mask(Matcher& matcher) {
    const Vocabulary& vocabulary = matcher.constraint().vocabulary();
    TokenBits bits(vocabulary.words(), 0);
    for (int32_t id = 0; id < int32_t(vocabulary.size()); ++id)
        if (matcher.accept(id)) {
            bits[size_t(id) / 32] |= 1u << (id % 32);
            matcher.rollback(1);
        }
    return bits;
}

size_t accepted_bytes(const std::shared_ptr<const Grammar>& grammar, std::string_view text, bool& may_end) {
    static const auto vocabulary = small_vocabulary();
    auto constraint = Constraint::make(grammar, vocabulary);
    EXPECT_TRUE(constraint) << constraint.error().line();
    Matcher matcher(*constraint);
    size_t at = 0;
    while (at < text.size() && matcher.accept(text.substr(at, 1))) ++at;
    may_end = matcher.may_end();
    return at;
}

bool accepts(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
    bool may_end = false;
    return accepted_bytes(grammar, text, may_end) == text.size() && may_end;
}

}  // namespace hearth::test
