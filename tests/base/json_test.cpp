// Json: the public parsing suite, exact number text, order of keys, and what is written.
#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "support/shared_data.h"

namespace hearth {
namespace {

TEST(Json, AcceptsAndRefusesAsTheParsingSuiteSays) {
    NEED_SHARED("reference/json/json-parsing");
    size_t must_pass = 0, must_fail = 0;
    for (const auto& entry : std::filesystem::directory_iterator(test::shared_path("reference/json/json-parsing"))) {
        const std::string name = entry.path().filename();
        const auto parsed = Json::parse(test::read_text(entry.path()));
        if (name.starts_with("y_")) {
            EXPECT_TRUE(parsed) << name << ": " << parsed.error().line();
            ++must_pass;
        }
        if (name.starts_with("n_")) {
            EXPECT_FALSE(parsed) << name;
            ++must_fail;
        }
        // The rest is up to us: whatever is accepted must be written as JSON that is accepted again, and then stays the
        // same.
        if (!parsed) continue;
        const std::string text = parsed->dump();
        const auto again = Json::parse(text);
        ASSERT_TRUE(again) << name << ": " << text;
        EXPECT_EQ(again->dump(), text) << name;
    }
    EXPECT_GE(must_pass, 90u);
    EXPECT_GE(must_fail, 180u);
}

TEST(Json, KeepsOrderAndNumberText) {
    const std::string text = R"({"b":1.50,"a":[1e3,-0,12345678901234567890123,0.1],"c":{"z":null,"y":true}})";
    const auto parsed = Json::parse(text);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->dump(), text);
    EXPECT_EQ(parsed->find("b")->number_text(), "1.50");
    EXPECT_EQ(parsed->find("a")->items()[0].as_double(), 1000);
    EXPECT_EQ(parsed->find("a")->items()[0].as_int(), 1000);
    EXPECT_FALSE(parsed->find("a")->items()[2].is_integer());
    EXPECT_EQ(parsed->find("a")->items()[2].as_int(-7), -7);
    EXPECT_EQ(parsed->find("nothing"), nullptr);
    EXPECT_EQ(parsed->find("b")->find("x"), nullptr);  // not an object
}

TEST(Json, NumbersFromValues) {
    EXPECT_EQ(Json(0.1).dump(), "0.1");
    EXPECT_EQ(Json(1e300).dump(), "1e+300");
    EXPECT_EQ(Json(3).dump(), "3");
    EXPECT_EQ(Json(~uint64_t{0}).dump(), "18446744073709551615");
    EXPECT_EQ(Json(INT64_MIN).dump(), "-9223372036854775808");
    EXPECT_EQ(Json(INT64_MIN).as_int(), INT64_MIN);
    EXPECT_TRUE(Json(NAN).is_null());
    EXPECT_TRUE(Json(INFINITY).is_null());
    EXPECT_EQ(Json::parse("3.0")->as_int(), 3);
    EXPECT_EQ(Json::parse("3.5")->as_int(-1), -1);
    EXPECT_EQ(Json::parse("1e400")->as_int(-1), -1);
    EXPECT_EQ(Json::parse("9223372036854775807")->as_int(), INT64_MAX);
    EXPECT_EQ(Json::parse("9223372036854775808")->as_int(-1), -1);
}

TEST(Json, TextIsEscapedAndMadeValid) {
    EXPECT_EQ(Json("a\"\\\n\t\x01\x7F/").dump(), "\"a\\\"\\\\\\n\\t\\u0001\x7F/\"");
    EXPECT_EQ(Json("\xFFok\xC3").dump(), "\"\xEF\xBF\xBDok\xEF\xBF\xBD\"");
    EXPECT_EQ(Json::parse(R"("\u00e4\ud83d\ude00")")->as_string(), "\xC3\xA4\xF0\x9F\x98\x80");
    EXPECT_EQ(Json::parse(R"("a\u0000b")")->as_string(), std::string("a\0b", 3));
    // Piece by piece as at once, cut within a character too, and read back to what it was.
    const std::string text = "\b\f\v\x1F \"\xE4\xBD\xA0\\";
    std::string pieces = "\"";
    for (const char c : text) append_json_escaped(std::string_view(&c, 1), pieces);
    EXPECT_EQ(pieces += '"', "\"\\b\\f\\u000b\\u001f \\\"\xE4\xBD\xA0\\\\\"");
    EXPECT_EQ(Json(text).dump(), pieces);
    EXPECT_EQ(Json::parse(pieces)->as_string(), text);
}

TEST(Json, Indented) {
    Json object = Json::object();
    object.set("list", Json::Array{Json(1), Json::array(), Json::object()});
    object.set("x", nullptr);
    EXPECT_EQ(object.dump(2), "{\n  \"list\": [\n    1,\n    [],\n    {}\n  ],\n  \"x\": null\n}");
    object.set("x", false);
    EXPECT_EQ(object.dump(), R"({"list":[1,[],{}],"x":false})");
}

TEST(Json, DepthIsBounded) {
    const auto nested = [](int depth) { return std::string(size_t(depth), '[') + std::string(size_t(depth), ']'); };
    EXPECT_TRUE(Json::parse(nested(200)));
    EXPECT_FALSE(Json::parse(nested(201)));
    EXPECT_FALSE(Json::parse(nested(1000000)));
    EXPECT_FALSE(Json::parse(nested(3), 2));
}

TEST(Json, ErrorsNameTheByte) {
    const auto parsed = Json::parse("{\"a\": tru}");
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().kind, ErrorKind::bad_request);
    EXPECT_NE(parsed.error().what.find("at byte 6"), std::string::npos) << parsed.error().what;
    EXPECT_FALSE(Json::parse(""));
    EXPECT_FALSE(Json::parse("1 2"));
    EXPECT_FALSE(Json::parse("{\"a\":1,}"));
}

// Long strings and numbers reach the parser in parts.
TEST(Json, LongPartsStayWhole) {
    const std::string text(100000, 'x'), digits(5000, '7');
    EXPECT_EQ(Json::parse("\"" + text + "\"")->as_string(), text);
    EXPECT_EQ(Json::parse(digits)->number_text(), digits);
    EXPECT_EQ(Json::parse("{\"" + text + "\":1}")->members()[0].first, text);
}

}  // namespace
}  // namespace hearth
