// What the server tells about itself: numbers for Prometheus, a line per request, and who is being answered right now.
// One per server; it outlives everything that counts.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/http/http_server.h"
#include "server/metrics/access_log.h"
#include "server/metrics/answer_record.h"
#include "server/metrics/request_record.h"
#include "server/metrics/server_metrics.h"
#include "server/models.h"

namespace hearth::server {

class Monitor {
public:
    Monitor(const std::string& version, AccessLogOptions log);

    // A record for a request that has just arrived.
    std::shared_ptr<RequestRecord> open(const HttpRequest& request);
    ServerMetrics& metrics() { return metrics_; }
    std::vector<LiveRequest> live() const;  // oldest first
    double uptime_seconds() const;

    // How the listening side is; until it is told, nobody is connected.
    void set_http(std::function<HttpLoad()> load);
    HttpLoad http_load() const;
    // All that is a state and not an event, brought up to date.
    // `waiting`: requests in front of a model.
    std::string metrics_text(const Models& models, const std::function<int64_t(const std::string&)>& waiting);

    // Of records.
    void remember(AnswerRecord& record);
    void forget(AnswerRecord& record);
    void close(AccessEntry entry, const std::string& route);

private:
    ServerMetrics metrics_;
    AccessLog log_;
    const double began_;
    std::atomic<uint64_t> next_span_;
    mutable std::mutex mutex_;
    std::vector<AnswerRecord*> live_;
    std::function<HttpLoad()> http_load_;
};

}  // namespace hearth::server
