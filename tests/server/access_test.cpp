// Keys of the store at the door of a whole server: scopes, limits, and shares of those who wait.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/os.h"
#include "server/ember_server.h"
#include "server/service.h"
#include "store/database.h"
#include "store/schema.h"
#include "store/store.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

using store::Scope;

const std::string kPath = "/v1/chat/completions";
// So wild that no answer repeats itself, which would end it.
const std::string kNoEnd = R"(, "temperature": 3, "top_k": 0, "top_p": 1)";

std::string ask(int64_t max_tokens, const std::string& more = "", const std::string& model = "small") {
    return R"({"model": ")" + model + R"(", "messages": [{"role": "user", "content": "hi"}], "ignore_eos": true,
        "max_tokens": )" +
           std::to_string(max_tokens) + more + "}";
}

std::string bearer(const std::string& secret) {
    return "Authorization: Bearer " + secret + "\r\n";
}

class KeyDoor : public testing::Test {
protected:
    void SetUp() override {
        static int count = 0;
        folder = temporary_directory() + "/door" + std::to_string(count++);
    }
    store::AddedKey add(const store::NewKey& wanted) {
        auto opened = store::Store::open(folder);
        EXPECT_TRUE(opened);
        auto added = opened->keys().add(wanted, unix_milliseconds());
        EXPECT_TRUE(added);
        return *added;
    }
    void revoke(const std::string& id) {
        auto opened = store::Store::open(folder);
        EXPECT_TRUE(opened);
        EXPECT_TRUE(opened->keys().revoke(id, unix_milliseconds()));
    }
    void start(const std::function<void(server::ServerOptions&)>& change = {}) {
        server = start_ember_server([&](server::ServerOptions& options) {
            auto access = server::StoreAccess::open({.folder = folder, .others = {}, .look_again_seconds = 0.2});
            ASSERT_TRUE(access) << access.error().line();
            options.access = std::move(*access);
            options.loads_at_start = false;
            if (change) change(options);
        });
        ASSERT_TRUE(server);
        port = server->port();
    }
    std::string folder;
    std::unique_ptr<server::Server> server;
    int port = 0;
};

TEST_F(KeyDoor, StandsOpenUntilThereIsAKey) {
    start();
    EXPECT_EQ(http_get(port, "/v1/models").status, 200);
    EXPECT_EQ(http_get(port, "/v1/models", bearer("whatever")).status, 200);  // clients send something by themselves
    EXPECT_FALSE(std::filesystem::exists(folder));                            // asking makes nothing
    const auto key = add({.name = "first"});
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const HttpAnswer none = http_get(port, "/v1/models");
    EXPECT_EQ(none.status, 401);
    EXPECT_EQ(text_at(none.json(), "error", "type"), "authentication_error");
    EXPECT_EQ(none.header("WWW-Authenticate"), "Bearer");
    std::string wrong = key.secret;
    wrong.back() = wrong.back() == '0' ? '1' : '0';
    EXPECT_EQ(http_get(port, "/v1/models", bearer(wrong)).status, 401);
    EXPECT_EQ(http_get(port, "/v1/models", bearer(key.secret)).status, 200);
    EXPECT_EQ(http_get(port, "/v1/models", bearer(wrong)).status, 401);  // also beside the one that is remembered
    EXPECT_EQ(http_get(port, "/v1/models", "x-api-key: " + key.secret + "\r\n").status, 200);
    EXPECT_EQ(http_get(port, "/livez").status, 200);
    // The last key is revoked: the door stays shut, and says why.
    revoke(key.key.id);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const HttpAnswer revoked = http_get(port, "/v1/models", bearer(key.secret));
    EXPECT_EQ(revoked.status, 401);
    EXPECT_EQ(text_at(revoked.json(), "error", "code"), "revoked_api_key");
    EXPECT_NE(text_at(revoked.json(), "error", "message").find("revoked"), std::string::npos);
    EXPECT_EQ(http_get(port, "/v1/models").status, 401);
}

