#include "server/http/exchange.h"

#include <fmt/format.h>

#include <ctime>

#include "base/json.h"
#include "server/metrics/request_record.h"

namespace hearth::server {

namespace {

std::string_view reason_of(int status) {
    static constexpr std::pair<int, std::string_view> kReasons[] = {
        {200, "OK"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (const auto& [number, text] : kReasons)
        if (number == status) return text;
    return "Status";
}

std::string date() {
    const std::time_t now = std::time(nullptr);
    std::tm time{};
    gmtime_r(&now, &time);
    char text[64];
    const size_t length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &time);
    return std::string(text, length);
}

std::vector<Header> with_trace(std::vector<Header> headers, const RequestRecord* record) {
    if (record && record->trace()) headers.push_back({"traceparent", record->trace()->header()});
    return headers;
}

}  // namespace

std::string plain_error_body(int status, std::string_view message) {
    const char* type = status >= 500 ? "server_error" : "invalid_request_error";
    return Json(Json::Object{
                    {"error",
                     Json::Object{{"message", message}, {"type", type}, {"param", nullptr}, {"code", nullptr}}}})
        .dump();
}

Exchange::Exchange(const HttpRequest& request, std::vector<Header> always, size_t most_unsent,
                   std::function<void()> wake)
    : id_(request.id),
      record_(request.record),
      is_head_(request.method == "HEAD"),
      is_http_1_0_(request.is_http_1_0),
      always_(with_trace(std::move(always), record_.get())),
      most_unsent_(most_unsent),
      wake_(std::move(wake)),
      closes_(!request.keeps_alive) {}

std::string Exchange::head(int status, std::string_view content_type, const std::vector<Header>& headers,
                           std::string_view framing) const {
    if (record_) record_->answers(status);
    std::string text =
        fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\nX-Request-Id: {}\r\n", status, reason_of(status), date(), id_);
    if (!content_type.empty())
        text += fmt::format("Content-Type: {}\r\nX-Content-Type-Options: nosniff\r\n", content_type);
    for (const auto* list : {&always_, &headers})
        for (const Header& one : *list) text += fmt::format("{}: {}\r\n", one.name, one.value);
    text += framing;
    text += closes_ ? "Connection: close\r\n" : is_http_1_0_ ? "Connection: keep-alive\r\n" : "";
    return text + "\r\n";
}

void Exchange::send(int status, std::string_view content_type, std::string body, std::vector<Header> headers) {
    {
        std::lock_guard lock(mutex_);
        if (has_begun_ || is_gone_) return;
        has_begun_ = is_finished_ = true;
        const std::string length = status == 204 ? std::string() : fmt::format("Content-Length: {}\r\n", body.size());
        out_ += head(status, content_type, headers, length);
        if (!is_head_) out_ += body;
    }
    wake_();
}

void Exchange::begin_stream(std::string_view content_type, std::vector<Header> headers) {
    {
        std::lock_guard lock(mutex_);
        if (has_begun_ || is_gone_) return;
        has_begun_ = true;
        is_event_stream_ = content_type.starts_with("text/event-stream");
        if (is_http_1_0_) closes_ = true;
        headers.push_back({"Cache-Control", "no-cache"});
        headers.push_back({"X-Accel-Buffering", "no"});
        out_ += head(200, content_type, headers, is_http_1_0_ ? "" : "Transfer-Encoding: chunked\r\n");
    }
    wake_();
}

void Exchange::append(std::string_view bytes) {
    if (is_head_ || bytes.empty()) return;
    if (is_http_1_0_) {
        out_ += bytes;
        return;
    }
    out_ += fmt::format("{:x}\r\n", bytes.size());
    out_ += bytes;
    out_ += "\r\n";
}

bool Exchange::write(std::string_view bytes) {
    bool is_refused = false;
    {
        std::lock_guard lock(mutex_);
        if (is_gone_ || is_finished_ || !has_begun_) return false;
        // What was written before counts: a client that reads everything may be sent one large piece.
        if (out_.size() + in_flight_ > most_unsent_)
            is_gone_ = is_overrun_ = is_refused = true;
        else
            append(bytes);
    }
    wake_();
    return !is_refused;
}

void Exchange::finish() {
    {
        std::lock_guard lock(mutex_);
        if (is_gone_ || is_finished_ || !has_begun_) return;
        is_finished_ = true;
        if (!is_head_ && !is_http_1_0_) out_ += "0\r\n\r\n";
    }
    wake_();
}

void Exchange::on_gone(std::function<void()> callback) {
    {
        std::lock_guard lock(mutex_);
        if (is_finished_) return;
        if (!is_gone_) {
            on_gone_ = std::move(callback);
            return;
        }
    }
    callback();
}

bool Exchange::is_gone() const {
    std::lock_guard lock(mutex_);
    return is_gone_;
}

void Exchange::abandon() {
    bool has_begun = false;
    {
        std::lock_guard lock(mutex_);
        if (is_finished_ || is_gone_) return;
        has_begun = has_begun_;
        is_broken_ = has_begun;
    }
    if (has_begun)
        wake_();
    else
        send(500, "application/json", plain_error_body(500, "nobody answered this request"), {});
}

std::string Exchange::take() {
    std::lock_guard lock(mutex_);
    in_flight_ += out_.size();
    return std::exchange(out_, {});
}

void Exchange::written(size_t bytes) {
    std::lock_guard lock(mutex_);
    in_flight_ -= bytes;
    if (!record_) return;
    record_->sent(bytes);
    if (is_all_written()) record_->ends(true);
}

// Where the end of an answer has no bytes of its own, nothing is written once it is known.
void Exchange::ends_whole() {
    if (record_) record_->ends(true);
}

bool Exchange::is_over() const {
    std::lock_guard lock(mutex_);
    return is_all_written();
}

bool Exchange::is_overrun() const {
    std::lock_guard lock(mutex_);
    return is_overrun_;
}

bool Exchange::is_broken() const {
    std::lock_guard lock(mutex_);
    return is_broken_;
}

bool Exchange::closes() const {
    std::lock_guard lock(mutex_);
    return closes_;
}

void Exchange::close_afterwards() {
    std::lock_guard lock(mutex_);
    closes_ = true;
}

void Exchange::lose() {
    std::function<void()> callback;
    {
        std::lock_guard lock(mutex_);
        is_gone_ = true;
        if (record_) record_->ends(false);
        if (!is_finished_) callback = std::exchange(on_gone_, {});
        on_gone_ = {};
    }
    if (callback) callback();
}

bool Exchange::beat() {
    {
        std::lock_guard lock(mutex_);
        if (!is_event_stream_ || is_finished_ || is_gone_ || !out_.empty() || in_flight_ > 0) return false;
        append(": still here\n\n");
    }
    wake_();
    return true;
}

}  // namespace hearth::server
