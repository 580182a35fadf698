// The access log: one line per request, once nothing of it goes on any more. Nothing of what people or models said is
// in it. A thread of its own writes; who has something to log never waits.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "server/metrics/registry.h"
#include "server/metrics/trace_context.h"

namespace hearth::server {

struct AccessEntry {
    std::chrono::system_clock::time_point time;  // when the request was whole
    std::string id, peer, key;                   // key: the name of the one that was used; may be empty
    std::string method, path;                    // the path as sent, without its query
    int status = 0;                              // 499: the client left before there was one
    int64_t bytes = 0;                           // sent, headers too
    bool is_whole = false;                       // the client got all of the answer
    double seconds = 0;
    std::optional<TraceContext> trace;

    // Of a request to a model.
    std::string model, finish_reason;
    int64_t choices = 0, prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
    std::optional<double> first_token_seconds;
};

std::string json_line(const AccessEntry& entry);
std::string text_line(const AccessEntry& entry);  // for people

struct AccessLogOptions {
    // Whole lines, on a thread of the log; false: they could not be written. Null: there is no log.
    std::function<bool(std::string_view lines)> write;
    bool is_json = true;
};

class AccessLog {
public:
    AccessLog(AccessLogOptions options, Counter& lost_lines);
    ~AccessLog();  // what is known by then is written

    void post(AccessEntry entry);

private:
    static constexpr size_t kMostWaiting = 10000;  // a reader that does not keep up must not cost all our memory
    void run();

    const AccessLogOptions options_;
    Counter& lost_lines_;
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::vector<AccessEntry> waiting_;
    bool is_ending_ = false;
    std::thread thread_;
};

}  // namespace hearth::server
