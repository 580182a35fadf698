// Ollama's endpoints with the demo model: what a client of it sends and expects, whole and as a stream of lines.
#include <cmath>
#include <regex>

#include "base/os.h"
#include "server/api/ollama_request.h"
#include "server/ember_server.h"

namespace hearth::test {
namespace {

Json merged(Json body, Json::Object more) {
    for (auto& [name, value] : more) body.set(name, std::move(value));
    return body;
}

class OllamaApi : public EmberServer {
protected:
    static Json chat(const std::string& text, Json::Object more = {}) {
        Json body = Json::Object{{"model", "ember"}, {"options", Json::Object{{"temperature", 0}}}};
        body.set("messages", Json::Array{Json::Object{{"role", "user"}, {"content", text}}});
        return merged(std::move(body), std::move(more));
    }
    static Json generate(const std::string& prompt, Json::Object more = {}) {
        Json body = Json::Object{{"model", "ember"}, {"options", Json::Object{{"temperature", 0}}}, {"prompt", prompt}};
        return merged(std::move(body), std::move(more));
    }
    static Json ok(const HttpAnswer& answer) {
        EXPECT_EQ(answer.status, 200) << answer.body;
        return answer.json();
    }
    static Json whole(const std::string& path, Json body) {
        body.set("stream", false);
        const HttpAnswer answer = post(path, body);
        EXPECT_EQ(answer.header("Content-Type"), "application/json");
        return ok(answer);
    }
    // The objects of a stream, which is what comes where nothing is said about it.
    static std::vector<Json> lines(const std::string& path, const Json& body) {
        const HttpAnswer answer = post(path, body);
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_TRUE(answer.is_whole);
        EXPECT_EQ(answer.header("Content-Type"), "application/x-ndjson");
        EXPECT_TRUE(answer.body.ends_with('\n'));
        std::vector<Json> objects;
        for (size_t begin = 0; begin < answer.body.size();) {
            const size_t end = std::min(answer.body.find('\n', begin), answer.body.size());
            objects.push_back(parsed(answer.body.substr(begin, end - begin)));
            begin = end + 1;
        }
        return objects;
    }
    // Both ways, and they say the same.
    static Json both(const std::string& path, const Json& body) {
        const Json answer = whole(path, body);
        std::string content, thinking;
        Json calls = Json::array(), last;
        for (const Json& line : lines(path, body)) {
            EXPECT_FALSE(at(last, "done").is_bool() && at(last, "done").as_bool()) << "something after the end";
            EXPECT_EQ(text_at(line, "model"), text_at(answer, "model"));
            content += text_at(line, "message", "content") + text_at(line, "response");
            thinking += text_at(line, "message", "thinking") + text_at(line, "thinking");
            if (const Json& some = at(line, "message", "tool_calls"); some.is_array())
                for (const Json& call : some.items()) calls.push(call);
            last = line;
        }
        EXPECT_EQ(content, text_at(answer, "message", "content") + text_at(answer, "response"));
        EXPECT_EQ(thinking, text_at(answer, "message", "thinking") + text_at(answer, "thinking"));
        const Json& said = at(answer, "message", "tool_calls");
        EXPECT_EQ(calls.dump(), said.is_array() ? said.dump() : "[]");
        EXPECT_TRUE(at(last, "done").is_bool() && at(last, "done").as_bool());
        for (const char* key : {"done_reason", "prompt_eval_count", "eval_count"})
            EXPECT_EQ(at(last, key).dump(), at(answer, key).dump()) << key;
        return answer;
    }
    static void refused(const std::string& path, const Json& body, int status, const std::string& words) {
        const HttpAnswer answer = post(path, body);
        EXPECT_EQ(answer.status, status) << answer.body;
        const Json json = answer.json();
        ASSERT_TRUE(json.is_object());
        EXPECT_EQ(json.members().size(), 1u) << answer.body;
        EXPECT_NE(text_at(json, "error").find(words), std::string::npos) << answer.body;
    }
    static bool warns(const Json& answer, const std::string& words) {
        const Json& list = at(answer, "warnings");
        if (!list.is_array()) return false;
        return std::ranges::any_of(list.items(),
                                   [&](const Json& one) { return one.as_string().find(words) != std::string::npos; });
    }
};

TEST_F(OllamaApi, AnswersWholeAndStreamed) {
    const Json answer = both("/api/chat", chat("What is 17 + 25?"));
    EXPECT_EQ(text_at(answer, "message", "content"), "17 + 25 = 42");
    EXPECT_EQ(text_at(answer, "message", "role"), "assistant");
    EXPECT_EQ(text_at(answer, "model"), "ember");
    EXPECT_EQ(text_at(answer, "done_reason"), "stop");
    EXPECT_TRUE(
        std::regex_match(text_at(answer, "created_at"), std::regex(R"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z)")))
        << text_at(answer, "created_at");
    EXPECT_GT(at(answer, "prompt_eval_count").as_int(), 5);
    EXPECT_GT(at(answer, "eval_count").as_int(), 5);
    // Nanoseconds: a token takes more than a microsecond, and the whole no longer than a test may.
    EXPECT_GT(at(answer, "eval_duration").as_int(), 1000 * at(answer, "eval_count").as_int());
    EXPECT_GT(at(answer, "prompt_eval_duration").as_int(), 1000);
    EXPECT_GE(at(answer, "total_duration").as_int(), at(answer, "eval_duration").as_int());
    EXPECT_LT(at(answer, "total_duration").as_int(), int64_t{60'000'000'000});
    EXPECT_GE(at(answer, "load_duration").as_int(-1), 0);
    EXPECT_FALSE(answer.find("warnings"));
    EXPECT_FALSE(at(answer, "message").find("thinking"));
    // Every name has a tag there, and comes back as it was written.
    const Json tagged = whole("/api/chat", chat("What is 17 + 25?", {{"model", "ember:latest"}}));
    EXPECT_EQ(text_at(tagged, "model"), "ember:latest");
    EXPECT_EQ(text_at(tagged, "message", "content"), "17 + 25 = 42");
}

TEST_F(OllamaApi, ATextIsContinuedWithOrWithoutTheTemplate) {
    const Json answer = both("/api/generate", generate("What is 17 + 25?"));
    EXPECT_EQ(text_at(answer, "response"), "17 + 25 = 42");
    EXPECT_EQ(text_at(answer, "done_reason"), "stop");
    const Json options = Json::Object{{"temperature", 0}, {"num_predict", 4}};
    const Json raw = both("/api/generate", generate("Once upon a time", {{"raw", true}, {"options", options}}));
    EXPECT_EQ(text_at(raw, "done_reason"), "length");
    EXPECT_EQ(at(raw, "eval_count").as_int(), 4);
    const Json plain = ok(
        post("/v1/completions",
             Json::Object{{"model", "ember"}, {"prompt", "Once upon a time"}, {"temperature", 0}, {"max_tokens", 4}}));
    EXPECT_EQ(text_at(raw, "response"), text_at(plain, "choices", 0, "text"));
    // Without a template nobody tells the model to think.
    const Json thinking =
        whole("/api/generate", generate("Once upon a time", {{"raw", true}, {"options", options}, {"think", true}}));
    EXPECT_NE(at(thinking, "warnings").dump().find("think has no effect"), std::string::npos) << thinking.dump();
    // A system message is part of the prompt.
    const Json with_system = whole("/api/generate", generate("What is 17 + 25?", {{"system", "You are terse."}}));
    EXPECT_GT(at(with_system, "prompt_eval_count").as_int(), at(answer, "prompt_eval_count").as_int());
}

TEST_F(OllamaApi, ThoughtsAreApart) {
    for (const Json& think : {Json(true), Json("high")}) {
        const Json answer = both("/api/chat", chat("What is 17 + 25?", {{"think", think}}));
        EXPECT_EQ(text_at(answer, "message", "content"), "17 + 25 = 42");
        EXPECT_NE(text_at(answer, "message", "thinking").find("carry 1"), std::string::npos);
    }
    const Json generated = both("/api/generate", generate("What is 17 + 25?", {{"think", true}}));
    EXPECT_EQ(text_at(generated, "response"), "17 + 25 = 42");
    EXPECT_NE(text_at(generated, "thinking").find("carry 1"), std::string::npos);
    EXPECT_FALSE(at(whole("/api/chat", chat("What is 17 + 25?", {{"think", false}})), "message").find("thinking"));
}

TEST_F(OllamaApi, ALoopWithATool) {
    const Json tools = parsed(R"([{"type": "function", "function": {"name": "get_weather",
        "description": "Weather of a city", "parameters": {"type": "object",
        "properties": {"city": {"type": "string"}}, "required": ["city"]}}}])");
    const Json question = chat("What is the weather in Paris?", {{"tools", tools}});
    const Json called = both("/api/chat", question);
    const Json& call = at(called, "message", "tool_calls", 0, "function");
    EXPECT_EQ(call.dump(), R"({"name":"get_weather","arguments":{"city":"Paris"}})");
    EXPECT_EQ(text_at(called, "message", "content"), "");
    EXPECT_EQ(text_at(called, "done_reason"), "stop");

