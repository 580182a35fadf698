// Random walks over random schemas: whatever is written parses and validates, and no walk ends nowhere.
#include <gtest/gtest.h>

#include <iostream>

#include "schema_maker.h"
#include "support/shared_data.h"
#include "validator.h"
#include "vocabularies.h"

namespace hearth {
namespace {

using namespace grammar;
using test::SchemaMaker;

// One walk: the text written, or nothing when it did not come to an end in time.
std::optional<std::string> walk(const std::shared_ptr<Constraint>& constraint, Rng& random, bool& is_dead) {
    const Vocabulary& vocabulary = constraint->vocabulary();
    Matcher matcher(constraint);
    std::string text;
    for (int step = 0; step < 400; ++step) {
        const auto ids = test::ids_of(test::mask_of(matcher));
        if (ids.empty()) {
            is_dead = true;
            return text;
        }
        int32_t chosen = ids[random.below(ids.size())];
        // After a while towards the end: whatever closes something.
        if (step > 25 && random.below(3) > 0)
            for (const int32_t id : ids) {
                const std::string_view bytes = vocabulary.bytes(id);
                if (vocabulary.use(id) == TokenUse::end || bytes == "}" || bytes == "]" || bytes == "\"") chosen = id;
            }
        EXPECT_TRUE(matcher.accept(chosen)) << text;
        if (vocabulary.use(chosen) == TokenUse::end) return text;
        text += vocabulary.bytes(chosen);
    }
    return std::nullopt;
}

TEST(RandomSchemas, WhatIsWrittenValidates) {
    const auto vocabulary = test::small_vocabulary();
    int compiled = 0, refused = 0, written = 0;
    std::map<std::string, int> reasons;
    for (uint64_t seed = 1; seed <= 600; ++seed) {
        const Json schema = SchemaMaker(seed).make();
        JsonOptions options{.open_objects = seed % 2 == 0};
        options.space =
            std::array{JsonSpace::one, JsonSpace::compact, JsonSpace::pretty, JsonSpace::free}[seed / 2 % 4];
        const auto made = Grammar::from_json_schema(schema, options);
        if (!made) {
            ++refused;
            EXPECT_NE(made.error().what.find('#'), std::string::npos) << made.error().line();
            const std::string what = made.error().what;
            ++reasons[what.substr(what.find(' ', what.find('#')) + 1)];
            continue;
        }
        ++compiled;
        const auto constraint = *Constraint::make(*made, vocabulary);
        Rng random(seed);
        for (int run = 0; run < 12; ++run) {
            bool is_dead = false;
            const auto text = walk(constraint, random, is_dead);
            ASSERT_FALSE(is_dead) << "seed " << seed << ": " << schema.dump() << " leads nowhere after " << *text;
            if (!text) continue;
            ++written;
            const auto parsed = Json::parse(*text);
            ASSERT_TRUE(parsed) << "seed " << seed << ": " << *text;
            std::string why;
            ASSERT_TRUE(test::validates(*parsed, schema, schema, why))
                << "seed " << seed << ", " << schema.dump() << " by " << *text << ": " << why;
        }
    }
    std::cout << compiled << " schemas compiled, " << refused << " refused, " << written << " texts written\n";
    for (const auto& [reason, count] : reasons) std::cout << "  " << count << " " << reason << "\n";
    EXPECT_GT(compiled, 300);
    EXPECT_GT(written, 2500);
}

TEST(RandomSchemas, MasksAreWhatAcceptSays) {
    const auto vocabulary = test::small_vocabulary();
    int states = 0;
    for (uint64_t seed = 1; seed <= 60; ++seed) {
        const auto made = Grammar::from_json_schema(SchemaMaker(seed).make(), {.open_objects = seed % 2 == 0});
        if (!made) continue;
        const auto constraint = *Constraint::make(*made, vocabulary);
        Rng random(seed);
        for (int run = 0; run < 2; ++run) {
            Matcher matcher(constraint);
            for (int step = 0; step < 25 && !matcher.finished(); ++step, ++states) {
                const TokenBits bits = test::mask_of(matcher);
                ASSERT_EQ(bits, test::brute_force_mask(matcher)) << "seed " << seed << " step " << step;
                const auto ids = test::ids_of(bits);
                ASSERT_TRUE(matcher.accept(ids[random.below(ids.size())]));
            }
        }
    }
    EXPECT_GT(states, 400);
}

// Where nearly all tokens are allowed the mask takes short cuts; they must show in no bit of a real vocabulary.
TEST(RandomSchemas, MasksOfALargeVocabularyAreWhatAcceptSays) {
    NEED_SHARED("reference/tokenizers/gpt-2.gguf.xz");
    const auto vocabulary = test::recorded_vocabulary("gpt-2");
    ASSERT_TRUE(vocabulary);
    const auto made = Grammar::from_schema_text(
        R"({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string", "maxLength": 12, "minLength": 2},
            "c": {"type": "string", "pattern": "^[a-z ]{2,}x"}, "d": {"type": "string", "maxLength": 100}, "e": {"type": "array"}},
            "required": ["a", "b", "c", "d"], "additionalProperties": {"type": "number"}})",
        {});
    ASSERT_TRUE(made) << made.error().line();
    const auto constraint = *Constraint::make(*made, vocabulary);
    Matcher matcher(constraint);
    for (const char* piece :
         {"",          "{\"",  "a\":",        " \"",      "The é",      "\xC3",      "\xA9\\", "n\", ",
          "\"b\": \"", "x",    "yz1234",      "\xE4\xBD", "\xA0\\u00",  "e9",        "1\"",    ", \"c\": \"",
          "ab c",      "xx\"", ", \"d\": \"", "hello",    " and so on", "\", \"e\"", ": [",    "[\"",
          "x",         "\"]",  "], \"",       "aa",       "\": 1",      "}"}) {
        ASSERT_TRUE(matcher.accept(piece)) << piece;
        ASSERT_EQ(test::mask_of(matcher), test::brute_force_mask(matcher)) << "after " << piece;
    }
    EXPECT_TRUE(matcher.finished());
}

