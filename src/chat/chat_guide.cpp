#include "chat/chat_guide.h"

#include <algorithm>

namespace hearth::chat {

ChatGuide::ChatGuide(GuideSetup setup)
    : setup_(std::make_shared<GuideSetup>(std::move(setup))),
      budget_(setup_->thinking_budget),
      now_{.parser = ReplyParser(setup_->reply), .stops = StopStrings(setup_->stops)},
      earlier_(now_) {
    // A thought that the prompt has begun and that may have no tokens.
    if (now_.parser.is_thinking() && setup_->thinking_budget == 0 && !setup_->end_thought.empty())
        now_.is_forcing = earlier_.is_forcing = true;
}

void ChatGuide::take(State& state, int32_t token, std::string_view piece, GuideEvents& out) const {
    if (state.is_stopped) return;
    const bool was_thinking = state.parser.is_thinking();
    GuideEvents events;
    if (std::ranges::binary_search(setup_->ends, token)) {
        finish_state(state, out);
        return;
    }
    state.parser.push(token, piece, events);
    if (was_thinking && !state.is_forcing) ++state.thought_tokens;
    if (state.is_forcing && ++state.forced_tokens == setup_->end_thought.size()) {
        state.is_forcing = false;
        state.forced_tokens = 0;
        state.cannot_force = state.parser.is_thinking();  // what should have ended it did not
    }
    const auto& budget = budget_;
    if (budget && state.parser.is_thinking() && state.thought_tokens >= *budget && !state.is_forcing &&
        !state.cannot_force && !setup_->end_thought.empty()) {
        // Not in the middle of a character, unless that never ends.
        constexpr int64_t kPatience = 4;
        state.is_forcing = !state.parser.is_amid_character() || state.thought_tokens > *budget + kPatience;
    }
    stop_at(state, events, out);
}

// Answers pass through the stop strings; what else there is goes on as it is.
void ChatGuide::stop_at(State& state, GuideEvents& events, GuideEvents& out) const {
    if (setup_->stops.empty()) {
        out.insert(out.end(), std::make_move_iterator(events.begin()), std::make_move_iterator(events.end()));
        return;
    }
    for (GuideEvent& event : events) {
        if (event.kind != int32_t(ReplyPart::answer)) {
            out.push_back(std::move(event));
            continue;
        }
        StopStrings::Step step = state.stops.push(event.text);
        if (!step.text.empty()) out.push_back({event.kind, event.index, std::move(step.text)});
        if (!step.stopped) continue;
        out.push_back({int32_t(ReplyPart::stopped), 0, setup_->stops[*step.stopped]});
        state.is_stopped = true;
        return;
    }
}

Result<> ChatGuide::accept(int32_t token, std::string_view piece, GuideEvents& out) {
    // A budget that is set in the middle counts the tokens that were: whoever takes tokens back and reads them again
    // comes to the same.
    if (setup_->end_thought_now && now_.parser.is_thinking() && setup_->end_thought_now->load())
        budget_ = std::min(budget_.value_or(INT64_MAX), now_.thought_tokens + 1);
    take(now_, token, piece, out);
    since_.push_back({token, std::string(piece)});
    if (since_.size() < 2 * size_t(kRollbackTokens)) return {};
    GuideEvents known;
    for (int i = 0; i < kRollbackTokens; ++i) take(earlier_, since_[size_t(i)].token, since_[size_t(i)].piece, known);
    since_.erase(since_.begin(), since_.begin() + kRollbackTokens);
    return {};
}

void ChatGuide::finish_state(State& state, GuideEvents& out) const {
    GuideEvents events;
    state.parser.finish(events);
    stop_at(state, events, out);
    if (std::string rest = state.is_stopped ? "" : state.stops.finish(); !rest.empty())
        out.push_back({int32_t(ReplyPart::answer), 0, std::move(rest)});
    state.is_stopped = true;
}

Result<> ChatGuide::finish(GuideEvents& out) {
    if (!now_.is_stopped) finish_state(now_, out);
    return {};
}

std::span<const int32_t> ChatGuide::forced() {
    if (now_.is_forcing) return std::span(setup_->end_thought).subspan(now_.forced_tokens);
    return {};
}

std::unique_ptr<Guide> ChatGuide::clone() const {
    return std::unique_ptr<Guide>(new ChatGuide(*this));
}

void ChatGuide::rollback(int tokens) {
    since_.resize(since_.size() - std::min(since_.size(), size_t(tokens)));
    now_ = State(earlier_);
    GuideEvents known;
    for (const Said& said : since_) take(now_, said.token, said.piece, known);
}

}  // namespace hearth::chat