    const auto answered = [&](Json message, Json result) {
        Json messages = at(question, "messages");
        messages.push(std::move(message));
        messages.push(std::move(result));
        return text_at(whole("/api/chat", merged(question, {{"messages", messages}})), "message", "content");
    };
    const Json result = Json::Object{
        {"role", "tool"}, {"tool_name", "get_weather"}, {"content", R"({"weather": "rain", "temperature": 11})"}};
    const std::string answer = answered(at(called, "message"), result);
    EXPECT_TRUE(answer.find("11") != std::string::npos || answer.find("rain") != std::string::npos) << answer;
    // A client that forgets ids, names and the empty text of a call gets the same; one that speaks OpenAI's form, too.
    const Json bare = parsed(
        R"({"role": "assistant", "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}]})");
    EXPECT_EQ(answered(bare, Json::Object{{"role", "tool"}, {"content", *result.find("content")}}), answer);
    Json messages = at(question, "messages");
    messages.push(parsed(R"({"role": "assistant", "tool_calls": [{"id": "a", "type": "function",
        "function": {"name": "get_weather", "arguments": "{\"city\": \"Paris\"}"}}]})"));
    messages.push(Json::Object{{"role", "tool"}, {"tool_call_id", "a"}, {"content", *result.find("content")}});
    const Json theirs =
        ok(post("/v1/chat/completions",
                Json::Object{{"model", "ember"}, {"temperature", 0}, {"tools", tools}, {"messages", messages}}));
    EXPECT_EQ(text_at(theirs, "choices", 0, "message", "content"), answer);
}

