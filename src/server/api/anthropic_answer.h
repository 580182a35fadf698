// Answers in the form of Anthropic's Messages API: blocks of content, whole or as a stream of events.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/api/anthropic_request.h"
#include "server/http/reply.h"
#include "server/request.h"

namespace hearth::server {

// Turns the parts of a reply into blocks and the events that tell of them. Both ways of answering go through it, so
// that a stream's events make the same blocks as a whole answer has.
class AnthropicBlocks {
public:
    explicit AnthropicBlocks(bool shows_thoughts) : shows_thoughts_(shows_thoughts) {}

    void take(const GuideEvent& event, std::vector<Json>& events);
    void close(std::vector<Json>& events);  // the block that is open, if one is
    Json content() { return std::move(content_); }
    // A call was cut off: its arguments are not what the model meant to write.
    bool has_broken_call() const { return has_broken_call_; }

private:
    enum class Kind : uint8_t { none, thinking, text, tool_use };
    void open(Kind kind, Json block, std::vector<Json>& events);
    void delta(std::string_view type, std::string_view key, std::string_view text, std::vector<Json>& events);

    const bool shows_thoughts_;
    Kind kind_ = Kind::none;
    Json block_;        // as it began
    std::string text_;  // what came since
    std::string call_id_;
    Json content_ = Json::array();
    bool has_broken_call_ = false;
};

std::unique_ptr<AnswerSink> anthropic_sink(HttpReply reply, AnthropicRequest asked);

}  // namespace hearth::server
