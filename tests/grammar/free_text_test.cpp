// Free text with tool calls in it: bound behind a trigger, however tokens cut it, and free elsewhere.
#include <gtest/gtest.h>

#include "grammar/front_ends.h"
#include "vocabularies.h"

namespace hearth {
namespace {

using namespace grammar;

std::shared_ptr<Constraint> calls(const FreeText& options, bool by_token) {
    Rules rules;
    const Json schema =
        *Json::parse(R"({"type": "object", "properties": {"foo": {"type": "integer"}}, "required": ["foo"]})");
    const auto arguments = read_json_schema(schema, {}, rules);
    EXPECT_TRUE(arguments);
    Insertion call{.body = rules.sequence({*arguments, rules.bytes("</call>")})};
    if (by_token)
        call.token.texts = {"<think>"};
    else
        call.trigger = "<call>";
    const auto text = free_text({call}, options, rules);
    EXPECT_TRUE(text);
    return *Constraint::make(*Grammar::from_rules(std::move(rules), *text), test::small_vocabulary());
}

bool takes(const std::shared_ptr<Constraint>& constraint, std::string_view text) {
    Matcher matcher(constraint);
    return matcher.accept(text) && matcher.may_end();
}

TEST(FreeText, IsBoundBehindATrigger) {
    const auto any = calls({}, false);
    for (const char* text : {"", "hello", "a < b <cal <callx", "<call>{\"foo\": 1}</call>",
                             "x <call>{\"foo\":1}</call> y <call>{\"foo\":2}</call>", "<cal\xFF",
                             "<<call>{\"foo\":1}</call>", "<call<call>{\"foo\":1}</call>"})
        EXPECT_TRUE(takes(any, text)) << text;
    for (const char* text : {"<call>", "<call>x", "<call>{\"foo\": \"1\"}</call>", "a<call>{\"foo\": 1}</call",
                             "<call>{\"bar\":1}</call>"})
        EXPECT_FALSE(takes(any, text)) << text;
}

TEST(FreeText, CountsItsInsertions) {
    const std::string one = "<call>{\"foo\":1}</call>";
    const auto required = calls({.least = 1}, false), single = calls({.least = 0, .most = 1}, false),
               only = calls({.least = 1, .most = 1, .ends_after_last = true}, false);
    EXPECT_FALSE(takes(required, "text"));
    EXPECT_TRUE(takes(required, "text " + one + " more " + one));
    EXPECT_TRUE(takes(single, "text " + one + " more"));
    EXPECT_FALSE(takes(single, one + one));
    EXPECT_TRUE(takes(only, "text " + one));
    EXPECT_FALSE(takes(only, one + " more"));
    EXPECT_FALSE(takes(only, "text"));
}

TEST(FreeText, MasksAreWhatAcceptSays) {
    for (const bool by_token : {false, true}) {
        const auto constraint = calls({}, by_token);
        const Vocabulary& vocabulary = constraint->vocabulary();
        Matcher matcher(constraint);
        // Free: everything but the ends of what it is not inside of, control tokens too.
        EXPECT_EQ(test::ids_of(test::mask_of(matcher)).size(), vocabulary.size() - 2)
            << "all but the unused and the empty-handed NUL";
        EXPECT_TRUE(matcher.accept(*vocabulary.find("<turn>")));
        for (const char* piece : {"the <", "c", "all", "> ", "<ca", "x"}) {
            ASSERT_TRUE(by_token || std::string(piece) != "> " || !matcher.accept("> "));
            if (std::string(piece) == "> ") continue;
            ASSERT_TRUE(matcher.accept(piece));
            EXPECT_EQ(test::mask_of(matcher), test::brute_force_mask(matcher)) << piece;
        }
        ASSERT_TRUE(by_token ? matcher.accept(*vocabulary.find("<think>")) : matcher.accept("<call>"));
        EXPECT_EQ(matcher.forced(), "{\"foo\":");
        EXPECT_FALSE(matcher.accept(*vocabulary.find("<turn>")));
        EXPECT_EQ(test::mask_of(matcher), test::brute_force_mask(matcher));
    }
    Rules rules;
    EXPECT_FALSE(free_text({{}}, {}, rules));
    EXPECT_FALSE(free_text({{.trigger = std::string(10000, 'x')}}, {}, rules));
}

}  // namespace
}  // namespace hearth
