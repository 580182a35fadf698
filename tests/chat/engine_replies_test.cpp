// Replies of a whole engine whose model has random weights, the worst case for a grammar: under random schemas, with
// thoughts and without, with tools offered, required or absent. What ends by itself is valid; what does not says so;
// and what was streamed is what the whole text reads as.
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <iostream>

#include "chat/chat.h"
#include "chat/family.h"
#include "chat/reply_parser.h"
#include "engine/engine_run.h"
#include "models/edited_file.h"
#include "schema_maker.h"
#include "validator.h"

namespace hearth::chat {
namespace {

using namespace hearth::test;

// What is needed of Qwen 3.5's: its marks tell the family.
const char* const kTemplate =
    "{#- <function= -#}{%- if tools %}<|im_start|>system\n{{ tools|tojson }}<|im_end|>\n{% endif %}"
    "{%- for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n<think>\n{% if not enable_thinking %}\n</think>\n\n{% endif %}";

enum class Offer : uint8_t { nothing, tools, required };

struct Asked {
    std::string name;
    Offer offer;
    Json schema, parameters;  // of the answer; of the tool f
    bool is_bound = true;     // calls of f
    Prompt prompt;
    std::shared_ptr<Pending> pending;
};

struct Tally {
    int asked = 0, answers = 0, calls = 0, bound_calls = 0, cut_short = 0, thoughts = 0;
};

class EngineReplies : public testing::Test {
protected:
    void SetUp() override {
        NEED_SHARED("reference/qwen35/dense_r1.gguf");
        EditedFile file(shared_path("reference/qwen35/dense_r1.gguf"));
        file.set_text("tokenizer.chat_template", kTemplate);
        auto opened = Engine::open(file.open(), {.context_tokens = 4096, .sequences = 16});
        ASSERT_TRUE(opened) << opened.error().line();
        engine = std::move(*opened);
        auto made = ChatModel::make(engine->checkpoint().metadata(), engine->tokenizer());
        ASSERT_TRUE(made) << made.error().line();
        model = std::move(*made);
        ASSERT_EQ(model->chat_template().family().name, "qwen3.5");
        spelled = std::make_shared<Lexicon>(model->chat_template().family().channels);
        marks = std::make_shared<Lexicon>(model->chat_template().family().channels, &engine->tokenizer());
    }

    int32_t id(std::string_view text) const { return *engine->tokenizer().find(text); }

    void ask(Asked asked, bool thinks, const std::shared_ptr<grammar::Constraint>& form, uint64_t seed) {
        Conversation conversation;
        conversation.messages.push(Json::Object{{"role", "user"}, {"content", "Say something."}});
        conversation.thinking = thinks;
        if (asked.offer != Offer::nothing)
            conversation.tools = Json::Array{Json(Json::Object{{"name", "f"}, {"parameters", asked.parameters}}),
                                             Json(Json::Object{{"name", "g"}})};
        auto prompt = model->prompt(conversation);
        ASSERT_TRUE(prompt) << prompt.error().line();
        asked.prompt = std::move(*prompt);
        for (const std::string& note : asked.prompt.notes) {
            EXPECT_TRUE(note.starts_with("calls of f may have any arguments")) << note;
            asked.is_bound = false;
        }
        ReplyOptions options{.thinking_budget = 12, .form = form};
        if (asked.offer == Offer::required) options.tool_choice = {.kind = ToolChoice::Kind::required};
        auto guide = model->guide(asked.prompt, options);
        ASSERT_TRUE(guide) << guide.error().line();
        Request request;
        request.tokens = asked.prompt.tokens;
        request.guide = std::move(*guide);
        request.max_tokens = 300;
        request.sampling.seed = seed;
        // Texts grow without end otherwise. One in four is left to itself.
        if (seed % 4 != 0)
            for (const char* closing : {"\"", "}", "]", "<|im_end|>", "</tool_call>"})
                request.sampling.logit_bias.push_back({id(closing), 5.0f});
        if (asked.offer == Offer::tools && seed % 2 == 0)  // or it would never call
            request.sampling.logit_bias.push_back({id("<tool_call>"), 6.0f});
        asked.pending = collect(*engine, std::move(request));
        waiting.push_back(std::move(asked));
        ++tally.asked;
        while (waiting.size() >= 48) check_first();
    }

    // The reply with its marks spelled out.
    std::string text_of(const Answer& answer) const {
        std::string text;
        for (const int32_t token : answer.tokens) {
            if (token == id("<|im_end|>") || token == id("<|endoftext|>")) break;
            const Mark mark = marks->find(token);
            text += mark == Mark::count ? engine->tokenizer().piece(token) : std::string_view(marks->text(mark));
        }
        return text;
    }
    // As it reads at once, instead of token by token.
    Reply read_at_once(const Asked& asked, std::string_view text) const {
        ReplyParser parser({.lexicon = spelled,
                            .tools = asked.prompt.tools,
                            .id_seed = 0,
                            .begins_in_thought = asked.prompt.text.begins == PromptText::Begins::in_thought});
        GuideEvents events;
        parser.push_text(text, events);
        parser.finish(events);
        Reply reply;
        reply.add(events);
        return reply;
    }

