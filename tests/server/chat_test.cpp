// POST /v1/chat/completions with the demo model: whole and streamed answers, tools, forms, scores, errors.
#include <cstdlib>
#include <set>

#include "server/ember_server.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

const std::string kPath = "/v1/chat/completions";

Json question(const std::string& text, Json::Object more = {}) {
    Json body = Json::Object{{"model", "ember"}, {"temperature", 0}};
    body.set("messages", Json::Array{Json::Object{{"role", "user"}, {"content", text}}});
    for (auto& [name, value] : more) body.set(name, std::move(value));
    return body;
}

Json weather_tools() {
    return parsed(R"([{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}])");
}

// The message that a stream's deltas make.
struct Streamed {
    std::string content, reasoning, finish_reason;
    struct Call {
        std::string id, name, arguments;
    };
    std::vector<Call> calls;
    Json scores = Json::array(), usage;
    int chunks = 0;
};

class Chat : public EmberServer {
protected:
    static Json whole(const Json& body) {
        const HttpAnswer answer = post(kPath, body);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return answer.json();
    }
    static Streamed streamed(Json body, int64_t choice = 0) {
        body.set("stream", true);
        body.set("stream_options", Json::Object{{"include_usage", true}});
        const HttpAnswer answer = post(kPath, body);
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_TRUE(answer.is_whole);
        EXPECT_EQ(answer.header("Content-Type"), "text/event-stream");
        const auto events = answer.events();
        Streamed all;
        EXPECT_GE(events.size(), 3u);
        if (events.empty()) return all;
        EXPECT_EQ(events.back(), "[DONE]");
        for (size_t i = 0; i + 1 < events.size(); ++i) {
            const Json chunk = parsed(events[i]);
            EXPECT_EQ(text_at(chunk, "object"), "chat.completion.chunk");
            if (chunk.find("usage")) all.usage = *chunk.find("usage");
            const Json& one = at(chunk, "choices", 0);
            if (one.is_null() || at(one, "index").as_int() != choice) continue;
            ++all.chunks;
            const Json& delta = at(one, "delta");
            all.content += text_at(delta, "content");
            all.reasoning += text_at(delta, "reasoning_content");
            all.finish_reason += text_at(one, "finish_reason");
            if (const Json& scores = at(one, "logprobs", "content"); scores.is_array())
                for (const Json& score : scores.items()) all.scores.push(score);
            const Json& call = at(delta, "tool_calls", 0);
            if (call.is_null()) continue;
            const size_t index = size_t(at(call, "index").as_int());
            if (index >= all.calls.size()) all.calls.resize(index + 1);
            all.calls[index].id += text_at(call, "id");
            all.calls[index].name += text_at(call, "function", "name");
            all.calls[index].arguments += text_at(call, "function", "arguments");
        }
        return all;
    }
    // Both ways, and they say the same.
    static Json both(const Json& body) {
        const Json answer = whole(body);
        const Json& message = at(answer, "choices", 0, "message");
        const Streamed stream = streamed(body);
        EXPECT_EQ(text_at(message, "content"), stream.content);
        EXPECT_EQ(text_at(message, "reasoning_content"), stream.reasoning);
        EXPECT_EQ(text_at(answer, "choices", 0, "finish_reason"), stream.finish_reason);
        const Json& scores = at(answer, "choices", 0, "logprobs", "content");
        EXPECT_EQ(scores.is_array() ? scores.dump() : "[]", stream.scores.dump());
        Json usage = at(answer, "usage"), streamed_usage = stream.usage;
        // The second time more of the prompt is remembered.
        usage.set("prompt_tokens_details", nullptr);
        streamed_usage.set("prompt_tokens_details", nullptr);
        EXPECT_EQ(usage.dump(), streamed_usage.dump());
        const Json& calls = at(message, "tool_calls");
        EXPECT_EQ(calls.is_array() ? calls.items().size() : 0, stream.calls.size());
        for (size_t i = 0; i < stream.calls.size(); ++i) {
            EXPECT_EQ(text_at(calls, i, "id"), stream.calls[i].id);
            EXPECT_EQ(text_at(calls, i, "function", "name"), stream.calls[i].name);
            EXPECT_EQ(text_at(calls, i, "function", "arguments"), stream.calls[i].arguments);
        }
        return answer;
    }
    static std::string content(const Json& answer, size_t choice = 0) {
        return text_at(answer, "choices", choice, "message", "content");
    }
};

