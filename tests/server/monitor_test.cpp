// What a server with the demo model tells about itself: numbers, log lines, traces, and who is being answered.
#include "server/metrics/monitor.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <regex>
#include <thread>

#include "server/ember_server.h"
#include "server/exposition.h"
#include "server/http/client.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

const std::string kPath = "/v1/chat/completions", kTextPath = "/v1/completions";
const std::string kSecret = "What is 17 + 25?";

// What a log was given, by the threads of a server.
struct Lines {
    std::mutex mutex;
    std::string text;

    std::vector<Json> all() {
        std::lock_guard lock(mutex);
        std::vector<Json> found;
        for (size_t at = 0; at < text.size();) {
            const size_t end = text.find('\n', at);
            found.push_back(parsed(text.substr(at, end - at)));
            at = end + 1;
        }
        return found;
    }
};

bool becomes_true(const std::function<bool()>& claim) {
    for (int i = 0; i < 1000; ++i) {
        if (claim()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return claim();
}

// A server of its own for every test: its numbers begin at zero.
class Monitored : public testing::Test {
protected:
    void start(const std::function<void(server::ServerOptions&)>& change = {}) {
        running = start_ember_server([&](server::ServerOptions& options) {
            options.access_log.write = [lines = lines](std::string_view text) {
                std::lock_guard lock(lines->mutex);
                lines->text += text;
                return true;
            };
            if (change) change(options);
        });
        ASSERT_TRUE(running);
    }
    int port() const { return running->port(); }
    Exposition scrape() const {
        const HttpAnswer answer = http_get(port(), "/metrics");
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(answer.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
        Exposition read = read_exposition(answer.body);
        EXPECT_EQ(read.problems, std::vector<std::string>());
        return read;
    }
    Json ask(Json::Object more = {}, const std::string& headers = "") const {
        Json body = Json::Object{{"model", "ember"}, {"temperature", 0}};
        body.set("messages", Json::Array{Json::Object{{"role", "user"}, {"content", kSecret}}});
        for (auto& [name, value] : more) body.set(name, std::move(value));
        const HttpAnswer answer = http_post(port(), kPath, body.dump(), headers);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return answer.json();
    }
    // A text that goes on until the context is full.
    HttpClient endless(const std::string& model, int seed = 1, bool streams = true) const {
        const Json body =
            Json::Object{{"model", model}, {"prompt", "go on"},  {"stream", streams}, {"temperature", 3}, {"top_k", 0},
                         {"top_p", 1},     {"ignore_eos", true}, {"seed", seed},      {"max_tokens", -1}};
        HttpClient client(port());
        client.send(post_request(kTextPath, body.dump()));
        return client;
    }
    // The line of the one request that was not about the server itself.
    Json only_line() const {
        std::vector<Json> lines_now;
        EXPECT_TRUE(becomes_true([&] { return !(lines_now = lines->all()).empty(); }));
        EXPECT_EQ(lines_now.size(), 1u) << lines->text;
        return lines_now.empty() ? Json() : lines_now[0];
    }

    std::shared_ptr<Lines> lines = std::make_shared<Lines>();
    std::unique_ptr<server::Server> running;
};

TEST_F(Monitored, CountsWhatAnswersSay) {
    start();
    const Json usage = at(ask(), "usage");
    const double prompt = double(at(usage, "prompt_tokens").as_int());
    const double generated = double(at(usage, "completion_tokens").as_int());
    ASSERT_GT(prompt, 1);
    ASSERT_GT(generated, 1);
    const std::string ember = R"(model_name="ember")";
    Exposition now = scrape();
    EXPECT_EQ(now.sum("vllm:prompt_tokens_total", {ember}), prompt);
    EXPECT_EQ(now.sum("vllm:generation_tokens_total", {ember}), generated);
    EXPECT_EQ(now.sum("vllm:generation_tokens_total", {R"(model_name="small")"}), 0);
    EXPECT_EQ(now.sum("vllm:request_success_total", {ember, R"(finished_reason="stop")"}), 1);
    EXPECT_EQ(now.sum("vllm:request_success_total"), 1);
    EXPECT_EQ(now.sum("vllm:time_to_first_token_seconds_count", {ember}), 1);
    EXPECT_EQ(now.sum("vllm:inter_token_latency_seconds_count", {ember}), generated - 1);
    EXPECT_EQ(now.sum("vllm:time_per_output_token_seconds_count", {ember}), generated - 1);
    for (const char* name : {"e2e_request_latency", "request_queue_time", "request_prefill_time", "request_decode_time",
                             "request_inference_time", "request_time_per_output_token"})
        EXPECT_EQ(now.sum("vllm:" + std::string(name) + "_seconds_count", {ember}), 1) << name;
    EXPECT_GT(now.sum("vllm:e2e_request_latency_seconds_sum"), now.sum("vllm:time_to_first_token_seconds_sum"));
    EXPECT_EQ(now.sum("vllm:request_prompt_tokens_sum", {ember}), prompt);
    EXPECT_EQ(now.sum("vllm:request_generation_tokens_sum", {ember}), generated);
    EXPECT_EQ(now.sum("vllm:prefix_cache_queries_total"), prompt);
    EXPECT_EQ(now.sum("vllm:prefix_cache_hits_total"), 0);

    // The same again: part of the prompt is in the cache now, and the numbers agree with what the answer says.
    const Json again = ask({{"n", 1}, {"max_tokens", 1}});
    const double cached = double(at(again, "usage", "prompt_tokens_details", "cached_tokens").as_int());
    EXPECT_GT(cached, 0);
    now = scrape();
    EXPECT_EQ(now.sum("vllm:prefix_cache_hits_total"), cached);
    EXPECT_EQ(now.sum("vllm:prompt_tokens_cached_total"), cached);
    EXPECT_EQ(now.sum("vllm:prompt_tokens_by_source_total", {R"(source="local_cache_hit")"}), cached);
    EXPECT_EQ(now.sum("vllm:prompt_tokens_by_source_total", {R"(source="local_compute")"}), 2 * prompt - cached);
    EXPECT_EQ(now.sum("vllm:request_success_total", {ember, R"(finished_reason="length")"}), 1);
    EXPECT_EQ(now.sum("vllm:generation_tokens_total", {ember}), generated + 1);
    // Several answers to one question are several requests of the engine.
    ask({{"n", 3}, {"max_tokens", 2}});
    now = scrape();
    EXPECT_EQ(now.sum("vllm:request_success_total"), 5);
    EXPECT_EQ(now.sum("vllm:request_params_n_count"), 3);
    EXPECT_EQ(now.sum("vllm:request_params_n_sum"), 5);
}

TEST_F(Monitored, TellsWhatMemoryHadFromWhatTheDiskHad) {
    const std::string folder = temporary_directory() + "/kept";
    const auto on_disk = [&](server::ServerOptions& options) {
        const std::string path = options.models[0].path;
        options.models[0].open = [=](const server::LoadProgress&) {
            EngineOptions engine;
            engine.context_tokens = 1024;
            engine.sequences = engine.snapshots = 2;
            engine.threads = 2;
            engine.cache_directory = folder;
            return Engine::open(path, engine);
        };
    };
    std::string rules;
    for (int line = 0; line < 40; ++line) rules += "Rule " + std::to_string(line) + ": be kind to all who ask. ";
    const auto ask_long = [&] {
        const Json::Array messages{Json::Object{{"role", "system"}, {"content", rules}},
                                   Json::Object{{"role", "user"}, {"content", "Hello"}}};
        const Json answer = ask({{"messages", messages}, {"max_tokens", 1}});
        return double(at(answer, "usage", "prompt_tokens_details", "cached_tokens").as_int());
    };
    const auto found = [&](const char* source) { return scrape().sum("hearth:prefix_cache_hits_total", {source}); };
    const auto is_written = [&] {
        for (const auto& entry : std::filesystem::directory_iterator(folder))
            if (entry.path().extension() == ".kept") return true;
        return false;
    };
    start(on_disk);
    ask_long();
    ASSERT_TRUE(becomes_true(is_written));
    running.reset();
    start(on_disk);
    EXPECT_EQ(found("source"), 0);
    const double from_disk = ask_long();
    EXPECT_GT(from_disk, 200);
    EXPECT_EQ(found(R"(source="disk")"), from_disk);
    EXPECT_EQ(found(R"(source="memory")"), 0);
    const double from_memory = ask_long();
    EXPECT_EQ(found(R"(source="disk")"), from_disk);
    EXPECT_EQ(found(R"(source="memory")"), from_memory);
    EXPECT_EQ(scrape().sum("vllm:prefix_cache_hits_total"), from_disk + from_memory);
}

TEST_F(Monitored, TellsItsState) {
    start([](server::ServerOptions& options) { options.loads_at_start = false; });
    Exposition now = scrape();
    EXPECT_EQ(now.sum("hearth:model_loaded"), 0);
    EXPECT_EQ(now.sum("hearth:memory_planned_bytes"), 0);
    ask({{"max_tokens", 1}});
    now = scrape();
    EXPECT_EQ(now.sum("hearth:model_loaded", {"ember"}), 1);
    EXPECT_EQ(now.sum("hearth:model_loaded", {"small"}), 0);
    EXPECT_EQ(now.sum("hearth:model_context_tokens", {"ember"}), 1024);
    EXPECT_GT(now.sum("hearth:memory_planned_bytes", {"ember", R"(part="weights")"}), 1e6);
    EXPECT_GT(now.sum("hearth:memory_planned_bytes", {"ember", R"(part="kv")"}), 1e5);
    EXPECT_EQ(now.sum("vllm:cache_config_info", {R"(block_size="64")", R"(num_gpu_blocks="64")"}), 1);
    EXPECT_EQ(now.sum("hearth:build_info", {R"(version="test")"}), 1);
    EXPECT_GT(now.sum("process_resident_memory_bytes"), now.sum("hearth:memory_planned_bytes") / 2);
    EXPECT_GT(now.sum("process_cpu_seconds_total"), 0);
    EXPECT_GT(now.sum("process_start_time_seconds"), 1.7e9);
    EXPECT_EQ(now.sum("hearth:http_connections_busy"), 1);  // the one that asks
    const HttpClient idle(port());
    EXPECT_TRUE(becomes_true([&] { return scrape().sum("hearth:http_connections") >= 2; }));
}

TEST_F(Monitored, KnowsWhoRunsAndWhoWaits) {
    start();
    std::vector<HttpClient> clients;
    // Four places and six questions, asked again where some were answered before anybody looked.
    const auto ask_six = [&](const char* model) {
        clients.clear();
        for (int i = 0; i < 6; ++i) clients.push_back(endless(model, i));
    };
    const std::string small = R"(model_name="small")";
    EXPECT_TRUE(becomes_true([&] {
        ask_six("small");
        const Exposition now = scrape();
        return now.sum("vllm:num_requests_waiting", {small}) >= 1 && now.sum("vllm:num_requests_running", {small}) == 1;
    }));
    ask_six("ember");
    bool has_seen_all = false;
    EXPECT_TRUE(becomes_true([&] {
        const HttpAnswer answer = http_get(port(), "/v1/hearth/status");
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body.find("go on"), std::string::npos) << "what people say is not shown";
        const Json status = answer.json();
        const Json &requests = at(status, "requests"), &model = at(status, "models", 0);
        EXPECT_EQ(text_at(model, "name"), "ember");
        int answering = 0;
        for (const Json& one : requests.items()) {
            EXPECT_FALSE(text_at(one, "id").empty());
            EXPECT_GT(at(one, "prompt_tokens").as_int(), 0);
            if (text_at(one, "model") != "ember" || text_at(one, "phase") != "answer") continue;
            ++answering;
            EXPECT_GT(at(one, "generated_tokens").as_int(), 0);
            EXPECT_EQ(at(one, "prompt_tokens_done").as_int(), at(one, "prompt_tokens").as_int());
        }
        has_seen_all = answering >= 1 && at(model, "cache_usage").as_double() > 0 &&
                       at(model, "running").as_int() == 4 && at(model, "waiting").as_int() == 2;
        if (!has_seen_all && requests.items().size() < 6) ask_six("ember");
        return has_seen_all;
    }));
    clients.clear();
    EXPECT_TRUE(becomes_true([&] {
        const Exposition now = scrape();
        return now.sum("vllm:num_requests_running") == 0 && now.sum("vllm:num_requests_waiting") == 0 &&
               now.sum("vllm:kv_cache_usage_perc") == 0;
    }));
    EXPECT_TRUE(
        becomes_true([&] { return at(http_get(port(), "/v1/hearth/status").json(), "requests").items().empty(); }));
}

TEST_F(Monitored, CountsRefusals) {
    start();
    const auto post_text = [&](const std::string& body) { return http_post(port(), kPath, body).status; };
    EXPECT_EQ(post_text(R"({"model": "nobody", "messages": [{"role": "user", "content": "hi"}]})"), 404);
    EXPECT_EQ(post_text(R"({"model": "small", "messages": [{"role": "user", "content": ")" + std::string(2000, 'x') +
                        "\"}]}"),
              400);
    EXPECT_EQ(post_text("no json"), 400);
    EXPECT_EQ(http_get(port(), "/nothing/" + std::string(100, 'x')).status, 404);
    EXPECT_EQ(http_get(port(), "/v1/models/a%2Fb").status, 404);
    EXPECT_EQ(http_get(port(), "/livez").status, 200);
    Exposition now;
    // A request is counted once nobody works on it any more, which may be after its client has the answer.
    EXPECT_TRUE(becomes_true([&] {
        now = scrape();
        return now.sum("hearth:http_requests_total", {R"(path="/livez")", R"(status="200")"}) == 1 &&
               now.sum("hearth:http_requests_total", {R"(status="400")"}) == 2 &&
               now.sum("hearth:http_requests_total", {R"(status="404")"}) == 3;
    }));
    EXPECT_EQ(now.sum("hearth:requests_rejected_total", {R"(reason="model_not_found")"}), 1);
    EXPECT_EQ(now.sum("hearth:requests_rejected_total", {R"(reason="context_length_exceeded")"}), 1);
    const std::string chat = "path=\"" + kPath + "\"";
    EXPECT_EQ(now.sum("hearth:http_requests_total", {chat, R"(status="404")"}), 1);
    EXPECT_EQ(now.sum("hearth:http_requests_total", {chat, R"(status="400")"}), 2);
    EXPECT_EQ(now.sum("hearth:http_requests_total", {R"(path="other")", R"(status="404")"}), 1);
    EXPECT_EQ(now.sum("hearth:http_requests_total", {R"(path="/v1/models/{name}")", R"(status="404")"}), 1);
    EXPECT_EQ(now.sum("vllm:request_success_total"), 0);
    // Bytes that are no HTTP are counted too.
    HttpClient rude(port());
    rude.send("nonsense\r\n\r\n");
    EXPECT_EQ(rude.receive().status, 400);
    EXPECT_TRUE(becomes_true([&] {
        return scrape().sum("hearth:http_requests_total", {R"(path="other")", R"(status="400")"}) == 1;
    }));
}

TEST_F(Monitored, LogsALinePerRequestAndNothingThatWasSaid) {
    start();
    EXPECT_EQ(http_get(port(), "/livez").status, 200);
    EXPECT_EQ(http_get(port(), "/metrics").status, 200);
    const std::string body =
        R"({"model": "ember", "temperature": 0, "messages": [{"role": "user", "content": ")" + kSecret + "\"}]}";
    const HttpAnswer answer = http_post(port(), kPath + "?secret=1", body, "X-Request-Id: mine-7\r\n");
    const Json usage = at(answer.json(), "usage");
    const Json line = only_line();
    EXPECT_EQ(text_at(line, "id"), "mine-7");
    EXPECT_EQ(text_at(line, "peer").substr(0, 10), "127.0.0.1:");
    EXPECT_TRUE(at(line, "key").is_null());
    EXPECT_EQ(text_at(line, "method"), "POST");
    EXPECT_EQ(text_at(line, "path"), kPath);
    EXPECT_EQ(at(line, "status").as_int(), 200);
    EXPECT_GT(at(line, "bytes").as_int(), int64_t(answer.body.size()));
    EXPECT_TRUE(at(line, "complete").as_bool());
    EXPECT_EQ(text_at(line, "model"), "ember");
    EXPECT_EQ(at(line, "prompt_tokens").as_int(), at(usage, "prompt_tokens").as_int());
    EXPECT_EQ(at(line, "generated_tokens").as_int(), at(usage, "completion_tokens").as_int());
    EXPECT_EQ(at(line, "cached_tokens").as_int(), 0);
    EXPECT_EQ(text_at(line, "finish_reason"), "end");
    EXPECT_GT(at(line, "ttft_ms").as_double(), 0);
    EXPECT_GE(at(line, "duration_ms").as_double(), at(line, "ttft_ms").as_double());
    EXPECT_TRUE(std::regex_match(text_at(line, "time"), std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")));
    EXPECT_EQ(line.find("trace_id"), nullptr);
    EXPECT_EQ(lines->text.find("What is"), std::string::npos) << lines->text;
    EXPECT_EQ(lines->text.find("secret"), std::string::npos) << lines->text;
}

// The older version has no mark for the end of a stream: nothing is written any more once it is known.
TEST(MonitoredHttp, AStreamOfTheOlderVersionIsComplete) {
    Lines lines;
    server::AccessLogOptions log;
    log.write = [&](std::string_view text) {
        std::lock_guard lock(lines.mutex);
        lines.text += text;
        return true;
    };
    server::Monitor monitor("test", std::move(log));
    server::HttpOptions options;
    options.hosts = {"127.0.0.1"};
    options.record = [&](const server::HttpRequest& request) { return monitor.open(request); };
    options.handle = [](const server::HttpRequest&, const server::HttpReply& reply) {
        std::thread([reply] {
            reply.begin_stream("application/x-ndjson");
            reply.write("{}\n");
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            reply.finish();
        }).detach();
    };
    {
        auto started = server::HttpServer::start(std::move(options));
        ASSERT_TRUE(started) << started.error().line();
        HttpClient client((*started)->port());
        client.send("GET /stream HTTP/1.0\r\n\r\n");
        EXPECT_EQ(client.receive().body, "{}\n");
        EXPECT_TRUE(becomes_true([&] { return !lines.all().empty(); }));
    }
    EXPECT_TRUE(at(lines.all().at(0), "complete").as_bool());
}

TEST_F(Monitored, WhoLeavesIsLoggedToTheEnd) {
    start();
    {
        HttpClient client = endless("ember");
        EXPECT_FALSE(client.receive_until("\"text\":\"", 10).empty());
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
    }
    const Json line = only_line();
    EXPECT_EQ(at(line, "status").as_int(), 200);
    EXPECT_FALSE(at(line, "complete").as_bool());
    EXPECT_EQ(text_at(line, "finish_reason"), "cancelled");
    EXPECT_GT(at(line, "generated_tokens").as_int(), 0);
    const Exposition now = scrape();
    EXPECT_EQ(now.sum("hearth:requests_cancelled_total", {"ember"}), 1);
    EXPECT_EQ(now.sum("vllm:request_success_total", {R"(finished_reason="abort")"}), 1);
    EXPECT_EQ(now.sum("vllm:e2e_request_latency_seconds_count"), 0) << "times are those of whole answers";
    EXPECT_EQ(now.sum("vllm:generation_tokens_total"), double(at(line, "generated_tokens").as_int()));
    EXPECT_EQ(now.sum("hearth:http_requests_total", {kTextPath, R"(status="200")"}), 1);
}

TEST_F(Monitored, WhoLeavesBeforeAnAnswerHasAStatusOfItsOwn) {
    start();
    {
        const HttpClient client = endless("ember", 1, false);
        EXPECT_TRUE(becomes_true([&] { return scrape().sum("vllm:num_requests_running") == 1; }));
    }
    EXPECT_EQ(at(only_line(), "status").as_int(), 499);
    EXPECT_EQ(scrape().sum("hearth:http_requests_total", {kTextPath, R"(status="499")"}), 1);
}

TEST_F(Monitored, TracesAreContinued) {
    start();
    const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736", parent = "00f067aa0ba902b7";
    const HttpAnswer answer =
        http_get(port(), "/v1/models", "traceparent: 00-" + trace + "-" + parent + "-01\r\ntracestate: a=b\r\n");
    const std::string returned = answer.header("traceparent");
    EXPECT_TRUE(std::regex_match(returned, std::regex("00-" + trace + "-[0-9a-f]{16}-01"))) << returned;
    EXPECT_EQ(returned.find(parent), std::string::npos);
    const Json line = only_line();
    EXPECT_EQ(text_at(line, "trace_id"), trace);
    EXPECT_EQ(text_at(line, "parent_id"), parent);
    EXPECT_EQ(text_at(line, "span_id"), returned.substr(36, 16));
    // Each request is a span of its own; what is malformed, or said twice, is no trace.
    const std::string header = "traceparent: 00-" + trace + "-" + parent + "-01\r\n";
    EXPECT_NE(http_get(port(), "/v1/models", header).header("traceparent"), returned);
    EXPECT_EQ(http_get(port(), "/v1/models", header + header).header("traceparent"), "");
    EXPECT_EQ(http_get(port(), "/v1/models", "traceparent: 00-xyz-01\r\n").header("traceparent"), "");
    EXPECT_EQ(http_get(port(), "/v1/models").header("traceparent"), "");
}

TEST_F(Monitored, NumbersAreForWhoHasAKey) {
    const std::string path = temporary_directory() + "/metrics_keys";
    std::ofstream(path) << "secret-key-1\nsecret-key-2\n";
    start([&](server::ServerOptions& options) {
        auto access = server::key_file_access(path);
        ASSERT_TRUE(access);
        options.access = std::move(*access);
    });
    for (const char* what : {"/metrics", "/v1/hearth/status"}) {
        EXPECT_EQ(http_get(port(), what).status, 401) << what;
        EXPECT_EQ(http_get(port(), what, "Authorization: Bearer secret-key-2\r\n").status, 200) << what;
    }
    EXPECT_EQ(http_get(port(), "/v1/models", "Authorization: Bearer secret-key-2\r\n").status, 200);
    const auto numbers = read_exposition(http_get(port(), "/metrics", "x-api-key: secret-key-1\r\n").body);
    EXPECT_EQ(numbers.sum("hearth:requests_rejected_total", {R"(reason="invalid_api_key")"}), 2);
    EXPECT_TRUE(becomes_true([&] { return lines->all().size() >= 3; }));
    for (const Json& line : lines->all()) {
        const bool is_refused = at(line, "status").as_int() == 401;
        EXPECT_EQ(text_at(line, "key"), is_refused ? "" : "key 2") << line.dump();
    }
    EXPECT_EQ(lines->text.find("secret-key"), std::string::npos);
}

TEST_F(Monitored, TextLinesArePossible) {
    start([](server::ServerOptions& options) { options.access_log.is_json = false; });
    EXPECT_EQ(http_get(port(), "/v1/models").status, 200);
    EXPECT_TRUE(becomes_true([&] {
        std::lock_guard lock(lines->mutex);
        return lines->text.find(" GET /v1/models 200 ") != std::string::npos;
    }));
}

TEST(PlainClient, ReadsAddresses) {
    const auto text_of = [](const std::string& url) {
        const auto address = server::ServerAddress::parse(url);
        return address ? address->text() : "! " + address.error().line();
    };
    EXPECT_EQ(text_of("http://127.0.0.1:11435"), "http://127.0.0.1:11435");
    EXPECT_EQ(text_of("http://box.lan/"), "http://box.lan:80");
    EXPECT_EQ(text_of("http://[::1]:8080/hearth/"), "http://[::1]:8080/hearth");
    EXPECT_EQ(text_of("unix:/run/hearth.sock"), "unix:/run/hearth.sock");
    for (const auto& [url, piece] :
         std::vector<std::pair<std::string, std::string>>{{"", "does not begin"},
                                                          {"https://x", "TLS"},
                                                          {"http://", "no host"},
                                                          {"http://x:0", "no port"},
                                                          {"http://x:99999", "no port"},
                                                          {"http://x:1a", "no port"},
                                                          {"http://[::1", "no end"},
                                                          {"unix:", "no path"},
                                                          {"http://x\r\nEvil: 1", "control characters"},
                                                          {"http://[::1]x", "no port"}})
        EXPECT_NE(text_of(url).find(piece), std::string::npos) << url << " -> " << text_of(url);
}

TEST_F(Monitored, APlainClientReadsItsState) {
    start([](server::ServerOptions& options) { options.http.unix_socket = temporary_directory() + "/monitor.sock"; });
    for (const std::string& url :
         {"http://127.0.0.1:" + std::to_string(port()), "unix:" + temporary_directory() + "/monitor.sock"}) {
        const auto address = server::ServerAddress::parse(url);
        ASSERT_TRUE(address);
        const auto answer = server::http_get(*address, "/v1/hearth/status", "", 5);
        ASSERT_TRUE(answer) << answer.error().line();
        EXPECT_EQ(answer->status, 200);
        EXPECT_EQ(text_at(parsed(answer->body), "version"), "test");
    }
    const auto nobody = server::http_get(*server::ServerAddress::parse("http://127.0.0.1:1"), "/", "", 5);
    ASSERT_FALSE(nobody);
    EXPECT_NE(nobody.error().line().find("nobody answers at http://127.0.0.1:1"), std::string::npos);
}

}  // namespace
}  // namespace hearth::test