// Results in any order find their calls without a look at all of them.
TEST_F(OllamaApi, ManyResultsOfToolsAreReadFast) {
    constexpr int kCalls = 40'000;
    Json calls = Json::array(), messages = Json::array();
    for (int i = 0; i < kCalls; ++i)
        calls.push(Json::Object{{"function", Json::Object{{"name", "tool" + std::to_string(i)}}}});
    messages.push(Json::Object{{"role", "assistant"}, {"content", ""}, {"tool_calls", std::move(calls)}});
    for (int i = kCalls - 1; i >= 0; --i)
        messages.push(Json::Object{{"role", "tool"}, {"content", "x"}, {"tool_name", "tool" + std::to_string(i)}});
    server::HttpRequest http;
    http.body = Json(Json::Object{{"model", "ember"}, {"messages", std::move(messages)}}).dump();
    auto models = *server::Models::make({});
    server::Workers workers(1);
    server::RateLimits limits;
    server::ModelLoads loads(*models, workers, 5);
    server::Service service(*models, loads, workers, limits);
    const server::ApiContext api{service, "test", false, 100};
    const double began = monotonic_seconds();
    const auto asked = server::read_ollama_chat(http, api);
    EXPECT_LT(monotonic_seconds() - began, 2);
    ASSERT_TRUE(asked) << asked.error().message;
    const Json& read = std::get<chat::Conversation>(asked->model.prompt).messages;
    ASSERT_EQ(read.items().size(), size_t(kCalls) + 1);
    EXPECT_EQ(text_at(read, 1, "tool_call_id"), text_at(read, 0, "tool_calls", kCalls - 1, "id"));
    EXPECT_EQ(text_at(read, kCalls, "tool_call_id"), text_at(read, 0, "tool_calls", 0, "id"));
}

