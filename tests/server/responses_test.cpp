// POST /v1/responses with the demo model: whole and streamed answers, tools, thoughts, forms, limits, errors.
#include "server/api/responses_items.h"
#include "server/api/responses_output.h"
#include "server/responses_client.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

Json get_weather() {
    return parsed(R"([{"type": "function", "name": "get_weather", "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}])");
}

TEST_F(Responses, AnswersWholeAndStreamed) {
    const Json answer = both(asking(kSum, {{"metadata", Json::Object{{"room", "7"}}}, {"user", "me"}}));
    EXPECT_EQ(output_text(answer), "17 + 25 = 42");
    EXPECT_EQ(text_at(answer, "object"), "response");
    EXPECT_TRUE(text_at(answer, "id").starts_with("resp_"));
    EXPECT_EQ(text_at(answer, "status"), "completed");
    EXPECT_EQ(text_at(answer, "model"), "ember");
    EXPECT_EQ(text_at(answer, "output", 0, "role"), "assistant");
    EXPECT_EQ(text_at(answer, "output", 0, "status"), "completed");
    EXPECT_EQ(at(answer, "output", 0, "content", 0, "annotations").dump(), "[]");
    EXPECT_EQ(text_at(answer, "metadata", "room"), "7");
    EXPECT_EQ(text_at(answer, "user"), "me");
    EXPECT_EQ(text_at(answer, "tool_choice"), "auto");
    EXPECT_EQ(text_at(answer, "truncation"), "disabled");
    EXPECT_EQ(text_at(answer, "text", "format", "type"), "text");
    EXPECT_TRUE(at(answer, "store").as_bool());
    EXPECT_TRUE(at(answer, "error").is_null() && at(answer, "incomplete_details").is_null());
    const int64_t input = at(answer, "usage", "input_tokens").as_int(),
                  output = at(answer, "usage", "output_tokens").as_int();
    EXPECT_TRUE(input > 5 && output > 5);
    EXPECT_EQ(at(answer, "usage", "total_tokens").as_int(), input + output);
    EXPECT_EQ(at(answer, "usage", "output_tokens_details", "reasoning_tokens").as_int(-1), 0);
    EXPECT_EQ(warnings_of(answer), 0u) << answer.dump();
    const Assembled stream = streamed(asking(kSum));
    EXPECT_GT(stream.count("output_text.delta"), 2);
    EXPECT_EQ(stream.count("content_part.added"), 1);
    EXPECT_EQ(text_at(stream.first(), "status"), "in_progress");
    // Each event is named for those who listen by name, and no other sentinel follows the last.
    Json body = asking(kSum, {{"stream", true}});
    const HttpAnswer raw = post(kResponses, body);
    EXPECT_NE(raw.body.find("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\""),
              std::string::npos);
    EXPECT_EQ(raw.body.find("[DONE]"), std::string::npos);
}