TEST_F(KeyDoor, ExpiredKeysAreToldApart) {
    store::NewKey wanted{.name = "short"};
    wanted.expires_ms = unix_milliseconds() + 500;
    const auto key = add(wanted);
    start();
    EXPECT_EQ(http_get(port, "/v1/models", bearer(key.secret)).status, 200);
    std::this_thread::sleep_for(std::chrono::milliseconds(900));
    const HttpAnswer answer = http_get(port, "/v1/models", bearer(key.secret));
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(text_at(answer.json(), "error", "code"), "expired_api_key");
}

TEST_F(KeyDoor, ScopesOpenTheirRoutesOnly) {
    const auto embeds = add({.name = "embeds", .scopes = {Scope::embed}}),
               infers = add({.name = "infers", .scopes = {Scope::infer}}),
               measures = add({.name = "measures", .scopes = {Scope::metrics, Scope::manage}});
    start();
    EXPECT_EQ(http_post(port, kPath, ask(1), bearer(infers.secret)).status, 200);
    const HttpAnswer refused = http_post(port, kPath, ask(1), bearer(embeds.secret));
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(text_at(refused.json(), "error", "type"), "permission_error");
    EXPECT_EQ(text_at(refused.json(), "error", "code"), "missing_scope");
    EXPECT_NE(text_at(refused.json(), "error", "message").find("needs infer"), std::string::npos) << refused.body;
    EXPECT_EQ(http_post(port, "/v1/completions", "{}", bearer(embeds.secret)).status, 403);
    EXPECT_EQ(http_post(port, "/tokenize", R"({"model": "small", "content": "a"})", bearer(embeds.secret)).status, 200);
    EXPECT_EQ(http_get(port, "/v1/models", bearer(embeds.secret)).status, 200);
    EXPECT_EQ(http_get(port, "/v1/models", bearer(measures.secret)).status, 403);
    EXPECT_EQ(http_post(port, "/tokenize", R"({"content": "a"})", bearer(measures.secret)).status, 403);
}

TEST_F(KeyDoor, KeysOfAFileCountBesideThoseOfTheStore) {
    const std::string path = temporary_directory() + "/beside";
    std::ofstream(path) << "of-the-file\n";
    const auto with_file = [&](server::ServerOptions& options) {
        auto others = server::key_file_access(path);
        ASSERT_TRUE(others);
        auto access = server::StoreAccess::open({.folder = folder, .others = std::move(*others)});
        ASSERT_TRUE(access);
        EXPECT_TRUE((*access)->wants_keys());
        options.access = std::move(*access);
    };
    start(with_file);
    EXPECT_EQ(http_get(port, "/v1/models").status, 401);
    EXPECT_EQ(http_get(port, "/v1/models", bearer("of-the-file")).status, 200);
    const auto key = add({.name = "stored"});
    start(with_file);
    EXPECT_EQ(http_get(port, "/v1/models").status, 401);
    EXPECT_EQ(http_get(port, "/v1/models", bearer("of-the-file")).status, 200);
    EXPECT_EQ(http_get(port, "/v1/models", bearer(key.secret)).status, 200);
}

TEST_F(KeyDoor, AStoreThatCannotBeReadLetsNobodyIn) {
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/hearth.db") << "this is no database, however long one looks at it";
    const auto access = server::StoreAccess::open({.folder = folder, .others = {}});
    ASSERT_FALSE(access);
    EXPECT_NE(access.error().line().find("hearth.db"), std::string::npos) << access.error().line();
}