// Whatever is written can be read: halves of surrogate pairs have no UTF-8.
TEST(RandomSchemas, NoExpressionWritesHalfAPair) {
    for (const char* expression : {".{3}", "[^a]+", "[\\u{D700}-\\u{E010}]x"}) {
        const auto made = Grammar::from_regex(expression);
        ASSERT_TRUE(made) << made.error().line();
        const auto constraint = *Constraint::make(*made, test::small_vocabulary());
        Matcher matcher(constraint);
        EXPECT_TRUE(matcher.accept("\xED\x9F")) << expression;
        matcher.rollback(1);
        EXPECT_FALSE(matcher.accept("\xED\xA0")) << expression;
    }
}

// A pattern together with a length: what comes next is found without the length, and must not show that.
TEST(RandomSchemas, MasksOfPatternsWithALengthAreWhatAcceptSays) {
    NEED_SHARED("reference/tokenizers/gpt-2.gguf.xz");
    const auto vocabulary = test::recorded_vocabulary("gpt-2");
    ASSERT_TRUE(vocabulary);
    const std::pair<const char*, std::vector<const char*>> cases[] = {
        {R"({"type": "string", "pattern": "^[A-Z][a-zé]+( [A-Z][a-zé]+){0,4}$", "minLength": 6, "maxLength": 24})",
         {"\"", "A", "nn", "a", " L", "\xC3", "\xA9", "e", " \\u0041", "nders", "on", " And", "e", "\""}},
        {R"({"type": "string", "pattern": "[0-9]{3}$", "minLength": 12})",
         {"\"", "the", " end", " of", " it all", " 1", "2", "34", "\""}},
        // Several places at once: what is known of each alone does not help.
        {R"({"anyOf": [{"type": "string", "pattern": "^a+$", "maxLength": 9}, {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5}]})",
         {"\"", "a", "aaa", "a", "aaa"}},
        {R"({"type": "object", "additionalProperties": false, "patternProperties": {"^[a-z_]+$": true}, "propertyNames": {"maxLength": 9}})",
         {"{\"", "long", "_n", "ame", "\": \"long", "_name\"", ", \"", "name"}},
        {R"({"type": "array", "items": {"type": "string", "format": "email", "maxLength": 14}})",
         {"[\"", "some", "one", "@", "x.", "org", "\", \"", "a@b.co"}},
    };
    for (const auto& [schema, pieces] : cases) {
        const auto made = Grammar::from_schema_text(schema, {});
        ASSERT_TRUE(made) << made.error().line();
        const auto constraint = *Constraint::make(*made, vocabulary);
        Matcher matcher(constraint);
        for (const char* piece : pieces) {
            ASSERT_TRUE(matcher.accept(piece)) << piece << " of " << schema;
            ASSERT_EQ(test::mask_of(matcher), test::brute_force_mask(matcher)) << "after " << piece << " of " << schema;
        }
    }
}

}  // namespace
}  // namespace hearth
