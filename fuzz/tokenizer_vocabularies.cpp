#include "tokenizer_vocabularies.h"

#include <fmt/format.h>

namespace hearth {

namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";
const std::vector<std::string> kWords = {"hello",           "the", "there", "aaaaaaaa", "1234", "\xC3\xA4\xC3\xB6",
                                         "\xF0\x9F\x98\x80"};

// How GPT-2 writes a byte.
std::string stand_in(uint8_t byte) {
    uint32_t code = byte;
    if (!((byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173))) {
        code = 0x100;
        for (int before = 0; before < byte; ++before)
            code += !((before >= 33 && before <= 126) || (before >= 161 && before != 173));
    }
    if (code < 0x80) return std::string(1, char(code));
    return {char(0xC0 | code >> 6), char(0x80 | (code & 0x3F))};
}

// How Python shows a byte inside b'...'.
std::string python_escape(uint8_t byte) {
    switch (byte) {
        case '\n':
            return "\\n";
        case '\r':
            return "\\r";
        case '\t':
            return "\\t";
        case '\\':
        case '\'':
            return {'\\', char(byte)};
        default:
            return byte >= 32 && byte < 127 ? std::string(1, char(byte)) : fmt::format("\\x{:02x}", byte);
    }
}

void add_bytes(SmallVocabulary& v) {
    for (int byte = 0; byte < 256; ++byte) v.add(fmt::format("<0x{:02X}>", byte), TokenType::byte);
}

size_t characters_of(std::string_view word, std::vector<std::string>& characters) {
    for (size_t at = 0; at < word.size();) {
        const uint8_t first = uint8_t(word[at]);
        const size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
        characters.emplace_back(word.substr(at, length));
        at += length;
    }
    return characters.size();
}

bool has(const SmallVocabulary& v, std::string_view text) {
    for (const std::string_view token : v.tokens)
        if (token == text) return true;
    return false;
}

// Every beginning of the word is a token, made by joining one more character.
void add_word(SmallVocabulary& v, const std::vector<std::string>& characters, bool merges, float& score) {
    std::string text;
    for (const std::string& character : characters) {
        if (!has(v, character)) v.add(character, TokenType::normal, score -= 1);
        if (!text.empty() && !has(v, text + character)) {
            v.add(text + character, TokenType::normal, score -= 1);
            if (merges) v.add_merge(text + " " + character);
        }
        text += character;
    }
}

void add_words(SmallVocabulary& v, bool merges) {
    float score = -1;
    for (const std::string& word : kWords) {
        for (const bool after_blank : {false, true}) {
            std::vector<std::string> characters;
            if (after_blank) characters.emplace_back(kSpace);
            characters_of(word, characters);
            add_word(v, characters, merges, score);
        }
    }
}

}  // namespace

void SmallVocabulary::add(std::string text, TokenType type, float score) {
    tokens.push_back(strings.emplace_back(std::move(text)));
    types.push_back(int32_t(type));
    scores.push_back(score);
}

void SmallVocabulary::add_merge(std::string text) {
    merges.push_back(strings.emplace_back(std::move(text)));
}

VocabularySource& SmallVocabulary::finish() {
    source.tokens = tokens;
    source.merges = merges;
    source.scores = scores;
    source.types = types;
    return source;
}

std::unique_ptr<SmallVocabulary> small_bpe(std::string pre) {
    auto v = std::make_unique<SmallVocabulary>();
    for (int byte = 0; byte < 256; ++byte) v->add(stand_in(uint8_t(byte)));
    for (const std::string& word : kWords) {
        for (const bool after_blank : {false, true}) {
            std::string text = after_blank ? stand_in(' ') : std::string();
            for (const char c : word) {
                const std::string next = stand_in(uint8_t(c));
                if (!text.empty() && !has(*v, text + next)) {
                    v->add_merge(text + " " + next);
                    v->add(text + next);
                }
                text += next;
            }
        }
    }
    v->add("<|im_end|>", TokenType::control);
    v->add("<think>", TokenType::user_defined);
    v->add("<think>x", TokenType::user_defined);
    v->add("x<", TokenType::user_defined);  // overlaps the others
    v->source.model = "gpt2";
    v->source.pre = std::move(pre);
    v->finish();
    return v;
}

