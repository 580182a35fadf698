// The guide of a chat: reads the reply into its parts, ends thoughts that are too long, holds the answer to its form
// and calls to their tools, watches for stop strings. The form binds what stands in the answer: thoughts before it are
// free, and where tools are offered a call may come in its place.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chat/answer_form.h"
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
    std::vector<int32_t> ends;                  // tokens that end the reply; ascending
    std::shared_ptr<grammar::Constraint> form;  // of the answer; null: any
    const Tokenizer* tokenizer = nullptr;       // needed with a form
    bool may_think = false;                     // before an answer of a form, or calls that are required
    // Of a reply with calls (call_form.h); null: they are only read.
    std::shared_ptr<grammar::Constraint> calls;
    bool calls_cover_thoughts = false, needs_call = false;
    bool is_one_call = false;        // the reply ends with the first
    std::vector<std::string> stops;  // end the reply where they appear in the answer; thoughts and calls may hold them
};

class ChatGuide final : public Guide {
public:
    explicit ChatGuide(GuideSetup setup);

    bool mask(std::span<uint32_t> allowed_bits) override;
    Result<> accept(int32_t token, std::string_view piece, GuideEvents& out) override;
    Result<> finish(GuideEvents& out) override;
    std::span<const int32_t> forced() override;
    bool finished() const override {
        return now_.is_stopped || (binds(now_) && now_.form.is_complete()) ||
               (calls_bind(now_) && now_.calls.is_complete());
    }
    std::unique_ptr<Guide> clone() const override;
    void rollback(int tokens) override;

private:
    // All that a token changes.
    struct State {
        ReplyParser parser;
        StopStrings stops;
        AnswerForm form, calls;
        int64_t thought_tokens = 0;
        size_t forced_tokens = 0;  // of end_thought, that have been said
        bool is_forcing = false, cannot_force = false, is_stopped = false;
    };
    struct Said {
        int32_t token;
        std::string piece;
    };
    ChatGuide(const ChatGuide& other) = default;
    // Whether the form has a say about the next token.
    bool binds(const State& state) const {
        return !state.form.is_any() && !state.is_forcing && state.parser.is_answering() && !state.parser.has_calls();
    }
    // The same for the grammar of calls. One that covers no thoughts waits until they are over.
    bool calls_bind(const State& state) const {
        return !state.calls.is_any() && !state.is_forcing && !binds(state) &&
               (setup_->calls_cover_thoughts || state.calls.has_begun() || !state.parser.is_thinking());
    }
    bool may_open_thought(const AnswerForm& form) const { return setup_->may_think && !form.has_begun(); }
    Result<> take_by_grammars(State& state, int32_t token) const;
    void follow_call_in_thought(State& state, int32_t token, std::string_view piece) const;
    Result<> take(State& state, int32_t token, std::string_view piece, GuideEvents& out) const;
    void check_form(State& state, GuideEvents& events) const;
    void begin_answer(State& state, AnswerForm& form, GuideEvents& events) const;
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
