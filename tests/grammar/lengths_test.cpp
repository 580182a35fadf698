// Texts with a pattern and a length. The oracle is the graph of both at once, with a node for every count: it shares
// nothing with the counting but the walk of bytes.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "base/json.h"
#include "base/rng.h"
#include "grammar/char_graph.h"
#include "grammar/measured_graph.h"
#include "grammar/regex.h"
#include "vocabularies.h"

namespace hearth {
namespace {

using namespace grammar;
using Made = std::shared_ptr<const Grammar>;

struct Lengths {
    const char* pattern;
    int64_t least;
    std::optional<int64_t> most;
    std::string begin = {};  // of the text: its masks are compared where this ends
};

Made counted(const Lengths& c) {
    std::string schema =
        fmt::format(R"({{"type":"string","pattern":{},"minLength":{})", Json(c.pattern).dump(), c.least);
    if (c.most) schema += fmt::format(R"(,"maxLength":{})", *c.most);
    auto made = Grammar::from_schema_text(schema + "}", {});
    EXPECT_TRUE(made) << schema << ": " << made.error().line();
    return made ? *made : nullptr;
}

CharGraph graph_of(const Lengths& c) {
    return *combined(*expression_graph(c.pattern, RegexDialect::ecma, false), length_graph(c.least, c.most),
                     Combination::both);
}

Made written_out(const Lengths& c) {
    Rules rules;
    const ExprId quote = rules.bytes("\"");
    const ExprId text = rules.sequence({quote, rules.graph(graph_of(c), Spelling::json), quote});
    return *Grammar::from_rules(std::move(rules), text);
}

// Walks both at random. Every mask is the oracle's, the first time and from the cache, and every walk ends.
void expect_alike(const Made& made, const Made& oracle, const std::string& begin, const std::string& shown) {
    const auto vocabulary = test::small_vocabulary();
    const auto constraint = *Constraint::make(made, vocabulary), other = *Constraint::make(oracle, vocabulary);
    constexpr int32_t kQuote = '"';  // single bytes come first there
    int ended = 0;
    for (uint64_t walk = 0; walk < 12; ++walk) {
        Rng random(walk + 1);
        Matcher matcher(constraint), expected(other);
        ASSERT_TRUE(matcher.accept(begin)) << shown;
        ASSERT_TRUE(expected.accept(begin)) << shown;
        std::string text = begin;
        for (int step = 0; step < 400 && !matcher.finished(); ++step) {
            const TokenBits bits = test::mask_of(matcher);
            const auto ids = test::ids_of(bits);
            ASSERT_EQ(ids, test::ids_of(test::mask_of(expected))) << shown << " after " << text;
            ASSERT_EQ(bits, test::brute_force_mask(matcher)) << shown << " after " << text;
            ASSERT_FALSE(ids.empty()) << shown << " leads nowhere after " << text;
            EXPECT_EQ(matcher.may_end(), expected.may_end()) << shown << " after " << text;
            EXPECT_EQ(matcher.forced(20), expected.forced(20)) << shown << " after " << text;
            int32_t chosen = ids[random.below(ids.size())];
            // Single characters in some walks: every count is met.
            if (walk % 3 == 0)
                for (const int32_t id : ids)
                    if (vocabulary->bytes(id).size() == 1 && vocabulary->bytes(id)[0] != '\\' && random.below(2))
                        chosen = id;
            if (step > 150 && std::ranges::count(ids, kQuote)) chosen = kQuote;
            ASSERT_TRUE(matcher.accept(chosen)) << shown;
            ASSERT_TRUE(expected.accept(chosen)) << shown << " after " << text;
            text += vocabulary->bytes(chosen);
        }
        ended += matcher.finished();
    }
    EXPECT_GT(ended, 0) << shown;
}

TEST(Lengths, MasksAreThoseOfTheGraphOfBoth) {
    const auto times = [](int count, std::string_view part) {
        std::string all = "\"";
        for (int i = 0; i < count; ++i) all += part;
        return all;
    };
    const Lengths cases[] = {
        // Only every second or third length can be met.
        {"^(ab)*$", 7, 20},
        {"^(ab)+$", 7, std::nullopt},
        {"^(ab)*$", 61, 65, times(28, "ab")},
        {"^((ab)*|(abc)*)$", 31, 33},
        {"^((ab)*|(abc)*c)$", 95, 99},
        {"^(abc|d)*$", 2, 2},
        {"^(abc|d)*$", 5, 11},
        // One way has room for an end, the other none.
        {"^(a|bcdefgh)*$", 0, 10},
        {"^(a|é😀你ü)*$", 3, 6},
        {"^(é😀|e)*$", 5, 11},
        {"^[é-ü😀-🤿你]*(abcdef)?$", 4, 9},
        // Escapes, and what can be written in no other way.
        {"^(\\n|\\t\\x01|x)*$", 3, 6},
        {"^[\\u{1F600}-\\u{1F64F}a]*$", 2, 4},
        {"^[^a]*a$", 4, 7},
        {"", 3, 5},
        {"[0-9]{3}$", 12, std::nullopt},
        {"^[a-z]{2,6}$", 3, 40},
        {"^[a-z]{2,60}$", 50, 55, times(40, "k")},
        {"^[a-zé]*$", 40, 90},
        {"^a*b?$", 0, 30},
    };
    for (const Lengths& c : cases)
        expect_alike(counted(c), written_out(c), c.begin,
                     fmt::format("{} {} {}", c.pattern, c.least, c.most.value_or(-1)));
}

// Where other texts follow, where several are met at once, and where they may be empty.
TEST(Lengths, AnythingMayStandAroundThem) {
    const Lengths letters{"^[a-z]*$", 1, 5}, pairs{"^(ab)*$", 0, 4}, longer{"^a+$", 2, 9};
    using Text = std::function<ExprId(Rules&, const Lengths&)>;
    const Text texts[] = {
        [](Rules& rules, const Lengths& c) {
            const auto graph = *expression_graph(c.pattern, RegexDialect::ecma, false);
            const auto most = c.most ? std::optional(uint32_t(*c.most)) : std::nullopt;
            return rules.measured(*MeasuredGraph::make(graph, uint32_t(c.least), most), Spelling::json);
        },
        [](Rules& rules, const Lengths& c) { return rules.graph(graph_of(c), Spelling::json); },
    };
    const std::function<ExprId(Rules&, const Text&)> around[] = {
        [&](Rules& rules, const Text& text) {
            return rules.sequence({text(rules, letters), rules.bytes("z!")});
        },
        [&](Rules& rules, const Text& text) {
            return rules.choice({text(rules, letters), text(rules, longer)});
        },
        [&](Rules& rules, const Text& text) {
            return rules.sequence({rules.repeat(text(rules, pairs), 2, 3), rules.bytes("T")});
        },
        [&](Rules& rules, const Text& text) {
            const ExprId one = text(rules, pairs);  // in two places
            return rules.repeat(rules.sequence({one, rules.bytes(","), one, rules.bytes(";")}), 1, 40);
        },
        [&](Rules& rules, const Text& text) { return text(rules, letters); },
    };
    for (size_t i = 0; i < std::size(around); ++i) {
        Made made[2];
        for (int which = 0; which < 2; ++which) {
            Rules rules;
            const ExprId expression = around[i](rules, texts[which]);
            made[which] = *Grammar::from_rules(std::move(rules), expression);
        }
        expect_alike(made[0], made[1], "", fmt::format("case {}", i));
    }
}

// A branch of the vocabulary that is deep enough to be asked as a whole.
TEST(Lengths, BranchesAreNotTakenWholeBeyondTheLength) {
    std::vector<std::string> texts;
    for (int byte = 0; byte < 256; ++byte) texts.push_back(std::string(1, char(byte)));
    for (char letter = 'a'; letter <= 'z'; ++letter) texts.push_back(std::string("(") + letter);
    std::vector<VocabularyToken> tokens;
    for (const std::string& text : texts) tokens.push_back({text, text, TokenUse::text});
    tokens.push_back({"<end>", "<end>", TokenUse::end});
    const auto made = Grammar::from_schema_text(
        R"({"anyOf":[{"type":"string","pattern":"^[(]([a-z]bcd|[0-9])$","maxLength":2},
            {"type":"string","pattern":"^z+$","maxLength":3}]})",
        {});
    ASSERT_TRUE(made) << made.error().line();
    Matcher matcher(*Constraint::make(*made, Vocabulary::make(tokens)));
    ASSERT_TRUE(matcher.accept("\""));
    EXPECT_EQ(test::ids_of(test::mask_of(matcher)), (std::vector<int32_t>{'(', '\\', 'z'}));
    EXPECT_EQ(test::mask_of(matcher), test::brute_force_mask(matcher));
}

