// Calls of tools that Ember was never shown: how many are well-formed and how many are right, with the grammar of its
// tools and without; and whole conversations with a tool, thinking or not, to the answer from its result.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "base/json.h"
#include "chat/chat.h"
#include "chat/reply_parser.h"
#include "ember/ember.h"
#include "engine/engine_run.h"
#include "validator.h"

namespace hearth::test {
namespace {

struct ToolCase {
    EmberCase one;
    Json tools = Json::array();
};

// The tools stand in the prompt, a line each.
std::vector<ToolCase> tool_cases(const std::string& file) {
    std::vector<ToolCase> cases;
    for (EmberCase& one : of_task(ember_cases(file), "tool_calls")) {
        ToolCase made;
        const size_t begin = one.prompt.find("<tools>\n") + 8, end = one.prompt.find("\n</tools>");
        EXPECT_NE(end, std::string::npos) << one.prompt;
        std::istringstream lines(one.prompt.substr(begin, end - begin));
        for (std::string line; std::getline(lines, line);) {
            auto tool = Json::parse(line);
            EXPECT_TRUE(tool) << line;
            if (tool) made.tools.push(std::move(*tool));
        }
        made.one = std::move(one);
        cases.push_back(std::move(made));
    }
    return cases;
}

std::unique_ptr<chat::ChatModel> chat_with(Engine& engine) {
    auto made = chat::ChatModel::make(engine.checkpoint().metadata(), engine.tokenizer());
    EXPECT_TRUE(made) << (made ? "" : made.error().line());
    return made ? std::move(*made) : nullptr;
}

chat::Prompt prompt_of(const ToolCase& one, const Tokenizer& tokenizer) {
    chat::Prompt prompt;
    prompt.text.text = one.one.prompt;
    prompt.text.thinks = one.one.prompt.ends_with("<think>\n");
    if (prompt.text.thinks) prompt.text.begins = chat::PromptText::Begins::in_thought;
    EXPECT_TRUE(tokenizer.encode(one.one.prompt, {.parse_special = true}, prompt.tokens));
    const auto tools = chat::Tools::read(one.tools);
    EXPECT_TRUE(tools) << (tools ? "" : tools.error().line());
    if (tools) prompt.tools = std::make_shared<chat::Tools>(*tools);
    prompt.tool_list = one.tools;
    return prompt;
}

// What the text reads as, at once.
chat::Reply read_at_once(const chat::ChatModel& model, const chat::Prompt& prompt, std::string_view text) {
    chat::ReplyParser parser({.lexicon = std::make_shared<chat::Lexicon>(model.chat_template().family().channels),
                              .tools = prompt.tools,
                              .id_seed = 1,
                              .begins_in_thought = prompt.text.begins == chat::PromptText::Begins::in_thought});
    GuideEvents events;
    parser.push_text(text, events);
    parser.finish(events);
    chat::Reply reply;
    reply.add(events);
    return reply;
}

// There is a call, whole, of a tool that was offered, with arguments that its schema allows; and nothing broke.
bool is_well_formed(const chat::Reply& reply, const Json& tools) {
    if (reply.calls.empty() || !reply.warnings.empty()) return false;
    return std::ranges::all_of(reply.calls, [&](const chat::ReplyCall& call) {
        const auto arguments = Json::parse(call.arguments);
        if (!call.is_whole || !arguments) return false;
        return std::ranges::any_of(tools.items(), [&](const Json& tool) {
            const Json& function = *tool.find("function");
            std::string why;
            const Json& schema = *function.find("parameters");
            return function.find("name")->as_string() == call.name && validates(*arguments, schema, schema, why);
        });
    });
}

std::string text_without_end(const Engine& engine, std::vector<int32_t> tokens) {
    while (!tokens.empty() && engine.tokenizer().is_end(tokens.back())) tokens.pop_back();
    return engine.tokenizer().decode(tokens, true);
}

enum class Binding : uint8_t { none, offered, required };
struct Score {
    int cases = 0, well_formed = 0, right = 0;
};

Score score_of(Engine& engine, const chat::ChatModel& model, const std::vector<ToolCase>& cases, Binding binding) {
    std::vector<chat::Prompt> prompts;
    std::vector<std::shared_ptr<Pending>> pending;
    for (const ToolCase& one : cases) {
        prompts.push_back(prompt_of(one, engine.tokenizer()));
        Request request;
        request.tokens = prompts.back().tokens;
        request.sampling = greedy();
        request.max_tokens = 200;
        if (binding != Binding::none) {
            chat::ReplyOptions options;
            if (binding == Binding::required) options.tool_choice = {.kind = chat::ToolChoice::Kind::required};
            auto guide = model.guide(prompts.back(), options);
            EXPECT_TRUE(guide) << (guide ? "" : guide.error().line());
            if (guide) request.guide = std::move(*guide);
        }
        pending.push_back(collect(engine, std::move(request)));
    }
    Score score;
    for (size_t i = 0; i < cases.size(); ++i) {
        const std::string text = text_without_end(engine, pending[i]->answer().tokens);
        const chat::Reply reply = read_at_once(model, prompts[i], text);
        ++score.cases;
        score.well_formed += is_well_formed(reply, cases[i].tools);
        score.right += is_right(cases[i].one, text);
        if (binding == Binding::none) continue;
        chat::Reply streamed;
        streamed.add(pending[i]->answer().guide);
        EXPECT_EQ(streamed.answer, reply.answer);
        EXPECT_EQ(streamed.calls.size(), reply.calls.size());
        for (size_t c = 0; c < std::min(streamed.calls.size(), reply.calls.size()); ++c)
            EXPECT_EQ(streamed.calls[c].arguments, reply.calls[c].arguments);
    }
    return score;
}

// docs/ember.md has the figures.
TEST(EmberCalls, AreWellFormedAndNotFewerRightWhenTheyAreBound) {
    const auto engine = open_ember(ember_file(), {.context_tokens = 4096, .sequences = 16});
    ASSERT_TRUE(engine);
    const auto model = chat_with(*engine);
    ASSERT_TRUE(model);
    for (const std::string file : {"cases.jsonl", "known.jsonl"}) {
        const auto cases = tool_cases(file);
        const Score free = score_of(*engine, *model, cases, Binding::none);
        const Score offered = score_of(*engine, *model, cases, Binding::offered);
        const Score required = score_of(*engine, *model, cases, Binding::required);
        for (const auto& [name, score] : {std::pair("not bound", free), {"offered", offered}, {"required", required}})
            fmt::print("{:12} {:10} of {}: {} well-formed, {} right\n", file, name, score.cases, score.well_formed,
                       score.right);
        EXPECT_EQ(required.well_formed, required.cases);
        EXPECT_GE(offered.well_formed, free.well_formed);
        EXPECT_GE(offered.right, free.right);
        EXPECT_GE(required.right, free.right);
        EXPECT_GE(free.right, 41);  // as in answers_test
    }
}

const char* const kTools = R"([{"type": "function", "function": {"name": "get_weather", "description":
    "Get the weather of a city", "parameters": {"type": "object", "properties": {"city": {"type": "string"}},
    "required": ["city"]}}}])";

