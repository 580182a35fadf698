// The front ends by hand, and what every grammar must hold: masks say what accept() does, copies and rollbacks are
// exact, what is hostile is refused in one line.
#include <gtest/gtest.h>

#include <chrono>

#include "base/rng.h"
#include "vocabularies.h"

namespace hearth {
namespace {

using namespace grammar;
using Made = Result<std::shared_ptr<const Grammar>>;

std::shared_ptr<const Grammar> gbnf(std::string_view text) {
    const Made made = Grammar::from_gbnf(text);
    EXPECT_TRUE(made) << text << ": " << made.error().line();
    return made.value_or(nullptr);
}
std::shared_ptr<const Grammar> regex(std::string_view text) {
    const Made made = Grammar::from_regex(text);
    EXPECT_TRUE(made) << text << ": " << made.error().line();
    return made.value_or(nullptr);
}
std::string error_of(const Made& made) {
    return made ? "accepted" : made.error().line();
}

struct Case {
    const char* grammar;
    std::vector<std::string> right, wrong;
};

TEST(Regex, MatchesWholeTexts) {
    const Case cases[] = {
        {"a|bc*", {"a", "b", "bc", "bccc"}, {"", "ab", "c", "bca"}},
        {"(?:ab){2,3}", {"abab", "ababab"}, {"ab", "abababab"}},
        {"^\\d{4}-\\d\\d$", {"2024-12"}, {"2024-1", "x2024-12", "2024-123"}},
        {"[^a-c]+", {"xyz", "é你😀"}, {"xa", ""}},
        {".*", {"", "anything é"}, {"a\nb"}},
        {"(^a|b$)x?", {"a", "ax", "b"}, {"bx", "x"}},
        {"[\\w.-]+@[a-z]+\\.com", {"a.b-c@x.com"}, {"@x.com", "a@x.org"}},
        {"\\x41\\u{1F600}\\t", {"A😀\t"}, {"A"}},
        {"x{0,40}", {"", std::string(40, 'x')}, {std::string(41, 'x'), "y"}},
        {"(a|ab)(c|bcd)*", {"a", "abc", "abcd", "abbcd", "ac"}, {"abd"}},
        {"(a*)*b", {"b", "aaab"}, {"a"}},
        {"(a?){3,50}b", {"b", "ab", std::string(50, 'a') + "b"}, {std::string(51, 'a') + "b"}},
        {"(ab?c?){20}",
         {std::string(20, 'a'), "abc" + std::string(19, 'a')},
         {std::string(19, 'a'), std::string(21, 'a')}},
        {"[]a]+", {"]a"}, {"b"}},
    };
    for (const Case& c : cases) {
        const auto made = regex(c.grammar);
        for (const std::string& text : c.right) EXPECT_TRUE(test::accepts(made, text)) << c.grammar << " on " << text;
        for (const std::string& text : c.wrong) EXPECT_FALSE(test::accepts(made, text)) << c.grammar << " on " << text;
    }
}

TEST(Regex, RefusesByName) {
    const std::pair<const char*, const char*> cases[] = {
        {"a(?=b)", "look-around"}, {"(a)\\1", "reference back"},
        {"\\bx", "word border"},   {"\\p{L}", "Unicode property"},
        {"(a", "not closed"},      {"a)", "a ) too many"},
        {"[a", "not closed"},      {"*a", "repeats nothing"},
        {"a{3,1}", "3 to 1"},      {"a{9999999}", "more than"},
        {"\xFF", "UTF-8"},         {"[z-a]", "backwards"},
        {"(?i)a", "flags"},        {"a\\", "ends with"},
        {"[]", "not closed"},
    };
    for (const auto& [expression, says] : cases)
        EXPECT_NE(error_of(Grammar::from_regex(expression)).find(says), std::string::npos)
            << expression << ": " << error_of(Grammar::from_regex(expression));
    EXPECT_NE(error_of(Grammar::from_regex("[^\\x{0}-\\x{10FFFF}]")).find("no text matches"), std::string::npos);
}

TEST(Gbnf, SaysWhatIsWrongAndWhere) {
    const std::pair<const char*, const char*> cases[] = {
        {"", "no rule root"},
        {"x ::= \"a\"", "no rule root"},
        {"root ::= \"a\"\nroot ::= \"b\"", "line 2 of the grammar defines the rule root a second time"},
        {"root ::= a\n", "line 1 names the rule a, which is nowhere defined"},
        {"root ::= (\"a\"", "not closed"},
        {"root ::= \"a", "ends inside a literal"},
        {"root ::= [a", "ends inside a literal"},
        {"root ::= \"\\q\"", "unknown escape \\q"},
        {"root ::= a\na ::= a \"x\" | \"y\"", "the rule a begins with itself"},
        {"root ::= a\na ::= b? a \"x\" | \"y\"\nb ::= \"z\"*", "begins with itself"},
        {"root ::= \"a\" root", "no text matches"},
        {"root ::= \"a\"{3,2}", "3 to 2"},
        {"root ::= \"a\"{99999999}", "more than"},
        {"root : \"a\"", "no ::="},
        {"root ::= \"a\" )", "belongs to nothing"},
    };
    for (const auto& [text, says] : cases)
        EXPECT_NE(error_of(Grammar::from_gbnf(text)).find(says), std::string::npos)
            << text << ": " << error_of(Grammar::from_gbnf(text));
    EXPECT_NE(error_of(Grammar::from_gbnf("root ::= " + std::string(100000, '('))).find("deep"), std::string::npos);
}

TEST(Gbnf, TokensAreTerminals) {
    const auto vocabulary = test::small_vocabulary();
    const int32_t think = *vocabulary->find("<think>"), turn = *vocabulary->find("<turn>");
    const auto made = gbnf("root ::= <think> !<turn>* <[" + std::to_string(turn) + "]> \"ab\"");
    const auto constraint = *Constraint::make(made, vocabulary);
    Matcher matcher(constraint);
    EXPECT_EQ(test::ids_of(test::mask_of(matcher)), std::vector<int32_t>{think});
    EXPECT_FALSE(matcher.accept("<think>"));
    ASSERT_TRUE(matcher.accept(think));
    EXPECT_GT(test::ids_of(test::mask_of(matcher)).size(), 256u);
    EXPECT_EQ(test::mask_of(matcher), test::brute_force_mask(matcher));
    ASSERT_TRUE(matcher.accept(*vocabulary->find("foo")));
    ASSERT_TRUE(matcher.accept(turn));
    EXPECT_EQ(matcher.forced(), "ab");
    EXPECT_FALSE(matcher.accept(turn));
    ASSERT_TRUE(matcher.accept(*vocabulary->find("ab")));
    EXPECT_TRUE(matcher.finished());
    EXPECT_EQ(test::ids_of(test::mask_of(matcher)), vocabulary->ends());
    EXPECT_NE(Constraint::make(gbnf("root ::= <nothing>"), vocabulary).error().line().find("<nothing>"),
              std::string::npos);
}

TEST(Choices, AreTaken) {
    const std::vector<std::string> choices{"yes", "yesterday", "no"};
    const auto made = *Grammar::from_choices(choices);
    for (const std::string& choice : choices) EXPECT_TRUE(test::accepts(made, choice));
    EXPECT_FALSE(test::accepts(made, "yest"));
    EXPECT_FALSE(Grammar::from_choices({}));
}

// Grammars with everything that makes states: ambiguity, nesting, counters, tokens, long literals.
std::vector<std::string> many_grammars() {
    return {
        "root ::= \"{\" ws ( member (\",\" ws member)* )? \"}\"\nmember ::= str \":\" ws val\nval ::= str | root | num "
        "| \"[\" (val (\",\" ws val)*)? \"]\"\n"
        "str ::= \"\\\"\" ( [^\"\\\\\\x00-\\x1F] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" [0-9a-fA-F]{4}) )* \"\\\"\"\nnum "
        "::= \"-\"? [0-9]+ (\".\" [0-9]+)?\nws ::= \" \"?",
        "root ::= s\ns ::= \"a\" s \"b\" | \"a\" s \"a\" | \"ab\"",
        "root ::= \"\\\"\" [^\"\\\\\\x00-\\x1F]{3,25} \"\\\"\"",
        "root ::= ([a-z]{2,30} \" \"){1,20} .{0,40} \"T\"",
        "root ::= (\"a\" | \"ab\" | \"abc\" | \" the\")+ (<think> root)?",
        "root ::= \"<\" [^>]{17,} \">\" | \"<<\" .*",
    };
}

