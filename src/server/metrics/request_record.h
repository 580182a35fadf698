// What is noted of one HTTP request while it is worked on. All who work on it hold the record; when the last one lets
// go, the request is counted and logged. So an answer that goes on without its client is still told to its end.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "server/metrics/access_log.h"
#include "server/metrics/server_metrics.h"

namespace hearth::server {

class Monitor;

// A request to a model that is not over yet, as a person sees it.
struct LiveRequest {
    enum class Phase : uint8_t { waiting, prompt, answer } phase = Phase::waiting;
    std::string id, model, key;
    int64_t choices = 1, prompt_tokens = 0, prompt_tokens_done = 0, generated_tokens = 0;
    double seconds = 0;            // since the request was whole
    double tokens_per_second = 0;  // of all its answers together, since the first token
};
std::string_view name_of(LiveRequest::Phase phase);

class RequestRecord {
public:
    RequestRecord(Monitor& monitor, AccessEntry entry, std::string route);
    ~RequestRecord();

    const std::optional<TraceContext>& trace() const { return entry_.trace; }

    // Of HTTP. From any thread.
    void is_routed(std::string route);  // the endpoint's path, with its {name}
    void is_admitted(std::string key);  // the name of the key
    void is_rejected(const std::string& reason);
    void answers(int status);
    void sent(size_t bytes);
    void ends(bool is_whole);  // no byte goes out any more; the first call counts

    // Of a request to a model: once the prompt is made, and then every event of every choice, from the engine's thread.
    void begins(const std::string& model, int64_t prompt_tokens, size_t choices);
    void event(size_t choice, const Event& event);
    bool is_live() const { return unfinished_ > 0; }
    LiveRequest live() const;

private:
    struct Choice {
        int64_t prompt_done = 0, generated = 0;
        double last_token = 0;
        bool has_run = false;
    };
    void count_prompt(Choice& choice, const Event& event);
    void count_token(Choice& choice, double now);
    void count_end(const Choice& choice, const Event& event, double now);

    Monitor& monitor_;
    const double began_;
    ModelMetrics* metrics_ = nullptr;  // of its model; set once, by begins()
    std::vector<Choice> choices_;

    mutable std::mutex mutex_;  // guards the texts that come later
    AccessEntry entry_;
    std::string route_;

    std::atomic<int> status_ = 0;
    std::atomic<int64_t> bytes_ = 0;
    std::atomic<bool> has_ended_ = false;
    std::atomic<double> ended_ = 0;
    std::atomic<bool> is_whole_ = false;
    std::atomic<int64_t> unfinished_ = 0, prompt_done_ = 0, generated_ = 0, cached_ = 0;
    std::atomic<double> first_token_ = 0;  // when; 0: not yet
};

}  // namespace hearth::server
