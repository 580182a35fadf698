// POST /v1/messages, /v1/messages/count_tokens and GET /v1/models in Anthropic's form with the demo model: answers
// whole and streamed, conversations as the model's template gets them, errors.
#include "server/api/anthropic.h"

#include "server/api/anthropic_answer.h"
#include "server/ember_server.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

Json user(Json content) {
    return Json::Object{{"role", "user"}, {"content", std::move(content)}};
}
Json assistant(Json content) {
    return Json::Object{{"role", "assistant"}, {"content", std::move(content)}};
}

Json message_of(Json messages, Json::Object more = {}) {
    Json body = Json::Object{{"model", "ember"}, {"max_tokens", 500}, {"temperature", 0}};
    body.set("messages", messages.is_array() ? std::move(messages) : Json(Json::Array{user(std::move(messages))}));
    for (auto& [name, value] : more) body.set(name, std::move(value));
    return body;
}

Json weather() {
    return parsed(R"([{"name": "get_weather", "description": "Weather of a city", "input_schema":
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}])");
}

// A server without models: reading a request needs none.
struct Decoder {
    std::unique_ptr<server::Models> models = *server::Models::make({});
    server::Workers encoders{1};
    server::RateLimits limits;
    server::ModelLoads loads{*models, encoders, 5};
    server::Service service{*models, loads, encoders, limits};
    server::ApiContext api{service, "test", false, 100};

    server::ApiResult<server::AnthropicRequest> read(const Json& body) const {
        server::HttpRequest http;
        http.body = body.dump();
        return server::read_anthropic(http, api, server::AnthropicPurpose::answer);
    }
    chat::Conversation conversation(const Json& body) const {
        auto asked = read(body);
        EXPECT_TRUE(asked) << (asked ? "" : asked.error().message);
        return asked ? std::get<chat::Conversation>(asked->model.prompt) : chat::Conversation();
    }
};

