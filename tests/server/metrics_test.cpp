// Counting and its text: counters, histograms, names, the boards and rules that use them, traces, lines of the log.
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <limits>
#include <mutex>
#include <regex>
#include <set>
#include <thread>

#include "base/json.h"
#include "server/exposition.h"
#include "server/metrics/access_log.h"
#include "server/metrics/registry.h"
#include "server/metrics/server_metrics.h"
#include "server/metrics/trace_context.h"
#include "support/shared_data.h"

namespace hearth::server {
namespace {

using test::Exposition;
using test::read_exposition;

TEST(Metrics, AreToldAsPrometheusReadsThem) {
    Registry registry;
    registry.counter("a_total", "Back\\slash and\nline.", {"model", "way"}).at({"x \"y\" \\ \n z", "in"}).add(3);
    registry.gauge("b", "A gauge.").at({}).set(0.25);
    registry.gauge("never_used", "Nothing yet.", {"model"});
    registry.counted_elsewhere("seconds_total", "Not whole.").at({}).set(1.5);
    const std::string text = registry.text();
    EXPECT_EQ(text,
              "# HELP a_total Back\\\\slash and\\nline.\n# TYPE a_total counter\n"
              "a_total{model=\"x \\\"y\\\" \\\\ \\n z\",way=\"in\"} 3\n"
              "# HELP b A gauge.\n# TYPE b gauge\nb 0.25\n"
              "# HELP never_used Nothing yet.\n# TYPE never_used gauge\n"
              "# HELP seconds_total Not whole.\n# TYPE seconds_total counter\nseconds_total 1.5\n");
    EXPECT_EQ(read_exposition(text).problems, std::vector<std::string>());
}

TEST(Metrics, SpecialNumbersHaveTheirWords) {
    Registry registry;
    auto& gauge = registry.gauge("g", "G.").at({});
    const auto text_of = [&](double value) {
        gauge.set(value);
        const std::string text = registry.text();
        return text.substr(text.rfind(' ') + 1);
    };
    EXPECT_EQ(text_of(HUGE_VAL), "+Inf\n");
    EXPECT_EQ(text_of(-HUGE_VAL), "-Inf\n");
    EXPECT_EQ(text_of(std::nan("")), "NaN\n");
    EXPECT_EQ(text_of(8589934592), "8589934592\n");
    EXPECT_EQ(text_of(0.1), "0.1\n");
}

TEST(Metrics, HistogramsCountUpToEachBound) {
    static constexpr double kBounds[] = {0.1, 1, 10};
    Registry registry;
    auto& histogram = registry.histogram("h_seconds", "H.", kBounds, {"model"}).at({"m"});
    for (const double value : {0.05, 0.1, 0.100001, 1.0, 5.0, 100.0}) histogram.observe(value);
    histogram.observe(std::nan(""));
    histogram.observe(HUGE_VAL);
    const Histogram::Reading reading = histogram.read();
    EXPECT_EQ(reading.up_to, (std::vector<uint64_t>{2, 4, 5, 6}));
    EXPECT_NEAR(reading.sum, 0.05 + 0.1 + 0.100001 + 1 + 5 + 100, 1e-9);
    const Exposition read = read_exposition(registry.text());
    EXPECT_EQ(read.problems, std::vector<std::string>());
    EXPECT_EQ(read.sum("h_seconds_bucket", {R"(le="0.1")"}), 2);
    EXPECT_EQ(read.sum("h_seconds_bucket", {R"(le="1.0")"}), 4);
    EXPECT_EQ(read.sum("h_seconds_bucket", {R"(le="10.0")"}), 5);
    EXPECT_EQ(read.sum("h_seconds_bucket", {R"(le="+Inf")"}), 6);
    EXPECT_EQ(read.sum("h_seconds_count"), 6);
    EXPECT_EQ(registry.sample_names(),
              (std::vector<std::string>{"h_seconds_bucket", "h_seconds_sum", "h_seconds_count"}));
}

TEST(Metrics, ManyThreadsLoseNothing) {
    static constexpr double kBounds[] = {1, 2, 3};
    Registry registry;
    auto& counters = registry.counter("c_total", "C.", {"who"});
    auto& histogram = registry.histogram("h", "H.", kBounds).at({});
    constexpr int kThreads = 8, kRounds = 20000;
    std::atomic<bool> is_done = false;
    std::thread reader([&] {
        while (!is_done) EXPECT_EQ(read_exposition(registry.text()).problems, std::vector<std::string>());
    });
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread)
        threads.emplace_back([&, thread] {
            for (int round = 0; round < kRounds; ++round) {
                counters.at({std::to_string(round % 3)}).add();
                histogram.observe(double(thread % 4) + 0.5);
            }
        });
    for (std::thread& one : threads) one.join();
    is_done = true;
    reader.join();
    const Exposition read = read_exposition(registry.text());
    EXPECT_EQ(read.sum("c_total"), kThreads * kRounds);
    EXPECT_EQ(read.sum("h_count"), kThreads * kRounds);
    EXPECT_EQ(read.sum("h_bucket", {R"(le="2.0")"}), kThreads * kRounds / 2);
    EXPECT_DOUBLE_EQ(read.sum("h_sum"), kThreads * kRounds * 2.0);
}

// Boards, rules and autoscalers are written against these: one that goes or changes its name breaks them silently.
const std::set<std::string> kNames = {"vllm:num_requests_running",
                                      "vllm:num_requests_waiting",
                                      "vllm:kv_cache_usage_perc",
                                      "vllm:gpu_cache_usage_perc",
                                      "vllm:prefix_cache_queries_total",
                                      "vllm:prefix_cache_hits_total",
                                      "hearth:prefix_cache_hits_total",
                                      "vllm:num_preemptions_total",
                                      "vllm:prompt_tokens_total",
                                      "vllm:prompt_tokens_cached_total",
                                      "vllm:prompt_tokens_by_source_total",
                                      "vllm:generation_tokens_total",
                                      "vllm:request_success_total",
                                      "vllm:time_to_first_token_seconds",
                                      "vllm:inter_token_latency_seconds",
                                      "vllm:time_per_output_token_seconds",
                                      "vllm:request_time_per_output_token_seconds",
                                      "vllm:e2e_request_latency_seconds",
                                      "vllm:request_queue_time_seconds",
                                      "vllm:request_inference_time_seconds",
                                      "vllm:request_prefill_time_seconds",
                                      "vllm:request_decode_time_seconds",
                                      "vllm:request_prompt_tokens",
                                      "vllm:request_generation_tokens",
                                      "vllm:request_params_n",
                                      "vllm:cache_config_info",
                                      "vllm:spec_decode_num_drafts_total",
                                      "vllm:spec_decode_num_draft_tokens_total",
                                      "vllm:spec_decode_num_accepted_tokens_total",
                                      "hearth:model_loaded",
                                      "hearth:model_context_tokens",
                                      "hearth:memory_planned_bytes",
                                      "hearth:requests_cancelled_total",
                                      "hearth:requests_rejected_total",
                                      "hearth:http_requests_total",
                                      "hearth:http_connections",
                                      "hearth:http_connections_busy",
                                      "hearth:access_log_lost_lines_total",
                                      "hearth:build_info",
                                      "process_resident_memory_bytes",
                                      "process_cpu_seconds_total",
                                      "process_start_time_seconds"};

TEST(Metrics, HaveTheNamesThatOthersRelyOn) {
    ServerMetrics metrics("1.2.3", "generic");
    metrics.of("m");
    const Exposition read = read_exposition(metrics.registry().text());
    EXPECT_EQ(read.problems, std::vector<std::string>());
    std::set<std::string> names;
    for (const auto& [name, family] : read.families) {
        names.insert(name);
        EXPECT_EQ(family.type == "counter", name.ends_with("_total")) << name;
    }
    EXPECT_EQ(names, kNames);
    EXPECT_EQ(read.samples.at(R"(vllm:num_requests_running{engine="0",model_name="m"})"), 0);
    EXPECT_EQ(read.samples.at(R"(hearth:build_info{version="1.2.3",kernels="generic"})"), 1);
    // A rate needs a zero to begin with.
    for (const char* reason : {"stop", "length", "abort", "error", "repetition"})
        EXPECT_EQ(read.sum("vllm:request_success_total", {"finished_reason=\"" + std::string(reason) + "\""}), 0);
    EXPECT_EQ(read.sum("vllm:time_to_first_token_seconds_count"), 0);
}

TEST(Metrics, AreAllDescribed) {
    const std::string page = test::read_text(test::data_path("../../docs/operations.md"));
    for (const std::string& name : kNames) EXPECT_NE(page.find('`' + name + '`'), std::string::npos) << name;
}

// Every name of a metric in a query: ours have a colon in them, or are those of the process.
std::set<std::string> names_in(const std::string& text) {
    static const std::regex kName(R"(\b(?:vllm:|hearth:|process_)[a-zA-Z0-9_:]+)");
    std::set<std::string> names;
    for (std::sregex_iterator match(text.begin(), text.end(), kName), end; match != end; ++match)
        names.insert(match->str());
    return names;
}

void collect(const Json& json, const std::string& key, std::vector<std::string>& found) {
    if (json.is_array())
        for (const Json& one : json.items()) collect(one, key, found);
    if (!json.is_object()) return;
    for (const auto& [name, value] : json.members()) {
        if (name == key && value.is_string()) found.push_back(value.as_string());
        collect(value, key, found);
    }
}

TEST(Metrics, TheBoardAsksForWhatIsThere) {
    ServerMetrics metrics("test", "generic");
    const std::vector<std::string> list = metrics.registry().sample_names();
    const std::set<std::string> known(list.begin(), list.end());
    const auto board = Json::parse(test::read_text(test::data_path("../../packaging/grafana/hearth.json")));
    ASSERT_TRUE(board) << board.error().line();
    std::vector<std::string> queries;
    collect(*board, "expr", queries);
    EXPECT_GE(queries.size(), 12u);
    std::string all;
    for (const std::string& query : queries) {
        EXPECT_FALSE(names_in(query).empty()) << query;
        for (const std::string& name : names_in(query)) EXPECT_TRUE(known.contains(name)) << name << " in " << query;
        // A counter without a rate is a line that only rises.
        if (query.find("_total") != std::string::npos) {
            EXPECT_TRUE(query.find("rate(") != std::string::npos || query.find("increase(") != std::string::npos)
                << query;
        }
        all += query + "\n";
    }
    std::vector<std::string> variables;
    collect(*board, "query", variables);
    for (const std::string& variable : variables)
        for (const std::string& name : names_in(variable)) EXPECT_TRUE(known.contains(name)) << variable;
    for (const char* needed :
         {"vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:time_to_first_token_seconds_bucket",
          "vllm:inter_token_latency_seconds_bucket", "vllm:generation_tokens_total", "vllm:kv_cache_usage_perc",
          "vllm:prefix_cache_hits_total", "hearth:prefix_cache_hits_total", "hearth:http_requests_total",
          "process_resident_memory_bytes"})
        EXPECT_NE(all.find(needed), std::string::npos) << needed;
}

TEST(Metrics, TheBoardIsWhatItsTableSays) {
    const std::string made = test::temporary_directory() + "/board.json", folder = test::data_path("../../packaging/");
    ASSERT_EQ(std::system(("python3 '" + folder + "grafana/make_board.py' > '" + made + "'").c_str()), 0);
    EXPECT_EQ(test::read_text(made), test::read_text(folder + "grafana/hearth.json")) << "run make_board.py";
}

TEST(Metrics, RulesAskForWhatIsThere) {
    ServerMetrics metrics("test", "generic");
    const std::vector<std::string> list = metrics.registry().sample_names();
    const std::set<std::string> known(list.begin(), list.end());
    const std::string rules = test::read_text(test::data_path("../../packaging/prometheus/rules.yml"));
    EXPECT_GE(names_in(rules).size(), 3u);
    for (const std::string& name : names_in(rules)) EXPECT_TRUE(known.contains(name)) << name;
    const std::string config = test::read_text(test::data_path("../../packaging/prometheus/prometheus.yml"));
    EXPECT_NE(config.find("rules.yml"), std::string::npos);
    EXPECT_NE(config.find("127.0.0.1:11435"), std::string::npos);
}

TEST(Trace, IsContinuedOnlyInItsForm) {
    const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736", parent = "00f067aa0ba902b7";
    const auto continued = continued_trace("00-" + trace + "-" + parent + "-01", 0xABC);
    ASSERT_TRUE(continued);
    EXPECT_EQ(continued->trace_id, trace);
    EXPECT_EQ(continued->parent_id, parent);
    EXPECT_EQ(continued->header(), "00-" + trace + "-0000000000000abc-01");
    EXPECT_EQ(continued_trace("00-" + trace + "-" + parent + "-ff", 1)->flags, 3);
    EXPECT_EQ(continued_trace("00-" + trace + "-" + parent + "-00", 0)->span_id, "0000000000000001");
    // What a later version adds behind it is not for us.
    EXPECT_EQ(continued_trace("42-" + trace + "-" + parent + "-01-more", 1)->header().substr(0, 2), "00");
    for (const std::string& wrong : std::vector<std::string>{
             "", "00", "00-" + trace + "-" + parent, "00-" + trace + "-" + parent + "-1",
             "00-" + trace + "-" + parent + "-01-more", "ff-" + trace + "-" + parent + "-01",
             "42-" + trace + "-" + parent + "-01more", "00-" + std::string(32, '0') + "-" + parent + "-01",
             "00-" + trace + "-" + std::string(16, '0') + "-01", "00-" + trace + "-" + parent + "-0g",
             "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + parent + "-01", "0x-" + trace + "-" + parent + "-01",
             "00 " + trace + "-" + parent + "-01", "00-" + trace + "x" + parent + "-01"})
        EXPECT_FALSE(continued_trace(wrong, 1)) << wrong;
}

AccessEntry some_entry() {
    AccessEntry entry;
    entry.time = std::chrono::system_clock::time_point(std::chrono::milliseconds(1764518400123));
    entry.id = "ab-1";
    entry.peer = "127.0.0.1:5000";
    entry.key = "key 2";
    entry.method = "POST";
    entry.path = "/v1/chat/completions";
    entry.status = 200;
    entry.bytes = 1234;
    entry.is_whole = true;
    entry.seconds = 1.5;
    return entry;
}

TEST(AccessLines, AreJson) {
    AccessEntry entry = some_entry();
    EXPECT_EQ(json_line(entry),
              R"({"time":"2025-11-30T16:00:00.123Z","id":"ab-1","peer":"127.0.0.1:5000","key":"key 2","method":"POST",)"
              R"("path":"/v1/chat/completions","status":200,"bytes":1234,"complete":true,"duration_ms":1500})"
              "\n");
    entry.key.clear();
    entry.model = "ember";
    entry.choices = 1;
    entry.prompt_tokens = 20;
    entry.cached_tokens = 8;
    entry.generated_tokens = 5;
    entry.first_token_seconds = 0.0123456;
    entry.finish_reason = "max_tokens";
    entry.trace = continued_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 7);
    const auto line = Json::parse(json_line(entry));
    ASSERT_TRUE(line);
    EXPECT_TRUE(line->find("key")->is_null());
    EXPECT_EQ(line->find("cached_tokens")->as_int(), 8);
    EXPECT_EQ(line->find("ttft_ms")->number_text(), "12.35");
    EXPECT_EQ(line->find("finish_reason")->as_string(), "max_tokens");
    EXPECT_EQ(line->find("trace_id")->as_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(line->find("span_id")->as_string(), "0000000000000007");
    EXPECT_EQ(line->find("parent_id")->as_string(), "00f067aa0ba902b7");
    entry.path = "/" + std::string(5000, 'a');
    EXPECT_LT(json_line(entry).size(), 1000u);
}

TEST(AccessLines, AreOneLineOfTextForPeople) {
    AccessEntry entry = some_entry();
    entry.model = "ember";
    entry.prompt_tokens = 20;
    entry.generated_tokens = 5;
    entry.cached_tokens = 8;
    entry.finish_reason = "end";
    EXPECT_EQ(
        text_line(entry),
        "2025-11-30T16:00:00.123Z 127.0.0.1:5000 POST /v1/chat/completions 200 1.21 KiB 1500 ms (key 2) ember: 20 "
        "tokens (8 cached), 5 generated, end [ab-1]\n");
    entry.path = "/\x1b[2J\nnext";
    entry.is_whole = false;
    const std::string line = text_line(entry);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    EXPECT_NE(line.find("200 (the client left)"), std::string::npos) << line;
}

TEST(AccessLog, WritesAllAndWaitsForNobody) {
    Counter lost;
    std::string written;
    std::promise<void> may_write;
    std::shared_future<void> allowed = may_write.get_future().share();
    {
        AccessLog log({.write =
                           [&](std::string_view lines) {
                               allowed.wait();
                               written += lines;
                               return true;
                           },
                       .is_json = true},
                      lost);
        const auto begin = std::chrono::steady_clock::now();
        for (int i = 0; i < 25000; ++i) log.post(some_entry());
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
        // Up to ten thousand are with the writer, and as many wait.
        EXPECT_GE(lost.value(), 5000u);
        EXPECT_LE(lost.value(), 15000u);
        may_write.set_value();
    }
    EXPECT_EQ(uint64_t(std::ranges::count(written, '\n')) + lost.value(), 25000u);
}

TEST(AccessLog, LinesThatCannotBeWrittenAreCounted) {
    Counter lost;
    {
        AccessLog log({.write = [](std::string_view) { return false; }}, lost);
        for (int i = 0; i < 3; ++i) log.post(some_entry());
    }
    EXPECT_EQ(lost.value(), 3u);
    {
        AccessLog none({}, lost);
        none.post(some_entry());
    }
    EXPECT_EQ(lost.value(), 3u);
}

}  // namespace
}  // namespace hearth::server
