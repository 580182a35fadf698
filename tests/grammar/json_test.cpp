// JSON as it is written: the suite of parsers, white space, formats, keys, and schemas made to hurt.
#include "base/json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <iostream>

#include "support/shared_data.h"
#include "vocabularies.h"

namespace hearth {
namespace {

using namespace grammar;
namespace fs = std::filesystem;

std::shared_ptr<const Grammar> schema(std::string_view text, const JsonOptions& options = {}) {
    const auto made = Grammar::from_schema_text(text, options);
    EXPECT_TRUE(made) << text << ": " << made.error().line();
    return made.value_or(nullptr);
}
std::string error_of(std::string_view text) {
    const auto made = Grammar::from_schema_text(text, {});
    return made ? "accepted" : made.error().line();
}

TEST(JsonText, NothingThatIsNoJsonIsWritten) {
    NEED_SHARED("reference/json/json-parsing/y_array_empty.json");
    JsonOptions options{.open_objects = true};
    options.space = JsonSpace::free;
    const auto any = schema("true", options);
    int right = 0, all = 0, wrong = 0;
    std::string missed;
    for (const auto& file : fs::directory_iterator(test::shared_path("reference/json/json-parsing"))) {
        const std::string name = file.path().filename(), text = test::read_text(file.path());
        const bool is_written = test::accepts(any, text);
        if (name.starts_with("n_")) {
            ++wrong;
            EXPECT_FALSE(is_written) << name;
        } else if (name.starts_with("y_")) {
            ++all;
            right += is_written;
            if (!is_written) missed += " " + name;
        } else if (is_written) {
            EXPECT_TRUE(Json::parse(text)) << name;
        }
    }
    std::cout << right << " of " << all << " right texts can be written; not:" << missed << "\n";
    EXPECT_GT(wrong, 150);
    EXPECT_GE(right, 92);
}

TEST(JsonText, WhiteSpaceIsBounded) {
    const char* text =
        R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}},"b":{"enum":[{"x":[1,2]}]}}})";
    const auto with = [&](JsonSpace space) {
        JsonOptions options;
        options.space = space;
        return schema(text, options);
    };
    const auto one = with(JsonSpace::one), compact = with(JsonSpace::compact), pretty = with(JsonSpace::pretty),
               free = with(JsonSpace::free);
    const std::string
        tight = R"({"a":[1,2],"b":{"x":[1,2]}})",
        usual = R"({"a": [1, 2], "b": {"x": [1, 2]}})",
        lines = "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {\n    \"x\": [\n      1,\n      2\n    ]\n  }\n}";
    const std::string* texts[] = {&tight, &usual, &lines};
    const std::pair<std::shared_ptr<const Grammar>, std::vector<bool>> wanted[] = {{one, {true, true, false}},
                                                                                   {compact, {true, false, false}},
                                                                                   {pretty, {false, false, true}},
                                                                                   {free, {true, true, true}}};
    for (size_t w = 0; w < 4; ++w)
        for (size_t t = 0; t < 3; ++t)
            EXPECT_EQ(test::accepts(wanted[w].first, *texts[t]), wanted[w].second[t]) << w << " " << *texts[t];
    for (const auto& made : {one, compact, pretty, free}) EXPECT_TRUE(test::accepts(made, "{}"));
    EXPECT_FALSE(test::accepts(free, "{" + std::string(60, ' ') + "}"));
    EXPECT_FALSE(test::accepts(free, "{\n\n\n}"));
    EXPECT_FALSE(test::accepts(one, "{\"a\":  []}"));
}

TEST(JsonText, AValueOnSeveralListsIsOnAllOfThem) {
    const auto accepts = [](const char* schema, std::string_view text) {
        const auto grammar = Grammar::from_schema_text(schema, {});
        if (!grammar) return false;
        Matcher matcher(*Constraint::make(*grammar, Vocabulary::make({})));
        return matcher.accept(text).has_value() && matcher.may_end();
    };
    constexpr const char* kTwo =
        R"({"properties": {"n": {"enum": ["a", "b"]}}, "required": ["n"], "allOf": [{"properties": {"n": {"enum": ["b", "c"]}}}]})";
    EXPECT_TRUE(accepts(kTwo, R"({"n": "b"})"));
    EXPECT_FALSE(accepts(kTwo, R"({"n": "a"})"));
    EXPECT_FALSE(accepts(kTwo, R"({"n": "c"})"));
    constexpr const char* kNone =
        R"({"properties": {"n": {"enum": ["a"]}}, "required": ["n"], "allOf": [{"properties": {"n": {"const": "red"}}}]})";
    EXPECT_FALSE(accepts(kNone, R"({"n": "red"})"));
    EXPECT_FALSE(accepts(kNone, R"({"n": "a"})"));
}