class Anthropic : public EmberServer {
protected:
    static Json whole(const Json& body) {
        const HttpAnswer answer = post("/v1/messages", body);
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(answer.header("request-id"), answer.header("X-Request-Id"));
        return answer.json();
    }
    // What the events of a stream say, in the order in which they may come.
    static Json streamed(Json body) {
        body.set("stream", true);
        const HttpAnswer answer = post("/v1/messages", body);
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_TRUE(answer.is_whole);
        EXPECT_EQ(answer.header("Content-Type"), "text/event-stream");
        Json message, content = Json::array();
        bool is_open = false, is_over = false, has_pinged = false;
        for (const Json& event : events(answer.body)) {
            EXPECT_FALSE(is_over);
            const std::string type = text_at(event, "type");
            if (type == "message_start") {
                EXPECT_TRUE(message.is_null());
                message = at(event, "message");
                EXPECT_TRUE(at(message, "stop_reason").is_null());
            } else if (type == "content_block_start") {
                EXPECT_FALSE(std::exchange(is_open, true));
                EXPECT_EQ(at(event, "index").as_int(-1), int64_t(content.items().size()));
                content.push(at(event, "content_block"));
            } else if (type == "content_block_delta") {
                EXPECT_TRUE(is_open);
                EXPECT_EQ(at(event, "index").as_int(-1) + 1, int64_t(content.items().size()));
                if (!content.items().empty()) add(at(event, "delta"), content.items().back());
            } else if (type == "content_block_stop") {
                EXPECT_TRUE(std::exchange(is_open, false));
                EXPECT_EQ(at(event, "index").as_int(-1) + 1, int64_t(content.items().size()));
                if (!content.items().empty()) finish(content.items().back());
            } else if (type == "message_delta") {
                EXPECT_FALSE(is_open);
                for (const auto& [name, value] : at(event, "delta").members()) message.set(name, value);
                message.set("usage", at(event, "usage"));
                if (const Json* warnings = event.find("warnings")) {
                    Json all = at(message, "warnings").is_array() ? at(message, "warnings") : Json::array();
                    for (const Json& one : warnings->items()) all.push(one);
                    message.set("warnings", all);
                }
            } else if (type == "message_stop") {
                is_over = true;
            } else {
                EXPECT_EQ(type, "ping");
                has_pinged = true;
            }
        }
        EXPECT_TRUE(is_over && has_pinged);
        message.set("content", std::move(content));
        return message;
    }
    // Both ways, and they say the same.
    static Json both(const Json& body) {
        const Json answer = whole(body);
        Json one = answer, other = streamed(body);
        const auto prompt_tokens = [](const Json& message) {
            return at(message, "usage", "input_tokens").as_int() +
                   at(message, "usage", "cache_read_input_tokens").as_int();
        };
        EXPECT_EQ(prompt_tokens(one), prompt_tokens(other));
        EXPECT_EQ(at(one, "usage", "output_tokens").as_int(), at(other, "usage", "output_tokens").as_int(-1));
        for (Json* message : {&one, &other}) {
            EXPECT_TRUE(text_at(*message, "id").starts_with("msg_"));
            message->set("id", nullptr);
            message->set("usage", nullptr);  // the second time more of the prompt is remembered
        }
        EXPECT_EQ(one.dump(), other.dump());
        return answer;
    }

private:
    static std::vector<Json> events(const std::string& body) {
        std::vector<Json> all;
        for (size_t at = 0; at < body.size();) {
            const size_t end = std::min(body.find("\n\n", at), body.size()), data = body.find("\ndata: ", at);
            EXPECT_EQ(body.compare(at, 7, "event: "), 0);
            EXPECT_LT(data, end);
            if (data >= end) return all;
            all.push_back(parsed(std::string_view(body).substr(data + 7, end - data - 7)));
            EXPECT_EQ(body.substr(at + 7, data - at - 7), text_at(all.back(), "type"));
            at = end + 2;
        }
        return all;
    }
    static void add(const Json& delta, Json& block) {
        const std::string type = text_at(delta, "type"), kind = text_at(block, "type");
        const auto append = [&](const char* key, const char* to) {
            block.set(to, text_at(block, to) + text_at(delta, key));
        };
        if (type == "text_delta" && kind == "text")
            append("text", "text");
        else if (type == "thinking_delta" && kind == "thinking")
            append("thinking", "thinking");
        else if (type == "signature_delta" && kind == "thinking")
            append("signature", "signature");
        else if (type == "input_json_delta" && kind == "tool_use")
            append("partial_json", "input");
        else
            ADD_FAILURE() << type << " in " << kind;
    }
    static void finish(Json& block) {
        if (at(block, "input").is_string()) block.set("input", parsed(text_at(block, "input")));
    }
};

TEST_F(Anthropic, AnswersWholeAndStreamed) {
    const Json answer = both(message_of("What is 17 + 25?"));
    EXPECT_EQ(text_at(answer, "type"), "message");
    EXPECT_EQ(text_at(answer, "role"), "assistant");
    EXPECT_EQ(text_at(answer, "model"), "ember");
    ASSERT_EQ(at(answer, "content").items().size(), 1u);
    EXPECT_EQ(text_at(answer, "content", 0, "type"), "text");
    EXPECT_EQ(text_at(answer, "content", 0, "text"), "17 + 25 = 42");
    EXPECT_EQ(text_at(answer, "stop_reason"), "end_turn");
    EXPECT_TRUE(at(answer, "stop_sequence").is_null());
    EXPECT_GT(at(answer, "usage", "output_tokens").as_int(), 5);
    EXPECT_EQ(at(answer, "usage", "cache_creation_input_tokens").as_int(-1), 0);
    EXPECT_FALSE(answer.find("warnings"));
}