TEST(Matcher, MasksAreWhatAcceptSays) {
    const auto vocabulary = test::small_vocabulary();
    Rng random(7);
    for (const std::string& text : many_grammars()) {
        const auto constraint = *Constraint::make(gbnf(text), vocabulary);
        int states = 0;
        for (int walk = 0; walk < 4; ++walk) {
            Matcher matcher(constraint);
            for (int step = 0; step < 40 && !matcher.finished(); ++step, ++states) {
                const TokenBits bits = test::mask_of(matcher);
                ASSERT_EQ(bits, test::brute_force_mask(matcher)) << text;
                ASSERT_EQ(bits, test::mask_of(matcher)) << "the second time it comes from the cache";
                const auto ids = test::ids_of(bits);
                ASSERT_FALSE(ids.empty()) << text;
                ASSERT_TRUE(matcher.accept(ids[random.below(ids.size())]));
            }
        }
        EXPECT_GT(states, 4) << text;
    }
}

TEST(Matcher, CopiesAndRollbacksAreExact) {
    const auto vocabulary = test::small_vocabulary();
    Rng random(11);
    for (const std::string& text : many_grammars()) {
        const auto constraint = *Constraint::make(gbnf(text), vocabulary);
        for (int walk = 0; walk < 10; ++walk) {
            Matcher matcher(constraint);
            std::vector<int32_t> taken;
            for (int step = 0; step < 60 && !matcher.finished(); ++step) {
                if (!taken.empty() && random.below(4) == 0) {
                    const size_t back = 1 + random.below(std::min<size_t>(taken.size(), 8));
                    matcher.rollback(back);
                    taken.resize(taken.size() - back);
                }
                Matcher copy(matcher);
                const TokenBits bits = test::mask_of(matcher);
                const auto ids = test::ids_of(bits);
                const int32_t id = ids[random.below(ids.size())];
                ASSERT_TRUE(copy.accept(id));
                ASSERT_EQ(test::mask_of(matcher), bits) << "a copy's steps are its own";
                ASSERT_TRUE(matcher.accept(id));
                taken.push_back(id);
                ASSERT_EQ(test::mask_of(copy), test::mask_of(matcher));
            }
            Matcher again(constraint);
            for (const int32_t id : taken) ASSERT_TRUE(again.accept(id));
            EXPECT_EQ(test::mask_of(again), test::mask_of(matcher)) << text;
            EXPECT_EQ(again.may_end(), matcher.may_end());
        }
    }
}

