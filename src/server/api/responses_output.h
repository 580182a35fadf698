// The output of a response as it grows: items of thoughts, texts and calls, and the events that tell a stream of them.
// What is answered as a whole grows in the same way, and nobody is told.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/http/reply.h"
#include "server/request.h"

namespace hearth::server {

// Numbers the events of a stream; switched off, it sends nothing.
class ResponseEvents {
public:
    ResponseEvents(HttpReply reply, bool is_on) : reply_(std::move(reply)), is_on_(is_on) {}
    bool is_on() const { return is_on_; }
    void send(std::string_view type, Json::Object more);
    // What is sent from now on goes out together with the end of the stream: a client that reads everything must not
    // count as one that does not, and several large events at once look like that.
    void hold() { holds_ = true; }
    void finish();

private:
    HttpReply reply_;
    bool is_on_, holds_ = false;
    std::string held_;
    int64_t next_ = 0;
};

class ResponseOutput {
public:
    ResponseOutput(std::string response_id, bool thoughts_are_summary, ResponseEvents& events)
        : response_id_(std::move(response_id)), thoughts_are_summary_(thoughts_are_summary), events_(events) {}

    void add(const AnswerPart& part);
    void end(bool is_complete);  // false: the last item was cut off
    const Json& items() const { return items_; }

private:
    enum class Open : uint8_t { nothing, text, thought, summary, call };
    struct Names;
    const Names& names() const;
    void take(const GuideEvent& event);
    void open(Open kind);
    void grow(std::string_view text);
    void close(std::string_view status);
    void tell(std::string_view type, Json::Object more);
    Json item(std::string_view status, bool is_begun) const;
    Json part(bool is_begun) const;

    const std::string response_id_;
    const bool thoughts_are_summary_;
    ResponseEvents& events_;
    Json items_ = Json::array();
    // Of the item that grows.
    Open open_ = Open::nothing;
    std::string id_, text_, call_id_, call_name_;
    std::vector<TokenScore> scores_, new_scores_;  // all of it; those that no delta has told yet
};

}  // namespace hearth::server