TEST_F(Anthropic, ThoughtsAreABlock) {
    const Json::Object thinking{{"thinking", Json::Object{{"type", "enabled"}, {"budget_tokens", 1024}}}};
    const Json answer = both(message_of("What is 17 + 25?", thinking));
    ASSERT_EQ(at(answer, "content").items().size(), 2u) << answer.dump();
    EXPECT_EQ(text_at(answer, "content", 0, "type"), "thinking");
    EXPECT_NE(text_at(answer, "content", 0, "thinking").find("carry 1"), std::string::npos);
    EXPECT_EQ(text_at(answer, "content", 0, "signature"), "unsigned");
    EXPECT_EQ(text_at(answer, "content", 1, "text"), "17 + 25 = 42");
    const int64_t thought = at(answer, "usage", "output_tokens_details", "thinking_tokens").as_int();
    EXPECT_GT(thought, 5);
    // Adaptive is on as well, disabled is off, a budget is kept, and whoever wants no thoughts gets none.
    const auto with = [&](Json::Object how) {
        return both(message_of("What is 17 + 25?", {{"thinking", Json(std::move(how))}}));
    };
    EXPECT_EQ(at(with({{"type", "adaptive"}}), "content").dump(), at(answer, "content").dump());
    EXPECT_EQ(at(with({{"type", "disabled"}}), "content").items().size(), 1u);
    const Json few = with({{"type", "enabled"}, {"budget_tokens", 5}});
    EXPECT_LT(at(few, "usage", "output_tokens_details", "thinking_tokens").as_int(), thought);
    const Json hidden = with({{"type", "enabled"}, {"budget_tokens", 1024}, {"display", "omitted"}});
    EXPECT_EQ(text_at(hidden, "content", 0, "type"), "thinking");
    EXPECT_EQ(text_at(hidden, "content", 0, "thinking"), "");
    EXPECT_EQ(text_at(hidden, "content", 0, "signature"), "unsigned");
    EXPECT_EQ(text_at(hidden, "content", 1, "text"), "17 + 25 = 42");
    EXPECT_EQ(at(hidden, "usage", "output_tokens").as_int(), at(answer, "usage", "output_tokens").as_int(-1));
}

TEST_F(Anthropic, ToolsAreUsed) {
    const std::string question = "What is the weather in Paris?";
    const Json answer = both(message_of(question, {{"tools", weather()}}));
    EXPECT_EQ(text_at(answer, "stop_reason"), "tool_use");
    const Json& call = at(answer, "content", 0);
    EXPECT_EQ(text_at(call, "type"), "tool_use");
    EXPECT_EQ(text_at(call, "name"), "get_weather");
    EXPECT_EQ(at(call, "input").dump(), R"({"city":"Paris"})");
    EXPECT_TRUE(text_at(call, "id").starts_with("toolu_"));
    EXPECT_GT(text_at(call, "id").size(), 10u);
    const Json result = Json::Object{{"type", "tool_result"},
                                     {"tool_use_id", text_at(call, "id")},
                                     {"content", R"({"weather":"rain","temperature":11})"}};
    const Json next =
        both(message_of(Json::Array{user(question), assistant(at(answer, "content")), user(Json::Array{result})},
                        {{"tools", weather()}}));
    EXPECT_EQ(text_at(next, "stop_reason"), "end_turn");
    EXPECT_NE(text_at(next, "content", 0, "text").find("11"), std::string::npos) << next.dump();
    EXPECT_GT(at(next, "usage", "cache_read_input_tokens").as_int(), 10);
    // Choices: any call, this call, one call, no call.
    for (const Json& choice :
         {Json(Json::Object{{"type", "any"}}),
          Json(Json::Object{{"type", "tool"}, {"name", "get_weather"}, {"disable_parallel_tool_use", true}})}) {
        const Json must =
            both(message_of("What is 17 + 25?", {{"tools", weather()}, {"tool_choice", choice}, {"max_tokens", 200}}));
        EXPECT_EQ(text_at(must, "content", 0, "name"), "get_weather") << must.dump();
    }
    const Json none =
        whole(message_of(question, {{"tools", weather()}, {"tool_choice", Json::Object{{"type", "none"}}}}));
    EXPECT_EQ(text_at(none, "stop_reason"), "end_turn");
    // A call that is cut off is never one to be carried out.
    for (int64_t most = 1; most < at(answer, "usage", "output_tokens").as_int(); most += 3) {
        const Json cut = both(message_of(question, {{"tools", weather()}, {"max_tokens", most}}));
        EXPECT_EQ(text_at(cut, "stop_reason"), "max_tokens") << most;
    }
}