    // True: the reply is what was asked for.
    void expect_valid(const Asked& asked, const Reply& reply) {
        std::string why;
        for (const ReplyCall& call : reply.calls) {
            EXPECT_TRUE(call.is_whole);
            const auto arguments = Json::parse(call.arguments);
            ASSERT_TRUE(arguments && arguments->is_object()) << call.arguments;
            ++tally.calls;
            if (call.name != "f" || !asked.is_bound) continue;
            ++tally.bound_calls;
            EXPECT_TRUE(validates(*arguments, asked.parameters, asked.parameters, why))
                << why << ": " << call.arguments << " for " << asked.parameters.dump();
        }
        if (asked.offer == Offer::required) {
            EXPECT_FALSE(reply.calls.empty());
            EXPECT_EQ(reply.answer, "");
        }
        if (!reply.calls.empty() || asked.offer == Offer::required) return;
        const auto value = Json::parse(reply.answer);
        ASSERT_TRUE(value) << reply.answer;
        EXPECT_TRUE(validates(*value, asked.schema, asked.schema, why)) << why << ": " << reply.answer;
        ++tally.answers;
    }

    void check_first() {
        const Asked asked = std::move(waiting.front());
        waiting.pop_front();
        const Answer answer = asked.pending->answer();
        engine->wait(asked.pending->id());
        const std::string text = text_of(answer);
        SCOPED_TRACE(asked.name + ": " + Json(text).dump() + " for " +
                     (asked.offer == Offer::nothing ? asked.schema : asked.parameters).dump());
        ASSERT_EQ(answer.last.kind, Event::Kind::finish) << answer.last.error.line();
        Reply reply;
        reply.add(answer.guide);
        const Reply whole = read_at_once(asked, text);
        EXPECT_EQ(reply.thinking, whole.thinking);
        EXPECT_EQ(reply.answer, whole.answer);
        ASSERT_EQ(reply.calls.size(), whole.calls.size());
        for (size_t i = 0; i < reply.calls.size(); ++i) {
            EXPECT_EQ(reply.calls[i].name, whole.calls[i].name);
            EXPECT_EQ(reply.calls[i].arguments, whole.calls[i].arguments);
            EXPECT_EQ(reply.calls[i].is_whole, whole.calls[i].is_whole);
        }
        tally.thoughts += !reply.thinking.empty();
        // Not by itself, or in the middle of its thought.
        const bool has_ended =
            answer.last.reason == FinishReason::end && !(reply.answer.empty() && reply.calls.empty());
        const bool says_so = !reply.warnings.empty() ||
                             std::ranges::any_of(reply.calls, [](const auto& call) { return !call.is_whole; });
        if (!has_ended && says_so) {
            ++tally.cut_short;
            return;
        }
        EXPECT_FALSE(says_so) << (reply.warnings.empty() ? "a call broke" : reply.warnings[0]);
        expect_valid(asked, reply);
    }

    std::unique_ptr<Engine> engine;
    std::unique_ptr<ChatModel> model;
    std::shared_ptr<Lexicon> spelled, marks;
    std::deque<Asked> waiting;
    Tally tally;
};

TEST_F(EngineReplies, RandomWeightsWriteWhatIsAskedForOrSayThatTheyDidNot) {
    const int rounds = std::getenv("HEARTH_LONG") ? 1000 : 40;
    int refused = 0;
    for (int round = 0; round < rounds; ++round) {
        const uint64_t seed = uint64_t(round);
        const Json schema = SchemaMaker(2 * seed + 1).make(), parameters = SchemaMaker(2 * seed + 2).make_object();
        const auto grammar = grammar::Grammar::from_json_schema(schema, {});
        refused += !grammar;
        const auto form = grammar ? *model->form(*grammar) : nullptr;
        for (const Offer offer : {Offer::nothing, Offer::tools, Offer::required})
            for (const bool thinks : {false, true}) {
                if (!form && offer != Offer::required) continue;
                const char* const names[] = {"no tools", "tools", "a call required"};
                ask({.name = fmt::format("round {}, {}, {}", round, names[int(offer)], thinks ? "thinking" : "not"),
                     .offer = offer,
                     .schema = schema,
                     .parameters = parameters},
                    thinks, offer == Offer::required ? nullptr : form, seed);
                if (HasFailure()) return;
            }
    }
    while (!waiting.empty()) check_first();
    std::cout << tally.asked << " replies, " << refused << " schemas refused: " << tally.answers << " valid answers, "
              << tally.calls << " calls (" << tally.bound_calls << " of a bound tool), " << tally.cut_short
              << " cut short and said so, " << tally.thoughts << " with thoughts\n";
    EXPECT_GT(tally.answers, tally.asked / 5);
    EXPECT_GT(tally.bound_calls, tally.asked / 40);
    EXPECT_GT(tally.thoughts, tally.asked / 3);
}

}  // namespace
}  // namespace hearth::chat