TEST_F(Chat, AnswersWholeAndStreamed) {
    const Json answer = both(question("What is 17 + 25?"));
    EXPECT_EQ(content(answer), "17 + 25 = 42");
    EXPECT_EQ(text_at(answer, "object"), "chat.completion");
    EXPECT_TRUE(text_at(answer, "id").starts_with("chatcmpl-"));
    EXPECT_EQ(text_at(answer, "model"), "ember");
    EXPECT_EQ(text_at(answer, "choices", 0, "message", "role"), "assistant");
    EXPECT_EQ(text_at(answer, "choices", 0, "finish_reason"), "stop");
    const int64_t prompt = at(answer, "usage", "prompt_tokens").as_int();
    const int64_t generated = at(answer, "usage", "completion_tokens").as_int();
    EXPECT_GT(prompt, 5);
    EXPECT_GT(generated, 5);
    EXPECT_EQ(at(answer, "usage", "total_tokens").as_int(), prompt + generated);
    EXPECT_EQ(at(answer, "usage", "completion_tokens_details", "reasoning_tokens").as_int(-1), 0);
    EXPECT_FALSE(answer.find("warnings"));
    // Without a model's name the first would be a guess: there are two.
    Json nameless = question("hi");
    nameless.set("model", nullptr);
    EXPECT_EQ(post(kPath, nameless).status, 400);
}

TEST_F(Chat, SaysWhatTheCommandLineSays) {
    const char* program = std::getenv("HEARTH_BINARY");
    ASSERT_TRUE(program);
    for (const std::string text : {"What is 17 + 25?", "What is the capital of France?"}) {
        FILE* pipe = popen((std::string(program) + " run ember --temp 0 '" + text + "' 2>/dev/null").c_str(), "r");
        ASSERT_TRUE(pipe);
        char line[1000] = "";
        EXPECT_TRUE(fgets(line, sizeof line, pipe));
        pclose(pipe);
        EXPECT_EQ(content(whole(question(text))) + "\n", line);
    }
}

TEST_F(Chat, ThoughtsAreApart) {
    const Json answer = both(question("What is 17 + 25?", {{"reasoning_effort", "high"}}));
    EXPECT_EQ(content(answer), "17 + 25 = 42");
    EXPECT_NE(text_at(answer, "choices", 0, "message", "reasoning_content").find("carry 1"), std::string::npos);
    const int64_t thinking = at(answer, "usage", "completion_tokens_details", "reasoning_tokens").as_int();
    EXPECT_GT(thinking, 5);
    EXPECT_LT(thinking, at(answer, "usage", "completion_tokens").as_int());
    const Json by_template =
        whole(question("What is 17 + 25?", {{"chat_template_kwargs", Json::Object{{"enable_thinking", true}}}}));
    EXPECT_EQ(at(by_template, "choices").dump(), at(answer, "choices").dump());
    const Json off = whole(question("What is 17 + 25?", {{"reasoning_effort", "none"}}));
    EXPECT_EQ(text_at(off, "choices", 0, "message", "reasoning_content"), "");
    const Json few = whole(question("What is 17 + 25?", {{"enable_thinking", true}, {"thinking_budget", 5}}));
    EXPECT_LT(at(few, "usage", "completion_tokens_details", "reasoning_tokens").as_int(), thinking);
    EXPECT_FALSE(content(few).empty());
}