TEST_F(Anthropic, LimitsAndStopsEndTheAnswer) {
    Json answer = both(message_of("What is 17 + 25?", {{"max_tokens", 3}}));
    EXPECT_EQ(text_at(answer, "stop_reason"), "max_tokens");
    EXPECT_EQ(at(answer, "usage", "output_tokens").as_int(), 3);
    answer = both(message_of("What is the capital of France?", {{"stop_sequences", Json::Array{"ar", "zzz"}}}));
    EXPECT_EQ(text_at(answer, "content", 0, "text"), "The capital of France is P");
    EXPECT_EQ(text_at(answer, "stop_reason"), "stop_sequence");
    EXPECT_EQ(text_at(answer, "stop_sequence"), "ar");
    // The context of this one is small.
    Json body = message_of("Tell me a story.", {{"model", "small"}, {"max_tokens", 5000}, {"ignore_eos", true}});
    EXPECT_EQ(text_at(both(body), "stop_reason"), "model_context_window_exceeded");
    std::string words;
    for (int i = 0; i < 300; ++i) words += "word ";
    body.set("messages", Json::Array{user(words)});
    const HttpAnswer refused = post("/v1/messages", body);
    EXPECT_EQ(refused.status, 400);
    EXPECT_TRUE(text_at(refused.json(), "error", "message").starts_with("prompt is too long: ")) << refused.body;
    body.set("stream", true);
    EXPECT_EQ(post("/v1/messages", body).status, 400);  // a stream is not begun before
}

TEST_F(Anthropic, AnswersHaveTheFormThatIsAskedFor) {
    const Json schema = parsed(R"({"type": "object", "properties": {"name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0}}, "required": ["name", "age"]})");
    const Json format = Json::Object{{"type", "json_schema"}, {"schema", schema}};
    for (const Json::Member& form :
         Json::Object{{"output_config", Json::Object{{"format", format}}}, {"output_format", format}})
        EXPECT_EQ(text_at(both(message_of("Tom is 31 years old.", {form})), "content", 0, "text"),
                  R"({"name": "Tom", "age": 31})");
    Json bad = format;
    bad.set("schema", Json::Object{{"type", "object"}, {"minProperties", "many"}});
    const HttpAnswer refused = post("/v1/messages", message_of("hi", {{"output_format", bad}}));
    EXPECT_EQ(refused.status, 400) << refused.body;
}

TEST_F(Anthropic, AnAnswerThatWasBegunIsGoneOnWith) {
    const Json answer =
        both(message_of(Json::Array{user("What is the capital of France?"), assistant("The capital of")}));
    const std::string text = text_at(answer, "content", 0, "text");
    EXPECT_NE(text.find("Paris"), std::string::npos) << text;
    EXPECT_EQ(text.find("The capital"), std::string::npos) << text;
}

TEST_F(Anthropic, TokensAreCounted) {
    for (const Json::Object& more :
         {Json::Object{}, Json::Object{{"system", "Be brief."}}, Json::Object{{"tools", weather()}},
          Json::Object{{"thinking", Json::Object{{"type", "adaptive"}}}}}) {
        Json body = message_of("What is 17 + 25?", more);
        const Json answer = whole(body);
        std::erase_if(body.members(), [](const Json::Member& member) { return member.first == "max_tokens"; });
        const HttpAnswer counted = post("/v1/messages/count_tokens", body);
        ASSERT_EQ(counted.status, 200) << counted.body;
        EXPECT_EQ(
            at(counted.json(), "input_tokens").as_int(),
            at(answer, "usage", "input_tokens").as_int() + at(answer, "usage", "cache_read_input_tokens").as_int());
    }
    EXPECT_EQ(text_at(post("/v1/messages/count_tokens", Json::object()).json(), "error", "type"),
              "invalid_request_error");
}

