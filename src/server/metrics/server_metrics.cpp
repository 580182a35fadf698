#include "server/metrics/server_metrics.h"

#include <fmt/format.h>

#include <chrono>

namespace hearth::server {

namespace {

// vLLM's bounds, and below them some for models that answer faster than its smallest bucket tells.
constexpr double kFirstTokenBounds[] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                                        1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
constexpr double kTokenBounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3,
                                   0.4,   0.5,    0.75,  1,    2.5,   5,    7.5,   10,  20,   40,  80};
constexpr double kRequestBounds[] = {0.01, 0.03, 0.1, 0.3, 0.5, 0.8, 1,   1.5, 2,   2.5, 5,    10,
                                     15,   20,   30,  40,  50,  60,  120, 240, 480, 960, 1920, 7680};
constexpr double kTokenCountBounds[] = {1,    2,    5,     10,    20,    50,     100,    200,    500,    1000,
                                        2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000};
constexpr double kChoicesBounds[] = {1, 2, 5, 10, 20};

const std::vector<std::string> kModel = {"engine", "model_name"};

std::vector<std::string> with(std::vector<std::string> labels, std::initializer_list<const char*> more) {
    labels.insert(labels.end(), more.begin(), more.end());
    return labels;
}

// There is one engine per model; vLLM numbers several.
std::vector<std::string> values_of(const std::string& model) {
    return {"0", model};
}

double seconds_since_1970() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::string_view name_of(Finished reason) {
    static constexpr std::string_view kNames[kFinished] = {"stop", "length", "abort", "error", "repetition"};
    return kNames[size_t(reason)];
}

Finished finished_as(FinishReason reason) {
    switch (reason) {
        case FinishReason::max_tokens:
        case FinishReason::context:
            return Finished::length;
        case FinishReason::cancelled:
            return Finished::abort;
        case FinishReason::loop:
            return Finished::repetition;
        case FinishReason::end:
        case FinishReason::stop_string:
            break;
    }
    return Finished::stop;
}

ServerMetrics::ServerMetrics(const std::string& version, const std::string& kernels)
    : running_(registry_.gauge("vllm:num_requests_running", "Requests that the engine works on.", kModel)),
      waiting_(registry_.gauge("vllm:num_requests_waiting", "Requests that wait for a place.", kModel)),
      cache_usage_(registry_.gauge("vllm:kv_cache_usage_perc",
                                   "Share of the context room that running requests fill, from 0 to 1.", kModel)),
      cache_usage_older_name_(
          registry_.gauge("vllm:gpu_cache_usage_perc", "vllm:kv_cache_usage_perc under its older name.", kModel)),
      prefix_queries_(registry_.counter("vllm:prefix_cache_queries_total",
                                        "Prompt tokens that were looked up in the cache.", kModel)),
      prefix_hits_(registry_.counter("vllm:prefix_cache_hits_total",
                                     "Prompt tokens that were found in the cache and not computed again.", kModel)),
      found_(registry_.counter("hearth:prefix_cache_hits_total",
                               "Prompt tokens of answers that ended which memory had, or were read from the disk.",
                               {"model_name", "source"})),
      preemptions_(registry_.counter("vllm:num_preemptions_total",
                                     "Times that a request was set aside for one of higher priority; it goes on later.",
                                     kModel)),
      prompt_tokens_(registry_.counter("vllm:prompt_tokens_total", "Prompt tokens of answers that began.", kModel)),
      prompt_tokens_cached_(
          registry_.counter("vllm:prompt_tokens_cached_total", "Prompt tokens that came from the cache.", kModel)),
      prompt_tokens_by_source_(registry_.counter("vllm:prompt_tokens_by_source_total",
                                                 "Prompt tokens that were computed, or came from the cache.",
                                                 with(kModel, {"source"}))),
      generation_tokens_(registry_.counter("vllm:generation_tokens_total", "Tokens that were generated.", kModel)),
      success_(registry_.counter("vllm:request_success_total",
                                 "Requests that ended, by reason; abort: cancelled, error: failed.",
                                 with(kModel, {"finished_reason"}))),
      first_token_(registry_.histogram("vllm:time_to_first_token_seconds", "From the whole request to its first token.",
                                       kFirstTokenBounds, kModel)),
      inter_token_(registry_.histogram("vllm:inter_token_latency_seconds", "From each token to the next.", kTokenBounds,
                                       kModel)),
      inter_token_older_name_(registry_.histogram("vllm:time_per_output_token_seconds",
                                                  "vllm:inter_token_latency_seconds under its older name.",
                                                  kTokenBounds, kModel)),
      per_output_token_(registry_.histogram("vllm:request_time_per_output_token_seconds",
                                            "Mean time between the tokens of a request.", kTokenBounds, kModel)),
      whole_(registry_.histogram("vllm:e2e_request_latency_seconds", "From the whole request to its last token.",
                                 kRequestBounds, kModel)),
      queue_(registry_.histogram("vllm:request_queue_time_seconds", "Waiting for a place.", kRequestBounds, kModel)),
      inference_(registry_.histogram("vllm:request_inference_time_seconds", "From getting a place to the last token.",
                                     kRequestBounds, kModel)),
      prefill_(registry_.histogram("vllm:request_prefill_time_seconds", "From getting a place to the first token.",
                                   kRequestBounds, kModel)),
      decode_(registry_.histogram("vllm:request_decode_time_seconds", "From the first token to the last.",
                                  kRequestBounds, kModel)),
      request_prompt_tokens_(
          registry_.histogram("vllm:request_prompt_tokens", "Prompt tokens of a request.", kTokenCountBounds, kModel)),
      request_generation_tokens_(registry_.histogram("vllm:request_generation_tokens", "Generated tokens of a request.",
                                                     kTokenCountBounds, kModel)),
      request_choices_(
          registry_.histogram("vllm:request_params_n", "Answers that were asked for at once.", kChoicesBounds, kModel)),
      cache_config_(registry_.gauge("vllm:cache_config_info",
                                    "How the cache is laid out: tokens of a page, pages that running requests can use.",
                                    with(kModel, {"block_size", "num_gpu_blocks"}))),
      drafts_(registry_.counter("vllm:spec_decode_num_drafts_total", "Times that tokens were drafted.", kModel)),
      draft_tokens_(registry_.counter("vllm:spec_decode_num_draft_tokens_total", "Tokens that were drafted.", kModel)),
      accepted_tokens_(registry_.counter("vllm:spec_decode_num_accepted_tokens_total",
                                         "Drafted tokens that became part of an answer.", kModel)),
      loaded_(registry_.gauge("hearth:model_loaded", "1: in memory.", {"model_name"})),
      context_tokens_(registry_.gauge("hearth:model_context_tokens", "Most tokens of one request.", {"model_name"})),
      memory_planned_(registry_.gauge("hearth:memory_planned_bytes",
                                      "What a loaded model was announced to take, by part; mapped is not taken.",
                                      {"model_name", "part"})),
      cancelled_(registry_.counter("hearth:requests_cancelled_total",
                                   "Answers given up because the client left or the server stopped.", {"model_name"})),
      rejected_(registry_.counter(
          "hearth:requests_rejected_total",
          "Requests that were refused for their key, their model or their size, by the error's word.", {"reason"})),
      http_requests_(registry_.counter(
          "hearth:http_requests_total",
          "HTTP requests by endpoint and status; other: no endpoint, 499: the client left before an answer.",
          {"path", "status"})),
      connections_(registry_.gauge("hearth:http_connections", "Connections that are open.").at({})),
      busy_(
          registry_.gauge("hearth:http_connections_busy", "Connections with a request that is being answered.").at({})),
      lost_log_lines_(registry_
                          .counter("hearth:access_log_lost_lines_total",
                                   "Lines of the access log that could not be written in time.")
                          .at({})),
      resident_(registry_.gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.").at({})),
      start_time_(registry_.gauge("process_start_time_seconds", "When the server started, since 1970.").at({})),
      processor_(registry_.counted_elsewhere("process_cpu_seconds_total", "Processor time of the process.").at({})) {
    registry_.gauge("hearth:build_info", "1; what runs, and the row of kernels that computes.", {"version", "kernels"})
        .at({version, kernels})
        .set(1);
    start_time_.set(seconds_since_1970());
}

ModelMetrics& ServerMetrics::of(const std::string& model) {
    std::lock_guard lock(mutex_);
    auto& place = models_[model];
    if (place) return *place;
    const auto values = values_of(model);
    const auto more = [&](const char* value) { return with(values, {value}); };
    // All series of a model are there from the start, so that a rate has something to begin with.
    for (Family<Counter>* family : {&drafts_, &draft_tokens_, &accepted_tokens_}) family->at(values);
    std::array<Counter*, kFinished> finished{};
    for (int reason = 0; reason < kFinished; ++reason)
        finished[size_t(reason)] = &success_.at(more(std::string(name_of(Finished(reason))).c_str()));
    place = std::unique_ptr<ModelMetrics>(new ModelMetrics{
        .running = running_.at(values),
        .waiting = waiting_.at(values),
        .cache_usage = cache_usage_.at(values),
        .cache_usage_older_name = cache_usage_older_name_.at(values),
        .loaded = loaded_.at({model}),
        .context_tokens = context_tokens_.at({model}),
        .prefix_queries = prefix_queries_.at(values),
        .prefix_hits = prefix_hits_.at(values),
        .found_in_memory = found_.at({model, "memory"}),
        .found_on_disk = found_.at({model, "disk"}),
        .prompt_tokens = prompt_tokens_.at(values),
        .prompt_tokens_cached = prompt_tokens_cached_.at(values),
        .prompt_tokens_found = prompt_tokens_by_source_.at(more("local_cache_hit")),
        .prompt_tokens_computed = prompt_tokens_by_source_.at(more("local_compute")),
        .generation_tokens = generation_tokens_.at(values),
        .finished = finished,
        .cancelled = cancelled_.at({model}),
        .preemptions = preemptions_.at(values),
        .first_token = first_token_.at(values),
        .inter_token = inter_token_.at(values),
        .inter_token_older_name = inter_token_older_name_.at(values),
        .per_output_token = per_output_token_.at(values),
        .whole = whole_.at(values),
        .queue = queue_.at(values),
        .inference = inference_.at(values),
        .prefill = prefill_.at(values),
        .decode = decode_.at(values),
        .request_prompt_tokens = request_prompt_tokens_.at(values),
        .request_generation_tokens = request_generation_tokens_.at(values),
        .request_choices = request_choices_.at(values),
    });
    return *place;
}

void ServerMetrics::set_state(const std::string& model, const Engine* engine, int64_t waiting) {
    ModelMetrics& metrics = of(model);
    const EngineLoad load = engine ? engine->load() : EngineLoad{};
    const MemoryPlan plan = engine ? engine->plan() : MemoryPlan{};
    metrics.running.set(double(load.running));
    metrics.waiting.set(double(load.waiting + waiting));
    for (Gauge* usage : {&metrics.cache_usage, &metrics.cache_usage_older_name}) usage->set(load.cache_usage());
    metrics.loaded.set(engine ? 1 : 0);
    metrics.context_tokens.set(double(plan.context_tokens));
    const std::pair<const char*, int64_t> parts[] = {{"weights", plan.weights},     {"kv", plan.kv},
                                                     {"state", plan.state},         {"scratch", plan.scratch},
                                                     {"tokenizer", plan.tokenizer}, {"mapped", plan.mapped}};
    for (const auto& [part, bytes] : parts) memory_planned_.at({model, part}).set(double(bytes));
    if (engine) cache_config_.at({"0", model, std::to_string(load.page_tokens), std::to_string(load.pages)}).set(1);
}

void ServerMetrics::set_process(const ProcessNumbers& numbers) {
    connections_.set(numbers.connections);
    busy_.set(numbers.busy);
    resident_.set(numbers.resident_bytes);
    processor_.set(numbers.processor_seconds);
}

Counter& ServerMetrics::http_requests(const std::string& route, int status) {
    return http_requests_.at({route, std::to_string(status)});
}

Counter& ServerMetrics::rejected(const std::string& reason) {
    return rejected_.at({reason});
}

}  // namespace hearth::server