TEST_F(Chat, ToolsAreCalled) {
    const Json answer = both(question("What is the weather in Paris?", {{"tools", weather_tools()}}));
    const Json& call = at(answer, "choices", 0, "message", "tool_calls", 0);
    EXPECT_EQ(text_at(call, "type"), "function");
    EXPECT_EQ(text_at(call, "function", "name"), "get_weather");
    EXPECT_EQ(text_at(call, "function", "arguments"), R"({"city":"Paris"})");
    EXPECT_FALSE(text_at(call, "id").empty());
    EXPECT_TRUE(at(answer, "choices", 0, "message", "content").is_null());
    EXPECT_EQ(text_at(answer, "choices", 0, "finish_reason"), "tool_calls");
    // Whoever must call does, and the result is answered in words.
    const Json must = both(question("What is 17 + 25?", {{"tools", weather_tools()},
                                                         {"tool_choice", "required"},
                                                         {"parallel_tool_calls", false},
                                                         {"max_tokens", 200}}));
    EXPECT_EQ(text_at(must, "choices", 0, "message", "tool_calls", 0, "function", "name"), "get_weather");
    Json next = question("What is the weather in Paris?", {{"tools", weather_tools()}, {"max_tokens", 60}});
    Json messages = *next.find("messages");
    messages.push(at(answer, "choices", 0, "message"));
    messages.push(
        Json::Object{{"role", "tool"}, {"tool_call_id", text_at(call, "id")}, {"content", "sunny, 21 degrees"}});
    next.set("messages", messages);
    EXPECT_EQ(text_at(both(next), "choices", 0, "finish_reason"), "stop");
}

TEST_F(Chat, AnswersHaveTheFormThatIsAskedFor) {
    const Json schema = parsed(R"({"type": "object", "properties": {"name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0}}, "required": ["name", "age"]})");
    const std::string expected = R"({"name": "Tom", "age": 31})";
    const std::string text = "Tom is 31 years old.";
    const auto format = [&](Json inner) { return question(text, {{"response_format", std::move(inner)}}); };
    EXPECT_EQ(content(both(format(Json::Object{
                  {"type", "json_schema"},
                  {"json_schema", Json::Object{{"name", "person"}, {"strict", true}, {"schema", schema}}}}))),
              expected);
    EXPECT_EQ(content(whole(format(Json::Object{{"type", "json_object"}, {"schema", schema}}))), expected);
    for (const char* name : {"json_schema", "guided_json"})
        EXPECT_EQ(content(whole(question(text, {{name, schema}}))), expected) << name;
    EXPECT_EQ(content(whole(question(text, {{"guided_json", schema.dump()}}))), expected);
    EXPECT_EQ(content(whole(question(text, {{"structured_outputs", Json::Object{{"json", schema}}}}))), expected);
    EXPECT_TRUE(parsed(content(whole(format(Json::Object{{"type", "json_object"}})))).is_object());
    const std::set<std::string> words{"red", "blue"};
    for (const Json::Member& form : Json::Object{{"guided_choice", Json::Array{"red", "blue"}},
                                                 {"guided_regex", "red|blue"},
                                                 {"guided_grammar", "root ::= \"red\" | \"blue\""},
                                                 {"grammar", "root ::= \"red\" | \"blue\""}})
        EXPECT_TRUE(words.contains(content(whole(question("Which colour?", {form}))))) << form.first;
}

TEST_F(Chat, LimitsAndStopsEndTheAnswer) {
    Json answer = both(question("What is 17 + 25?", {{"max_tokens", 3}}));
    EXPECT_EQ(text_at(answer, "choices", 0, "finish_reason"), "length");
    EXPECT_EQ(at(answer, "usage", "completion_tokens").as_int(), 3);
    answer = both(question("What is the capital of France?", {{"stop", Json::Array{"ar", "zzz"}}}));
    EXPECT_EQ(content(answer), "The capital of France is P");
    EXPECT_EQ(text_at(answer, "choices", 0, "finish_reason"), "stop");
    EXPECT_EQ(text_at(answer, "choices", 0, "stop_reason"), "ar");
    // More wins over less where a client sends both names.
    answer = whole(question("What is 17 + 25?", {{"max_tokens", 1}, {"max_completion_tokens", 4}}));
    EXPECT_EQ(at(answer, "usage", "completion_tokens").as_int(), 4);
}

