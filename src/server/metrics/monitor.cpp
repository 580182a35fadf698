#include "server/metrics/monitor.h"

#include <algorithm>
#include <random>

#include "base/os.h"
#include "base/rng.h"
#include "engine/machine.h"

namespace hearth::server {

namespace {

constexpr uint64_t kSpanStride = 0x9E3779B97F4A7C15;

uint64_t random_start() {
    std::random_device device;
    return (uint64_t(device()) << 32) | device();
}

constexpr std::string_view kProbes[] = {"/livez", "/readyz", "/health"};

bool is_probe(std::string_view path) {
    return std::ranges::find(kProbes, path) != std::end(kProbes);
}

std::optional<TraceContext> trace_of(const HttpRequest& request, uint64_t span) {
    const auto has_its_name = [](const Header& one) { return is_same_word(one.name, "traceparent"); };
    if (std::ranges::count_if(request.headers, has_its_name) != 1) return std::nullopt;
    return continued_trace(*request.header("traceparent"), span);
}

}  // namespace

Monitor::Monitor(const std::string& version, AccessLogOptions log)
    : metrics_(version, kernel_row()),
      log_(std::move(log), metrics_.lost_log_lines()),
      began_(monotonic_seconds()),
      next_span_(random_start()) {}

std::shared_ptr<RequestRecord> Monitor::open(const HttpRequest& request) {
    AccessEntry entry;
    entry.time = std::chrono::system_clock::now();
    entry.id = request.id;
    entry.peer = request.peer;
    entry.method = request.method;
    entry.path = request.path;
    uint64_t state = next_span_.fetch_add(kSpanStride);
    entry.trace = trace_of(request, splitmix64(state));
    return std::make_shared<RequestRecord>(*this, std::move(entry), is_probe(request.path) ? request.path : "other");
}

void Monitor::set_http(std::function<HttpLoad()> load) {
    std::lock_guard lock(mutex_);
    http_load_ = std::move(load);
}

HttpLoad Monitor::http_load() const {
    std::lock_guard lock(mutex_);
    return http_load_ ? http_load_() : HttpLoad{};
}

double Monitor::uptime_seconds() const {
    return monotonic_seconds() - began_;
}

std::string Monitor::metrics_text(const Models& models, const std::function<int64_t(const std::string&)>& waiting) {
    for (const Models::Entry& entry : models.list())
        metrics_.set_state(entry.name, entry.model ? &entry.model->engine() : nullptr, waiting(entry.name));
    const HttpLoad load = http_load();
    metrics_.set_process({.resident_bytes = double(resident_bytes()),
                          .processor_seconds = processor_seconds(),
                          .connections = load.connections,
                          .busy = load.busy});
    return metrics_.registry().text();
}

void Monitor::remember(AnswerRecord& record) {
    std::lock_guard lock(mutex_);
    live_.push_back(&record);
}

void Monitor::forget(AnswerRecord& record) {
    std::lock_guard lock(mutex_);
    std::erase(live_, &record);
}

std::vector<LiveRequest> Monitor::live() const {
    std::lock_guard lock(mutex_);
    std::vector<LiveRequest> all;
    for (const AnswerRecord* record : live_)
        if (record->is_live()) all.push_back(record->live());
    return all;
}

// Probes and what watches the server come every few seconds; they are counted, and logged only when they fail.
void Monitor::close(AccessEntry entry, const std::string& route) {
    metrics_.http_requests(route, entry.status).add();
    const bool is_routine = is_probe(route) || route == "/metrics" || route == "/v1/hearth/status";
    if (is_routine && entry.status == 200) return;
    log_.post(std::move(entry));
}

}  // namespace hearth::server
