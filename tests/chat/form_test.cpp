// Answers of a given form: whatever a model says where it has a choice, the answer satisfies its schema, with thoughts
// before it or without, beside tools, with copies and steps back.
#include "byte_vocabulary.h"
#include "chat/answer_form.h"
#include "chat/chat_guide.h"
#include "chat/family.h"
#include "chat/replies.h"
#include "schema_maker.h"
#include "validator.h"

namespace hearth::chat {
namespace {

using namespace test;
using Tokens = std::vector<int32_t>;

struct World {
    ByteVocabulary vocabulary{{"<|im_end|>", "<|endoftext|>"}, {"<think>", "</think>", "<tool_call>", "</tool_call>"}};
    std::shared_ptr<const grammar::Vocabulary> bytes =
        grammar_vocabulary(*vocabulary.tokenizer, std::vector{vocabulary.id("<|im_end|>")});

    Tokens ids(std::string_view text) const { return vocabulary.ids(text); }
    int32_t id(std::string_view text) const { return vocabulary.id(text); }
    GuideSetup setup(std::shared_ptr<const grammar::Grammar> grammar, bool in_thought, const std::string& tools) const {
        const Family& family = *find_family("qwen3.5");
        GuideSetup made;
        made.reply = {.lexicon = std::make_shared<Lexicon>(family.channels, vocabulary.tokenizer.get()),
                      .tools = tools_of(tools),
                      .id_seed = 1,
                      .begins_in_thought = in_thought};
        made.end_thought = ids(family.end_thought);
        made.ends = {id("<|im_end|>")};
        made.form = *grammar::Constraint::make(std::move(grammar), bytes);
        made.tokenizer = vocabulary.tokenizer.get();
        made.may_think = in_thought;
        return made;
    }
};
const World& world() {
    static const World made;
    return made;
}

std::vector<uint32_t> allowed_by(Guide& guide) {
    std::vector<uint32_t> bits((size_t(world().vocabulary.tokenizer->size()) + 31) / 32, ~0u);
    guide.mask(bits);
    return bits;
}
bool allows(Guide& guide, int32_t token) {
    return allowed_by(guide)[size_t(token) / 32] >> token % 32 & 1;
}
void say(Guide& guide, const Tokens& tokens, GuideEvents& events) {
    for (const int32_t token : tokens) {
        const auto accepted = guide.accept(token, world().vocabulary.tokenizer->piece(token), events);
        ASSERT_TRUE(accepted) << accepted.error().what;
    }
}

// A model that says anything: any token that may come, and an end where it may.
struct Babbler {
    Rng random;
    // True: the reply ended by itself within `most` tokens.
    bool talk(Guide& guide, GuideEvents& events, int most) {
        const int32_t end = world().id("<|im_end|>");
        for (int count = 0; count < most && !guide.finished(); ++count) {
            int32_t token = -1;
            if (const auto forced = guide.forced(); !forced.empty()) {
                token = forced.front();
            } else {
                const auto bits = allowed_by(guide);
                Tokens choices;
                for (int32_t id = 0; id < world().vocabulary.tokenizer->size(); ++id)
                    if (bits[size_t(id) / 32] >> id % 32 & 1) choices.push_back(id);
                EXPECT_FALSE(choices.empty()) << "nothing may follow";
                if (choices.empty()) return false;
                token = choices[random.below(choices.size())];
                // Texts grow without end otherwise: quotes and brackets that close are dear to this model.
                for (const char closing : {'"', '}', ']'})
                    if (random.below(3) == 0 && std::ranges::find(choices, int32_t(uint8_t(closing))) != choices.end())
                        token = uint8_t(closing);
                if (std::ranges::find(choices, end) != choices.end() && random.below(4) == 0) token = end;
            }
            say(guide, {token}, events);
        }
        return guide.finished();
    }
};

TEST(AnswerForm, AThousandRandomSchemasAreSatisfiedByAModelThatSaysAnything) {
    hearth::test::SchemaMaker maker(11);
    Babbler model{Rng(12)};
    int refused = 0, whole = 0, unfinished = 0;
    for (int round = 0; round < 1000; ++round) {
        const Json schema = maker.make();
        const auto grammar = grammar::Grammar::from_json_schema(schema, {});
        if (!grammar) {
            ++refused;
            continue;
        }
        const bool in_thought = round % 2 == 0;
        ChatGuide guide(world().setup(*grammar, in_thought, round % 3 == 0 ? R"([{"name": "now"}])" : "[]"));
        GuideEvents events;
        if (in_thought) say(guide, world().ids("Let me {\"think\": }\n</think>"), events);
        const bool ended = model.talk(guide, events, 600);
        ASSERT_TRUE(guide.finish(events));
        const Reply reply = reply_of(events);
        if (!reply.calls.empty() || reply.answer.starts_with("<tool_call>")) continue;  // it called, or tried to
        ASSERT_EQ(!reply.thinking.empty(), in_thought);
        if (!ended) {
            ++unfinished;
            EXPECT_EQ(reply.warnings.size(), 1u) << reply.answer;  // said, not hidden
            continue;
        }
        ++whole;
        const auto value = Json::parse(reply.answer);
        ASSERT_TRUE(value) << shown(reply) << " for " << schema.dump();
        std::string why;
        EXPECT_TRUE(hearth::test::validates(*value, schema, schema, why))
            << why << ": " << reply.answer << " for " << schema.dump();
        EXPECT_TRUE(reply.warnings.empty());
    }
    EXPECT_GT(whole, 500) << refused << " refused, " << unfinished << " unfinished";
}

TEST(AnswerForm, ThoughtsAreFreeAndWhatFollowsThemIsSaidAsUsual) {
    const auto grammar = *grammar::Grammar::from_regex("(yes|no)");
    ChatGuide guide(world().setup(grammar, true, "[]"));
    GuideEvents events;
    EXPECT_TRUE(allows(guide, world().id("</think>")));
    say(guide, world().ids("maybe\n</think>"), events);
    // The line breaks that this family writes there.
    EXPECT_TRUE(std::ranges::equal(guide.forced(), world().ids("\n\n")));
    say(guide, world().ids("\n\n"), events);
    EXPECT_TRUE(guide.forced().empty());
    EXPECT_TRUE(allows(guide, 'y') && allows(guide, 'n'));
    EXPECT_FALSE(allows(guide, 'm') || allows(guide, world().id("<|im_end|>")) || allows(guide, '\n'));
    EXPECT_FALSE(guide.accept('m', "m", events));  // and changes nothing
    say(guide, {'y'}, events);
    EXPECT_TRUE(std::ranges::equal(guide.forced(), world().ids("e")));  // the last one is the model's own
    EXPECT_FALSE(guide.finished());
    say(guide, world().ids("es"), events);
    EXPECT_TRUE(guide.finished());
    ASSERT_TRUE(guide.finish(events));
    EXPECT_EQ(shown(reply_of(events)), "[maybe][yes]");
}

TEST(AnswerForm, ACallMayComeInItsPlaceButNotAfterItHasBegun) {
    const auto grammar = *grammar::Grammar::any_json_object({});
    const std::string tools = R"([{"name": "now"}])";
    const int32_t call = world().id("<tool_call>"), think = world().id("<think>");
    ChatGuide guide(world().setup(grammar, false, tools));
    EXPECT_TRUE(allows(guide, call));
    EXPECT_FALSE(allows(guide, think));
    EXPECT_TRUE(allows(guide, '{'));
    GuideEvents events;
    auto other = guide.clone();
    say(guide, world().ids(R"(<tool_call>{"name": "now"}</tool_call><|im_end|>)"), events);
    EXPECT_EQ(reply_of(events).calls.size(), 1u);
    EXPECT_TRUE(reply_of(events).warnings.empty());
    GuideEvents answer;
    say(*other, world().ids(R"({"a": ")"), answer);
    EXPECT_FALSE(allows(*other, call));
    // What reads like a mark is text of the answer.
    Tokens spelled;
    ASSERT_TRUE(world().vocabulary.tokenizer->encode("<tool_call>", {.user_defined = false}, spelled));
    say(*other, spelled, answer);
    say(*other, world().ids("\"}"), answer);
    ASSERT_TRUE(other->finish(answer));
    EXPECT_EQ(shown(reply_of(answer)), R"([][{"a": "<tool_call>"}])");
    // Without tools there is nothing to call.
    ChatGuide none(world().setup(grammar, false, "[]"));
    EXPECT_FALSE(allows(none, call));
    GuideSetup thinker = world().setup(grammar, false, "[]");
    thinker.may_think = true;
    ChatGuide may_think(thinker);
    EXPECT_TRUE(allows(may_think, think));
}

// Gemma's line breaks and indents are tokens of the kind that marks usually are.
TEST(AnswerForm, BlanksMayBeTokensOfAnyKind) {
    const ByteVocabulary gemma({"<turn|>"}, {"\n", "  ", "<think>", "</think>"});
    const auto bytes = grammar_vocabulary(*gemma.tokenizer, std::vector{gemma.id("<turn|>")});
    EXPECT_EQ(bytes->use(gemma.id("\n")), grammar::TokenUse::text);
    EXPECT_EQ(bytes->use(gemma.id("<think>")), grammar::TokenUse::control);
    for (const char* choice : {"{\n  \"a\"", "say <think> twice"}) {
        const std::string text = choice;
        AnswerForm form(*grammar::Constraint::make(*grammar::Grammar::from_choices(std::vector{text}), bytes),
                        gemma.tokenizer.get());
        // Whatever is forced can be said.
        std::string said;
        for (int step = 0; step < 40 && !form.is_complete(); ++step) {
            const auto forced = form.forced();
            const int32_t token = forced.empty() ? int32_t(uint8_t(text[said.size()])) : forced.front();
            ASSERT_TRUE(form.accept(token)) << said;
            said += gemma.tokenizer->piece(token, true);
        }
        EXPECT_EQ(said, text);
    }
}

TEST(AnswerForm, WhatComesPastItIsTold) {
    const auto grammar = *grammar::Grammar::any_json_object({});
    ChatGuide guide(world().setup(grammar, false, R"([{"name": "now"}])"));
    GuideEvents events;
    say(guide, world().ids(R"(<tool_call>{"name": "nope"})"), events);
    std::vector<uint32_t> bits(world().bytes->words(), ~0u);
    EXPECT_FALSE(guide.mask(bits));  // there is nothing left to hold to
    ASSERT_TRUE(guide.finish(events));
    const Reply reply = reply_of(events);
    ASSERT_FALSE(reply.warnings.empty());
    EXPECT_NE(reply.warnings.back().find("not in the form"), std::string::npos) << shown(reply);
}

TEST(AnswerForm, StepsBackAndCopiesAreExact) {
    const auto grammar = *grammar::Grammar::from_schema_text(
        R"({"type": "object", "properties": {"name": {"type": "string"}, "ages": {"type": "array",
            "items": {"type": "integer"}}}, "required": ["name", "ages"]})",
        {});
    Rng random(3);
    for (int round = 0; round < 30; ++round) {
        const GuideSetup setup = world().setup(grammar, round % 2 == 0, "[]");
        Babbler model{Rng(uint64_t(round))};
        std::unique_ptr<Guide> guide = std::make_unique<ChatGuide>(setup);
        GuideEvents ignored;
        if (round % 2 == 0) say(*guide, world().ids("hm</think>"), ignored);
        Tokens said;
        for (int step = 0; step < 60 && !guide->finished(); ++step) {
            // Some tokens there and back again.
            auto copy = guide->clone();
            GuideEvents dropped;
            int there = 0;
            for (; there < int(random.below(6)) && !copy->finished(); ++there) model.talk(*copy, dropped, 1);
            copy->rollback(there);
            ASSERT_EQ(allowed_by(*copy), allowed_by(*guide));
            ASSERT_TRUE(std::ranges::equal(copy->forced(), guide->forced()));
            guide = std::move(copy);
            model.talk(*guide, ignored, 1);
        }
    }
}

}  // namespace
}  // namespace hearth::chat
