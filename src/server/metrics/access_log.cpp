#include "server/metrics/access_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "base/json.h"
#include "base/text_format.h"

namespace hearth::server {

namespace {

std::string time_text(std::chrono::system_clock::time_point time) {
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
    const std::time_t seconds = std::time_t(since / 1000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[32];
    const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    return fmt::format("{}.{:03}Z", std::string_view(text, length), since % 1000);
}

double milliseconds(double seconds) {
    return std::round(seconds * 1e5) / 100;
}

std::string logged_duration(double seconds) {
    return seconds < 10 ? fmt::format("{:.0f} ms", seconds * 1000) : duration_text(seconds);
}

// Paths are as long as a head may be.
std::string shortened(const std::string& text) {
    constexpr size_t kMost = 256;
    return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

}  // namespace

std::string json_line(const AccessEntry& entry) {
    const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
    Json line = Json::Object{{"time", time_text(entry.time)},
                             {"id", entry.id},
                             {"peer", entry.peer},
                             {"key", or_null(entry.key)},
                             {"method", entry.method},
                             {"path", shortened(entry.path)},
                             {"status", entry.status},
                             {"bytes", entry.bytes},
                             {"complete", entry.is_whole},
                             {"duration_ms", milliseconds(entry.seconds)}};
    if (!entry.model.empty()) {
        line.set("model", entry.model);
        line.set("choices", entry.choices);
        line.set("prompt_tokens", entry.prompt_tokens);
        line.set("cached_tokens", entry.cached_tokens);
        line.set("generated_tokens", entry.generated_tokens);
        line.set("ttft_ms", entry.first_token_seconds ? Json(milliseconds(*entry.first_token_seconds)) : Json());
        line.set("finish_reason", or_null(entry.finish_reason));
    }
    if (entry.trace) {
        line.set("trace_id", entry.trace->trace_id);
        line.set("span_id", entry.trace->span_id);
        line.set("parent_id", entry.trace->parent_id);
    }
    return line.dump() + "\n";
}

std::string text_line(const AccessEntry& entry) {
    const auto or_dash = [](const std::string& text) { return text.empty() ? std::string("-") : text; };
    std::string line = fmt::format("{} {} {} {} {}", time_text(entry.time), entry.peer, or_dash(entry.method),
                                   or_dash(shortened(entry.path)), entry.status);
    if (!entry.is_whole && entry.status != 499) line += " (the client left)";
    line += fmt::format(" {} {}", bytes_text(uint64_t(entry.bytes)), logged_duration(entry.seconds));
    if (!entry.key.empty()) line += fmt::format(" ({})", entry.key);
    if (!entry.model.empty()) {
        line += fmt::format(" {}: {} tokens", entry.model, entry.prompt_tokens);
        if (entry.cached_tokens > 0) line += fmt::format(" ({} cached)", entry.cached_tokens);
        line += fmt::format(", {} generated", entry.generated_tokens);
        if (entry.first_token_seconds) line += ", the first after " + logged_duration(*entry.first_token_seconds);
        if (!entry.finish_reason.empty()) line += ", " + entry.finish_reason;
    }
    line += fmt::format(" [{}]", entry.id);
    if (entry.trace) line += fmt::format(" trace {}", entry.trace->trace_id);
    // One line, whatever a client wrote into its path.
    line = valid_utf8(line);
    std::ranges::replace_if(
        line, [](char c) { return uint8_t(c) < 0x20 || c == 0x7F; }, '?');
    return line + "\n";
}

AccessLog::AccessLog(AccessLogOptions options, Counter& lost_lines)
    : options_(std::move(options)), lost_lines_(lost_lines) {
    if (options_.write) thread_ = std::thread([this] { run(); });
}

AccessLog::~AccessLog() {
    if (!thread_.joinable()) return;
    {
        std::lock_guard lock(mutex_);
        is_ending_ = true;
    }
    arrived_.notify_one();
    thread_.join();
}

void AccessLog::post(AccessEntry entry) {
    if (!options_.write) return;
    {
        std::lock_guard lock(mutex_);
        if (waiting_.size() >= kMostWaiting) return lost_lines_.add();
        waiting_.push_back(std::move(entry));
    }
    arrived_.notify_one();
}

void AccessLog::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        arrived_.wait(lock, [&] { return is_ending_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        const std::vector<AccessEntry> entries = std::exchange(waiting_, {});
        lock.unlock();
        std::string lines;
        for (const AccessEntry& entry : entries) lines += options_.is_json ? json_line(entry) : text_line(entry);
        if (!options_.write(lines)) lost_lines_.add(entries.size());
        lock.lock();
    }
}

}  // namespace hearth::server