TEST(Matcher, ForcedBytesAreTheOnlyOnes) {
    const auto made = gbnf("root ::= \"{\\\"name\\\": \" (\"true\" | \"truly\") \"}\"");
    const auto constraint = *Constraint::make(made, test::small_vocabulary());
    Matcher matcher(constraint);
    EXPECT_EQ(matcher.forced(), "{\"name\": tru");
    EXPECT_EQ(matcher.forced(3), "{\"n");
    ASSERT_TRUE(matcher.accept(matcher.forced()));
    EXPECT_EQ(matcher.forced(), "");
    ASSERT_TRUE(matcher.accept("l"));
    EXPECT_EQ(matcher.forced(), "y}");
}

// Hostile grammars end soon: with an error, or simply at work.
TEST(Matcher, HostileGrammarsAreBounded) {
    const auto vocabulary = test::small_vocabulary();
    const std::string hostile[] = {
        "(a|b)*a(a|b){30}",
        "((a{0,100}){0,100}){0,100}",
        "(a|aa){1,100000}b",
        "(a*)*(a*)*(a*)*b",
        "[a-z]{100000}",
        "((((((((((a|b)?c)?a)?b)?c)?a)?b)?c)?a)?b)?",
        "(.|..|...|....){50000}",
        "(x+x+)+y",
        std::string(5000, '.') + "*",
    };
    for (const std::string& expression : hostile) {
        const auto begin = std::chrono::steady_clock::now();
        const Made made = Grammar::from_regex(expression);
        if (made) {
            const auto constraint = *Constraint::make(*made, vocabulary);
            Matcher matcher(constraint);
            for (int step = 0; step < 60; ++step) {
                test::mask_of(matcher);
                if (!matcher.accept(step % 3 ? "a" : "b") && !matcher.accept("a")) break;
            }
            EXPECT_LT(constraint->memory_bytes(), 200u << 20) << expression;
        }
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
        EXPECT_LT(time.count(), 10) << expression;
    }
    std::string chain = "root ::= r0\n";
    for (int i = 0; i < 20000; ++i) chain += fmt::format("r{} ::= \"a\" r{} \"b\" | \"c\"\n", i, i + 1);
    EXPECT_TRUE(test::accepts(gbnf(chain + "r20000 ::= \"x\""), "aaacbbb"));
    std::string row = "root ::= ";
    for (int i = 0; i < 50000; ++i) row += "r ";
    EXPECT_TRUE(test::accepts(gbnf(row + "\nr ::= \"a\" | \"(\" r \")\""), std::string(50000, 'a')));
}

}  // namespace
}  // namespace hearth