TEST_F(OllamaApi, AnswersHaveTheFormThatWasAskedFor) {
    const Json schema = parsed(R"({"type": "object", "properties": {"name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 150}}, "required": ["name", "age"],
        "additionalProperties": false})");
    const std::string text = "Extract the name and the age: Anna is 31 years old.";
    const Json person = parsed(text_at(both("/api/chat", chat(text, {{"format", schema}})), "message", "content"));
    EXPECT_TRUE(at(person, "name").is_string() && at(person, "age").is_integer()) << person.dump();
    EXPECT_EQ(person.members().size(), 2u);
    EXPECT_TRUE(parsed(text_at(both("/api/generate", generate(text, {{"format", "json"}})), "response")).is_object());
    EXPECT_EQ(text_at(whole("/api/chat", chat("What is 17 + 25?", {{"format", ""}})), "message", "content"),
              "17 + 25 = 42");
    refused("/api/chat", chat(text, {{"format", "xml"}}), 400, "format");
    refused("/api/chat", chat(text, {{"format", Json::Object{{"type", "nonsense"}}}}), 400, "#/type");
    refused("/api/generate", generate(text, {{"format", "json"}, {"raw", true}}), 400, "form");
}

TEST_F(OllamaApi, OptionsDoWhatTheySay) {
    const auto said = [](Json::Object options) {
        return whole("/api/chat", chat("Tell me a story", {{"options", std::move(options)}}));
    };
    const auto text = [](const Json& answer) { return text_at(answer, "message", "content"); };
    const Json first = said({{"temperature", 1.5}, {"seed", 7}, {"num_predict", 12}});
    EXPECT_EQ(text_at(first, "done_reason"), "length");
    EXPECT_EQ(at(first, "eval_count").as_int(), 12);
    EXPECT_EQ(text(said({{"temperature", 1.5}, {"seed", 7}, {"num_predict", 12}})), text(first));
    EXPECT_NE(text(said({{"temperature", 1.5}, {"seed", 8}, {"num_predict", 12}})), text(first));
    EXPECT_EQ(text(said({{"temperature", 1.5}, {"top_k", 1}, {"num_predict", 12}})),
              text(said({{"temperature", 0}, {"num_predict", 12}})));
    const Json stopped =
        whole("/api/chat", chat("What is 17 + 25?", {{"options", Json::Object{{"temperature", 0}, {"stop", "="}}}}));
    EXPECT_EQ(text(stopped), "17 + 25 ");
    EXPECT_EQ(text_at(stopped, "done_reason"), "stop");

    const Json told = said({{"temperature", 0}, {"num_predict", 2}, {"mirostat", 1}, {"num_ctx", 4096}});
    EXPECT_TRUE(warns(told, "options.mirostat")) << told.dump();
    EXPECT_TRUE(warns(told, "1024")) << told.dump();
    EXPECT_FALSE(said({{"num_predict", 2}, {"num_ctx", 1024}}).find("warnings"));
    EXPECT_EQ(post("/api/chat", chat("hi", {{"surprise", 1}}), "X-Hearth-Strict: 1\r\n").status, 400);
    refused("/api/chat", chat("hi", {{"options", Json::Object{{"temperature", "hot"}}}}), 400, "options.temperature");
    refused("/api/chat", chat("hi", {{"options", Json::Object{{"top_p", 2}}}}), 400, "options.top_p");
}