TEST(Lengths, FormatsHaveExactBounds) {
    const auto email = Grammar::from_schema_text(R"({"type":"string","format":"email","maxLength":320})", {});
    const auto uri =
        Grammar::from_schema_text(R"({"type":"string","format":"uri","minLength":1,"maxLength":2083})", {});
    ASSERT_TRUE(email && uri);
    const auto text = [](std::string_view begin, char letter, size_t length, std::string_view end = "") {
        return fmt::format("\"{}{}{}\"", begin, std::string(length - begin.size() - end.size(), letter), end);
    };
    for (const size_t length : {13u, 200u, 319u, 320u})
        EXPECT_TRUE(test::accepts(*email, text("", 'a', length, "@example.com"))) << length;
    for (const size_t length : {321u, 322u, 1000u})
        EXPECT_FALSE(test::accepts(*email, text("", 'a', length, "@example.com"))) << length;
    for (const size_t length : {14u, 1000u, 2082u, 2083u})
        EXPECT_TRUE(test::accepts(*uri, text("http://x.com/", 'p', length))) << length;
    for (const size_t length : {2084u, 2085u, 5000u})
        EXPECT_FALSE(test::accepts(*uri, text("http://x.com/", 'p', length))) << length;
    // Nothing is begun that the bound does not let end: "%" needs two more, the part behind the "@" one.
    const auto begins = [](const Made& made, const std::string& begin) {
        bool may_end = false;
        return test::accepted_bytes(made, begin, may_end) == begin.size();
    };
    const std::string long_uri = "\"http://x.com/" + std::string(2070 - 3, 'p');
    EXPECT_TRUE(begins(*uri, long_uri + "%20\""));
    EXPECT_FALSE(begins(*uri, long_uri + "p%"));
    EXPECT_TRUE(begins(*email, "\"" + std::string(318, 'a') + "@b\""));
    EXPECT_FALSE(begins(*email, "\"" + std::string(319, 'a')));
    const auto key = Grammar::from_schema_text(
        R"({"type":"object","propertyNames":{"pattern":"^[a-z]+$","maxLength":2000},"additionalProperties":{"type":"null"}})",
        {});
    ASSERT_TRUE(key) << key.error().line();
    EXPECT_TRUE(test::accepts(*key, "{\"" + std::string(2000, 'k') + "\": null}"));
    EXPECT_FALSE(test::accepts(*key, "{\"" + std::string(2001, 'k') + "\": null}"));
}