TEST_F(Responses, CallsAndTheirOutputsGoOn) {
    const Json tools = get_weather();
    const Json asked = asking("What is the weather in Paris?", {{"tools", tools}, {"tool_choice", "required"}});
    const Json called = both(asked);
    const Json& call = at(called, "output", 0);
    EXPECT_EQ(text_at(call, "type"), "function_call");
    EXPECT_EQ(text_at(call, "name"), "get_weather");
    EXPECT_EQ(text_at(call, "arguments"), R"({"city":"Paris"})");
    EXPECT_EQ(text_at(call, "status"), "completed");
    EXPECT_FALSE(text_at(call, "call_id").empty());
    EXPECT_EQ(text_at(called, "tools", 0, "name"), "get_weather");
    EXPECT_EQ(streamed(asked).count("function_call_arguments.done"), 1);
    const Json output = Json::Object{{"type", "function_call_output"},
                                     {"call_id", text_at(call, "call_id")},
                                     {"output", R"({"weather": "rain", "temperature": 11})"}};
    const Json said =
        both(asking(Json::Array{output}, {{"tools", tools}, {"previous_response_id", text_at(called, "id")}}));
    EXPECT_TRUE(output_text(said).find("11") != std::string::npos ||
                output_text(said).find("rain") != std::string::npos)
        << output_text(said);
    EXPECT_EQ(text_at(said, "output", 0, "type"), "message");
    // The same without the store, and without an answer to nobody.
    const Json again = whole(
        asking(Json::Array{Json::Object{{"role", "user"}, {"content", "What is the weather in Paris?"}}, call, output},
               {{"tools", tools}, {"store", false}}));
    EXPECT_EQ(output_text(again), output_text(said));
    EXPECT_EQ(at(again, "usage", "input_tokens").as_int(), at(said, "usage", "input_tokens").as_int());
    const HttpAnswer orphan = post(kResponses, asking(Json::Array{output}, {{"tools", tools}}));
    EXPECT_EQ(orphan.status, 400);
    EXPECT_EQ(text_at(orphan.json(), "error", "code"), "call_not_found");
    const Json named = whole(asking(kSum, {{"tools", tools},
                                           {"tool_choice", parsed(R"({"type": "function", "name": "get_weather"})")},
                                           {"max_output_tokens", 200}}));
    EXPECT_EQ(text_at(named, "output", 0, "name"), "get_weather");
}

TEST_F(Responses, ThoughtsAreItemsOfTheirOwn) {
    const Json effort = Json::Object{{"effort", "high"}};
    const Json answer = both(asking(kSum, {{"reasoning", effort}}));
    ASSERT_EQ(at(answer, "output").items().size(), 2u);
    EXPECT_EQ(text_at(answer, "output", 0, "type"), "reasoning");
    EXPECT_EQ(text_at(answer, "output", 0, "content", 0, "type"), "reasoning_text");
    EXPECT_NE(text_at(answer, "output", 0, "content", 0, "text").find("carry 1"), std::string::npos);
    EXPECT_EQ(output_text(answer), "17 + 25 = 42");
    EXPECT_GT(at(answer, "usage", "output_tokens_details", "reasoning_tokens").as_int(), 5);
    EXPECT_EQ(text_at(answer, "reasoning", "effort"), "high");
    EXPECT_GT(streamed(asking(kSum, {{"reasoning", effort}})).count("reasoning_text.delta"), 2);
    const Json summary = Json::Object{{"effort", "low"}, {"summary", "auto"}};
    const Json shown = both(asking(kSum, {{"reasoning", summary}}));
    EXPECT_EQ(text_at(shown, "output", 0, "summary", 0, "type"), "summary_text");
    EXPECT_EQ(at(shown, "output", 0, "content").dump(), "[]");
    const Assembled stream = streamed(asking(kSum, {{"reasoning", summary}}));
    EXPECT_GT(stream.count("reasoning_summary_text.delta"), 2);
    EXPECT_EQ(stream.count("reasoning_summary_part.done"), 1);
    const Json off = whole(asking(kSum, {{"reasoning", Json::Object{{"effort", "none"}}}}));
    EXPECT_EQ(at(off, "output").items().size(), 1u);
    // A thought goes to the model's template with the message behind it, kept or sent.
    const Json kept = whole(asking("What is 2 + 3?", {{"previous_response_id", text_at(answer, "id")}}));
    Json sent = Json::Array{Json::Object{{"role", "user"}, {"content", kSum}}, at(answer, "output", 0),
                            at(answer, "output", 1), Json::Object{{"role", "user"}, {"content", "What is 2 + 3?"}}};
    sent.items()[1].set("encrypted_content", "x");
    const Json again = whole(asking(sent));
    EXPECT_EQ(at(again, "usage", "input_tokens").as_int(), at(kept, "usage", "input_tokens").as_int());
    EXPECT_NE(text_at(again, "warnings", 0).find("input[1].encrypted_content"), std::string::npos) << again.dump();
}