TEST_F(OllamaApi, ScoresOfTokens) {
    const Json answer = whole("/api/chat", chat("What is 17 + 25?", {{"logprobs", true}, {"top_logprobs", 2}}));
    const auto& scores = at(answer, "logprobs").items();
    std::string text;
    for (const Json& one : scores) {
        text += text_at(one, "token");
        EXPECT_EQ(at(one, "top_logprobs").items().size(), 2u);
    }
    EXPECT_EQ(text, "17 + 25 = 42");
    Json streamed = Json::array();
    for (const Json& line : lines("/api/chat", chat("What is 17 + 25?", {{"logprobs", true}, {"top_logprobs", 2}})))
        if (const Json& some = at(line, "logprobs"); some.is_array())
            for (const Json& one : some.items()) streamed.push(one);
    EXPECT_EQ(streamed.dump(), at(answer, "logprobs").dump());
}

TEST_F(OllamaApi, NothingAskedLoadsTheModel) {
    auto server = start_ember_server([](server::ServerOptions& options) { options.loads_at_start = false; });
    ASSERT_TRUE(server);
    const auto ask = [&](const std::string& path, const Json& body) {
        return ok(http_post(server->port(), path, body.dump()));
    };
    const auto in_memory = [&] { return at(ok(http_get(server->port(), "/api/ps")), "models"); };
    EXPECT_EQ(in_memory().dump(), "[]");
    // What is not in memory is described by its file.
    const Json listed = ok(http_get(server->port(), "/api/tags"));
    ASSERT_EQ(at(listed, "models").items().size(), 2u);
    EXPECT_EQ(text_at(listed, "models", 0, "name"), "ember:latest");
    const Json described = ask("/api/show", Json::Object{{"model", "small"}});
    EXPECT_EQ(in_memory().dump(), "[]");

    const Json loaded = ask("/api/chat", Json::Object{{"model", "small"}, {"messages", Json::array()}});
    EXPECT_EQ(text_at(loaded, "done_reason"), "load");
    EXPECT_TRUE(at(loaded, "done").as_bool());
    EXPECT_EQ(text_at(loaded, "message", "content"), "");
    EXPECT_GT(at(loaded, "load_duration").as_int(), 1000);
    ASSERT_EQ(in_memory().items().size(), 1u);
    EXPECT_EQ(text_at(in_memory(), 0, "name"), "small:latest");
    EXPECT_EQ(at(in_memory(), 0, "context_length").as_int(), 96);
    EXPECT_GT(at(in_memory(), 0, "size").as_int(), 1 << 20);
    // The description is the same, but for what is known only now.
    const Json again = ask("/api/show", Json::Object{{"model", "small"}});
    for (const char* key : {"details", "model_info", "capabilities", "template", "modified_at"})
        EXPECT_EQ(at(again, key).dump(), at(described, key).dump()) << key;
    EXPECT_NE(text_at(again, "parameters").find("num_ctx"), std::string::npos);
    EXPECT_EQ(at(ok(http_get(server->port(), "/api/tags")), "models").dump(), at(listed, "models").dump());

    const Json generated = ask("/api/generate", Json::Object{{"model", "ember"}});
    EXPECT_EQ(text_at(generated, "done_reason"), "load");
    EXPECT_EQ(text_at(generated, "response"), "");
    const Json unloaded = ask("/api/generate", Json::Object{{"model", "ember"}, {"keep_alive", 0}});
    EXPECT_EQ(text_at(unloaded, "done_reason"), "unload");
    EXPECT_FALSE(unloaded.find("warnings"));
    ASSERT_EQ(in_memory().items().size(), 1u);
    EXPECT_EQ(text_at(in_memory(), 0, "name"), "small:latest");
}

