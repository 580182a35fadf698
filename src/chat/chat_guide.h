// The guide of a chat: reads the reply into its parts, ends thoughts that are too long, watches for stop strings in the
// answer. A grammar joins here: ChatGuide asks it in mask() wherever the reply's own marks leave it the word, and
// hands it what accept() takes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chat/reply_parser.h"
#include "engine/guide.h"

namespace hearth::chat {

struct GuideSetup {
    ReplySetup reply;
    // Tokens of thought before it is ended by `end_thought`; 0: at once.
    std::optional<int64_t> thinking_budget;
    std::vector<int32_t> end_thought;
    // Set by anybody at any time: the thought ends now, as if the budget were used up. May be null.
    std::shared_ptr<const std::atomic<bool>> end_thought_now;
    std::vector<int32_t> ends;       // tokens that end the reply; ascending
    std::vector<std::string> stops;  // end the reply where they appear in the answer; thoughts and calls may hold them
};

class ChatGuide final : public Guide {
public:
    explicit ChatGuide(GuideSetup setup);

    bool mask(std::span<uint32_t>) override { return false; }
    Result<> accept(int32_t token, std::string_view piece, GuideEvents& out) override;
    Result<> finish(GuideEvents& out) override;
    std::span<const int32_t> forced() override;
    bool finished() const override { return now_.is_stopped; }
    std::unique_ptr<Guide> clone() const override;
    void rollback(int tokens) override;

private:
    // All that a token changes.
    struct State {
        ReplyParser parser;
        StopStrings stops;
        int64_t thought_tokens = 0;
        size_t forced_tokens = 0;  // of end_thought, that have been said
        bool is_forcing = false, cannot_force = false, is_stopped = false;
    };
    struct Said {
        int32_t token;
        std::string piece;
    };
    ChatGuide(const ChatGuide& other) = default;
    void take(State& state, int32_t token, std::string_view piece, GuideEvents& out) const;
    void finish_state(State& state, GuideEvents& out) const;
    void stop_at(State& state, GuideEvents& events, GuideEvents& out) const;

    std::shared_ptr<const GuideSetup> setup_;
    std::optional<int64_t> budget_;  // of thinking, as it stands
    State now_;
    // To take tokens back: a state of some tokens ago, and what was said since.
    State earlier_;
    std::vector<Said> since_;
};

}  // namespace hearth::chat
