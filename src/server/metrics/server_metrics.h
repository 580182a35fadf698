// Everything the server counts, by name: the whole list stands in server_metrics.cpp. Names that begin with vllm: are
// vLLM's, with its labels and meanings, so that boards and autoscalers made for it work here.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "engine/engine.h"
#include "server/metrics/registry.h"

namespace hearth::server {

// vLLM's words for how a request ended.
enum class Finished : uint8_t { stop, length, abort, error, repetition };
inline constexpr int kFinished = 5;
std::string_view name_of(Finished reason);
Finished finished_as(FinishReason reason);

// The series of one model.
struct ModelMetrics {
    Gauge &running, &waiting, &cache_usage, &cache_usage_older_name, &loaded, &context_tokens;
    Counter &prefix_queries, &prefix_hits;
    Counter &found_in_memory, &found_on_disk;  // prefix_hits of answers that ended
    Counter &prompt_tokens, &prompt_tokens_cached;
    Counter &prompt_tokens_found, &prompt_tokens_computed;  // by source
    Counter& generation_tokens;
    std::array<Counter*, kFinished> finished;
    Counter& cancelled;
    Counter& preemptions;
    Histogram &first_token, &inter_token, &inter_token_older_name, &per_output_token;
    Histogram &whole, &queue, &inference, &prefill, &decode;
    Histogram &request_prompt_tokens, &request_generation_tokens, &request_choices;
};

struct ProcessNumbers {
    double resident_bytes = 0, processor_seconds = 0;
    int connections = 0, busy = 0;
};

class ServerMetrics {
public:
    ServerMetrics(const std::string& version, const std::string& kernels);

    ModelMetrics& of(const std::string& model);  // stays valid
    // What is no event but a state: asked for when somebody reads.
    // Engine: null where it is not loaded. `waiting`: requests that wait in front of it.
    void set_state(const std::string& model, const Engine* engine, int64_t waiting);
    void set_process(const ProcessNumbers& numbers);

    Counter& http_requests(const std::string& route, int status);
    Counter& rejected(const std::string& reason);
    Counter& lost_log_lines() { return lost_log_lines_; }

    const Registry& registry() const { return registry_; }

private:
    Registry registry_;
    std::mutex mutex_;
    std::map<std::string, std::unique_ptr<ModelMetrics>> models_;

    Family<Gauge>&running_, &waiting_, &cache_usage_, &cache_usage_older_name_;
    Family<Counter>&prefix_queries_, &prefix_hits_, &found_, &preemptions_, &prompt_tokens_, &prompt_tokens_cached_,
        &prompt_tokens_by_source_, &generation_tokens_, &success_;
    Family<Histogram>&first_token_, &inter_token_, &inter_token_older_name_, &per_output_token_, &whole_, &queue_,
        &inference_, &prefill_, &decode_, &request_prompt_tokens_, &request_generation_tokens_, &request_choices_;
    Family<Gauge>& cache_config_;
    Family<Counter>&drafts_, &draft_tokens_, &accepted_tokens_;
    Family<Gauge>&loaded_, &context_tokens_, &memory_planned_;
    Family<Counter>&cancelled_, &rejected_, &http_requests_;
    Gauge &connections_, &busy_;
    Counter& lost_log_lines_;
    Gauge &resident_, &start_time_, &processor_;
};

}  // namespace hearth::server
