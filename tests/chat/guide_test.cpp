// What a chat's guide does with tokens: marks by id, budgets, stop strings, copies and steps back.
#include <algorithm>
#include <atomic>
#include <memory>

#include "byte_vocabulary.h"
#include "chat/chat_guide.h"
#include "chat/family.h"
#include "chat/replies.h"

namespace hearth::chat {
namespace {

using namespace test;
using Tokens = std::vector<int32_t>;

const ByteVocabulary& vocabulary() {
    static const ByteVocabulary made({"<|im_end|>", "<|endoftext|>"},
                                     {"<think>", "</think>", "<tool_call>", "</tool_call>"});
    return made;
}

const char* const kTools =
    R"([{"name": "now"}, {"name": "say", "parameters": {"properties": {"text": {"type": "string"}}}}])";

GuideSetup setup(bool in_thought = false) {
    const Family& family = *find_family("qwen3.5");
    GuideSetup made;
    made.reply = {.lexicon = std::make_shared<Lexicon>(family.channels, vocabulary().tokenizer.get()),
                  .tools = tools_of(kTools),
                  .id_seed = 1,
                  .begins_in_thought = in_thought};
    made.end_thought = vocabulary().ids(family.end_thought);
    made.ends = {vocabulary().id("<|im_end|>")};
    return made;
}

void say(Guide& guide, const Tokens& tokens, GuideEvents& events) {
    for (const int32_t token : tokens) ASSERT_TRUE(guide.accept(token, vocabulary().tokenizer->piece(token), events));
}

std::string read(GuideSetup made, const Tokens& tokens) {
    ChatGuide guide(std::move(made));
    GuideEvents events;
    say(guide, tokens, events);
    EXPECT_TRUE(guide.finish(events));
    return shown(reply_of(events));
}

// Says what is forced, else `free`, until `count` tokens are said.
std::pair<Tokens, std::string> run(GuideSetup made, const Tokens& free) {
    ChatGuide guide(std::move(made));
    GuideEvents events;
    Tokens said;
    size_t next = 0;
    while (!guide.finished()) {
        const auto forced = guide.forced();
        if (forced.empty() && next == free.size()) break;
        const int32_t token = forced.empty() ? free[next++] : forced.front();
        said.push_back(token);
        say(guide, {token}, events);
        if (said.size() > 500) break;
    }
    EXPECT_TRUE(guide.finish(events));
    return {said, shown(reply_of(events))};
}

Tokens joined(std::initializer_list<Tokens> parts) {
    Tokens all;
    for (const Tokens& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

Tokens spelled(std::string_view text) {  // by its bytes alone
    Tokens ids;
    EXPECT_TRUE(vocabulary().tokenizer->encode(text, {.user_defined = false}, ids));
    return ids;
}

TEST(ChatGuide, MarksAreTokensAndNotTheirText) {
    const auto ids = [](std::string_view text) { return vocabulary().ids(text); };
    EXPECT_EQ(read(setup(true), ids("a\n</think>\n\nb<|im_end|>")), "[a][b]");
    EXPECT_EQ(read(setup(true), joined({ids("a"), spelled("</think>"), ids("b</think>c")})), "[a</think>b][c]");
    EXPECT_EQ(read(setup(), joined({ids("Write "), spelled("<tool_call>{}</tool_call>"), ids(".")})),
              "[][Write <tool_call>{}</tool_call>.]");
    const std::string called =
        read(setup(), ids("<tool_call>\n<function=say>\n<parameter=text>\n<think>\n</parameter>\n"
                          "</function>\n</tool_call><|im_end|>"));
    EXPECT_TRUE(called.starts_with("[][]\n") && called.ends_with(" say({\"text\":\"<think>\"})")) << called;
}

TEST(ChatGuide, CallsHaveIdsThatDependOnThePromptAlone) {
    const auto id = [](uint64_t seed, const Tokens& tokens) {
        GuideSetup made = setup();
        made.reply.id_seed = seed;
        ChatGuide guide(std::move(made));
        GuideEvents events;
        say(guide, tokens, events);
        const Reply reply = reply_of(events);
        return reply.calls.empty() ? "" : reply.calls.back().id;
    };
    const Tokens one = vocabulary().ids("<tool_call>{\"name\": \"now\"}</tool_call>"), two = joined({one, one});
    EXPECT_EQ(id(1, one), id(1, one));
    EXPECT_NE(id(1, one), id(2, one));
    EXPECT_NE(id(1, one), id(1, two));
}

TEST(ChatGuide, ATurnEndsWithTheTokensOfTheFamily) {
    ChatGuide guide(setup());
    GuideEvents events;
    say(guide, vocabulary().ids("a  "), events);
    EXPECT_FALSE(guide.finished());
    say(guide, {vocabulary().id("<|im_end|>")}, events);
    EXPECT_TRUE(guide.finished());
    EXPECT_EQ(shown(reply_of(events)), "[][a  ]");
}

TEST(ChatGuide, ThoughtsEndWithTheirBudget) {
    const Tokens close = vocabulary().ids("\n</think>\n\n");
    for (const int64_t budget : {1, 2, 5}) {
        GuideSetup made = setup(true);
        made.thinking_budget = budget;
        const auto [said, text] = run(std::move(made), joined({Tokens(size_t(budget), 'x'), vocabulary().ids("yes")}));
        EXPECT_EQ(said, joined({Tokens(size_t(budget), 'x'), close, vocabulary().ids("yes")}));
        EXPECT_EQ(text, "[" + std::string(size_t(budget), 'x') + "][yes]");
    }
    // None at all: before the first token, or as soon as the model begins one.
    GuideSetup none = setup(true);
    none.thinking_budget = 0;
    EXPECT_EQ(run(std::move(none), vocabulary().ids("yes")).first, joined({close, vocabulary().ids("yes")}));
    none = setup();
    none.thinking_budget = 0;
    EXPECT_EQ(run(std::move(none), vocabulary().ids("<think>yes")),
              std::pair(joined({vocabulary().ids("<think>"), close, vocabulary().ids("yes")}), std::string("[][yes]")));
    // One that ended by itself is left alone.
    GuideSetup enough = setup(true);
    enough.thinking_budget = 5;
    EXPECT_EQ(run(std::move(enough), vocabulary().ids("xx</think>much longer than that")).second,
              "[xx][much longer than that]");
    // Characters are not cut, but a broken one is not waited for.
    GuideSetup amid = setup(true);
    amid.thinking_budget = 2;
    EXPECT_EQ(run(std::move(amid), spelled("a\xe4\xbd\xa0yes")).second, "[a\xe4\xbd\xa0][yes]");
    // What should end a thought and does not is said once.
    GuideSetup useless = setup(true);
    useless.thinking_budget = 1;
    useless.end_thought = vocabulary().ids("!");
    EXPECT_EQ(run(std::move(useless), vocabulary().ids("abc")).second, "[a!bc][]");
}

// Enter while the model thinks.
TEST(ChatGuide, AThoughtEndsWhenSomebodyAsksForIt) {
    const auto asked = std::make_shared<std::atomic<bool>>(false);
    const Tokens close = vocabulary().ids("\n</think>\n\n");
    for (const bool has_budget : {false, true}) {
        asked->store(false);
        GuideSetup made = setup(true);
        made.end_thought_now = asked;
        if (has_budget) made.thinking_budget = 100;
        ChatGuide guide(made);
        GuideEvents events, dropped;
        say(guide, vocabulary().ids("ab"), events);
        EXPECT_TRUE(guide.forced().empty());
        asked->store(true);
        say(guide, vocabulary().ids("c"), events);
        ASSERT_TRUE(std::ranges::equal(guide.forced(), close));
        // Where tokens are taken back it ends with the next one too.
        const auto copy = guide.clone();
        copy->rollback(2);
        EXPECT_TRUE(copy->forced().empty());
        say(*copy, vocabulary().ids("b"), dropped);
        EXPECT_TRUE(std::ranges::equal(copy->forced(), close));
        say(guide, close, events);
        EXPECT_TRUE(guide.forced().empty());
        say(guide, vocabulary().ids("yes"), events);
        EXPECT_TRUE(guide.forced().empty());  // an answer is not cut by it
        ASSERT_TRUE(guide.finish(events));
        EXPECT_EQ(shown(reply_of(events)), "[abc][yes]");
    }
}

TEST(ChatGuide, StopStringsEndAnswersOnly) {
    GuideSetup made = setup(true);
    made.stops = {"stop", "\n\n"};
    const auto [said, text] = run(made, vocabulary().ids("stop it\n\n</think>now st stop and more"));
    EXPECT_EQ(text, "[stop it][now st ]");
    EXPECT_EQ(vocabulary().tokenizer->decode(said, true), "stop it\n\n</think>now st stop");
    ChatGuide guide(made);
    GuideEvents events;
    say(guide, vocabulary().ids("</think>a\n\nb"), events);
    EXPECT_TRUE(guide.finished());
    EXPECT_EQ(reply_of(events).stopped, "\n\n");
    EXPECT_EQ(read(made, vocabulary().ids("</think>sto")), "[][sto]");
}

// Whatever was taken back, what follows is read as if it had never been said.
TEST(ChatGuide, StepsBackAndCopiesAreExact) {
    const std::vector<std::string> pieces = {"<think>",
                                             "</think>",
                                             "<tool_call>",
                                             "</tool_call>",
                                             "<function=say>",
                                             "<parameter=text>",
                                             "</parameter>",
                                             "</function>",
                                             "{\"name\": \"now\"}",
                                             "x",
                                             "\n",
                                             " ",
                                             "stop",
                                             "\xe4\xbd\xa0"};
    Rng random(5);
    for (int round = 0; round < 60; ++round) {
        GuideSetup made = setup(random.below(2));
        made.stops = {"stopstop"};
        made.thinking_budget = int64_t(random.below(40));
        ChatGuide guide(made);
        Tokens said;
        size_t kept = 0;  // tokens that may be taken back
        GuideEvents ignored;
        std::unique_ptr<Guide> now = guide.clone();
        for (int step = 0; step < 40; ++step) {
            if (random.below(4) == 0) {
                const size_t back = random.below(kept + 1);
                now->rollback(int(back));
                said.resize(said.size() - back);
                kept -= back;
            } else {
                const Tokens more = vocabulary().ids(pieces[random.below(pieces.size())]);
                say(*now, more, ignored);
                said.insert(said.end(), more.begin(), more.end());
                kept = std::min<size_t>(kept + more.size(), Guide::kRollbackTokens);
            }
            if (random.below(3) == 0) now = now->clone();
            ChatGuide fresh(made);
            GuideEvents events;
            say(fresh, said, events);
            ASSERT_EQ(now->finished(), fresh.finished());
            ASSERT_TRUE(std::ranges::equal(now->forced(), fresh.forced()));
            // What both say to the same continuation.
            GuideEvents first, second;
            auto copy = now->clone();
            const Tokens rest = vocabulary().ids("x</think>y<tool_call>{\"name\": \"now\"}</tool_call>");
            say(*copy, rest, first);
            say(fresh, rest, second);
            ASSERT_TRUE(copy->finish(first));
            ASSERT_TRUE(fresh.finish(second));
            ASSERT_EQ(shown(reply_of(first)), shown(reply_of(second)));
        }
    }
}

}  // namespace
}  // namespace hearth::chat
