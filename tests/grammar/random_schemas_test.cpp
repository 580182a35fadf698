// Random walks over random schemas: whatever is written parses and validates, and no walk ends nowhere.
#include <gtest/gtest.h>

#include <iostream>

#include "base/rng.h"
#include "support/shared_data.h"
#include "validator.h"
#include "vocabularies.h"

namespace hearth {
namespace {

using namespace grammar;

class SchemaMaker {
public:
    explicit SchemaMaker(uint64_t seed) : random_(seed) {}

    Json make() {
        Json schema = value(3);
        if (!schema.is_object()) schema = Json::object();
        Json definitions = Json::object();
        for (const char* name : {"a", "b"}) definitions.set(name, value(2));
        schema.set("$defs", std::move(definitions));
        return schema;
    }

private:
    bool chance(uint64_t one_in) { return random_.below(one_in) == 0; }
    template <class T>
    T pick(std::initializer_list<T> from) {
        return from.begin()[random_.below(from.size())];
    }
    Json listed_value() {
        switch (random_.below(7)) {
            case 0:
                return Json(nullptr);
            case 1:
                return Json(chance(2));
            case 2:
                return Json(int64_t(random_.below(20)) - 5);
            case 3:
                return Json(Json::Number{"1.5"});
            case 4:
                return Json(Json::Array{Json(1), Json("x")});
            case 5:
                return Json(Json::Object{{"k", Json("v")}, {"n", Json(nullptr)}});
            default:
                return Json(pick({"red", "green", "é\"\\\n", ""}));
        }
    }
    Json object(int depth) {
        Json schema = Json::object();
        if (!chance(8)) schema.set("type", "object");
        Json properties = Json::object();
        Json::Array required;
        for (const char* name : {"id", "name", "x\"y", "ü", "tags"})
            if (chance(2)) {
                properties.set(name, value(depth - 1));
                if (chance(2)) required.push_back(name);
            }
        if (!properties.members().empty()) schema.set("properties", std::move(properties));
        if (chance(5)) required.push_back("extra");
        if (!required.empty()) schema.set("required", std::move(required));
        if (chance(3)) schema.set("additionalProperties", chance(3) ? Json(false) : value(depth - 1));
        if (chance(5)) {
            Json patterns = Json::object();
            patterns.set(pick({"^x", "a$", "[0-9]"}), value(depth - 1));
            if (chance(2)) patterns.set("n", value(depth - 1));
            schema.set("patternProperties", std::move(patterns));
        }
        if (chance(6)) schema.set("maxProperties", int64_t(1 + random_.below(5)));
        if (chance(6)) schema.set("minProperties", int64_t(random_.below(3)));
        if (chance(8)) schema.set("propertyNames", *Json::parse(R"({"pattern": "^[a-zü]", "maxLength": 6})"));
        if (chance(8)) schema.set("dependentRequired", *Json::parse(R"({"id": ["name"]})"));
        return schema;
    }
    Json value(int depth) {
        Json schema = Json::object();
        if (depth <= 0) {
            const uint64_t kind = random_.below(4);
            if (kind == 0) return Json(Json::Object{{"type", Json(pick({"null", "boolean", "integer", "string"}))}});
        }
        switch (random_.below(depth > 0 ? 13 : 6)) {
            case 0:
                schema.set("type", "string");
                if (chance(2)) schema.set("minLength", int64_t(random_.below(4)));
                if (chance(2)) schema.set("maxLength", int64_t(3 + random_.below(30)));
                if (chance(3)) schema.set("pattern", pick({"^[a-c]+$", "b", "^a|z$", "^(ab?){2,}", "[^x]$"}));
                return schema;
            case 1:
                schema.set("type", pick({"integer", "number"}));
                if (chance(2)) schema.set("minimum", pick({Json(0), Json(-17), Json(Json::Number{"2.5"}), Json(100)}));
                if (chance(2))
                    schema.set("exclusiveMaximum", pick({Json(250), Json(Json::Number{"107.25"}), Json(1000)}));
                if (chance(4))
                    schema.set("multipleOf", pick({Json(3), Json(Json::Number{"0.25"}), Json(Json::Number{"0.01"})}));
                return schema;
            case 2: {
                Json::Array values;
                for (uint64_t n = 1 + random_.below(4); n > 0; --n) values.push_back(listed_value());
                schema.set("enum", std::move(values));
                return schema;
            }
            case 3:
                schema.set("const", listed_value());
                return schema;
            case 4:
                return Json(Json::Object{{"type", Json(Json::Array{Json("string"), Json("null"), Json("number")})}});
            case 5:
                return chance(3) ? Json(true) : Json(Json::Object{{"type", Json("boolean")}});
            case 6:
            case 7:
                schema.set("type", "array");
                if (chance(2)) schema.set("items", value(depth - 1));
                if (chance(3)) schema.set("prefixItems", Json::Array{value(depth - 1), value(depth - 1)});
                if (chance(2)) schema.set("maxItems", int64_t(1 + random_.below(5)));
                if (chance(4)) schema.set("minItems", int64_t(random_.below(4)));
                return schema;
            case 8: {
                Json::Array ways{value(depth - 1), value(depth - 1)};
                schema.set(pick({"anyOf", "anyOf", "oneOf", "allOf"}), std::move(ways));
                return schema;
            }
            case 9:
                schema.set("$ref", pick({"#/$defs/a", "#/$defs/b", "#"}));
                return schema;
            case 10:
                schema = object(depth);
                schema.set("if", *Json::parse(R"({"properties": {"name": {"const": "red"}}, "required": ["name"]})"));
                schema.set("then", Json(Json::Object{{"required", Json(Json::Array{Json("tags")})}}));
                if (chance(2)) schema.set("not", *Json::parse(R"({"required": ["id", "tags"]})"));
                return schema;
            default:
                return object(depth);
        }
    }

    Rng random_;
};

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

}  // namespace
}  // namespace hearth
