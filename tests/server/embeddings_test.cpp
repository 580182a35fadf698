// POST /v1/embeddings and /v1/rerank: the same numbers as `hearth embed` and `hearth rerank`, and everything that can
// be wrong with a request.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <set>

#include "models/edited_file.h"
#include "server/ember_server.h"

namespace hearth::test {
namespace {

const std::string kEmbeddings = "/v1/embeddings";

server::ModelSpec reads(const std::string& name, const std::string& path) {
    return {.name = name, .path = path, .open = [=](const server::LoadProgress&) {
                EngineOptions options;
                options.kv_type = KvType::f32;
                options.context_tokens = 128;
                options.sequences = 8;
                options.threads = 2;
                return Engine::open(path, options);
            }};
}

std::string file_of(const std::string& model) {
    return shared_path((model.starts_with("bert") ? "reference/bert/" : "reference/qwen3-embedding/") + model +
                       ".gguf");
}

class Vectors : public EmberServer {
protected:
    static void SetUpTestSuite() {
        if (!has_shared("reference/bert") || !has_shared("reference/qwen3-embedding")) return;
        server_ = start_ember_server([](server::ServerOptions& options) {
            for (const std::string name : {"bert-cls", "bert-mean", "qwen3-embed", "bert-rank", "qwen3-rank"})
                options.models.push_back(reads(name, file_of(name)));
            EditedFile named(file_of("bert-mean"));
            options.models.push_back(
                reads("named", named.set_text("general.name", "Nomic Embed Text v1.5").write("named.gguf")));
        });
    }
    void SetUp() override {
        NEED_SHARED("reference/bert");
        NEED_SHARED("reference/qwen3-embedding");
        ASSERT_TRUE(server_);
    }
    static Json asked(const std::string& model, Json input, Json::Object more = {}) {
        Json body = Json::Object{{"model", model}, {"input", std::move(input)}};
        for (auto& [name, value] : more) body.set(name, std::move(value));
        return body;
    }
    static Json embedded(const Json& body) {
        const HttpAnswer answer = post(kEmbeddings, body);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return answer.json();
    }
    static void refused(const std::string& path, const Json& body, int status, const std::string& param,
                        const std::string& words) {
        const HttpAnswer answer = post(path, body);
        EXPECT_EQ(answer.status, status) << answer.body;
        const Json json = answer.json();
        EXPECT_EQ(text_at(json, "error", "param"), param) << answer.body;
        EXPECT_NE(text_at(json, "error", "message").find(words), std::string::npos) << answer.body;
    }
    // What a command writes, line by line.
    static std::vector<Json> command(const std::string& words, const std::string& in) {
        const char* program = std::getenv("HEARTH_BINARY");
        EXPECT_TRUE(program);
        if (!program) return {};
        FILE* pipe = popen(("printf '" + in + "' | " + program + " " + words + " 2>/dev/null").c_str(), "r");
        std::string out;
        char part[4096];
        for (size_t count = 0; (count = fread(part, 1, sizeof part, pipe)) > 0;) out.append(part, count);
        pclose(pipe);
        std::vector<Json> lines;
        for (size_t begin = 0; begin < out.size();) {
            const size_t end = std::min(out.find('\n', begin), out.size());
            lines.push_back(parsed(out.substr(begin, end - begin)));
            begin = end + 1;
        }
        return lines;
    }
    static std::string vector_of(const Json& answer, size_t index) {
        return at(answer, "data", index, "embedding").dump();
    }
};

TEST_F(Vectors, AreThoseOfTheCommand) {
    for (const std::string model : {"bert-cls", "bert-mean", "qwen3-embed"}) {
        const auto lines = command("embed " + file_of(model), "the river was calm\\nhello world\\n");
        ASSERT_EQ(lines.size(), 2u) << model;
        const Json answer = embedded(asked(model, Json::Array{"the river was calm", "hello world"}));
        EXPECT_EQ(text_at(answer, "object"), "list");
        EXPECT_EQ(text_at(answer, "model"), model);
        ASSERT_EQ(at(answer, "data").items().size(), 2u);
        int64_t tokens = 0;
        for (size_t i = 0; i < 2; ++i) {
            EXPECT_EQ(vector_of(answer, i), lines[i].find("embedding")->dump()) << model;
            EXPECT_EQ(at(answer, "data", i, "index").as_int(), int64_t(i));
            EXPECT_EQ(text_at(answer, "data", i, "object"), "embedding");
            tokens += lines[i].find("tokens")->as_int();
        }
        EXPECT_EQ(at(answer, "usage", "prompt_tokens").as_int(), tokens);
        EXPECT_EQ(at(answer, "usage", "total_tokens").as_int(), tokens);
        EXPECT_FALSE(answer.find("warnings"));
        EXPECT_EQ(vector_of(embedded(asked(model, "hello world")), 0), vector_of(answer, 1));
    }
}

TEST_F(Vectors, OfAModelThatAnswersComeWithAWarning) {
    const auto lines = command("embed ember --kv f16", "hello world\\n");
    ASSERT_EQ(lines.size(), 1u);
    const Json answer = embedded(asked("ember", "hello world"));
    EXPECT_EQ(vector_of(answer, 0), lines[0].find("embedding")->dump());
    EXPECT_NE(text_at(answer, "warnings", 0).find("mean of all tokens"), std::string::npos);
}

TEST_F(Vectors, AsBase64AreTheSameNumbers) {
    const Json plain = embedded(asked("bert-cls", Json::Array{"calm", "river"}));
    const Json coded = embedded(asked("bert-cls", Json::Array{"calm", "river"}, {{"encoding_format", "base64"}}));
    static constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < 2; ++i) {
        std::string bytes;
        uint32_t group = 0;
        int bits = 0;
        for (const char c : text_at(coded, "data", i, "embedding")) {
            if (c == '=') break;
            group = group << 6 | uint32_t(kLetters.find(c));
            bits += 6;
            if (bits < 8) continue;
            bits -= 8;
            bytes += char(group >> bits & 255);
        }
        const auto& numbers = at(plain, "data", i, "embedding").items();
        ASSERT_EQ(bytes.size(), numbers.size() * 4);
        for (size_t k = 0; k < numbers.size(); ++k) {
            float value = 0;
            std::memcpy(&value, bytes.data() + 4 * k, 4);
            EXPECT_EQ(value, std::strtof(numbers[k].number_text().c_str(), nullptr));
        }
    }
}

TEST_F(Vectors, OfTokensAreThoseOfTheirText) {
    const auto ids = [](const std::string& text) {
        const HttpAnswer answer =
            post("/tokenize", Json::Object{{"model", "bert-mean"}, {"content", text}, {"add_special", true}});
        EXPECT_EQ(answer.status, 200) << answer.body;
        return at(answer.json(), "tokens");
    };
    const Json of_texts = embedded(asked("bert-mean", Json::Array{"the river", "calm"}));
    const Json of_lists = embedded(asked("bert-mean", Json::Array{ids("the river"), ids("calm")}));
    EXPECT_EQ(of_lists.dump(), of_texts.dump());
    EXPECT_EQ(vector_of(embedded(asked("bert-mean", ids("calm"))), 0), vector_of(of_texts, 1));
}

TEST_F(Vectors, AreCutBeforeTheirLengthIsMadeOne) {
    const Json all = embedded(asked("bert-mean", "the river"));
    const Json two = embedded(asked("bert-mean", "the river", {{"dimensions", 2}}));
    const auto& full = at(all, "data", 0, "embedding").items();
    const auto& cut = at(two, "data", 0, "embedding").items();
    ASSERT_EQ(cut.size(), 2u);
    const double length = std::hypot(full[0].as_double(), full[1].as_double());
    EXPECT_NEAR(cut[0].as_double(), full[0].as_double() / length, 1e-5);
    EXPECT_NEAR(cut[1].as_double(), full[1].as_double() / length, 1e-5);
    refused(kEmbeddings, asked("bert-cls", "x", {{"dimensions", 97}}), 400, "dimensions", "96");
}

TEST_F(Vectors, AModelGetsTheWordsItWasTrainedWith) {
    const Json query = embedded(asked("named", "calm", {{"input_type", "query"}}));
    EXPECT_EQ(vector_of(query, 0), vector_of(embedded(asked("bert-mean", "search_query: calm")), 0));
    const Json passage = embedded(asked("named", "calm", {{"input_type", "document"}}));
    EXPECT_EQ(vector_of(passage, 0), vector_of(embedded(asked("bert-mean", "search_document: calm")), 0));
    refused(kEmbeddings, asked("bert-mean", "calm", {{"input_type", "query"}}), 400, "input_type", "bert-mean");
}

TEST_F(Vectors, OfManyTextsKeepTheirOrder) {
    Json texts = Json::array();
    for (int i = 0; i < 300; ++i) texts.push("boat " + std::to_string(i));
    const Json answer = embedded(asked("bert-cls", texts, {{"dimensions", 3}}));
    ASSERT_EQ(at(answer, "data").items().size(), 300u);
    std::set<std::string> different;
    for (size_t i = 0; i < 300; ++i) different.insert(vector_of(answer, i));
    EXPECT_GT(different.size(), 100u);
    for (const int i : {0, 63, 64, 255, 299})
        EXPECT_EQ(vector_of(answer, size_t(i)),
                  vector_of(embedded(asked("bert-cls", "boat " + std::to_string(i), {{"dimensions", 3}})), 0))
            << i;
}

TEST_F(Vectors, WhatIsWrongIsNamed) {
    std::string long_text;
    for (int i = 0; i < 200; ++i) long_text += "calm ";
    refused(kEmbeddings, Json::Object{{"model", "bert-cls"}}, 400, "input", "missing");
    refused(kEmbeddings, asked("bert-cls", ""), 400, "input", "empty text");
    refused(kEmbeddings, asked("bert-cls", Json::Array{"a", ""}), 400, "input", "empty text");
    refused(kEmbeddings, asked("bert-cls", Json::array()), 400, "input", "empty list");
    refused(kEmbeddings, asked("bert-cls", 3), 400, "input", "neither a text");
    refused(kEmbeddings, asked("bert-cls", Json::Array{1, "a"}), 400, "input", "token id");
    refused(kEmbeddings, asked("bert-cls", Json::Array{int64_t{1} << 30}), 400, "input", "no token of this model");
    refused(kEmbeddings, asked("bert-cls", Json::Array{Json::Array{1}, Json::Array{-1}}), 400, "input", "token id");
    refused(kEmbeddings, asked("bert-cls", Json::Array{"a", long_text}), 400, "input[1]", "128");
    refused(kEmbeddings, asked("bert-cls", "a", {{"encoding_format", "hex"}}), 400, "encoding_format", "base64");
    refused(kEmbeddings, asked("bert-rank", "a"), 400, "model", "/v1/rerank");
    refused(kEmbeddings, asked("nosuch", "a"), 404, "model", "nosuch");
    Json::Array many(2049, Json("a"));
    refused(kEmbeddings, asked("bert-cls", many), 400, "input", "2048");
    EXPECT_NE(text_at(embedded(asked("bert-cls", "a", {{"surprise", 1}})), "warnings", 0).find("surprise"),
              std::string::npos);
    EXPECT_EQ(post(kEmbeddings, asked("bert-cls", "a", {{"surprise", 1}}), "X-Hearth-Strict: 1\r\n").status, 400);
    EXPECT_EQ(text_at(post(kEmbeddings, asked("bert-cls", Json::Array{"a", long_text})).json(), "error", "code"),
              "context_length_exceeded");
}

TEST_F(Vectors, ModelsThatOnlyReadGiveNoAnswers) {
    const Json messages = Json::Array{Json::Object{{"role", "user"}, {"content", "hi"}}};
    for (const auto& [model, words] : {std::pair<std::string, std::string>{"bert-cls", "/v1/embeddings"},
                                       {"qwen3-embed", "/v1/embeddings"},
                                       {"qwen3-rank", "/v1/rerank"}}) {
        const HttpAnswer answer = post("/v1/chat/completions", Json::Object{{"model", model}, {"messages", messages}});
        EXPECT_EQ(answer.status, 400) << answer.body;
        EXPECT_NE(answer.body.find(words), std::string::npos) << answer.body;
    }
    EXPECT_EQ(post("/v1/completions", Json::Object{{"model", "bert-cls"}, {"prompt", "hi"}}).status, 400);
}

TEST_F(Vectors, AServerThatStopsDoesNotWaitForThem) {
    auto server = start_ember_server(
        [](server::ServerOptions& options) { options.models = {reads("bert-mean", file_of("bert-mean"))}; });
    ASSERT_TRUE(server);
    std::string text;
    for (int i = 0; i < 100; ++i) text += "boat ";
    const Json::Array texts(2048, Json(text));
    HttpClient client(server->port());
    ASSERT_TRUE(client.send(post_request(kEmbeddings, Json(Json::Object{{"input", texts}}).dump())));
    HttpClient other(server->port());
    ASSERT_TRUE(other.send(post_request(kEmbeddings, R"({"input": "calm"})")));
    EXPECT_EQ(other.receive().status, 200);  // beside it, not behind it
    client.reset();
    server.reset();
}

TEST_F(Vectors, WaitInTurnsAsAnswersDo) {
    auto server = start_ember_server([](server::ServerOptions& options) {
        options.models = {ember("ember", 4096, 1)};
        options.most_waiting = 1;
    });
    ASSERT_TRUE(server);
    HttpClient busy(server->port());
    const std::string endless = R"({"model": "ember", "prompt": "go on", "ignore_eos": true, "max_tokens": 3000})";
    ASSERT_TRUE(busy.send(post_request("/v1/completions", endless)));
    const auto running = [&] { return server->models().list()[0].model->engine().load().running; };
    for (int i = 0; i < 1000 && running() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    ASSERT_EQ(running(), 1);
    const HttpAnswer late = http_post(server->port(), kEmbeddings, R"({"input": "calm", "deadline_ms": 30})");
    EXPECT_EQ(late.status, 503) << late.body;
    EXPECT_EQ(text_at(late.json(), "error", "code"), "deadline_exceeded");
    // Many texts are one that waits; the next one is sent away.
    std::string text;
    for (int i = 0; i < 300; ++i) text += "boat ";
    const std::string many = Json(Json::Object{{"input", Json::Array(20, Json(text))}}).dump();
    HttpClient waiting(server->port());
    ASSERT_TRUE(waiting.send(post_request(kEmbeddings, many)));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const HttpAnswer refused = http_post(server->port(), kEmbeddings, R"({"input": "calm"})");
    EXPECT_EQ(refused.status, 429) << refused.body;
    EXPECT_EQ(text_at(refused.json(), "error", "code"), "queue_full");
    busy.close();
    const HttpAnswer answer = waiting.receive(60);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(at(answer.json(), "data").items().size(), 20u);
}

class Ranking : public Vectors {
protected:
    static Json asked(const std::string& model, Json::Object more = {}) {
        Json body = Json::Object{{"model", model}, {"query", "the river"}};
        body.set("documents", Json::Array{"calm", Json::Object{{"text", "was the river calm"}}, "x"});
        for (auto& [name, value] : more) body.set(name, std::move(value));
        return body;
    }
    static Json ranked(const Json& body, const std::string& path = "/v1/rerank") {
        const HttpAnswer answer = post(path, body);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return answer.json();
    }
};

TEST_F(Ranking, IsThatOfTheCommand) {
    for (const std::string model : {"bert-rank", "qwen3-rank"}) {
        const auto lines =
            command("rerank " + file_of(model) + " --query \"the river\"", "calm\\nwas the river calm\\nx\\n");
        ASSERT_EQ(lines.size(), 1u);
        const auto& wanted = lines[0].find("results")->items();
        const Json answer = ranked(asked(model));
        EXPECT_EQ(text_at(answer, "model"), model);
        EXPECT_EQ(at(answer, "usage", "total_tokens").as_int(), lines[0].find("tokens")->as_int());
        ASSERT_EQ(at(answer, "results").items().size(), 3u);
        for (size_t i = 0; i < 3; ++i) {
            EXPECT_EQ(at(answer, "results", i, "index").as_int(), wanted[i].find("index")->as_int());
            EXPECT_EQ(at(answer, "results", i, "relevance_score").dump(), wanted[i].find("score")->dump());
            EXPECT_FALSE(at(answer, "results", i).find("document"));
        }
        for (const char* path : {"/rerank", "/v2/rerank"})
            EXPECT_EQ(at(ranked(asked(model), path), "results").dump(), at(answer, "results").dump());
        const Json best = ranked(asked(model, {{"top_n", 1}, {"return_documents", true}}));
        ASSERT_EQ(at(best, "results").items().size(), 1u);
        const size_t first = size_t(wanted[0].find("index")->as_int());
        EXPECT_EQ(text_at(best, "results", 0, "document", "text"),
                  (std::vector<std::string>{"calm", "was the river calm", "x"}[first]));
    }
}

TEST_F(Ranking, WhatIsWrongIsNamed) {
    const std::string path = "/v1/rerank";
    std::string long_text;
    for (int i = 0; i < 200; ++i) long_text += "calm ";
    refused(path, Json::Object{{"model", "bert-rank"}, {"documents", Json::Array{"a"}}}, 400, "query", "missing");
    refused(path, Json::Object{{"model", "bert-rank"}, {"query", "a"}}, 400, "documents", "missing");
    refused(path, asked("bert-rank", {{"documents", Json::array()}}), 400, "documents", "empty");
    refused(path, asked("bert-rank", {{"documents", Json::Array{"a", 1}}}), 400, "documents[1]", "neither a text");
    refused(path, asked("bert-rank", {{"documents", Json::Array{"a", long_text}}}), 400, "documents[1]", "128");
    refused(path, asked("bert-rank", {{"top_n", 0}}), 400, "top_n", "between");
    refused(path, asked("bert-cls"), 400, "model", "no classification head");
    refused(path, asked("ember"), 400, "model", "no classification head");
    refused(path, asked("nosuch"), 404, "model", "nosuch");
}

}  // namespace
}  // namespace hearth::test
