// A dialogue with somebody at a terminal: lines and /commands in, answers out. What answers is behind Partner.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "chat/reply.h"
#include "cli/terminal/settings.h"
#include "engine/engine.h"

namespace hearth::cli {

enum class AnswerForm : uint8_t { any, json, schema };
struct ToolLoop;  // cli/tools/tool_loop.h

class Partner {
public:
    virtual ~Partner() = default;

    virtual bool is_there() const = 0;  // false: a change of models has left none
    virtual bool is_chat() const = 0;   // false: a text is continued, there is no conversation
    virtual Result<FinishReason> answer(const std::string& text) = 0;
    virtual Result<FinishReason> answer_again() = 0;                // to the conversation as it stands
    virtual const std::vector<chat::ReplyCall>& calls() const = 0;  // of the last reply, waiting for results
    virtual Result<FinishReason> answer_results(const std::vector<std::string>& results) = 0;

    virtual Json& messages() = 0;
    virtual void forget() = 0;
    virtual void set_system(const std::string& text) = 0;
    virtual Result<> set_thinking(std::optional<bool> wanted) = 0;
    virtual Settings& settings() = 0;
    virtual Result<> check_settings() const = 0;
    virtual Result<> set_form(AnswerForm form, const std::string& schema) = 0;  // schema: a file
    virtual Result<> change_model(const std::string& name) = 0;                 // what was said stays

    // Conversations that were kept; go_on_with() takes one over in place of the present one.
    virtual Result<std::string> kept() = 0;
    virtual Result<> go_on_with(const std::string& id) = 0;
    virtual Result<> forget_kept(const std::string& id) = 0;  // "all": every one

    virtual std::string description() const = 0;  // of the model and of what is set by flags; lines
    virtual std::string context_line() const = 0;
};

// Until its end. `history_file`: empty for none. Calls that `tools` has no command for are answered by whoever sits in
// front of the screen.
Result<> talk(Partner& partner, const std::string& history_file, const ToolLoop& tools);

// The messages of a saved conversation; the error says what is wrong with the text.
Result<Json> read_conversation(std::string_view text);
// The text of the last question; empty when there is none.
std::string last_question(const Json& messages);
// Everything from the last question on goes away, or all behind it.
void cut_last_question(Json& messages, bool keeps_question);

}  // namespace hearth::cli
