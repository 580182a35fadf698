// Schemas whose parts meet: what is written must satisfy all of them, and what is begun must have an end.
#include <gtest/gtest.h>

#include "vocabularies.h"

namespace hearth {
namespace {

using namespace grammar;

struct Case {
    const char* schema;
    std::vector<std::string> right, wrong;
};

void expect_all(const std::vector<Case>& cases) {
    for (const Case& c : cases) {
        const auto made = Grammar::from_schema_text(c.schema, {});
        ASSERT_TRUE(made) << c.schema << ": " << made.error().line();
        for (const std::string& text : c.right) EXPECT_TRUE(test::accepts(*made, text)) << c.schema << " on " << text;
        for (const std::string& text : c.wrong) EXPECT_FALSE(test::accepts(*made, text)) << c.schema << " on " << text;
    }
}

// An object that is closed only because it does not say otherwise may be opened by its surroundings.
TEST(Exactness, OneOfIsExactlyOne) {
    expect_all({
        {R"({"oneOf":[{"type":"object","properties":{"a":{}},"dependentRequired":{"a":["b"]}},{"type":"object","required":["b"]}]})",
         {"{}"},
         {R"({"a":1,"b":1})", R"({"b":1})"}},
        {R"({"$ref":"#/$defs/C","oneOf":[{"type":"object","properties":{"a":{}}},{"type":"object","required":["b"]}],"$defs":{"C":{"properties":{"b":{}}}}})",
         {R"({"a":1})", "{}"},
         {R"({"a":1,"b":1})", R"({"b":1})"}},
        {R"({"oneOf":[{"oneOf":[{"type":"object","properties":{"a":{}}},{"required":["b"]}]},{"properties":{"b":{"type":"string"}}}]})",
         {},
         {R"({"a":1,"b":1})", R"({"b":1})"}},
        {R"({"oneOf":[{"type":"object","properties":{"a":{}},"not":{"properties":{"b":{"type":"string"}}}},{"type":"object","required":["b"]}]})",
         {},
         {R"({"a":1,"b":1})", R"({"b":1})"}},
        // Where nothing opens it, it costs nothing.
        {R"({"oneOf":[{"type":"object","properties":{"a":{}}},{"type":"object","properties":{"b":{"items":{}}},"required":["b"]}]})",
         {R"({"a":1})", "{}"},
         {R"({"a":1,"b":1})"}},
    });
}

TEST(Exactness, WhatMustNotHoldIsLeftOut) {
    expect_all({
        {R"({"not":{"type":"string","nullable":true}})", {"1", "{}"}, {"null", "\"a\""}},
        {R"({"type":"number","not":{"const":0}})",
         {"0.1", "-0.1", "-0.01", "10", "-10.0"},
         {"0", "0.0", "-0.0", "-0.00", "-0"}},
        {R"({"type":"number","oneOf":[{"const":0},{"minimum":-1}]})", {"1", "-0.5"}, {"0", "0.0", "-0.0"}},
    });
}

TEST(Exactness, ReferencesAreReadFromWhereTheyStand) {
    expect_all({
        {R"({"$ref":"#/$defs/x","$defs":{"y":{"minimum":0},"x":{"$id":"http://b/","enum":[1,2],"allOf":[{"$ref":"#/$defs/y"}],"$defs":{"y":{"minimum":2}}}}})",
         {"2"},
         {"1"}},
        {R"({"$ref":"#/$defs/x","$defs":{"y":{"required":["c"]},"x":{"$id":"http://b/","enum":[{"a":1},{"a":1,"b":2}],"dependentSchemas":{"a":{"$ref":"#/$defs/y"}},"$defs":{"y":{"required":["b"]}}}}})",
         {R"({"a":1,"b":2})"},
         {R"({"a":1})"}},
    });
}

// What follows a call must have room too, not only what is called.
TEST(Exactness, NothingIsBegunThatHasNoRoomToEnd) {
    const auto made = Grammar::from_schema_text(
        R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","additionalProperties":{"$ref":"#/$defs/n"}}}})",
        {.most_levels = 4});
    ASSERT_TRUE(made);
    EXPECT_TRUE(test::accepts(*made, R"({"a":{"a":{"a":{}}}})"));
    const auto constraint = *Constraint::make(*made, test::small_vocabulary());
    Matcher matcher(constraint);
    ASSERT_TRUE(matcher.accept(R"({"a":{"a":{"a":{)"));
    EXPECT_FALSE(matcher.accept("\"")) << "the fourth object can only be closed";
    EXPECT_EQ(test::mask_of(matcher), test::brute_force_mask(matcher));
    EXPECT_EQ(matcher.forced(), "}");
}

}  // namespace
}  // namespace hearth