TEST_F(Anthropic, ModelsAreListedInThisFormForItsClients) {
    const std::string header = "anthropic-version: 2023-06-01\r\n";
    const Json list = http_get(port(), "/v1/models", header).json();
    ASSERT_EQ(at(list, "data").items().size(), 2u);
    EXPECT_EQ(text_at(list, "data", 0, "type"), "model");
    EXPECT_EQ(text_at(list, "data", 0, "id"), "ember");
    EXPECT_EQ(at(list, "data", 0, "max_input_tokens").as_int(), 1024);
    EXPECT_TRUE(text_at(list, "data", 0, "created_at").ends_with("Z"));
    EXPECT_EQ(at(list, "has_more").dump(), "false");
    EXPECT_EQ(text_at(list, "last_id"), "small");
    const auto page = [&](const std::string& query) { return http_get(port(), "/v1/models" + query, header).json(); };
    EXPECT_EQ(at(page("?limit=1"), "has_more").dump(), "true");
    EXPECT_EQ(text_at(page("?limit=1"), "last_id"), "ember");
    EXPECT_EQ(text_at(page("?limit=1&after_id=ember"), "first_id"), "small");
    EXPECT_EQ(at(page("?limit=1&after_id=ember"), "has_more").dump(), "false");
    EXPECT_EQ(text_at(page("?before_id=small"), "last_id"), "ember");
    EXPECT_TRUE(at(page("?after_id=small"), "last_id").is_null());
    for (const char* query : {"?limit=0", "?limit=x", "?after_id=nosuch", "?after_id=ember&before_id=small"})
        EXPECT_EQ(text_at(page(query), "error", "type"), "invalid_request_error") << query;
    EXPECT_EQ(text_at(page("/small"), "display_name"), "small");
    EXPECT_EQ(text_at(page("/nosuch"), "error", "type"), "not_found_error");
    EXPECT_EQ(text_at(http_get(port(), "/v1/models").json(), "object"), "list");
}

TEST_F(Anthropic, EveryMistakeIsNamed) {
    for (const std::string& line : read_lines(data_path("server/anthropic_errors.jsonl"))) {
        const Json one = parsed(line);
        SCOPED_TRACE(text_at(one, "name"));
        Json body = at(one, "body");
        if (body.is_object() && !body.find("model")) body.set("model", "ember");
        const HttpAnswer answer = http_post(port(), "/v1/messages", body.is_string() ? body.as_string() : body.dump());
        EXPECT_EQ(answer.status, at(one, "status").as_int(400)) << answer.body;
        const Json error = answer.json();
        EXPECT_EQ(text_at(error, "type"), "error");
        EXPECT_EQ(text_at(error, "error", "type"), one.find("type") ? text_at(one, "type") : "invalid_request_error");
        EXPECT_NE(text_at(error, "error", "message").find(text_at(one, "message")), std::string::npos) << answer.body;
        EXPECT_EQ(text_at(error, "request_id"), answer.header("request-id"));
        EXPECT_FALSE(text_at(error, "request_id").empty());
    }
}

TEST_F(Anthropic, ErrorsBeforeAHandlerHaveThisFormToo) {
    EXPECT_EQ(text_at(http_get(port(), "/v1/messages").json(), "error", "type"), "invalid_request_error");
    EXPECT_EQ(text_at(http_post(port(), "/v1/messages/batches", "{}").json(), "error", "type"), "not_found_error");
    for (const auto& [status, type] : std::vector<std::pair<int, std::string>>{{401, "authentication_error"},
                                                                               {403, "permission_error"},
                                                                               {413, "request_too_large"},
                                                                               {429, "rate_limit_error"},
                                                                               {500, "api_error"},
                                                                               {503, "overloaded_error"}}) {
        const Json body = server::anthropic_error_body({status, "why"}, "id7");
        EXPECT_EQ(text_at(body, "error", "type"), type);
        EXPECT_EQ(text_at(body, "request_id"), "id7");
    }
}

