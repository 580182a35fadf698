// Reads the calls between the marks of a reply. One reader per way of writing them; which one, the family's Channels
// say.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "chat/channels.h"
#include "chat/reply.h"
#include "chat/tools.h"

namespace hearth::chat {

// Where a reader says what it found. A call is announced once its name is known and known to be a tool.
class Calls {
public:
    struct State {
        bool is_open = false;  // one was announced and has not ended
        std::string why;       // of the last failure
    };
    Calls(ReplyWriter writer, const Tools& tools, uint64_t id_seed, State& state)
        : writer_(writer), tools_(tools), id_seed_(id_seed), state_(state) {}

    const Tools& tools() const { return tools_; }
    // False, with a reason, when there is no such tool.
    bool knows(std::string_view name);
    // Empty `id`: one is made, nine letters and digits, the same for the same prompt.
    void begin(std::string_view name, std::string_view id = {});
    void arguments(std::string& text);  // takes it
    void end();
    bool is_open() const { return state_.is_open; }

private:
    ReplyWriter writer_;
    const Tools& tools_;
    uint64_t id_seed_;
    State& state_;
};

class CallReader {
public:
    virtual ~CallReader() = default;
    virtual std::unique_ptr<CallReader> clone() const = 0;
    virtual MarkSet marks() const = 0;  // that mean something now; all others arrive spelled out
    // Not called again after done, done_before or failed. `done` and `done_before` leave no call open.
    virtual Step take(Unit unit, Calls& calls) = 0;
    // The reply is over, or what follows makes no sense: if a call is open, its arguments become valid JSON. (A reader
    // whose last call only lacks an end mark may end it properly.)
    virtual void close(Calls& calls) = 0;
};

std::unique_ptr<CallReader> make_json_call_reader(bool is_bare);
// `is_python`: what is not JSON is Python, instead of XML or keys and values.
std::unique_ptr<CallReader> make_tagged_call_reader(bool is_python = false);
std::unique_ptr<CallReader> make_xml_call_reader();  // begins behind "<function="
std::unique_ptr<CallReader> make_key_value_call_reader();
std::unique_ptr<CallReader> make_name_json_call_reader();
std::unique_ptr<CallReader> make_gemma_call_reader();
std::unique_ptr<CallReader> make_python_call_reader();
std::unique_ptr<CallReader> make_deepseek_call_reader();
std::unique_ptr<CallReader> make_arguments_reader(std::string name);  // nothing but the arguments (harmony)

// A parameter's text, from a syntax that writes strings bare, as JSON text.
std::string typed_value(std::string_view text, ParameterKind kind);

// Whether a name may grow; it does not end within a character.
inline bool has_room(const std::string& name, Unit unit) {
    constexpr size_t kLongestName = 256;
    return name.size() < kLongestName || unit.is_amid_character();
}

}  // namespace hearth::chat
