// What a model's reply consists of, as it arrives and as a whole. Public: server and cli read replies through this.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/guide.h"

namespace hearth::chat {

// GuideEvent::kind of a chat guide. `index` counts calls from 0, in parts of calls.
enum class ReplyPart : int32_t {
    answer,
    thinking,
    call_id,         // first of a call
    call_name,       // second; always the name of a tool that was offered
    call_arguments,  // pieces that together are one JSON object
    call_end,        // the call is whole
    call_broken,     // it is not: its arguments were only closed into valid JSON. Not to be carried out; text says why
    stopped,         // a stop string came, the text says which; it is the last event
    warning,         // the model broke its format; what it wrote is in the answer. Text says what happened
};

struct ReplyCall {
    std::string id, name, arguments;
    bool is_whole = false;
};

struct Reply {
    std::string thinking, answer, stopped;
    std::vector<ReplyCall> calls;
    std::vector<std::string> warnings;

    void add(const GuideEvent& event);
    void add(const GuideEvents& events) {
        for (const GuideEvent& event : events) add(event);
    }
    bool has_whole_call() const;
    // The assistant message of OpenAI's form that says the same: content, reasoning_content, tool_calls (whole ones).
    Json message() const;
};

// Turns parts into events. White space at the edges of thoughts and answers belongs to the format and is taken off:
// around a thought, between thought and answer, between answer and call.
class ReplyWriter {
public:
    struct State {
        std::string held;               // white space that may turn out to be at an edge
        std::string before_thought;     // the same, of the answer that a thought interrupts
        bool has_thought = false;       // there was one: white space behind it is no part of the answer
        bool is_thought_begun = false;  // the present one has text
        bool has_thought_text = false, has_answer = false;
        int32_t calls = 0;
    };
    ReplyWriter(GuideEvents& out, State& state) : out_(out), state_(state) {}

    void answer(std::string_view text);
    void begin_answer();  // of a further message: a paragraph of its own
    void thinking(std::string_view text);
    void begin_thought();
    void end_thought();
    void call_id(std::string id);
    void call_name(std::string name);
    void call_arguments(std::string_view text);
    void end_call();
    void break_call(std::string why);
    void warn(std::string what);
    void finish();
    int32_t calls() const { return state_.calls; }

private:
    void text(ReplyPart part, int32_t index, std::string_view text);
    GuideEvents& out_;
    State& state_;
};

}  // namespace hearth::chat