TEST_F(Chat, ScoresComeWithTheirBytes) {
    const Json answer = both(question("What is 17 + 25?", {{"logprobs", true}, {"top_logprobs", 2}}));
    const Json& scores = at(answer, "choices", 0, "logprobs", "content");
    ASSERT_TRUE(scores.is_array());
    std::string bytes;
    for (const Json& score : scores.items()) {
        for (const Json& byte : at(score, "bytes").items()) bytes += char(byte.as_int());
        EXPECT_LE(at(score, "logprob").as_double(), 0);
        ASSERT_EQ(at(score, "top_logprobs").items().size(), 2u);
        EXPECT_EQ(text_at(score, "top_logprobs", 0, "token"), text_at(score, "token"));  // at temperature 0
    }
    EXPECT_EQ(bytes, "17 + 25 = 42");
    // Thoughts have none.
    const Json thinks = both(question("What is 17 + 25?", {{"logprobs", true}, {"enable_thinking", true}}));
    bytes.clear();
    for (const Json& score : at(thinks, "choices", 0, "logprobs", "content").items())
        for (const Json& byte : at(score, "bytes").items()) bytes += char(byte.as_int());
    EXPECT_EQ(bytes, "17 + 25 = 42");
}

TEST_F(Chat, SeedsAndSeveralChoices) {
    const auto ask = [&](int seed) {
        Json body = question("Tell me something.", {{"n", 3}, {"seed", seed}, {"max_tokens", 12}});
        body.set("temperature", 3);
        body.set("top_k", 0);
        body.set("top_p", 1);
        return body;
    };
    const Json one = whole(ask(1)), again = whole(ask(1)), other = whole(ask(9));
    ASSERT_EQ(at(one, "choices").items().size(), 3u);
    EXPECT_EQ(at(one, "choices").dump(), at(again, "choices").dump());
    EXPECT_NE(at(one, "choices").dump(), at(other, "choices").dump());
    EXPECT_NE(content(one, 0), content(one, 1));
    for (int64_t choice = 0; choice < 3; ++choice)
        EXPECT_EQ(streamed(ask(1), choice).content, content(one, size_t(choice)));
    EXPECT_GT(at(one, "usage", "completion_tokens").as_int(), 12);
    // A forbidden token does not come.
    const Json scores = at(whole(question("What is 17 + 25?", {{"logprobs", true}, {"top_logprobs", 1}})), "choices", 0,
                           "logprobs", "content");
    ASSERT_FALSE(scores.items().empty());
    Json banned = question("What is 17 + 25?", {{"max_tokens", 4}});
    Json bias = Json::object();
    for (int id = 0; id < 2000; ++id) bias.set(std::to_string(id), -100);
    banned.set("logit_bias", bias);
    EXPECT_NE(content(whole(banned)).substr(0, 2), "17");
}

TEST_F(Chat, TheSecondTurnRemembersTheFirst) {
    Json body = question("What is the capital of France?");
    const Json first = whole(body);
    Json messages = *body.find("messages");
    messages.push(at(first, "choices", 0, "message"));
    messages.push(Json::Object{{"role", "user"}, {"content", "What is 17 + 25?"}});
    body.set("messages", messages);
    const Json second = whole(body);
    EXPECT_GT(at(second, "usage", "prompt_tokens_details", "cached_tokens").as_int(), 5);
    // Content in parts is the same content.
    Json in_parts = messages;
    in_parts.items()[0].set("content",
                            Json::Array{Json::Object{{"type", "text"}, {"text", "What is the capital of France?"}}});
    body.set("messages", in_parts);
    EXPECT_EQ(content(whole(body)), content(second));
    // And an answer that was begun is gone on with.
    body.set("messages",
             Json::Array{messages.items()[0], Json::Object{{"role", "assistant"}, {"content", "The capital of"}}});
    body.set("continue_final_message", true);
    EXPECT_EQ(content(whole(body)).find("The capital"), std::string::npos);
}