struct Said {
    chat::Reply reply;
    Event last;
};

// One turn, as the command line and a server have it; every way to read it gives the same.
Said say(Engine& engine, const chat::ChatModel& model, const chat::Conversation& conversation,
         const chat::ReplyOptions& options) {
    const auto prompt = model.prompt(conversation);
    EXPECT_TRUE(prompt) << (prompt ? "" : prompt.error().line());
    if (!prompt) return {};
    auto guide = model.guide(*prompt, options);
    EXPECT_TRUE(guide) << (guide ? "" : guide.error().line());
    if (!guide) return {};
    Request request;
    request.tokens = prompt->tokens;
    request.sampling = greedy();
    request.max_tokens = 300;
    request.guide = std::move(*guide);
    const Answer answer = ask(engine, std::move(request));
    Said said{.reply = {}, .last = answer.last};
    said.reply.add(answer.guide);
    const chat::Reply whole = read_at_once(model, *prompt, text_without_end(engine, answer.tokens));
    EXPECT_EQ(said.reply.thinking, whole.thinking);
    EXPECT_EQ(said.reply.answer, whole.answer);
    EXPECT_EQ(said.reply.calls.size(), whole.calls.size());
    for (size_t i = 0; i < std::min(said.reply.calls.size(), whole.calls.size()); ++i)
        EXPECT_EQ(said.reply.calls[i].arguments, whole.calls[i].arguments);
    EXPECT_TRUE(said.reply.warnings.empty()) << said.reply.warnings[0];
    return said;
}

