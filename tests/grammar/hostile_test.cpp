// Grammars and schemas made to exhaust the compiler or the machine: each ends soon, with an error of one line or at
// work.
#include <gtest/gtest.h>

#include <chrono>

#include "vocabularies.h"

namespace hearth {
namespace {

using namespace grammar;
using Made = Result<std::shared_ptr<const Grammar>>;

std::string repeated(std::string_view part, size_t count) {
    std::string all;
    for (size_t i = 0; i < count; ++i) all += part;
    return all;
}
// "a,b,c" of what `item` makes of 0, 1, 2 ...
template <class Item>
std::string joined(int count, Item item) {
    std::string all;
    for (int i = 0; i < count; ++i) all += (i ? "," : "") + item(i);
    return all;
}
std::string outcome_of(const Made& made) {
    return made ? "accepted" : made.error().line();
}
// A fraction of a second; instrumented code is ten times as slow.
#if defined(HEARTH_SANITIZED)
constexpr double kSoon = 40;
#else
constexpr double kSoon = 4;
#endif
// What comes of the schema, which must be known soon.
std::string outcome_of_schema(const std::string& text) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string outcome = outcome_of(Grammar::from_schema_text(text, {}));
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(time.count(), kSoon) << text.substr(0, 90) << ": " << outcome;
    EXPECT_LT(outcome.size(), 400u);
    return outcome;
}

TEST(Hostile, StackedQuantifiersAreRefused) {
    const std::string stars(200'000, '*');
    const Made made[] = {Grammar::from_schema_text(R"({"type":"string","pattern":"a)" + stars + "\"}", {}),
                         Grammar::from_regex("a" + stars), Grammar::from_regex("a" + repeated("{2}", 50'000)),
                         Grammar::from_gbnf("root ::= \"a\"" + stars)};
    for (const Made& each : made) EXPECT_NE(outcome_of(each).find("16 repetitions"), std::string::npos);
    EXPECT_TRUE(Grammar::from_regex("a**+?"));
    EXPECT_TRUE(Grammar::from_gbnf("root ::= \"a\"* + ?"));
}

// Rounds of loops that end together with what is inside them are left one after the other, not one inside the other.
TEST(Hostile, NestedLoopsDoNotNestInTheMachine) {
    const Made made =
        Grammar::from_gbnf("root ::= \"|\" p{4,4}\np ::= \"-\" | \"" + std::string(200, 'x') + "\" | root");
    ASSERT_TRUE(made) << outcome_of(made);
    const auto constraint = *Constraint::make(*made, test::small_vocabulary());
    Matcher matcher(constraint);
    for (int i = 0; i < 400; ++i) ASSERT_TRUE(matcher.accept(repeated("|---", 1000)));
    EXPECT_TRUE(matcher.accept("-"));
    EXPECT_TRUE(matcher.may_end());
    matcher.rollback(1);
    EXPECT_FALSE(test::ids_of(test::mask_of(matcher)).empty());
}

// Two states of which each goes on for ever with letters and turns into the other at a zero.
TEST(Hostile, StatesThatTurnIntoEachOtherDoNotLookForEver) {
    const Made made = Grammar::from_regex("(?:[^0#]|0[^0#]*0)*");
    ASSERT_TRUE(made) << outcome_of(made);
    const auto constraint = *Constraint::make(*made, test::small_vocabulary());
    Matcher matcher(constraint);
    for (const char* text : {"a", "0", "q", "0"}) {
        EXPECT_FALSE(test::ids_of(test::mask_of(matcher)).empty());
        ASSERT_TRUE(matcher.accept(text));
    }
    EXPECT_TRUE(matcher.may_end());
}

// One text that cannot be followed says nothing about another, though both share what was found out.
TEST(Hostile, ExhaustionStaysWithItsText) {
    std::string text = "root ::= \"x\" y* | \"z\"\ny ::= ";
    for (int i = 0; i < 500; ++i) text += fmt::format("{}r{}", i ? " | " : "", i);
    for (int i = 0; i < 500; ++i) text += fmt::format("\nr{} ::= \"a\" r{} \"b\" | \"c\"", i, i);
    const auto constraint = *Constraint::make(*Grammar::from_gbnf(text), test::small_vocabulary());
    Matcher first(constraint), second(constraint);
    first.fitting("xac");
    EXPECT_TRUE(second.accept("z")) << "after fitting()";
    EXPECT_FALSE(first.accept("xa"));
    Matcher third(constraint);
    EXPECT_TRUE(third.accept("z")) << "after a refusal";
}

// Hundreds of places at once that all live on: each asked about every other one at every token.
TEST(Hostile, ManyPlacesAtOnceAreLookedAtOnce) {
    std::string text = "root ::= ";
    for (int i = 0; i < 400; ++i) text += fmt::format("{}r{} | r{}", i ? " | " : "", i, i);
    for (int i = 0; i < 400; ++i) text += fmt::format("\nr{} ::= \"{}\\n{}\"", i, std::string(90, 'x'), i);
    const Made made = Grammar::from_gbnf(text);
    ASSERT_TRUE(made) << outcome_of(made);
    Matcher matcher(*Constraint::make(*made, test::small_vocabulary()));
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 40; ++i) {
        EXPECT_EQ(test::mask_of(matcher), test::brute_force_mask(matcher));
        ASSERT_TRUE(matcher.accept("x"));
    }
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(time.count(), kSoon);
    RecordProperty("seconds", std::to_string(time.count()));
}

TEST(Hostile, ManyAlternativesAreCounted) {
    const auto anything = joined(20'000, [](int) { return std::string("{}"); });
    for (const std::string& text :
         {"{\"oneOf\":[" + anything + "]}", "{\"not\":{\"oneOf\":[" + anything + "]}}",
          "{\"allOf\":[" + joined(5'000, [](int) { return std::string(R"({"anyOf":[true]})"); }) + "]}",
          "{\"allOf\":[" + joined(50'000, [](int) { return std::string(R"({"anyOf":[true]})"); }) + "]}",
          "{\"allOf\":[" +
              joined(2'000, [](int i) { return fmt::format(R"({{"anyOf":[{{"minLength":{}}},true]}})", i); }) + "]}"})
        outcome_of_schema(text);
    EXPECT_NE(outcome_of_schema("{\"oneOf\":[" + anything + "]}").find("too many steps"), std::string::npos);
}

TEST(Hostile, AlternativesThatReferToEachOtherAreComparedOnce) {
    const auto object = [](std::string_view other) {
        return R"({"type":"object","properties":{)" +
               joined(1000, [&](int i) { return fmt::format(R"("k{}":{{"$ref":"#/$defs/{}"}})", i, other); }) +
               R"(},"required":[)" + joined(1000, [](int i) { return fmt::format(R"("k{}")", i); }) + "]}";
    };
    outcome_of_schema(R"({"oneOf":[{"$ref":"#/$defs/A"},{"$ref":"#/$defs/B"}],"$defs":{"A":)" + object("B") +
                      ",\"B\":" + object("A") + "}}");
}

TEST(Hostile, LargeSchemasAreReadInTime) {
    const auto name = [](int i) { return fmt::format("\"n{}\"", i); };
    const std::string lists[] = {
        // Many places far back in the document.
        R"({"title":[)" + joined(60'000, name) + R"(],"type":"object","properties":{)" +
            joined(15'000, [](int i) { return fmt::format(R"("k{}":{{"minLength":{}}})", i, i % 900); }) + "}}",
        R"({"enum":[)" + joined(10'000, [](int i) { return fmt::format("\"a{}\"", i); }) +
            R"(],"pattern":"^[a-z]{1,3000}$"})",
        R"({"allOf":[{"enum":[)" + joined(60'000, name) + R"(]},{"enum":[)" + joined(60'000, name) + "]}]}",
        R"({"type":"object","required":[)" + joined(300'000, name) + "]}",
        R"({"type":"object","properties":{)" + joined(200'000, [&](int i) { return name(i) + ":{}"; }) + "}}",
        R"({"$id":"http://a/)" + repeated("b/", 300'000) + R"(","$ref":")" + repeated("x/../", 300'000) + "\"}",
        R"({"$id":"http://a/","$ref":")" + repeated("x/../", 600'000) + "\"}",
    };
    for (const std::string& text : lists) outcome_of_schema(text);
}

}  // namespace
}  // namespace hearth