// Somebody writes for a long time: keys are still looked up, and that one was used is noted later.
TEST_F(KeyDoor, ABusyStoreKeepsNobodyWaiting) {
    const auto key = add({.name = "anna"});
    start();
    auto database = store::Database::open(folder + "/hearth.db", store::schema());
    ASSERT_TRUE(database) << database.error().line();
    {
        const auto writing = (*database)->write();
        ASSERT_TRUE(writing);
        const double began = monotonic_seconds();
        EXPECT_EQ(http_get(port, "/v1/models", bearer(key.secret)).status, 200);
        EXPECT_LT(monotonic_seconds() - began, 2);
    }
    auto opened = store::Store::open(folder);
    ASSERT_TRUE(opened);
    const auto is_noted = [&] { return (*opened->keys().list())[0].last_used_ms > 0; };
    for (int i = 0; i < 1000 && !is_noted(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_TRUE(is_noted());
}

TEST_F(KeyDoor, LimitsOfAKey) {
    store::NewKey wanted{.name = "few"};
    wanted.limits = {.requests_per_minute = 3, .tokens_per_minute = 200};
    const auto few = add(wanted), any = add({.name = "any"});
    start();
    int64_t left = 200;
    for (int i = 0; i < 3; ++i) {
        const HttpAnswer answer = http_post(port, kPath, ask(5), bearer(few.secret));
        ASSERT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(answer.header("x-ratelimit-limit-requests"), "3");
        EXPECT_EQ(answer.header("x-ratelimit-remaining-requests"), std::to_string(2 - i));
        left -= at(answer.json(), "usage", "total_tokens").as_int();
        // The bucket fills meanwhile, by 3 tokens a second.
        EXPECT_NEAR(std::stod(answer.header("x-ratelimit-remaining-tokens")), double(left), 40);
        EXPECT_LT(std::stod(answer.header("x-ratelimit-remaining-tokens")), 200);
    }
    const HttpAnswer refused = http_post(port, kPath, ask(5), bearer(few.secret));
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(text_at(refused.json(), "error", "type"), "rate_limit_error");
    EXPECT_GE(std::stoi(refused.header("Retry-After")), 10);
    EXPECT_LE(std::stoi(refused.header("Retry-After")), 20);
    EXPECT_EQ(refused.header("x-ratelimit-remaining-requests"), "0");
    EXPECT_EQ(http_get(port, "/v1/models", bearer(few.secret)).status, 200);  // looking costs nothing
    const HttpAnswer free = http_post(port, kPath, ask(5), bearer(any.secret));
    EXPECT_EQ(free.status, 200);
    EXPECT_EQ(free.header("x-ratelimit-limit-requests"), "");
}

TEST_F(KeyDoor, OneAtOnceMayComeAgainWhenItsAnswerIsWhole) {
    store::NewKey wanted{.name = "one"};
    wanted.limits.concurrency = 1;
    const auto one = add(wanted);
    start();
    for (int i = 0; i < 20; ++i) {
        const std::string more = i % 2 == 0 ? ", \"stream\": true" : "";
        ASSERT_EQ(http_post(port, kPath, ask(1, more), bearer(one.secret)).status, 200) << i;
    }
    HttpClient busy(port);
    busy.send(post_request(kPath, ask(900, kNoEnd + ", \"stream\": true", "ember"), bearer(one.secret)));
    ASSERT_FALSE(busy.receive_until("content").empty());
    const HttpAnswer refused = http_post(port, kPath, ask(1), bearer(one.secret));
    EXPECT_EQ(refused.status, 429);
    EXPECT_NE(refused.body.find("1 request at once"), std::string::npos) << refused.body;
    busy.close();  // who leaves frees its place
    int status = 0;
    for (int i = 0; i < 100 && status != 200; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        status = http_post(port, kPath, ask(1), bearer(one.secret)).status;
    }
    EXPECT_EQ(status, 200);
}

TEST_F(KeyDoor, PeersWithoutAKeyHaveTheServersLimits) {
    start([](server::ServerOptions& options) { options.limits.requests_per_minute = 2; });
    EXPECT_EQ(http_post(port, kPath, ask(1)).status, 200);
    EXPECT_EQ(http_post(port, kPath, "no json").status, 400);
    EXPECT_EQ(http_post(port, kPath, ask(1)).status, 429);
}

// Fifty requests of one key wait for a model that answers one at a time, and another key's are answered after one of
// those each. Answers are long beside the time in which fifty clients get their turn on a busy machine.
TEST_F(KeyDoor, AGreedyKeyDoesNotKeepAnotherWaiting) {
    const auto greedy = add({.name = "greedy"}), modest = add({.name = "modest"});
    start([](server::ServerOptions& options) {
        options.models = {{.name = "single", .path = "ember", .open = [](const server::LoadProgress&) {
                               EngineOptions engine;
                               engine.context_tokens = 512;
                               engine.threads = 2;
                               return Engine::open(data_path("../../data/ember.gguf"), engine);
                           }}};
    });
    const std::string question = ask(300, kNoEnd, "single");
    http_post(port, kPath, question, bearer(greedy.secret));  // loads the model
    std::vector<std::thread> crowd;
    std::atomic<int> answered = 0, refused = 0;
    for (int i = 0; i < 50; ++i)
        crowd.emplace_back(
            [&] { http_post(port, kPath, question, bearer(greedy.secret)).status == 200 ? ++answered : ++refused; });
    while (answered < 3) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    for (int i = 0; i < 5; ++i) {
        const int before = answered;
        EXPECT_EQ(http_post(port, kPath, question, bearer(modest.secret)).status, 200);
        // One was being answered, one more may have had its turn, one may come in while this client looks.
        EXPECT_LE(answered - before, 4) << i;
    }
    EXPECT_LT(answered, 40);  // else the five proved nothing
    for (std::thread& one : crowd) one.join();
    EXPECT_EQ(answered, 50);
    EXPECT_EQ(refused, 0);
}

TEST_F(KeyDoor, AFullQueueSendsAway) {
    start([](server::ServerOptions& options) { options.most_waiting = 4; });
    for (const char* model : {"ember", "small"}) http_post(port, kPath, ask(1, "", model));  // loads it
    HttpClient busy(port);
    busy.send(post_request("/v1/completions",
                           R"({"model": "small", "prompt": "a", "ignore_eos": true, "max_tokens": 60, "n": 5})"));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    // More than can begin while they come.
    std::vector<HttpClient> crowd;
    for (int i = 0; i < 12; ++i) {
        crowd.emplace_back(port);
        crowd.back().send(post_request(kPath, ask(60)));
    }
    HttpAnswer refused;
    for (HttpClient& one : crowd)
        if (HttpAnswer answer = one.receive(); answer.status != 200) refused = std::move(answer);
    ASSERT_EQ(refused.status, 429) << refused.body;
    EXPECT_EQ(text_at(refused.json(), "error", "code"), "queue_full");
    EXPECT_GE(std::stoi(refused.header("Retry-After")), 1);
    // Another model is not concerned; more answers than ever fit are a mistake of the request.
    EXPECT_EQ(http_post(port, kPath, ask(1, "", "ember")).status, 200);
    EXPECT_EQ(http_post(port, kPath, ask(1, ", \"n\": 30")).status, 400);
    EXPECT_EQ(busy.receive().status, 200);
}

TEST_F(KeyDoor, DeadlinesArePromises) {
    start();
    EXPECT_EQ(http_post(port, kPath, ask(1, ", \"deadline_ms\": 60000, \"priority\": -3")).status, 200);
    EXPECT_EQ(http_post(port, kPath, ask(1, ", \"deadline_ms\": 0")).status, 400);
    HttpClient busy(port);
    const std::string endless = R"({"model": "small", "prompt": "a", "ignore_eos": true, "max_tokens": 60, "n": 30})";
    busy.send(post_request("/v1/completions", endless));
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    const double begin = monotonic_seconds();
    const HttpAnswer late = http_post(port, kPath, ask(60, R"(, "deadline_ms": 1, "stream": true)"));
    EXPECT_LT(monotonic_seconds() - begin, 1);
    EXPECT_EQ(late.status, 503) << late.body;
    EXPECT_EQ(text_at(late.json(), "error", "code"), "deadline_exceeded");
    EXPECT_EQ(text_at(late.json(), "error", "param"), "deadline_ms");
    // In every dialect, and a priority is understood beside it.
    const std::string turn = R"("model": "small", "deadline_ms": 20, "priority": 3, )";
    const std::string message = R"("messages": [{"role": "user", "content": "hi"}])";
    for (const auto& [path, body] : std::vector<std::pair<std::string, std::string>>{
             {"/v1/messages", "{" + turn + R"("max_tokens": 5, )" + message + "}"},
             {"/api/chat", "{" + turn + message + "}"},
             {"/api/generate", "{" + turn + R"("prompt": "hi"})"},
             {"/api/embed", "{" + turn + R"("input": "hi"})"},
             {"/v1/responses", "{" + turn + R"("input": "hi"})"}}) {
        const HttpAnswer told = http_post(port, path, body, "X-Hearth-Strict: 1\r\n");
        EXPECT_EQ(told.status, 503) << path << told.body;
        EXPECT_NE(told.body.find("deadline_ms"), std::string::npos) << path << told.body;
    }
    EXPECT_EQ(busy.receive(30).status, 200);
}

// The same question has the same answer, whether it waited or not, and each of several choices had a place.
TEST_F(KeyDoor, WaitingChangesNoAnswer) {
    start();
    const std::string body = ask(20, R"(, "n": 5, "seed": 4, "temperature": 1)");
    const Json alone = http_post(port, kPath, body).json();
    ASSERT_EQ(at(alone, "choices").items().size(), 5u);
    std::vector<HttpClient> crowd;
    for (int i = 0; i < 8; ++i) {
        crowd.emplace_back(port);
        crowd.back().send(post_request(kPath, body));
    }
    for (HttpClient& one : crowd) {
        const HttpAnswer answer = one.receive(30);
        ASSERT_EQ(answer.status, 200);
        EXPECT_EQ(at(answer.json(), "choices").dump(), at(alone, "choices").dump());
    }
}

// Of one client, who is in a hurry sets aside who is not; that answer is the one it would have been.
TEST_F(KeyDoor, AnswersThatAreSetAsideGoOnUnchanged) {
    const auto anna = add({.name = "anna", .scopes = {Scope::infer, Scope::metrics}}), bert = add({.name = "bert"});
    start([](server::ServerOptions& options) { options.models = {ember("one", 4096, 1)}; });
    const std::string quick = R"({"model": "one", "prompt": "a", "max_tokens": 3, "priority": )";
    const auto ask_quick = [&](const std::string& secret, int priority) {
        const HttpAnswer answer =
            http_post(port, "/v1/completions", quick + std::to_string(priority) + "}", bearer(secret));
        EXPECT_EQ(answer.status, 200) << answer.body;
    };
    ask_quick(anna.secret, 0);
    const std::string wild = R"("temperature": 2, "top_k": 0, "top_p": 1, "seed": 7, "priority": 9, "stream": true, )";
    const auto preempted = [&] {
        const std::string text = http_get(port, "/metrics", bearer(anna.secret)).body;
        const size_t at = text.find("\nvllm:num_preemptions_total{");
        return at == std::string::npos ? "" : text.substr(text.find("} ", at) + 2, 1);
    };
    int set_aside = 0;
    for (const std::string& body :
         {"{" + wild + R"("model": "one", "prompt": "Once upon a time", "ignore_eos": true, "max_tokens": 1500})",
          "{" + wild + R"("model": "one", "guided_regex": "[a-z ]{900}", "max_tokens": 1500,
                          "messages": [{"role": "user", "content": "hi"}]})"}) {
        const std::string path = body.find("messages") == std::string::npos ? "/v1/completions" : kPath;
        const auto said = [](const std::string& bytes) {
            std::string all;
            for (const char* key : {"\"text\":\"", "\"content\":\""})
                for (size_t at = bytes.find(key); at != std::string::npos; at = bytes.find(key, at + 1))
                    all += bytes.substr(at + std::string(key).size(),
                                        bytes.find('"', at + std::string(key).size()) - at - std::string(key).size());
            return all;
        };
        const std::string alone = http_post(port, path, body, bearer(anna.secret)).body;
        HttpClient client(port);
        ASSERT_TRUE(client.send(post_request(path, body, bearer(anna.secret))));
        std::string bytes = client.receive_until("data: ", 10);
        for (int i = 0; i < 2; ++i) ask_quick(anna.secret, i);
        set_aside += 2;
        EXPECT_EQ(preempted(), std::to_string(set_aside));
        bytes += client.receive_until("[DONE]", 30);
        EXPECT_GT(said(alone).size(), 500u);
        EXPECT_EQ(said(bytes), said(alone));
    }
    // Another client's hurry is no reason.
    HttpClient client(port);
    ASSERT_TRUE(client.send(post_request(
        "/v1/completions", "{" + wild + R"("model": "one", "prompt": "b", "ignore_eos": true, "max_tokens": 300})",
        bearer(anna.secret))));
    client.receive_until("data: ", 10);
    ask_quick(bert.secret, -9);
    EXPECT_EQ(preempted(), std::to_string(set_aside));
    EXPECT_FALSE(client.receive_until("[DONE]", 30).empty());
}

// What the service says of an answer that waited.
class WaitingSink final : public server::AnswerSink {
public:
    struct Said {
        std::atomic<bool> is_over = false;
        double queue_seconds = -1;
        std::string error;
    };
    explicit WaitingSink(std::shared_ptr<Said> said) : said_(std::move(said)) {}
    void begin(const server::PromptInfo&) override {}
    void part(int64_t, const server::AnswerPart&) override {}
    void ended(int64_t, const server::AnswerEnd& end) override {
        said_->queue_seconds = end.usage.queue_seconds;
        said_->is_over = true;
    }
    void failed(const server::ApiError& error) override {
        said_->error = error.message;
        said_->is_over = true;
    }

private:
    std::shared_ptr<Said> said_;
};

TEST(ServiceQueue, TellsHowLongAnAnswerWaited) {
    auto models = server::Models::make({{.name = "one", .path = "ember", .open = [](const server::LoadProgress&) {
                                             EngineOptions options;
                                             options.context_tokens = 512;
                                             return Engine::open(data_path("../../data/ember.gguf"), options);
                                         }}});
    ASSERT_TRUE(models);
    server::Workers encoders(1);
    server::RateLimits limits;
    server::Workers starters(1);
    server::ModelLoads loads(**models, starters, 5);
    server::Service service(**models, loads, encoders, limits, 10);
    ASSERT_TRUE((*models)->get("one"));  // what is loaded first does not say who waits for a place
    std::vector<std::shared_ptr<WaitingSink::Said>> all;
    for (int i = 0; i < 4; ++i) {
        server::ModelRequest request;
        request.prompt = server::PlainText{.text = "once", .tokens = {}};
        request.max_tokens = 100;
        request.ignores_end = true;
        request.turn.priority = i == 0 ? -10 : -i;  // the last one comes before those that wait
        all.push_back(std::make_shared<WaitingSink::Said>());
        service.run(std::move(request), std::make_unique<WaitingSink>(all.back()));
    }
    service.wait_until_idle();
    for (const auto& said : all) EXPECT_TRUE(said->is_over && said->error.empty()) << said->error;
    EXPECT_GT(all[3]->queue_seconds, all[0]->queue_seconds);
    EXPECT_GT(all[2]->queue_seconds, all[3]->queue_seconds);
    EXPECT_GT(all[1]->queue_seconds, all[2]->queue_seconds);
}

// Large answers that are being written out hold up neither those who leave nor those whose turn comes.
TEST(ServiceQueue, WhoLeavesMakesRoomWhileAnswersAreEncoded) {
    auto models = server::Models::make({{.name = "one", .path = "ember", .open = [](const server::LoadProgress&) {
                                             EngineOptions options;
                                             options.context_tokens = 100'000;
                                             return Engine::open(data_path("../../data/ember.gguf"), options);
                                         }}});
    ASSERT_TRUE(models);
    const auto model = (*models)->get("one");
    ASSERT_TRUE(model);
    server::Workers encoders(1), starters(1);
    server::RateLimits limits;
    server::ModelLoads loads(**models, starters, 5);
    server::Service service(**models, loads, encoders, limits, 10);
    std::function<void()> leave;
    const auto said = std::make_shared<WaitingSink::Said>();
    for (int i = 0; i < 2; ++i) {
        server::ModelRequest request;
        request.prompt = server::PlainText{.text = "once", .tokens = {}};
        request.ignores_end = true;
        request.max_tokens = i == 0 ? -1 : 1;
        service.run(std::move(request), std::make_unique<WaitingSink>(said),
                    [&](std::function<void()> cancel) { i == 0 ? leave = std::move(cancel) : nullptr; });
    }
    const auto load = [&] { return (*model)->engine().load(); };
    const auto becomes_true = [](const std::function<bool()>& claim) {
        for (int i = 0; i < 1000 && !claim(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return claim();
    };
    ASSERT_TRUE(becomes_true([&] { return load().running == 1 && service.waiting("one") == 1; }));
    std::atomic<bool> may_end = false;
    encoders.post([&] {
        while (!may_end) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    leave();
    EXPECT_TRUE(becomes_true([&] { return load().running == 0 && service.waiting("one") == 0; }));
    may_end = true;
    service.wait_until_idle();
}

}  // namespace
}  // namespace hearth::test
