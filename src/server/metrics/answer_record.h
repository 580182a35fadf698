// One prompt with all answers to it, while an engine works on them: counts its events, and tells how far they are.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "server/metrics/request_record.h"
#include "server/metrics/server_metrics.h"

namespace hearth::server {

// What a person wants to see of it.
struct LiveRequest {
    enum class Phase : uint8_t { waiting, prompt, answer } phase = Phase::waiting;
    std::string id, model, key;
    int64_t choices = 1, prompt_tokens = 0, prompt_tokens_done = 0, generated_tokens = 0;
    double seconds = 0;            // since the request was whole
    double tokens_per_second = 0;  // of all its answers together, since the first token
};
std::string_view name_of(LiveRequest::Phase phase);

class AnswerRecord {
public:
    struct Prompt {
        std::string model;
        int64_t tokens = 0;
        size_t choices = 1;
    };
    AnswerRecord(Monitor& monitor, std::shared_ptr<RequestRecord> request, Prompt prompt);
    ~AnswerRecord();

    // Every event of every choice, from the engine's thread.
    void event(size_t choice, const Event& event);
    void is_set_aside() { metrics_.preemptions.add(); }  // a choice, for another request
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
    const std::shared_ptr<RequestRecord> request_;
    const Prompt prompt_;
    ModelMetrics& metrics_;
    std::vector<Choice> choices_;
    std::atomic<int64_t> unfinished_, prompt_done_ = 0, generated_ = 0;
    std::atomic<double> first_token_ = 0;  // when; 0: not yet
};

}  // namespace hearth::server