TEST_F(Responses, AnswersHaveTheFormThatIsAskedFor) {
    const auto form = [](const char* text) { return Json::Object{{"format", parsed(text)}}; };
    const Json person = both(asking("Tom is 31 years old.", {{"text", form(R"({"type": "json_schema", "name": "person",
        "strict": true, "schema": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0}}, "required": ["name", "age"]}})")}}));
    EXPECT_EQ(output_text(person), R"({"name": "Tom", "age": 31})");
    EXPECT_EQ(text_at(person, "text", "format", "name"), "person");
    const Json any = whole(asking("Tom is 31 years old.", {{"text", form(R"({"type": "json_object"})")}}));
    EXPECT_TRUE(parsed(output_text(any)).is_object());
}

TEST_F(Responses, LimitsCutThemOff) {
    const Json answer = both(asking(kSum, {{"max_output_tokens", 3}}));
    EXPECT_EQ(text_at(answer, "status"), "incomplete");
    EXPECT_EQ(text_at(answer, "incomplete_details", "reason"), "max_output_tokens");
    EXPECT_EQ(text_at(answer, "output", 0, "status"), "incomplete");
    EXPECT_EQ(at(answer, "usage", "output_tokens").as_int(), 3);
    // What does not fit is refused, or left out aloud.
    std::string words;
    for (int i = 0; i < 300; ++i) words += "word ";
    for (const bool streams : {false, true}) {
        const HttpAnswer refused = post(kResponses, asking(words, {{"model", "small"}, {"stream", streams}}));
        EXPECT_EQ(refused.status, 400);
        EXPECT_EQ(text_at(refused.json(), "error", "code"), "context_length_exceeded");
        EXPECT_EQ(text_at(refused.json(), "error", "param"), "input");
    }
    const Json cut = whole(asking(words, {{"model", "small"}, {"truncation", "auto"}}));
    EXPECT_NE(text_at(cut, "warnings", 0).find("were left out"), std::string::npos) << cut.dump();
}

TEST_F(Responses, ScoresComeWithTheText) {
    const Json scores = Json::Array{"message.output_text.logprobs"};
    const Json answer = both(asking(kSum, {{"include", scores}, {"top_logprobs", 2}}));
    std::string text;
    for (const Json& score : at(answer, "output", 0, "content", 0, "logprobs").items()) {
        text += text_at(score, "token");
        EXPECT_EQ(at(score, "top_logprobs").items().size(), 2u);
    }
    EXPECT_EQ(text, "17 + 25 = 42");
    text.clear();
    const HttpAnswer stream = post(kResponses, asking(kSum, {{"include", scores}, {"stream", true}}));
    for (const std::string& event : stream.events())
        if (const Json one = parsed(event); text_at(one, "type") == "response.output_text.delta")
            for (const Json& score : at(one, "logprobs").items()) text += text_at(score, "token");
    EXPECT_EQ(text, "17 + 25 = 42");
}

// Thought, text and calls of an answer belong together, whatever their order; what was cut off is not shown.
TEST(ResponseItems, OfOneAnswerBecomeOneMessage) {
    server::ItemMessages messages;
    messages.add_all(parsed(R"([
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "short"}], "content": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look. "}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}", "status": "completed"},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "Wait."}]},
        {"type": "function_call", "call_id": "2", "name": "g", "arguments": "{", "status": "incomplete"},
        {"type": "function_call_output", "call_id": "1", "output": "done"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "no"}], "content": [{"type": "reasoning_text", "text": "yes"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "So."}]},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "cut"}]},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "c"}, {"type": "refusal", "refusal": "d"}]}])"));
    EXPECT_EQ(messages.orphan(), "");
    EXPECT_EQ(messages.take().dump(), parsed(R"([
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "I look. Wait.", "reasoning_content": "short",
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "done"},
        {"role": "assistant", "content": "So.", "reasoning_content": "yes"},
        {"role": "assistant", "content": "", "reasoning_content": "cut"},
        {"role": "developer", "content": [{"type": "text", "text": "c"}, {"type": "text", "text": "d"}]}])")
                                          .dump());
    messages.add(parsed(R"({"type": "function_call_output", "call_id": "2", "output": "x"})"));
    EXPECT_EQ(messages.orphan(), "2");
}

