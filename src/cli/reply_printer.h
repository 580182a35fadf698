// A reply on its way to the terminal: the answer to standard output, thoughts dimmed to standard error; or everything
// as one JSON object a line.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "chat/reply.h"
#include "cli/terminal/markdown.h"
#include "cli/terminal/thought_window.h"
#include "engine/engine.h"

namespace hearth::cli {

// One JSON object a line, {"id", "name", "arguments"}, to standard output.
Result<> show_calls(const std::vector<chat::ReplyCall>& calls, bool terminal);

class ReplyPrinter {
public:
    struct Style {
        bool events = false;                                                            // JSON lines instead of text
        bool thoughts = false;                                                          // show them
        bool colour = false;                                                            // of thoughts
        bool terminal = false;                                                          // standard output is one
        std::function<bool(const std::vector<chat::ReplyCall>&)> are_carried_out = {};  // then they are not shown
        bool formatted = false;  // Markdown becomes what it means, thoughts are folded: both outputs are a terminal
    };
    explicit ReplyPrinter(const Style& style);

    Result<> show(const Event& event);      // with the parts that a chat's guide said
    Result<> show_raw(const Event& event);  // without a guide: the text as it is
    Result<> end(const Event& last);        // a line break where one is missing, calls, or the last JSON line
    const chat::Reply& reply() const { return reply_; }
    bool is_in_thought() const { return is_in_thought_; }

private:
    Result<> show_part(const GuideEvent& part);
    Result<> write_answer(std::string_view text);
    void show_thought(const std::string& text);
    void end_thought();
    Result<> write_event(const Json& event);

    Style style_;
    chat::Reply reply_;
    bool is_in_thought_ = false;  // the terminal is dimmed
    bool ends_with_newline_ = true;
    std::vector<std::string> notices_, warnings_;  // told when the answer's last line is over
    std::optional<Markdown> markdown_;
    std::optional<ThoughtWindow> window_;
    double thought_began_ = 0;
};

}  // namespace hearth::cli
