// Calls and results take turns until the model answers in words.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "cli/terminal/dialogue.h"
#include "cli/tools/tool_runner.h"

namespace hearth::cli {

struct ToolLoop {
    ToolRunner& runner;
    int64_t max_rounds = 16;  // of commands between question and answer
    // A person in the place of a tool without a command; none: they do not want to. Empty: there is no person.
    std::function<std::optional<std::string>(const chat::ReplyCall&)> play = {};
    std::function<Result<>(const chat::ReplyCall&, const ToolResult&)> on_result = {};
};

enum class ToolLoopEnd : uint8_t {
    answered,
    unanswered,  // calls of the last reply wait: nobody carries them out
    stopped,     // by Ctrl-C
};

// Goes on from the partner's last reply. An error leaves its calls waiting.
Result<ToolLoopEnd> answer_calls(Partner& partner, const ToolLoop& loop);

}  // namespace hearth::cli
