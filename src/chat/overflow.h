// What becomes of a conversation that does not fit into the context: nothing that its owner did not choose, and nothing
// silently. Whole turns are left out (a question with all that followed it), the last one never.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace hearth::chat {

enum class Overflow : uint8_t {
    refuse,     // the conversation goes on as it is; the engine says by how much it is too long
    oldest,     // the oldest turns are left out
    middle,     // the first turn stays, those behind it are left out; at last the middle of a long message
    summarise,  // as oldest, and the model sums them up in the system text
};

// "refuse", "oldest", "middle", "summarise"
std::optional<Overflow> overflow_named(std::string_view name);
// How much of a context is kept free for the reply, of which at most `max_tokens` are wanted (below 0: any number).
int64_t room_for_reply(int64_t context_tokens, int64_t max_tokens);

class ConversationFitter {
public:
    using Count = std::function<Result<int64_t>(const Json& messages)>;  // tokens of the prompt
    // A summary of these messages, of which a system message, where there is one, tells of what came before.
    using Summarise = std::function<Result<std::string>(const Json& messages)>;

    // Room for the reply is the caller's business: `most_tokens` are the prompt's.
    ConversationFitter(Overflow policy, int64_t most_tokens) : policy_(policy), most_tokens_(most_tokens) {}

    // The messages that the model is to see. Turns once left out stay so: each change costs a prompt read anew, so a
    // quarter more than necessary goes at a time.
    Result<Json> fit(const Json& messages, const Count& count, const Summarise& summarise);

    // Of the last fit(), for people; empty where all is there.
    const std::string& notice() const { return notice_; }

private:
    struct Turns;
    Json without(const Turns& turns, size_t left_out) const;
    Result<size_t> enough_to_leave_out(const Turns& turns, size_t most, const Count& count) const;
    Result<Json> cut_message(const Turns& turns, size_t left_out, const Count& count, int64_t& characters) const;
    std::unexpected<Error> too_long(int64_t tokens) const;

    Overflow policy_;
    int64_t most_tokens_;
    size_t left_out_ = 0;
    std::string summary_;
    size_t summarised_ = 0;  // turns
    std::string notice_;
};

}  // namespace hearth::chat