TEST_F(OllamaApi, ModelsAreDescribed) {
    const Json shown = ok(post("/api/show", Json::Object{{"model", "ember:latest"}}));
    EXPECT_EQ(at(shown, "capabilities").dump(), R"(["completion","tools","thinking"])");
    EXPECT_EQ(text_at(shown, "details", "format"), "gguf");
    EXPECT_EQ(text_at(shown, "details", "family"), text_at(shown, "model_info", "general.architecture"));
    EXPECT_TRUE(std::regex_match(text_at(shown, "details", "parameter_size"), std::regex(R"(\d+\.\dM)")));
    EXPECT_FALSE(text_at(shown, "details", "quantization_level").empty());
    EXPECT_NE(text_at(shown, "parameters").find("temperature"), std::string::npos);
    EXPECT_NE(text_at(shown, "template").find("message"), std::string::npos);
    EXPECT_GT(at(shown, "model_info", "general.parameter_count").as_int(), 1'000'000);
    ASSERT_TRUE(at(shown, "model_info").find("tokenizer.ggml.tokens"));
    EXPECT_TRUE(at(shown, "model_info", "tokenizer.ggml.tokens").is_null());
    const Json verbose = ok(post("/api/show", Json::Object{{"name", "ember"}, {"verbose", true}}));
    EXPECT_GT(at(verbose, "model_info", "tokenizer.ggml.tokens").items().size(), 300u);

    const Json listed = ok(http_get(port(), "/api/tags"));
    EXPECT_EQ(text_at(listed, "models", 0, "digest").size(), 64u);
    EXPECT_GT(at(listed, "models", 0, "size").as_int(), 1'000'000);
    EXPECT_EQ(at(listed, "models", 0, "details").dump(), at(shown, "details").dump());
    EXPECT_EQ(text_at(ok(http_get(port(), "/api/version")), "version"), "test");
    HttpClient client(port());
    ASSERT_TRUE(client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    EXPECT_EQ(client.receive(20, true).status, 200);
}

TEST_F(OllamaApi, VectorsHaveTheLengthOne) {
    const Json answer = ok(post("/api/embed", Json::Object{{"model", "ember"}, {"input", Json::Array{"one", "two"}}}));
    const Json theirs =
        ok(post("/v1/embeddings", Json::Object{{"model", "ember"}, {"input", Json::Array{"one", "two"}}}));
    for (size_t i = 0; i < 2; ++i)
        EXPECT_EQ(at(answer, "embeddings", i).dump(), at(theirs, "data", i, "embedding").dump());
    EXPECT_EQ(at(answer, "prompt_eval_count").as_int(), at(theirs, "usage", "total_tokens").as_int());
    EXPECT_TRUE(warns(answer, "mean of all tokens"));
    EXPECT_GT(at(answer, "total_duration").as_int(), 0);
    const Json one = at(ok(post("/api/embed", Json::Object{{"model", "ember"}, {"input", "one"}})), "embeddings", 0);
    EXPECT_EQ(one.dump(), at(answer, "embeddings", 0).dump());
    // The older endpoint leaves vectors as long as they are.
    const Json old = ok(post("/api/embeddings", Json::Object{{"model", "ember"}, {"prompt", "one"}}));
    double squares = 0;
    for (const Json& value : at(old, "embedding").items()) squares += value.as_double() * value.as_double();
    EXPECT_GT(std::abs(squares - 1), 0.01);
    EXPECT_NEAR(at(old, "embedding", 0).as_double() / std::sqrt(squares), at(answer, "embeddings", 0, 0).as_double(),
                1e-5);
    EXPECT_EQ(at(ok(post("/api/embed", Json::Object{{"model", "ember"}, {"input", ""}})), "embeddings").dump(), "[]");
    EXPECT_EQ(
        at(ok(post("/api/embed", Json::Object{{"model", "ember"}, {"input", "a"}, {"dimensions", 2}})), "embeddings", 0)
            .items()
            .size(),
        2u);
    // What is too long is cut, and that is said, or refused.
    std::string text;
    for (int i = 0; i < 200; ++i) text += "word ";
    const Json cut = ok(post("/api/embed", Json::Object{{"model", "small"}, {"input", text}}));
    EXPECT_EQ(at(cut, "prompt_eval_count").as_int(), 96);
    EXPECT_TRUE(warns(cut, "cut to the 96"));
    refused("/api/embed", Json::Object{{"model", "small"}, {"input", text}, {"truncate", false}}, 400, "96");
    refused("/api/embed", Json::Object{{"model", "ember"}, {"input", 3}}, 400, "input");
    refused("/api/embed", Json::Object{{"model", "nosuch"}, {"input", "a"}}, 404, "nosuch");
}

TEST_F(OllamaApi, WhatCannotBeDoneIsSaid) {
    refused("/api/chat", chat("hi", {{"model", "nosuch"}}), 404, "nosuch");
    refused("/api/show", Json::Object{{"model", "nosuch"}}, 404, "nosuch");
    const auto with_message = [](Json::Object message) {
        return chat("hi", {{"messages", Json::Array{Json(std::move(message))}}});
    };
    refused("/api/chat", with_message({{"role", "user"}, {"content", "a"}, {"images", Json::Array{"aGk="}}}), 400,
            "messages[0].images");
    refused("/api/chat", with_message({{"role", "king"}, {"content", "a"}}), 400, "messages[0].role");
    refused("/api/chat", with_message({{"content", "a"}}), 400, "messages[0].role");
    refused("/api/chat", with_message({{"role", "user"}, {"content", Json::array()}}), 400, "messages[0].content");
    refused("/api/chat",
            with_message({{"role", "assistant"}, {"tool_calls", Json::Array{Json::Object{{"function", "x"}}}}}), 400,
            "messages[0].tool_calls[0]");
    refused("/api/chat", chat("hi", {{"tools", Json::Array{1}}}), 400, "tools");
    refused("/api/chat", chat("hi", {{"think", "very"}}), 400, "think");
    refused("/api/chat", chat("hi", {{"keep_alive", "soon"}}), 400, "keep_alive");
    EXPECT_FALSE(whole("/api/chat", chat("hi", {{"keep_alive", "1h30m"}})).find("warnings"));
    refused("/api/generate", generate("a", {{"suffix", "b"}}), 400, "suffix");
    refused("/api/generate", generate("a", {{"images", Json::Array{"aGk="}}}), 400, "images");
    refused("/api/generate", generate("a", {{"context", Json::Array{1, 2}}}), 400, "/api/chat");
    refused("/api/generate", generate("a", {{"template", "{{ .Prompt }}"}}), 400, "raw");
    EXPECT_FALSE(
        whole("/api/generate", generate("a", {{"suffix", ""}, {"context", nullptr}, {"images", Json::array()}}))
            .find("warnings"));
    for (const std::string path : {"/api/pull", "/api/push", "/api/create", "/api/copy", "/api/blobs/sha256:00"})
        refused(path, Json::Object{{"model", "x"}}, 501, "this server");
    refused("/api/nothing", Json::object(), 404, "/api/nothing");
    const HttpAnswer broken = http_post(port(), "/api/chat", "{");
    EXPECT_EQ(broken.status, 400);
    EXPECT_TRUE(broken.json().find("error") && broken.json().find("error")->is_string()) << broken.body;
    HttpClient client(port());
    ASSERT_TRUE(
        client.send("DELETE /api/delete HTTP/1.1\r\nHost: localhost\r\nContent-Length: 13\r\n\r\n{\"model\":\"x\"}"));
    EXPECT_EQ(client.receive().status, 501);
    // The prompt is longer than the context.
    std::string text;
    for (int i = 0; i < 200; ++i) text += "word ";
    refused("/api/chat", chat(text, {{"model", "small"}}), 400, "96");
}

}  // namespace
}  // namespace hearth::test
