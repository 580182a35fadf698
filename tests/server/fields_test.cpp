// Fields that the tables of docs/api.md name and no other test asks for: whether each is taken, told or refused as it
// says there, and that those of sampling reach the sampler.
#include "server/ember_server.h"

namespace hearth::test {
namespace {

const std::string kChat = "/v1/chat/completions", kResponses = "/v1/responses", kMessages = "/v1/messages",
                  kOllama = "/api/chat";

// What is asked by itself, to which the fields of a case are added.
Json plain(const std::string& path) {
    const Json::Array messages{Json::Object{{"role", "user"}, {"content", "What is 17 + 25?"}}};
    Json body = Json::Object{{"model", "ember"}};
    if (path == kResponses) {
        body.set("input", "What is 17 + 25?");
        body.set("max_output_tokens", 2);
        body.set("store", false);
        return body;
    }
    body.set("messages", messages);
    if (path == kOllama)
        body.set("stream", false);
    else
        body.set("max_tokens", 2);
    return body;
}

Json with(Json body, const std::string& fields) {
    const Json more = parsed(fields);
    for (const auto& [name, value] : more.members()) body.set(name, value);
    return body;
}

struct Case {
    std::string path, fields;
    std::string word = {};  // of the warning or the error
};

class ApiFields : public EmberServer {
protected:
    static HttpAnswer send(const Case& one, bool is_strict) {
        return post(one.path, with(plain(one.path), one.fields), is_strict ? "X-Hearth-Strict: 1\r\n" : "");
    }
};

TEST_F(ApiFields, AreTakenWithoutAWord) {
    const std::vector<Case> cases = {
        {kChat, R"({"user": "anna", "metadata": {"a": "b"}, "safety_identifier": "x", "service_tier": "auto"})"},
        {kChat, R"({"prompt_cache_key": "k", "prompt_cache_retention": "24h", "cache_prompt": true})"},
        {kChat, R"({"reasoning_effort": "minimal"})"},
        {kChat, R"({"reasoning_effort": "none"})"},
        {kChat, R"({"functions": null})"},
        {kResponses, R"({"safety_identifier": "x", "prompt_cache_key": "k", "prompt_cache_retention": "24h"})"},
        {kResponses, R"({"service_tier": "auto", "max_tool_calls": 3, "background": false})"},
        {kMessages,
         R"({"metadata": {"user_id": "a"}, "service_tier": "auto", "speed": "fast", "inference_geo": "eu"})"},
        {kMessages, R"({"thinking": {"type": "between_tools"}})"},
        {kMessages, R"({"thinking": {"type": "enabled", "budget_tokens": 1, "display": "summarized"}})"},
        {kMessages, R"({"output_config": {"effort": "xhigh"}})"},
        {kMessages, R"({"mcp_servers": [], "container": null, "context_management": null, "diagnostics": null})"},
        {kOllama, R"({"think": "medium"})"},
    };
    for (const Case& one : cases) {
        const HttpAnswer answer = send(one, true);
        EXPECT_EQ(answer.status, 200) << one.path << " " << one.fields << ": " << answer.body;
        EXPECT_EQ(answer.body.find("\"warnings\""), std::string::npos) << one.fields << ": " << answer.body;
    }
}

TEST_F(ApiFields, WithoutAnEffectAreTold) {
    const std::string tool = R"({"name": "f", "input_schema": {"type": "object"}, )";
    const std::vector<Case> cases = {
        {kChat, R"({"store": true})", "store"},
        {kResponses, R"({"text": {"verbosity": "low"}})", "text.verbosity"},
        {kMessages, R"({"container": "c"})", "container"},
        {kMessages, R"({"context_management": {"edits": []}})", "context_management"},
        {kMessages, R"({"diagnostics": {"a": 1}})", "diagnostics"},
        {kMessages, R"({"tools": [)" + tool + R"("input_examples": [{}]}]})", "tools[0].input_examples"},
        {kMessages, R"({"tools": [)" + tool + R"("defer_loading": true}]})", "tools[0].defer_loading"},
    };
    for (const Case& one : cases) {
        const HttpAnswer answer = send(one, false);
        EXPECT_EQ(answer.status, 200) << one.path << " " << one.fields << ": " << answer.body;
        const Json body = answer.json();
        EXPECT_NE(at(body, "warnings").dump().find(one.word), std::string::npos) << one.fields << ": " << answer.body;
    }
}

TEST_F(ApiFields, ThatCannotBeHonouredAreRefusedByName) {
    std::vector<Case> cases = {
        {kChat, R"({"functions": [{"name": "f"}]})", "functions"},
        {kChat, R"({"presence_penalty": 1000})", "presence_penalty"},
        {kChat, R"({"frequency_penalty": "much"})", "frequency_penalty"},
        {kChat, R"({"overflow": "summarise"})", "refuse, oldest, middle"},
        {kResponses, R"({"background": true})", "background"},
        {kResponses, R"({"conversation": "conv_1"})", "conversation"},
        {kResponses, R"({"prompt": {"id": "p"}})", "prompt"},
        {kMessages, R"({"mcp_servers": [{"type": "url", "url": "https://a", "name": "b"}]})", "mcp_servers"},
        {kMessages, R"({"messages": [{"role": "user", "content": [{"type": "search_result", "source": "a"}]}]})",
         "search_result"},
        {kOllama, R"({"options": {"typical_p": 2}})", "options.typical_p"},
        {kOllama, R"({"options": {"repeat_last_n": -2}})", "options.repeat_last_n"},
    };
    for (const std::string type : {"web_search", "file_search", "code_interpreter", "mcp"})
        cases.push_back({kResponses, R"({"tools": [{"type": ")" + type + R"("}]})", type});
    for (const Case& one : cases) {
        const HttpAnswer answer = send(one, false);
        EXPECT_EQ(answer.status, 400) << one.path << " " << one.fields << ": " << answer.body;
        EXPECT_NE(answer.body.find(one.word), std::string::npos) << one.fields << ": " << answer.body;
    }
}

// Under each of its names, and so that it makes a difference.
TEST_F(ApiFields, OfSamplingReachTheSampler) {
    const std::string
        often = R"("temperature": 0, "max_tokens": 48, "ignore_eos": true)",
        drawn = R"("temperature": 3, "top_k": 0, "top_p": 1, "seed": 7, "max_tokens": 24, "ignore_eos": true)";
    const auto text = [](const std::string& path, const std::string& fields) {
        const HttpAnswer answer = post(path, with(Json::Object{{"model", "ember"}, {"prompt", "One and"}}, fields));
        EXPECT_EQ(answer.status, 200) << fields << ": " << answer.body;
        const Json body = answer.json();
        return path == "/api/generate" ? text_at(body, "response") : text_at(body, "choices", 0, "text");
    };
    const std::vector<std::pair<std::string, std::string>> cases = {
        {often, R"("presence_penalty": 50)"},
        {often, R"("frequency_penalty": 50)"},
        {often, R"("repeat_penalty": 3)"},
        {often + R"(, "repeat_penalty": 3)", R"("repeat_last_n": 2)"},
        {often,
         R"("dry_multiplier": 5, "dry_allowed_length": 1, "dry_penalty_last_n": -1, "dry_sequence_breakers": [])"},
        {drawn, R"("typical_p": 0.05)"},
        {drawn, R"("min_p": 0.5)"},
        {drawn, R"("xtc_probability": 1, "xtc_threshold": 0.001)"},
    };
    for (const auto& [usual, field] : cases)
        EXPECT_NE(text("/v1/completions", "{" + usual + "}"), text("/v1/completions", "{" + usual + ", " + field + "}"))
            << field;
    EXPECT_EQ(text("/v1/completions", "{" + often + R"(, "repeat_penalty": 3})"),
              text("/v1/completions", "{" + often + R"(, "repetition_penalty": 3})"));
    // Ollama's names lie in `options`.
    const auto options = [](const std::string& inside) {
        return R"({"raw": true, "stream": false, "options": {"num_predict": 32, "ignore_eos": true, )" + inside + "}}";
    };
    const std::string greedy = R"("temperature": 0)", hot = R"("temperature": 3, "top_k": 0, "top_p": 1, "seed": 7)";
    for (const auto& [usual, field] : {std::pair<std::string, std::string>{greedy, R"("presence_penalty": 50)"},
                                       {greedy, R"("frequency_penalty": 50)"},
                                       {greedy, R"("repeat_penalty": 3)"},
                                       {greedy + R"(, "repeat_penalty": 3)", R"("repeat_last_n": 2)"},
                                       {hot, R"("typical_p": 0.05)"}})
        EXPECT_NE(text("/api/generate", options(usual)), text("/api/generate", options(usual + ", " + field))) << field;
}

// What the other dialects' own tests ask of them, of texts that are continued.
TEST_F(ApiFields, OfCompletionsDoWhatTheyDoElsewhere) {
    const auto asked = [](const std::string& fields) {
        return with(Json::Object{{"model", "ember"}, {"prompt", "Once upon a time"}, {"max_tokens", 24}}, fields);
    };
    const auto answer = [&](const std::string& fields) {
        const HttpAnswer found = post("/v1/completions", asked(fields));
        EXPECT_EQ(found.status, 200) << found.body;
        return found.json();
    };
    const auto text = [&](const std::string& fields) { return text_at(answer(fields), "choices", 0, "text"); };

    const std::string whole = text(R"({"temperature": 0, "ignore_eos": true})");
    ASSERT_GT(whole.size(), 8u);
    const std::string stop = whole.substr(4, 3);
    const Json stopped = answer(R"({"temperature": 0, "ignore_eos": true, "stop": [")" + stop + R"("]})");
    EXPECT_EQ(text_at(stopped, "choices", 0, "text"), whole.substr(0, whole.find(stop)));
    EXPECT_EQ(text_at(stopped, "choices", 0, "finish_reason"), "stop");

    const std::string drawn = R"({"temperature": 3, "top_k": 0, "top_p": 1, "ignore_eos": true, "seed": )";
    EXPECT_EQ(text(drawn + "7}"), text(drawn + "7}"));
    EXPECT_NE(text(drawn + "7}"), text(drawn + "8}"));

    std::string bias;
    for (int id = 0; id < 2000; ++id) bias += (id ? ", \"" : "\"") + std::to_string(id) + "\": -100";
    EXPECT_NE(text(R"({"temperature": 0, "ignore_eos": true, "logit_bias": {)" + bias + "}}"), whole);

    EXPECT_NE(text_at(answer(R"({"colour": "red"})"), "warnings", 0).find("colour"), std::string::npos);
    EXPECT_EQ(post("/v1/completions", asked(R"({"colour": "red"})"), "X-Hearth-Strict: 1\r\n").status, 400);
}

// A client of any dialect that leaves is noticed, whole answers and streams alike.
TEST_F(ApiFields, WhoLeavesIsNoticedInEveryDialect) {
    const std::string endless =
        R"({"temperature": 3, "top_k": 0, "top_p": 1, "ignore_eos": true, "logit_bias": {"4085": -100, "4083": -100}})";
    for (const std::string path : {"/v1/completions", "/v1/responses", "/v1/messages", "/api/chat", "/api/generate"})
        for (const bool streams : {false, true}) {
            SCOPED_TRACE(path + (streams ? ", streamed" : ", whole"));
            const bool has_prompt = path == "/v1/completions" || path == "/api/generate";
            Json body = with(has_prompt ? Json::Object{{"model", "ember"}, {"prompt", "go on"}} : plain(path), endless);
            body.set("stream", streams);
            if (path == "/v1/responses")
                body.set("max_output_tokens", 900);
            else
                body.set("max_tokens", 900);
            if (path.starts_with("/api/"))  // a list that may not end
                body.set("format", parsed(R"({"type": "array", "items": {"type": "integer"}, "minItems": 400})"));
            std::vector<HttpClient> leaving;
            for (int i = 0; i < 8; ++i) {
                leaving.emplace_back(port());
                leaving.back().send(post_request(path, body.dump()));
            }
            if (streams) {
                EXPECT_FALSE(leaving[0].receive_until("200 OK", 10).empty());
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            leaving.clear();
            const auto begin = std::chrono::steady_clock::now();
            EXPECT_EQ(post(kChat, plain(kChat)).status, 200);
            // Those eight would take several seconds.
            EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
        }
}

}  // namespace
}  // namespace hearth::test
