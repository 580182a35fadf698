#include "grammar_check.h"

#include <string>
#include <vector>

#include "base/rng.h"
#include "grammar/matcher.h"
#include "promise.h"

namespace hearth {

using namespace grammar;

namespace {

std::shared_ptr<const Vocabulary> small_vocabulary() {
    static const auto kMade = [] {
        std::vector<std::string> texts;
        for (int byte = 0; byte < 256; ++byte) texts.push_back(std::string(1, char(byte)));
        for (const char* text : {"{\"", "\":", "\", \"", "\"}", "[]", "true", "12", "ab", "abc", "é", "\xE4\xBD", "\\u",
                                 "00e9", "  ", "a\"", "}]"})
            texts.push_back(text);
        std::vector<VocabularyToken> tokens;
        for (const std::string& text : texts) tokens.push_back({text, text, TokenUse::text});
        tokens.push_back({"<turn>", "<turn>", TokenUse::control});
        tokens.push_back({"<end>", "<end>", TokenUse::end});
        return Vocabulary::make(tokens);
    }();
    return kMade;
}

// Walks at random, the same way for the same input. Returns whether it came to an end, and the text.
bool walk(const std::shared_ptr<const Grammar>& made, std::string_view input, std::string& text) {
    const auto vocabulary = small_vocabulary();
    const auto constraint = Constraint::make(made, vocabulary);
    if (!constraint) {
        promise(!constraint.error().what.empty(), "an error says what");
        return false;
    }
    uint64_t seed = input.size();
    for (const char c : input) seed = seed * 31 + uint8_t(c);
    Rng random(seed);
    Matcher matcher(*constraint);
    for (int step = 0; step < 60 && !matcher.finished(); ++step) {
        TokenBits bits(vocabulary->words(), UINT32_MAX), again = bits;
        matcher.mask(bits);
        matcher.mask(again);
        promise(bits == again, "equal masks for equal states");
        std::vector<int32_t> ids;
        for (int32_t id = 0; id < int32_t(vocabulary->size()); ++id)
            if (bits[size_t(id) / 32] >> (id % 32) & 1) ids.push_back(id);
        for (int probe = 0; probe < 3; ++probe) {
            const int32_t id = int32_t(random.below(vocabulary->size()));
            Matcher copy(matcher);
            const bool is_allowed = bits[size_t(id) / 32] >> (id % 32) & 1;
            promise(copy.accept(id).has_value() == is_allowed, "masks are what accept() says");
        }
        if (ids.empty()) return false;
        int32_t chosen = ids[random.below(ids.size())];
        if (step > 15)
            for (const int32_t id : ids)
                if (vocabulary->use(id) == TokenUse::end || vocabulary->bytes(id) == "}" ||
                    vocabulary->bytes(id) == "\"")
                    chosen = id;
        promise(matcher.accept(chosen).has_value(), "what the mask allows is accepted");
        if (vocabulary->use(chosen) == TokenUse::text) text += vocabulary->bytes(chosen);
    }
    return matcher.finished();
}

void check(const Result<std::shared_ptr<const Grammar>>& made, std::string_view input) {
    if (!made) {
        promise(!made.error().what.empty(), "an error says what");
        return;
    }
    std::string text;
    walk(*made, input, text);
}

}  // namespace

void check_gbnf(std::string_view input) {
    check(Grammar::from_gbnf(input), input);
}

void check_regex(std::string_view input) {
    check(Grammar::from_regex(input), input);
}

void check_json_schema(std::string_view input) {
    if (input.empty()) return;
    JsonOptions options{.open_objects = (input[0] & 1) != 0, .unicode_escapes = (input[0] & 2) == 0};
    options.space = JsonSpace(uint8_t(input[0]) >> 2 & 3);
    const auto made = Grammar::from_schema_text(input.substr(1), options);
    if (!made) return check(made, input);
    std::string text;
    if (walk(*made, input, text)) promise(Json::parse(text, 1000).has_value(), "what is written is JSON");
}

}  // namespace hearth