TEST(EmberCalls, AConversationGoesThroughAToolToItsAnswer) {
    const auto engine = open_ember(ember_file(), {.context_tokens = 4096});
    ASSERT_TRUE(engine);
    const auto model = chat_with(*engine);
    ASSERT_TRUE(model);
    const auto grammar = grammar::Grammar::from_schema_text(
        R"({"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}, "degrees": {"type": "integer"}},
            "required": ["city", "degrees"]})",
        {});
    ASSERT_TRUE(grammar);
    const auto form = *model->form(*grammar);
    for (const bool thinks : {false, true})
        for (const auto kind : {chat::ToolChoice::Kind::automatic, chat::ToolChoice::Kind::required})
            for (const bool has_form : {false, true}) {
                const bool must_call = kind == chat::ToolChoice::Kind::required;
                SCOPED_TRACE(fmt::format("thinking {}, required {}, form {}", thinks, must_call, has_form));
                chat::Conversation conversation;
                conversation.tools = *Json::parse(kTools);
                conversation.thinking = thinks;
                conversation.messages.push(
                    Json::Object{{"role", "user"}, {"content", "What is the weather in Paris?"}});
                // A form of the answer binds answers; the call may come in its place.
                const Said asked =
                    say(*engine, *model, conversation,
                        {.form = has_form && !must_call ? form : nullptr, .tool_choice = {.kind = kind}});
                if (asked.reply.calls.empty() && has_form && !must_call) continue;  // it answered at once, in the form
                ASSERT_EQ(asked.reply.calls.size(), 1u) << asked.reply.answer;
                EXPECT_EQ(asked.reply.calls[0].name, "get_weather");
                EXPECT_EQ(asked.reply.calls[0].arguments, R"({"city":"Paris"})");
                EXPECT_EQ(asked.last.reason, FinishReason::end);
                conversation.messages.push(asked.reply.message());
                conversation.messages.push(Json::Object{{"role", "tool"},
                                                        {"tool_call_id", asked.reply.calls[0].id},
                                                        {"name", "get_weather"},
                                                        {"content", "rainy, 21°C"}});
                // Asked for a form it knows nothing of, it would rather call again.
                chat::ReplyOptions options;
                if (has_form) options = {.form = form, .tool_choice = {.kind = chat::ToolChoice::Kind::none}};
                const Said told = say(*engine, *model, conversation, options);
                EXPECT_TRUE(told.reply.calls.empty());
                EXPECT_EQ(told.last.reason, FinishReason::end);
                if (!has_form) {
                    EXPECT_NE(told.reply.answer.find("21"), std::string::npos) << told.reply.answer;
                    EXPECT_NE(told.reply.answer.find("Paris"), std::string::npos) << told.reply.answer;
                    continue;
                }
                const auto value = Json::parse(told.reply.answer);
                ASSERT_TRUE(value && value->is_object()) << told.reply.answer;
                EXPECT_TRUE(value->find("city")->is_string() && value->find("degrees")->is_integer());
            }
}

}  // namespace
}  // namespace hearth::test
