// GET /metrics for Prometheus, and GET /v1/hearth/status for `hearth top`: the same numbers with the requests that are
// being answered right now, none of which shows what is said in it.
#include "base/json.h"
#include "base/os.h"
#include "server/api/api.h"
#include "server/metrics/monitor.h"

namespace hearth::server {

namespace {

Json totals_of(const ModelMetrics& metrics) {
    uint64_t finished = 0;
    for (const Counter* one : metrics.finished) finished += one->value();
    return Json::Object{{"requests", finished},
                        {"prompt_tokens", metrics.prompt_tokens_computed.value()},
                        {"cached_tokens", metrics.prompt_tokens_found.value()},
                        {"generated_tokens", metrics.generation_tokens.value()}};
}

Json memory_of(const MemoryPlan& plan) {
    return Json::Object{
        {"weights", plan.weights},     {"kv", plan.kv},         {"state", plan.state},  {"scratch", plan.scratch},
        {"tokenizer", plan.tokenizer}, {"mapped", plan.mapped}, {"total", plan.total()}};
}

Json model_status(const Models::Entry& entry, const ModelMetrics& metrics, int64_t waiting) {
    Json model = Json::Object{{"name", entry.name}, {"loaded", entry.model != nullptr}, {"totals", totals_of(metrics)}};
    if (!entry.model) return model;
    const Engine& engine = entry.model->engine();
    const EngineLoad load = engine.load();
    model.set("device", engine.device());
    model.set("running", load.running);
    model.set("waiting", load.waiting + waiting);
    model.set("places", engine.options().sequences);
    model.set("context_tokens", engine.plan().context_tokens);
    model.set("cache_usage", load.cache_usage());
    model.set("memory", memory_of(engine.plan()));
    return model;
}

Json request_status(const LiveRequest& live) {
    return Json::Object{{"id", live.id},
                        {"model", live.model},
                        {"key", live.key.empty() ? Json() : Json(live.key)},
                        {"phase", name_of(live.phase)},
                        {"choices", live.choices},
                        {"prompt_tokens", live.prompt_tokens},
                        {"prompt_tokens_done", live.prompt_tokens_done},
                        {"generated_tokens", live.generated_tokens},
                        {"seconds", live.seconds},
                        {"tokens_per_second", live.tokens_per_second}};
}

Json status(Monitor& monitor, Service& service, const std::string& version) {
    const HttpLoad http = monitor.http_load();
    Json all = Json::Object{{"version", version},
                            {"uptime_seconds", monitor.uptime_seconds()},
                            {"resident_bytes", resident_bytes()},
                            {"connections", http.connections},
                            {"models", Json::array()},
                            {"requests", Json::array()}};
    Json list = Json::array(), requests = Json::array();
    for (const Models::Entry& entry : service.models().list())
        list.push(model_status(entry, monitor.metrics().of(entry.name), service.waiting(entry.name)));
    for (const LiveRequest& live : monitor.live()) requests.push(request_status(live));
    all.set("models", std::move(list));
    all.set("requests", std::move(requests));
    return all;
}

}  // namespace

void add_metrics(Router& router, const ApiContext& api) {
    router.add("GET", "/metrics", {store::Scope::metrics}, [&api](Call call) {
        call.reply.send(200, Registry::kContentType,
                        api.monitor->metrics_text(api.service.models(),
                                                  [&](const std::string& name) { return api.service.waiting(name); }));
    });
    router.add("GET", "/v1/hearth/status", {store::Scope::metrics}, [&api](Call call) {
        call.reply.send(200, "application/json", status(*api.monitor, api.service, api.version).dump());
    });
}

}  // namespace hearth::server