TEST(JsonText, KeysStandInTheirOrder) {
    const auto made = schema(R"({"properties":{"b":true,"a":true,"c":true},"required":["c","z","a"],"type":"object"})");
    EXPECT_TRUE(test::accepts(made, R"({"b":1,"a":2,"c":3,"z":4})"));
    EXPECT_TRUE(test::accepts(made, R"({"a":2,"c":3,"z":4})"));
    for (const char* text : {R"({"a":1,"b":1,"c":1,"z":1})", R"({"a":1,"c":1})", R"({"a":1,"c":1,"z":1,"z":1})",
                             R"({"a":1,"a":1,"c":1,"z":1})"})
        EXPECT_FALSE(test::accepts(made, text)) << text;
}

TEST(JsonText, EscapesCountAsCharacters) {
    const auto made = schema(R"({"type":"string","minLength":2,"maxLength":2})");
    for (const char* text : {R"("ab")", R"("é你")", R"("\n\u00e9")", R"("😀\ud83d\ude00")", R"("\"\\")"})
        EXPECT_TRUE(test::accepts(made, text)) << text;
    for (const char* text : {R"("a")", R"("abc")", R"("a\ud83d")", R"("\udc00a")", R"("\ud83d\u0041")",
                             "\"a\xED\xA0\x80\"", "\"a\xC0\x80\"", "\"a\n\""})
        EXPECT_FALSE(test::accepts(made, text)) << text;
    const auto plain = schema(R"({"type":"string"})", {.unicode_escapes = false});
    EXPECT_TRUE(test::accepts(plain, R"("\n\u0001")"));
    EXPECT_FALSE(test::accepts(plain, R"("\u0041")"));
    // A declared key cannot come back in disguise.
    const auto open =
        schema(R"({"properties":{"a":{"type":"null"}},"additionalProperties":{"type":"integer"},"type":"object"})");
    EXPECT_FALSE(test::accepts(open, R"({"\u0061":1})"));
    EXPECT_TRUE(test::accepts(open, R"({"a":null,"\u0062":1,"aa":2})"));
}

TEST(JsonText, FormatsAreEnforced) {
    NEED_SHARED("reference/json/json-schema-draft2020-12/optional/format/date.json");
    int valid = 0, written = 0;
    for (const char* name : {"date", "date-time", "time", "duration", "email", "ipv4", "ipv6", "uuid", "uri",
                             "uri-reference", "json-pointer", "relative-json-pointer"}) {
        const auto groups = Json::parse(test::read_text(
            test::shared_path(fmt::format("reference/json/json-schema-draft2020-12/optional/format/{}.json", name))));
        ASSERT_TRUE(groups) << name;
        for (const Json& group : groups->items()) {
            const auto made = Grammar::from_json_schema(*group.find("schema"), {});
            ASSERT_TRUE(made) << name << ": " << made.error().line();
            for (const Json& test : group.find("tests")->items()) {
                const Json& data = *test.find("data");
                if (!data.is_string()) continue;
                const bool is_valid = test.find("valid")->as_bool(), is_written = test::accepts(*made, data.dump());
                valid += is_valid;
                written += is_valid && is_written;
                if (is_valid && !is_written) std::cout << "  not written: " << name << " " << data.dump() << "\n";
                EXPECT_TRUE(is_valid || !is_written) << name << ": " << data.dump();
            }
        }
    }
    std::cout << written << " of " << valid << " valid texts can be written\n";
    EXPECT_GT(written, valid * 8 / 10);
}

TEST(JsonText, RefusesByNameAndPlace) {
    const std::pair<const char*, const char*> cases[] = {
        {R"({"properties":{"a/b":{"uniqueItems":true}}})", "#/properties/a~1b/uniqueItems"},
        {R"({"items":{"contains":{"type":"null"}}})", "#/items/contains"},
        {R"({"$defs":{"x":{"unevaluatedProperties":false}},"$ref":"#/$defs/x"})", "#/$defs/x/unevaluatedProperties"},
        {R"({"$ref":"other.json"})", "#/$ref leads to other.json"},
        {R"({"$ref":"#/$defs/none"})", "where there is nothing"},
        {R"({"type":"strin"})", "#/type names no type"},
        {R"J({"pattern":"(?=a)"})J", "#/pattern cannot be enforced"},
        {R"({"pattern":"("})", "not closed"},
        {R"({"minLength":-1})", "#/minLength should be a whole number"},
        {R"({"required":"a"})", "#/required should be a list"},
        {R"({"properties":{"a":3}})", "#/properties/a should be an object"},
        {R"({"multipleOf":0.1234567891234567})", "#/multipleOf"},
        {R"({"not":{"items":{"type":"null"}}})", "#/not/items"},
        {R"({"type":"string","minimum":1,"const":2})", "no value satisfies"},
        {R"({"type":"object","required":["a"],"additionalProperties":false,"properties":{"a":false}})",
         "no value satisfies"},
        {R"({"type":"array","items":{"$ref":"#"},"minItems":1})", "no value satisfies"},
        {R"({"$schema":"http://example.org/mine"})", "#/$schema"},
        {"[1]", "#"},
        {"{", "schema is"},
    };
    for (const auto& [text, says] : cases)
        EXPECT_NE(error_of(text).find(says), std::string::npos) << text << ": " << error_of(text);
}

// Soon done, whatever comes: an error of one line, or a grammar that works.
TEST(JsonText, HostileSchemasAreBounded) {
    std::vector<std::string> hostile;
    std::string deep, many = R"({"type":"object","properties":{)", values = R"({"enum":[)", either = R"({"anyOf":[)",
                      chain = R"({"$ref":"#/$defs/d0","$defs":{)";
    for (int i = 0; i < 10000; ++i) deep += R"({"items":)";
    hostile.push_back(deep + "true" + std::string(10000, '}'));
    for (int i = 0; i < 3000; ++i) {
        many += fmt::format("{}\"key{}\":{{\"type\":\"string\"}}", i ? "," : "", i);
        values += fmt::format("{}\"value {}\"", i ? "," : "", i);
        chain += fmt::format("{}\"d{}\":{{\"$ref\":\"#/$defs/d{}\"}}", i ? "," : "", i, i + 1);
    }
    for (int i = 0; i < 300; ++i)
        either +=
            fmt::format("{}{{\"type\":\"object\",\"properties\":{{\"k\":{{\"const\":\"v{}\"}}}},\"required\":[\"k\"]}}",
                        i ? "," : "", i);
    hostile.push_back(many + "}}");
    hostile.push_back(values + "]}");
    hostile.push_back(either + "]}");
    hostile.push_back(chain + R"(,"d3000":{"type":"null"}}})");
    std::string all = R"({"allOf":[)";
    for (int i = 0; i < 30; ++i)
        all += fmt::format(
            "{}{{\"anyOf\":[{{\"required\":[\"a{}\"]}},{{\"required\":[\"b{}\"]}},{{\"minProperties\":{}}}]}}",
            i ? "," : "", i, i, i);
    hostile.push_back(all + "]}");
    for (
        const char* text :
        {R"({"type":"string","maxLength":100000})", R"({"type":"string","minLength":100000,"maxLength":1000000})",
         R"({"type":"string","pattern":"^a{1,100000}$"})",
         R"({"type":"string","pattern":"(a|b)*a(a|b){25}","maxLength":200})",
         R"({"type":"array","items":{"type":"integer"},"minItems":5000,"maxItems":100000})",
         R"({"type":"array","prefixItems":[{"type":"array","prefixItems":[{"$ref":"#"},{"$ref":"#"}]},{"$ref":"#"}]})",
         R"({"type":"object","maxProperties":1000000,"minProperties":1})",
         R"({"patternProperties":{"a":{},"b":{},"c":{},"d":{},"e":{},"f":{},"g":{},"h":{}},"additionalProperties":false})",
         R"({"type":"integer","multipleOf":1999,"minimum":-1e300})",
         R"({"type":"number","minimum":1e-300,"maximum":1e399})", R"({"type":"number","minimum":1e999999999})",
         R"({"not":{"not":{"not":{"not":{"type":"null"}}}}})",
         R"({"type":"string","pattern":"((a{0,99}){0,99}){0,99}"})", R"({"oneOf":[{"$ref":"#"},{"$ref":"#"}]})"})
        hostile.push_back(text);
    const auto vocabulary = test::small_vocabulary();
    for (const std::string& text : hostile) {
        const std::string shown = text.substr(0, 90);
        const auto begin = std::chrono::steady_clock::now();
        const auto made = Grammar::from_schema_text(text, {});
        if (made) {
            const auto constraint = *Constraint::make(*made, vocabulary);
            Matcher matcher(constraint);
            for (int step = 0; step < 30 && !matcher.finished(); ++step) {
                const auto ids = test::ids_of(test::mask_of(matcher));
                ASSERT_FALSE(ids.empty()) << shown;
                ASSERT_TRUE(matcher.accept(ids[size_t(step) * 7 % ids.size()])) << shown;
            }
        } else {
            EXPECT_FALSE(made.error().what.empty());
            EXPECT_LT(made.error().line().size(), 400u);
        }
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
        EXPECT_LT(time.count(), 5) << shown;
        if (time.count() > 0.2) std::cout << "  " << time.count() << " s: " << shown << "\n";
    }
}

TEST(JsonText, RecursionComesToAnEnd) {
    const auto made = schema(R"({"$ref":"#/$defs/l","$defs":{"l":{"type":"array","items":{"$ref":"#/$defs/l"}}}})",
                             {.most_levels = 5});
    EXPECT_TRUE(test::accepts(made, "[[[[[]]]]]"));
    EXPECT_FALSE(test::accepts(made, "[[[[[[]]]]]]"));
    // What is begun can always be finished: a required child is not begun where there is no room for it.
    const auto tree = schema(
        R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"next":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/n"}]}},"required":["next"]}}})",
        {.most_levels = 3});
    EXPECT_TRUE(test::accepts(tree, R"({"next":{"next":{"next":null}}})"));
    EXPECT_FALSE(test::accepts(tree, R"({"next":{"next":{"next":{"next":null}}}})"));
}

}  // namespace
}  // namespace hearth
