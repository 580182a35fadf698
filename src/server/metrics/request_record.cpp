#include "server/metrics/request_record.h"

#include "base/os.h"
#include "server/metrics/answer_record.h"
#include "server/metrics/monitor.h"

namespace hearth::server {

RequestRecord::RequestRecord(Monitor& monitor, AccessEntry entry, std::string route)
    : monitor_(monitor), began_(monotonic_seconds()), entry_(std::move(entry)), route_(std::move(route)) {}

RequestRecord::~RequestRecord() {
    constexpr int kClientLeft = 499;
    entry_.status = status_ > 0 ? status_.load() : kClientLeft;
    entry_.bytes = bytes_;
    entry_.is_whole = is_whole_;
    entry_.seconds = (has_ended_ ? ended_.load() : monotonic_seconds()) - began_;
    entry_.cached_tokens = cached_;
    entry_.generated_tokens = generated_;
    if (first_token_ > 0) entry_.first_token_seconds = first_token_ - began_;
    monitor_.close(std::move(entry_), route_);
}

void RequestRecord::is_routed(std::string route) {
    std::lock_guard lock(mutex_);
    route_ = std::move(route);
}

std::string RequestRecord::key() const {
    std::lock_guard lock(mutex_);
    return entry_.key;
}

void RequestRecord::is_admitted(std::string key) {
    std::lock_guard lock(mutex_);
    entry_.key = std::move(key);
}

void RequestRecord::is_rejected(const std::string& reason) {
    monitor_.metrics().rejected(reason.empty() ? "invalid_request" : reason).add();
}

void RequestRecord::answers(int status) {
    status_ = status;
}

void RequestRecord::sent(size_t bytes) {
    bytes_ += int64_t(bytes);
}

void RequestRecord::ends(bool is_whole) {
    if (has_ended_) return;  // only the connection's thread comes here
    ended_ = monotonic_seconds();
    is_whole_ = is_whole;
    has_ended_ = true;
}

std::shared_ptr<AnswerRecord> RequestRecord::begins(const std::string& model, int64_t prompt_tokens, size_t choices) {
    {
        std::lock_guard lock(mutex_);
        entry_.model = model;
        entry_.prompt_tokens += prompt_tokens;
        entry_.choices += int64_t(choices);
    }
    return std::make_shared<AnswerRecord>(
        monitor_, shared_from_this(),
        AnswerRecord::Prompt{.model = model, .tokens = prompt_tokens, .choices = choices});
}

void RequestRecord::generated(double now) {
    ++generated_;
    double none = 0;
    first_token_.compare_exchange_strong(none, now);
}

// A request with several answers has the reason of the one that ended last.
void RequestRecord::finished(std::string_view reason) {
    std::lock_guard lock(mutex_);
    entry_.finish_reason = reason;
}

}  // namespace hearth::server