std::unique_ptr<SmallVocabulary> small_spm() {
    auto v = std::make_unique<SmallVocabulary>();
    v->add("<unk>", TokenType::unknown);
    v->add("<s>", TokenType::control);
    v->add("</s>", TokenType::control);
    add_bytes(*v);
    add_words(*v, false);
    v->add("<", TokenType::normal, -90);
    v->add("<s", TokenType::normal, -91);  // merging could reach <s> from here
    v->add(">", TokenType::normal, -92);
    for (size_t run = 2; run < 9; ++run) v->add(std::string(run, ' '), TokenType::user_defined);
    v->add("<tag>", TokenType::user_defined);
    v->source.model = "llama";
    v->source.add_space_prefix = false;
    v->finish();
    return v;
}

std::unique_ptr<SmallVocabulary> small_gemma4() {
    auto v = std::make_unique<SmallVocabulary>();
    v->add("<pad>", TokenType::control);
    v->add("<eos>", TokenType::control);
    v->add("<bos>", TokenType::control);
    add_bytes(*v);
    v->add("\n");
    v->add("\n\n");
    add_words(*v, true);
    v->add("<|tool>", TokenType::user_defined);
    v->source.model = "gemma4";
    v->source.bos = 2;
    v->source.eos = 1;
    v->finish();
    return v;
}

std::unique_ptr<SmallVocabulary> small_wordpiece() {
    auto v = std::make_unique<SmallVocabulary>();
    v->add("[PAD]", TokenType::control);
    v->add("[UNK]", TokenType::unknown);
    v->add("[CLS]", TokenType::control);
    v->add("[SEP]", TokenType::control);
    for (char c = 'a'; c <= 'z'; ++c) {
        v->add(std::string(1, c));
        v->add(std::string(kSpace) + c);
    }
    for (const char* piece :
         {"\xE2\x96\x81hello", "ello", "\xE2\x96\x81the", "re", "\xE2\x96\x81.", "\xE2\x96\x81\xE4\xBD\xA0"})
        v->add(piece);
    v->source.model = "bert";
    v->source.bos = 2;
    v->source.separator = 3;
    v->source.unknown = 1;
    v->source.padding = 0;
    v->finish();
    return v;
}

std::unique_ptr<SmallVocabulary> small_unigram() {
    auto v = std::make_unique<SmallVocabulary>();
    v->add("<pad>", TokenType::control);
    v->add("</s>", TokenType::control);
    v->add("<unk>", TokenType::unknown);
    add_words(*v, false);
    v->add("<extra_id_0>", TokenType::user_defined);
    v->source.model = "t5";
    v->source.add_space_prefix = true;
    v->source.remove_extra_whitespaces = true;
    v->finish();
    return v;
}

std::unique_ptr<SmallVocabulary> small_rwkv() {
    auto v = std::make_unique<SmallVocabulary>();
    v->add("<s>", TokenType::control);
    for (int byte = 0; byte < 256; ++byte) v->add(python_escape(uint8_t(byte)));
    std::vector<std::string> words = kWords;
    for (const char* more : {" there", "  ", "\n\n", "\\n", "it's", "\x98\x80\xC3", "\xC3\xA4\xC3"})
        words.emplace_back(more);
    for (const std::string& word : words)
        for (size_t length = 2; length <= word.size(); ++length) {
            std::string text;
            for (const char c : word.substr(0, length)) text += python_escape(uint8_t(c));
            if (!has(*v, text)) v->add(text);
        }
    v->add("<tag>", TokenType::user_defined);
    v->add("[PAD0]", TokenType::unused);
    v->source.model = "rwkv";
    v->finish();
    return v;
}

std::unique_ptr<SmallVocabulary> small_plamo2() {
    auto v = std::make_unique<SmallVocabulary>();
    v->add("<|plamo:unk|>", TokenType::unknown);
    for (const char* role : {"bos", "eos", "pad"}) v->add(fmt::format("<|plamo:{}|>", role), TokenType::control);
    add_bytes(*v);
    // Half of the beginnings of words only, at prices of which many add up to the same.
    int price = 0;
    for (const std::string& word : kWords)
        for (const char* blank : {"", " "}) {
            std::vector<std::string> characters;
            characters_of(blank + word, characters);
            std::string text;
            for (size_t i = 0; i < characters.size(); ++i) {
                text += characters[i];
                if (!has(*v, characters[i]) && i % 3 != 2) v->add(characters[i], TokenType::normal, -4.0f);
                if (i > 0 && !has(*v, text)) v->add(text, TokenType::normal, -3.5f - 0.5f * float(price++ % 7));
            }
        }
    v->add("never", TokenType::normal, -2500.0f);
    v->add("<tag>", TokenType::user_defined, -1.0f);
    v->source.model = "plamo2";
    v->finish();
    return v;
}

}  // namespace hearth
