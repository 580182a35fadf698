// The server as a whole: models, keys, paths, disconnects, load, the end.
#include "server/server.h"

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "server/ember_server.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

const std::string kPath = "/v1/chat/completions";

// An answer that goes on until the context is full: no end token may come.
std::string endless(bool streams, int seed = 1) {
    return R"({"model": "ember", "messages": [{"role": "user", "content": "go on"}], "temperature": 3, "top_k": 0,
        "top_p": 1, "logit_bias": {"4085": -100, "4083": -100}, "stream": )" +
           std::string(streams ? "true" : "false") + ", \"seed\": " + std::to_string(seed) + "}";
}

double milliseconds_of(const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

class ServerTest : public EmberServer {};

TEST_F(ServerTest, ListsItsModels) {
    const Json list = http_get(port(), "/v1/models").json();
    EXPECT_EQ(text_at(list, "object"), "list");
    EXPECT_EQ(text_at(list, "data", 0, "id"), "ember");
    EXPECT_EQ(text_at(list, "data", 1, "id"), "small");
    EXPECT_EQ(at(list, "data", 1, "max_model_len").as_int(), 96);
    EXPECT_EQ(text_at(http_get(port(), "/v1/models/small").json(), "id"), "small");
    const HttpAnswer none = http_get(port(), "/v1/models/a%2Fb");
    EXPECT_EQ(none.status, 404);
    EXPECT_NE(none.body.find("no model a/b"), std::string::npos);
}

TEST_F(ServerTest, PathsAndMethodsThatDoNotExistAreNamed) {
    const HttpAnswer nothing = http_get(port(), "/v1/nothing");
    EXPECT_EQ(nothing.status, 404);
    EXPECT_NE(text_at(nothing.json(), "error", "message").find("/v1/nothing"), std::string::npos);
    const HttpAnswer wrong = http_get(port(), kPath);
    EXPECT_EQ(wrong.status, 405);
    EXPECT_NE(text_at(wrong.json(), "error", "message").find("only POST"), std::string::npos);
    EXPECT_EQ(http_get(port(), "/livez").body, "ok\n");
    EXPECT_EQ(http_get(port(), "/readyz").status, 200);
    EXPECT_EQ(text_at(http_get(port(), "/health").json(), "status"), "ok");
}

// Who leaves frees the only place of the small model at once, in the middle of an answer as before its first byte.
// What is refused before anybody looks for a handler: the path says whose client asks.
TEST_F(ServerTest, RefusalsHaveTheFormOfTheirPath) {
    const auto refused = [&](const std::string& path) {
        HttpClient client(port());
        client.send("POST " + path + " HTTP/1.1\r\nHost: elsewhere.example\r\nContent-Length: 2\r\n\r\n{}");
        const HttpAnswer answer = client.receive();
        EXPECT_EQ(answer.status, 403) << answer.body;
        return answer.json();
    };
    const Json anthropic = refused("/v1/messages");
    EXPECT_EQ(text_at(anthropic, "type"), "error");
    EXPECT_EQ(text_at(anthropic, "error", "type"), "permission_error");
    EXPECT_NE(text_at(refused("/api/chat"), "error").find("elsewhere.example"), std::string::npos);
    EXPECT_EQ(text_at(refused("/v1/chat/completions"), "error", "type"), "permission_error");
    HttpClient large(port());
    large.send("POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n");
    EXPECT_EQ(text_at(large.receive().json(), "error", "type"), "request_too_large");
}

TEST_F(ServerTest, WhoLeavesMakesRoomForOthers) {
    for (const bool streams : {false, true}) {
        std::vector<HttpClient> leaving;
        for (int i = 0; i < 8; ++i) {
            leaving.emplace_back(port());
            leaving.back().send(post_request(kPath, endless(streams, i)));
        }
        if (streams) {
            EXPECT_FALSE(leaving[0].receive_until("content", 10).empty());
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        leaving.clear();
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        // All eight are gone: a short question does not wait for a thousand tokens of anybody.
        const double waited = milliseconds_of([] {
            EXPECT_EQ(
                http_post(port(), kPath,
                          R"({"model": "ember", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1})")
                    .status,
                200);
        });
        EXPECT_LT(waited, 1000);  // those eight would take several seconds
    }
}

TEST_F(ServerTest, HealthIsAnsweredAtOnceUnderLoad) {
    std::vector<HttpClient> load;
    for (int i = 0; i < 16; ++i) {
        load.emplace_back(port());
        load.back().send(post_request(kPath, endless(i % 2 == 0, i)));
    }
    HttpClient probe(port());
    std::vector<double> waits;
    for (int i = 0; i < 100; ++i) {
        waits.push_back(milliseconds_of([&] {
            probe.send(get_request("/health"));
            EXPECT_EQ(probe.receive().status, 200);
        }));
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    std::ranges::sort(waits);
    // The machine of a test may be busy with other things: the middle must keep the promise, the worst stay near it.
    EXPECT_LT(waits[50], 5) << "worst " << waits.back();
    EXPECT_LT(waits[95], 100);
}

TEST_F(ServerTest, ManyAskAtOnceAndGetTheSameAnswer) {
    const std::string body = R"({"model": "ember", "messages": [{"role": "user", "content": "What is 17 + 25?"}],
        "temperature": 0, "stream": true})";
    std::vector<HttpClient> clients;
    for (int i = 0; i < 200; ++i) clients.emplace_back(port());
    for (HttpClient& one : clients) ASSERT_TRUE(one.send(post_request(kPath, body)));
    for (HttpClient& one : clients) {
        const HttpAnswer answer = one.receive(30);
        EXPECT_EQ(answer.status, 200);
        std::string text;
        for (const std::string& event : answer.events())
            if (event != "[DONE]") text += text_at(parsed(event), "choices", 0, "delta", "content");
        ASSERT_EQ(text, "17 + 25 = 42");
    }
}

TEST(ServerAlone, WantsAKeyWhereOneIsSet) {
    const std::string path = temporary_directory() + "/keys";
    std::ofstream(path) << "# ours\nsecret-key-1\n\nsecret-key-2\r\n";
    const auto server = start_ember_server([&](server::ServerOptions& options) {
        auto access = server::key_file_access(path);
        ASSERT_TRUE(access) << access.error().line();
        options.access = std::move(*access);
        options.loads_at_start = false;
    });
    ASSERT_TRUE(server);
    const int port = server->port();
    const HttpAnswer none = http_get(port, "/v1/models");
    EXPECT_EQ(none.status, 401);
    EXPECT_EQ(text_at(none.json(), "error", "type"), "authentication_error");
    EXPECT_EQ(text_at(none.json(), "error", "code"), "invalid_api_key");
    EXPECT_EQ(none.header("WWW-Authenticate"), "Bearer");
    for (const char* wrong : {"Authorization: Bearer secret-key-3\r\n", "Authorization: Bearer secret-key\r\n",
                              "Authorization: Bearer secret-key-11\r\n", "Authorization: Basic secret-key-1\r\n",
                              "x-api-key: nothing\r\n", "Authorization: Bearer \r\n"})
        EXPECT_EQ(http_get(port, "/v1/models", wrong).status, 401) << wrong;
    for (const char* right : {"Authorization: Bearer secret-key-1\r\n", "authorization: bearer secret-key-2\r\n",
                              "x-api-key: secret-key-2\r\n"})
        EXPECT_EQ(http_get(port, "/v1/models", right).status, 200) << right;
    EXPECT_EQ(http_get(port, "/livez").status, 200);  // probes have no keys
}

TEST(ServerAlone, KeyFilesAreChecked) {
    const auto refused = [](const std::string& text, const std::string& piece) {
        const std::string path = temporary_directory() + "/bad_keys";
        std::ofstream(path) << text;
        const auto access = server::key_file_access(path);
        ASSERT_FALSE(access) << text;
        EXPECT_NE(access.error().line().find(piece), std::string::npos) << access.error().line();
    };
    refused("", "holds no key");
    refused("# nothing\n", "holds no key");
    refused("short\n", "shorter than 8");
    refused("two words here\n", "blanks");
    EXPECT_FALSE(server::key_file_access("/nowhere/keys"));
}

TEST(ServerAlone, LoadsModelsWhenTheyAreAskedFor) {
    const auto server = start_ember_server([](server::ServerOptions& options) {
        options.loads_at_start = false;
        options.is_strict = true;
    });
    ASSERT_TRUE(server);
    const int port = server->port();
    const auto loaded = [&](const char* name) {
        return at(http_get(port, std::string("/v1/models/") + name).json(), "loaded").as_bool();
    };
    EXPECT_FALSE(loaded("ember"));
    const std::string body = R"({"model": "ember", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1)";
    EXPECT_EQ(http_post(port, kPath, body + "}").status, 200);
    EXPECT_TRUE(loaded("ember"));
    EXPECT_FALSE(loaded("small"));
    // Strict for all, unless a request says otherwise.
    EXPECT_EQ(http_post(port, kPath, body + ", \"colour\": 1}").status, 400);
    EXPECT_EQ(http_post(port, kPath, body + ", \"colour\": 1}", "X-Hearth-Strict: 0\r\n").status, 200);
}

// A model that is read for as long as the test wants.
struct SlowModel {
    std::atomic<bool> may_end = false, is_read = false;

    server::ModelSpec spec(const std::string& name) {
        server::ModelSpec spec = ember(name, 1024, 4);
        spec.open = [this, open = spec.open](const server::LoadProgress& progress) -> Result<std::unique_ptr<Engine>> {
            is_read = true;
            while (!may_end) {
                if (!progress(0.45)) return fail(ErrorKind::cancelled, "given up");
                std::this_thread::sleep_for(std::chrono::milliseconds(2));
            }
            return open(progress);
        };
        return spec;
    }
};

TEST(ServerAlone, OthersGoOnWhileAModelIsRead) {
    SlowModel slow;
    const auto server = start_ember_server([&](server::ServerOptions& options) {
        options.loads_at_start = false;
        options.http.limits.heartbeat = 0.15;
        options.workers = 2;
        options.models.push_back(slow.spec("slow"));
    });
    ASSERT_TRUE(server);
    const auto ask = [](const std::string& model, bool streams) {
        return R"({"model": ")" + model + R"(", "max_tokens": 3, "stream": )" + (streams ? "true" : "false") +
               R"(, "messages": [{"role": "user", "content": "hi"}]})";
    };
    const std::vector<std::string> paths = {"/v1/chat/completions", "/v1/messages", "/api/chat", "/tokenize",
                                            "/v1/messages/count_tokens"};
    EXPECT_EQ(http_post(server->port(), "/v1/chat/completions", ask("ember", false)).status, 200);
    std::vector<HttpClient> waiting, streaming;
    for (const std::string& path : paths) {
        waiting.emplace_back(server->port());
        ASSERT_TRUE(waiting.back().send(
            post_request(path, path == "/tokenize" ? R"({"model": "slow", "content": "hi"})" : ask("slow", false))));
    }
    for (const std::string path : {"/v1/chat/completions", "/v1/messages", "/v1/completions", "/v1/responses"}) {
        streaming.emplace_back(server->port());
        ASSERT_TRUE(streaming.back().send(post_request(
            path, path == "/v1/completions" ? R"({"model": "slow", "prompt": "hi", "stream": true, "max_tokens": 2})"
                  : path == "/v1/responses" ? R"({"model": "slow", "input": "hi", "stream": true})"
                                            : ask("slow", true))));
    }
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(http_post(server->port(), "/v1/chat/completions", ask("ember", false)).status, 200);
    EXPECT_TRUE(slow.is_read);
    HttpClient ollama(server->port());
    ASSERT_TRUE(ollama.send(post_request("/api/chat", ask("slow", true))));
    const std::string told = ollama.receive_until("}\n", 5);
    for (const char* part : {R"("message":{"role":"assistant","content":""})", R"("done":false)", R"("loading":45)",
                             "application/x-ndjson"})
        EXPECT_NE(told.find(part), std::string::npos) << told;
    for (HttpClient& one : streaming) EXPECT_FALSE(one.receive_until(": loading 45 %\n\n", 5).empty());
    // Who comes for what nobody has is told at once.
    EXPECT_EQ(http_post(server->port(), "/v1/chat/completions", ask("nosuch", false)).status, 404);
    streaming.pop_back();  // it leaves
    slow.may_end = true;
    for (HttpClient& one : waiting) EXPECT_EQ(one.receive(20).status, 200);
    EXPECT_NE(ollama.receive_until("\r\n0\r\n\r\n", 20).find(R"("done":true)"), std::string::npos);
    for (HttpClient& one : streaming) EXPECT_FALSE(one.receive_until("\r\n0\r\n\r\n", 20).empty());
}

TEST(ServerAlone, WhatFailsBehindTheFirstWordIsToldInTheStream) {
    SlowModel slow;
    const auto server = start_ember_server([&](server::ServerOptions& options) {
        options.loads_at_start = false;
        options.http.limits.heartbeat = 0.05;
        options.models.push_back(slow.spec("slow"));
    });
    const Json body =
        Json::Object{{"model", "slow"},
                     {"stream", true},
                     {"max_tokens", 5},
                     {"messages", Json::Array{Json::Object{{"role", "user"}, {"content", std::string(20'000, 'x')}}}}};
    std::vector<HttpClient> clients;
    for (const std::string path : {"/v1/chat/completions", "/v1/messages", "/api/chat"}) {
        clients.emplace_back(server->port());
        ASSERT_TRUE(clients.back().send(post_request(path, body.dump())));
        const char* word = path == "/api/chat" ? R"("loading":)" : ": loading";
        EXPECT_FALSE(clients.back().receive_until(word, 5).empty()) << path;
    }
    slow.may_end = true;
    for (HttpClient& one : clients)
        EXPECT_NE(one.receive_until("\r\n0\r\n\r\n", 20).find("\"error\""), std::string::npos);
}

TEST(ServerAlone, StopsWhileAModelIsRead) {
    SlowModel slow;
    auto server = start_ember_server([&](server::ServerOptions& options) {
        options.loads_at_start = false;
        options.models.push_back(slow.spec("slow"));
    });
    HttpClient client(server->port());
    ASSERT_TRUE(client.send(post_request("/v1/completions", R"({"model": "slow", "prompt": "hi"})")));
    for (int i = 0; i < 1000 && !slow.is_read; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_TRUE(slow.is_read);
    EXPECT_FALSE(server->drain(0.05));
    const HttpAnswer answer = client.receive();
    EXPECT_EQ(answer.status, 503) << answer.body;
    const double began = monotonic_seconds();
    server.reset();
    EXPECT_LT(monotonic_seconds() - began, 2);
}

TEST(ServerAlone, FinishesWhatItBegan) {
    auto server = start_ember_server();
    ASSERT_TRUE(server);
    HttpClient client(server->port());
    client.send(post_request(kPath, R"({"model": "ember", "messages": [{"role": "user", "content": "What is 17 + 25?"}],
        "temperature": 0, "enable_thinking": true})"));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_TRUE(server->drain(20));
    const HttpAnswer answer = client.receive(5);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(text_at(answer.json(), "choices", 0, "message", "content"), "17 + 25 = 42");
    EXPECT_FALSE(HttpClient(server->port()).is_connected());
}

// An answer that is not over before the test is.
void has_much_room(server::ServerOptions& options) {
    options.models = {ember("ember", 1 << 17, 2)};
}

TEST(ServerAlone, TellsWhoComesDuringTheDrain) {
    auto server = start_ember_server(has_much_room);
    ASSERT_TRUE(server);
    HttpClient busy(server->port());
    busy.send(post_request(kPath, endless(true)));
    EXPECT_FALSE(busy.receive_until("content", 10).empty());
    EXPECT_TRUE(server->is_alive());
    std::atomic<bool> is_over = false;
    std::thread draining([&] { EXPECT_FALSE(server->drain(60, [&] { return is_over.load(); })); });
    const int port = server->port();
    for (int i = 0; i < 1000 && http_get(port, "/readyz").status == 200; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(http_get(port, "/readyz").status, 503);
    EXPECT_EQ(http_get(port, "/livez").status, 200);
    const HttpAnswer late =
        http_post(port, kPath, R"({"model": "ember", "messages": [{"role": "user", "content": "hi"}]})");
    EXPECT_EQ(late.status, 503);
    EXPECT_EQ(late.header("Retry-After"), "1");
    EXPECT_EQ(text_at(late.json(), "error", "code"), "stopping");
    // Now it is urgent: the answer that was begun ends as such, at once.
    is_over = true;
    EXPECT_LT(milliseconds_of([&] { draining.join(); }), 1500);
    EXPECT_FALSE(busy.receive_until("the server stops", 1).empty());
    EXPECT_FALSE(busy.receive_until("[DONE]", 1).empty());
    EXPECT_TRUE(busy.is_closed_within(5));
    EXPECT_FALSE(HttpClient(port).is_connected());
}

TEST(ServerAlone, GivesUpWhatIsNotReadyInTime) {
    auto server = start_ember_server(has_much_room);
    ASSERT_TRUE(server);
    HttpClient streamed(server->port()), whole(server->port());
    streamed.send(post_request(kPath, endless(true)));
    whole.send(post_request(kPath, endless(false)));
    EXPECT_FALSE(streamed.receive_until("content", 10).empty());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_LT(milliseconds_of([&] {
                  EXPECT_FALSE(server->drain(0.05));
                  server.reset();
              }),
              1500);
    EXPECT_FALSE(streamed.receive_until("[DONE]", 1).empty());
    const HttpAnswer given_up = whole.receive(1);
    EXPECT_EQ(given_up.status, 503);
    EXPECT_EQ(text_at(given_up.json(), "error", "code"), "cancelled") << given_up.body;
}

TEST(ServerAlone, NamesMustDiffer) {
    server::ServerOptions options;
    options.http.hosts = {"127.0.0.1"};
    options.models = {{.name = "a", .path = "x", .open = {}}, {.name = "a", .path = "y", .open = {}}};
    const auto started = server::Server::start(std::move(options));
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().line().find("NAME=PATH"), std::string::npos);
}

}  // namespace
}  // namespace hearth::test