double seconds_of(const std::function<void()>& work) {
    double best = 1e9;  // of a few: others work on the machine as well
    for (int run = 0; run < 5; ++run) {
        const auto begin = std::chrono::steady_clock::now();
        work();
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return best;
}

TEST(Lengths, AreCompiledSoon) {
#if defined(HEARTH_SANITIZED)
    constexpr double kSoon = 1;
#else
    constexpr double kSoon = 0.1;
#endif
    for (const char* schema : {
             R"({"type":"string","format":"email","maxLength":320})",
             R"({"type":"string","format":"uri","minLength":1,"maxLength":2083})",
             R"({"type":"string","format":"email","maxLength":2000000000})",
             R"({"type":"string","pattern":"^(ab)+$","minLength":2000000000})",
             R"({"type":"string","pattern":"^[a-z]{1,5000}$","minLength":2000,"maxLength":3000})",
         }) {
        const double time = seconds_of([&] { EXPECT_TRUE(Grammar::from_schema_text(schema, {})) << schema; });
        EXPECT_LT(time, kSoon) << schema;
        RecordProperty(schema, std::to_string(time));
    }
}

// Cycles of many lengths: which counts can be met repeats itself after millions of characters only.
TEST(Lengths, WhatIsTooLargeIsRefusedByName) {
    const auto schema = [](const char* cycles, int properties) {
        std::string all;
        for (int i = 0; i < properties; ++i)
            all += fmt::format(R"({}"k{}":{{"type":"string","pattern":"^({})$","minLength":{},"maxLength":{}}})",
                               i ? "," : "", i, cycles, 1'000'000 + i, 1'000'000 + i);
        return R"({"type":"object","properties":{)" + all + "}}";
    };
    const char* to_13 = "a(x{2})*|b(x{3})*|c(x{5})*|d(x{7})*|e(x{11})*|f(x{13})*";
    const std::string to_19 = std::string(to_13) + "|g(x{17})*|h(x{19})*";
    const std::pair<std::string, std::string> cases[] = {
        {schema(to_19.c_str(), 1), "#/properties/k0/minLength"},
        {schema(to_13, 100), "minLength needs too many states together with the patterns so far"},
    };
    for (const auto& [text, says] : cases) {
        const auto begin = std::chrono::steady_clock::now();
        const auto made = Grammar::from_schema_text(text, {});
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
        ASSERT_FALSE(made) << text.substr(0, 100);
        EXPECT_NE(made.error().line().find(says), std::string::npos) << made.error().line();
        EXPECT_LT(time.count(), 4);
        RecordProperty(says, std::to_string(time.count()));
    }
    EXPECT_TRUE(Grammar::from_schema_text(schema(to_13, 1), {}));
}

}  // namespace
}  // namespace hearth