TEST_F(Chat, EveryMistakeIsNamed) {
    for (const std::string& line : read_lines(data_path("server/chat_errors.jsonl"))) {
        const Json one = parsed(line);
        SCOPED_TRACE(text_at(one, "name"));
        Json body = at(one, "body");
        if (body.is_object() && !body.find("model") && text_at(one, "name") != "model is a number")
            body.set("model", "ember");
        const HttpAnswer answer = http_post(port(), kPath, body.is_string() ? body.as_string() : body.dump());
        EXPECT_EQ(answer.status, at(one, "status").as_int()) << answer.body;
        const Json error = at(answer.json(), "error");
        EXPECT_NE(text_at(error, "message").find(text_at(one, "message")), std::string::npos) << answer.body;
        EXPECT_FALSE(text_at(error, "message").empty());
        EXPECT_EQ(text_at(error, "type"), "invalid_request_error");
        EXPECT_EQ(text_at(error, "param"), text_at(one, "param")) << answer.body;
        EXPECT_EQ(text_at(error, "code"), one.find("code") ? text_at(one, "code") : text_at(error, "code"));
    }
}

TEST_F(Chat, WhatIsTooLongIsRefusedOrLeftOutAloud) {
    std::string words;
    for (int i = 0; i < 300; ++i) words += "word ";
    Json body = question(words);
    body.set("model", "small");
    const HttpAnswer refused = post(kPath, body);
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(text_at(refused.json(), "error", "code"), "context_length_exceeded");
    EXPECT_NE(refused.body.find("holds 96"), std::string::npos) << refused.body;
    body.set("stream", true);
    EXPECT_EQ(post(kPath, body).status, 400);  // a stream is not begun before
    body.set("stream", false);
    body.set("overflow", "middle");
    const Json answer = whole(body);
    EXPECT_NE(text_at(answer, "warnings", 0).find("were left out"), std::string::npos) << answer.dump();
}

TEST_F(Chat, UnknownFieldsAreToldOrRefused) {
    Json body = question("hi", {{"max_tokens", 2}, {"user", "me"}, {"colour", "red"}});
    body.set("stream_options", nullptr);
    const Json answer = whole(body);
    ASSERT_EQ(at(answer, "warnings").is_array() ? at(answer, "warnings").items().size() : 0, 1u) << answer.dump();
    EXPECT_NE(text_at(answer, "warnings", 0).find("colour"), std::string::npos);
    const HttpAnswer refused = post(kPath, body, "X-Hearth-Strict: 1\r\n");
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(text_at(refused.json(), "error", "param"), "colour");
    body.set("stream", true);
    EXPECT_NE(text_at(parsed(post(kPath, body).events().at(0)), "warnings", 0).find("colour"), std::string::npos);
    body = question("hi", {{"max_tokens", 2}, {"response_format", Json::Object{{"type", "text"}, {"mood", "good"}}}});
    EXPECT_NE(text_at(whole(body), "warnings", 0).find("response_format.mood"), std::string::npos);
    body = question("hi", {{"max_tokens", 2}});
    body.find("messages");
    Json messages =
        Json::Array{Json::Object{{"role", "user"}, {"content", "hi"}, {"weight", 3}, {"annotations", Json::array()}}};
    body.set("messages", messages);
    const Json told = whole(body);
    EXPECT_EQ(at(told, "warnings").is_array() ? at(told, "warnings").items().size() : 0, 1u) << told.dump();
    EXPECT_NE(text_at(told, "warnings", 0).find("messages[0].weight"), std::string::npos);
}

}  // namespace
}  // namespace hearth::test