TEST_F(Anthropic, UnknownFieldsAreToldOrRefused) {
    const Json block = Json::Object{
        {"type", "text"}, {"text", "hi"}, {"cache_control", Json::Object{{"type", "ephemeral"}}}, {"mood", "good"}};
    const Json body = message_of(Json::Array{user(Json::Array{block})}, {{"max_tokens", 2},
                                                                         {"metadata", Json::Object{{"user_id", "me"}}},
                                                                         {"service_tier", "auto"},
                                                                         {"container", nullptr},
                                                                         {"colour", "red"}});
    const Json answer = both(body);
    ASSERT_EQ(at(answer, "warnings").is_array() ? at(answer, "warnings").items().size() : 0, 2u) << answer.dump();
    EXPECT_NE(text_at(answer, "warnings", 0).find("messages[0].content[0].mood"), std::string::npos);
    EXPECT_NE(text_at(answer, "warnings", 1).find("colour"), std::string::npos);
    const HttpAnswer refused = post("/v1/messages", body, "X-Hearth-Strict: 1\r\n");
    EXPECT_EQ(refused.status, 400);
    EXPECT_NE(text_at(refused.json(), "error", "message").find("strict"), std::string::npos);
}

TEST(AnthropicConversation, BlocksBecomeMessages) {
    const Decoder decoder;
    const auto expect = [&](const Json& messages, const char* expected, Json::Object more = {}) {
        EXPECT_EQ(decoder.conversation(message_of(messages, std::move(more))).messages.dump(), parsed(expected).dump());
    };
    const auto blocks = [](const char* text) { return parsed(text); };
    expect("hi", R"([{"role": "user", "content": "hi"}])");
    // Neighbours are joined, messages of one role too; no two words become one.
    expect(Json::Array{user(blocks(R"([{"type": "text", "text": "a"}, {"type": "text", "text": "b\n"},
                                       {"type": "text", "text": "c"}])")),
                       user("d")},
           R"([{"role": "user", "content": "a\nb\nc\nd"}])");
    expect("hi", R"([{"role": "system", "content": "Be brief.\nBe kind."}, {"role": "user", "content": "hi"}])",
           {{"system", blocks(R"([{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
                                  {"type": "text", "text": "Be kind."}])")}});
    // Thoughts, calls and results keep their order, whatever stands between the results.
    expect(
        Json::Array{user("hi"),
                    assistant(blocks(
                        R"([{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "Look:"},
                               {"type": "tool_use", "id": "toolu_abc", "name": "f", "input": {"x": 1.50}},
                               {"type": "tool_use", "id": "other", "name": "g", "input": {}}])")),
                    user(blocks(
                        R"([{"type": "tool_result", "tool_use_id": "other", "content": [{"type": "text", "text": "1"},
                               {"type": "text", "text": "2"}]}, {"type": "text", "text": "between"},
                               {"type": "tool_result", "tool_use_id": "toolu_abc", "is_error": true, "content": "no"},
                               {"type": "text", "text": "and?"}])"))},
        R"([{"role": "user", "content": "hi"},
               {"role": "assistant", "content": "Look:", "reasoning_content": "hm", "tool_calls": [
                {"id": "abc", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1.50}"}},
                {"id": "other", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
               {"role": "tool", "tool_call_id": "other", "name": "g", "content": "1\n2"},
               {"role": "user", "content": "between"},
               {"role": "tool", "tool_call_id": "abc", "name": "f", "content": "Error: no"},
               {"role": "user", "content": "and?"}])");
    // What only its maker can read is told.
    const auto asked = decoder.read(message_of(
        Json::Array{user("hi"), assistant(blocks(R"([{"type": "redacted_thinking", "data": "x"}, {"type": "text",
                    "text": "So"}])")),
                    user("go on")}));
    ASSERT_TRUE(asked);
    ASSERT_EQ(asked->warnings.size(), 1u);
    EXPECT_NE(asked->warnings[0].find("messages[1].content[0] is redacted"), std::string::npos);
}

TEST(AnthropicConversation, TheLastTurnMayBeBegun) {
    const Decoder decoder;
    EXPECT_FALSE(decoder.conversation(message_of("hi")).continues_last);
    EXPECT_TRUE(decoder.conversation(message_of(Json::Array{user("hi"), assistant("So")})).continues_last);
    const chat::Conversation empty = decoder.conversation(message_of(Json::Array{user("hi"), assistant("")}));
    EXPECT_FALSE(empty.continues_last);
    EXPECT_EQ(empty.messages.items().size(), 1u);
}

TEST(AnthropicConversation, ToolsAndWishesAreTranslated) {
    const Decoder decoder;
    const auto asked = decoder.read(
        message_of("hi", {{"tools", weather()},
                          {"top_k", 7},
                          {"stop_sequences", Json::Array{"x"}},
                          {"tool_choice", Json::Object{{"type", "auto"}, {"disable_parallel_tool_use", true}}},
                          {"output_config", Json::Object{{"effort", "max"}}}}));
    ASSERT_TRUE(asked);
    const auto& conversation = std::get<chat::Conversation>(asked->model.prompt);
    EXPECT_EQ(text_at(conversation.tools, 0, "function", "name"), "get_weather");
    EXPECT_EQ(text_at(conversation.tools, 0, "function", "parameters", "properties", "city", "type"), "string");
    EXPECT_EQ(asked->model.sampling.top_k, 7);
    EXPECT_EQ(asked->model.stops, std::vector<std::string>{"x"});
    EXPECT_FALSE(asked->model.parallel_calls);
    EXPECT_FALSE(conversation.thinking.has_value());
    ASSERT_EQ(conversation.variables.size(), 1u);
    EXPECT_EQ(conversation.variables[0].second.as_string(), "high");
}

// Families differ in how thoughts, texts and calls take turns; each change of kind is a block of its own.
TEST(AnthropicBlocks, FollowTheOrderOfTheParts) {
    using chat::ReplyPart;
    server::AnthropicBlocks blocks(true);
    std::vector<Json> events;
    const auto take = [&](ReplyPart part, const char* text) { blocks.take({int32_t(part), 0, text}, events); };
    take(ReplyPart::answer, "a");
    take(ReplyPart::thinking, "t");
    take(ReplyPart::answer, "b");
    take(ReplyPart::answer, "c");
    take(ReplyPart::call_id, "1");
    take(ReplyPart::call_name, "f");
    take(ReplyPart::call_arguments, "{\"x\":");
    take(ReplyPart::call_arguments, "1}");
    take(ReplyPart::call_end, "");
    take(ReplyPart::answer, "d");
    take(ReplyPart::call_id, "2");
    take(ReplyPart::call_name, "g");
    take(ReplyPart::call_arguments, "{}");
    EXPECT_FALSE(blocks.has_broken_call());
    take(ReplyPart::call_broken, "cut off");
    EXPECT_TRUE(blocks.has_broken_call());
    blocks.close(events);
    EXPECT_EQ(blocks.content().dump(), parsed(R"([{"type": "text", "text": "a"},
        {"type": "thinking", "thinking": "t", "signature": "unsigned"}, {"type": "text", "text": "bc"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1}}, {"type": "text", "text": "d"},
        {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}}])")
                                           .dump());
    int starts = 0, stops = 0;
    for (const Json& event : events) {
        starts += text_at(event, "type") == "content_block_start";
        stops += text_at(event, "type") == "content_block_stop";
        EXPECT_EQ(at(event, "index").as_int(), starts - 1);
    }
    EXPECT_EQ(starts, 6);
    EXPECT_EQ(stops, 6);
}

}  // namespace
}  // namespace hearth::test
