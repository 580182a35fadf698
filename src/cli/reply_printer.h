// A reply on its way to the terminal: the answer to standard output, thoughts dimmed to standard error; or everything
// as one JSON object a line.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "chat/reply.h"
#include "engine/engine.h"

namespace hearth::cli {

class ReplyPrinter {
public:
    struct Style {
        bool events = false;    // JSON lines instead of text
        bool thoughts = false;  // show them
        bool colour = false;    // of thoughts
        bool terminal = false;  // standard output is one
    };
    explicit ReplyPrinter(const Style& style) : style_(style) {}

    Result<> show(const Event& event);      // with the parts that a chat's guide said
    Result<> show_raw(const Event& event);  // without a guide: the text as it is
    Result<> end(const Event& last);        // a line break where one is missing, calls, or the last JSON line
    const chat::Reply& reply() const { return reply_; }

private:
    Result<> show_part(const GuideEvent& part);
    Result<> write_answer(std::string_view text);
    void end_thought();
    Result<> write_event(const Json& event);

    Style style_;
    chat::Reply reply_;
    bool is_in_thought_ = false;  // the terminal is dimmed
    bool ends_with_newline_ = true;
};

}  // namespace hearth::cli