class CountedWrites final : public server::ReplyChannel {
public:
    void send(int, std::string_view, std::string, std::vector<server::Header>) override {}
    void begin_stream(std::string_view, std::vector<server::Header>) override {}
    bool write(std::string_view) override { return ++writes; }
    void finish() override { is_over = true; }
    void on_gone(std::function<void()>) override {}
    bool is_gone() const override { return false; }
    void abandon() override {}
    int writes = 0;
    bool is_over = false;
};

// Each closing event of a long text is as large as the text: one after the other they would look as if nobody read.
TEST(ResponseItems, CloseInOneWrite) {
    const auto channel = std::make_shared<CountedWrites>();
    server::ResponseEvents events(server::HttpReply(channel), true);
    server::ResponseOutput output("resp_1", false, events);
    output.add({.events = {{int32_t(chat::ReplyPart::answer), 0, "a long text"}}, .scores = {}});
    EXPECT_EQ(channel->writes, 3);  // an item, its part, a delta
    events.hold();
    output.end(true);
    events.send("response.completed", {});
    EXPECT_EQ(channel->writes, 3);
    EXPECT_FALSE(channel->is_over);
    events.finish();
    EXPECT_EQ(channel->writes, 4);
    EXPECT_TRUE(channel->is_over);
}

TEST_F(Responses, EveryMistakeIsNamed) {
    int checked = 0;
    for (const std::string& line : read_lines(data_path("server/responses_errors.jsonl"))) {
        const Json one = parsed(line);
        SCOPED_TRACE(text_at(one, "name"));
        Json body = at(one, "body");
        if (!body.find("model")) body.set("model", "ember");
        const HttpAnswer answer = post(kResponses, body);
        EXPECT_EQ(answer.status, one.find("status") ? at(one, "status").as_int() : 400) << answer.body;
        const Json error = at(answer.json(), "error");
        EXPECT_NE(text_at(error, "message").find(text_at(one, "message")), std::string::npos) << answer.body;
        EXPECT_FALSE(text_at(error, "message").empty());
        EXPECT_EQ(text_at(error, "param"), text_at(one, "param")) << answer.body;
        ++checked;
    }
    EXPECT_GT(checked, 30);
}

TEST_F(Responses, UnknownFieldsAreToldOrRefused) {
    Json body = asking(kSum, {{"max_output_tokens", 2}, {"colour", "red"}, {"service_tier", "flex"}});
    EXPECT_NE(text_at(whole(body), "warnings", 0).find("colour"), std::string::npos);
    EXPECT_NE(text_at(streamed(body).first(), "warnings", 0).find("colour"), std::string::npos);
    const HttpAnswer refused = post(kResponses, body, "X-Hearth-Strict: 1\r\n");
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(text_at(refused.json(), "error", "param"), "colour");
    body = asking(parsed(R"([{"role": "user", "content": "hi", "weight": 3}])"), {{"max_output_tokens", 2}});
    const Json told = whole(body);
    ASSERT_EQ(warnings_of(told), 1u) << told.dump();
    EXPECT_NE(text_at(told, "warnings", 0).find("input[0].weight"), std::string::npos);
    // Known and without an effect: told, and never an error.
    body = asking(kSum, {{"include", Json::Array{"reasoning.encrypted_content"}}, {"max_output_tokens", 2}});
    const HttpAnswer fine = post(kResponses, body, "X-Hearth-Strict: 1\r\n");
    EXPECT_EQ(fine.status, 200);
    EXPECT_EQ(warnings_of(fine.json()), 1u) << fine.body;
}

// Keys are owners; a key stays one wherever in its file it stands.
}  // namespace
}  // namespace hearth::test
