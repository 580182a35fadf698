#include "chat/chat_guide.h"

#include <algorithm>

namespace hearth::chat {

ChatGuide::ChatGuide(GuideSetup setup)
    : setup_(std::make_shared<GuideSetup>(std::move(setup))),
      budget_(setup_->thinking_budget),
      now_{.parser = ReplyParser(setup_->reply),
           .stops = StopStrings(setup_->stops),
           .form = AnswerForm(setup_->form, setup_->tokenizer)},
      earlier_(now_) {
    // A thought that the prompt has begun and that may have no tokens.
    if (now_.parser.is_thinking() && setup_->thinking_budget == 0 && !setup_->end_thought.empty())
        now_.is_forcing = earlier_.is_forcing = true;
}

bool ChatGuide::mask(std::span<uint32_t> allowed_bits) {
    if (!binds(now_)) return false;
    // Before the answer begins, a thought may (one) or a call.
    std::vector<std::pair<int32_t, uint32_t>> openings;
    if (!now_.form.has_begun()) {
        const Lexicon& lexicon = *setup_->reply.lexicon;
        const bool may_call = setup_->reply.tools && !setup_->reply.tools->empty();
        for (const Mark mark : {Mark::think_open, Mark::call_open, Mark::call_open_too}) {
            if (mark == Mark::think_open ? !setup_->may_think || now_.parser.has_thought() : !may_call) continue;
            if (const auto id = lexicon.token(mark))
                openings.emplace_back(*id, allowed_bits[size_t(*id) / 32] & 1u << *id % 32);
        }
    }
    now_.form.mask(allowed_bits);
    for (const auto& [id, bit] : openings) allowed_bits[size_t(id) / 32] |= bit;
    return true;
}

Result<> ChatGuide::take(State& state, int32_t token, std::string_view piece, GuideEvents& out) const {
    if (state.is_stopped) return {};
    const bool was_thinking = state.parser.is_thinking(), was_forcing = state.is_forcing;
    GuideEvents events;
    if (std::ranges::binary_search(setup_->ends, token)) {
        finish_state(state, out);
        return {};
    }
    const bool is_formed =
        binds(state) && (state.form.has_begun() || setup_->reply.lexicon->find(token) == Mark::count);
    if (is_formed) {
        TRY(state.form.accept(token));
        state.parser.read_rest_as_answer();
    }
    state.parser.push(token, piece, events);
    if (!state.form.is_any() && !is_formed && !was_forcing) check_form(state, events);
    if (was_thinking && !was_forcing && !state.form.is_any() && state.parser.is_answering()) begin_answer(state);
    if (was_thinking && !was_forcing) ++state.thought_tokens;
    if (was_forcing && ++state.forced_tokens == setup_->end_thought.size()) {
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
    return {};
}

// Text that came into the answer past the form: behind a thought whose end is spelled out, or of a call or a header
// that broke. It fits the form, or there is none any more, and the client is told.
void ChatGuide::check_form(State& state, GuideEvents& events) const {
    std::string text;
    for (const GuideEvent& event : events)
        if (event.kind == int32_t(ReplyPart::answer)) text += event.text;
    if (text.empty() || (!state.form.has_begun() && state.form.accept(text))) return;
    events.push_back(
        {int32_t(ReplyPart::warning), 0, "the answer is not in the form asked for: the model broke its format"});
    state.form.give_up();
}

// The model has ended its thought. What its format has between a thought and an answer (line breaks) is said as usual.
void ChatGuide::begin_answer(State& state) const {
    if (state.form.has_begun()) return;
    const auto close = std::ranges::find_if(
        setup_->end_thought, [&](int32_t token) { return setup_->reply.lexicon->find(token) == Mark::think_close; });
    if (close == setup_->end_thought.end() || close + 1 == setup_->end_thought.end()) return;
    state.is_forcing = true;
    state.forced_tokens = size_t(close + 1 - setup_->end_thought.begin());
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
    TRY(take(now_, token, piece, out));
    since_.push_back({token, std::string(piece)});
    if (since_.size() < 2 * size_t(kRollbackTokens)) return {};
    GuideEvents known;
    for (int i = 0; i < kRollbackTokens; ++i)
        TRY(take(earlier_, since_[size_t(i)].token, since_[size_t(i)].piece, known));
    since_.erase(since_.begin(), since_.begin() + kRollbackTokens);
    return {};
}

void ChatGuide::finish_state(State& state, GuideEvents& out) const {
    GuideEvents events;
    const bool is_short = binds(state) && !state.form.may_end();
    state.parser.finish(events);
    if (is_short)
        events.push_back(
            {int32_t(ReplyPart::warning), 0, "the answer ended before it was complete in the form asked for"});
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
    if (binds(now_) && now_.form.has_begun()) return now_.form.forced();
    return {};
}

std::unique_ptr<Guide> ChatGuide::clone() const {
    return std::unique_ptr<Guide>(new ChatGuide(*this));
}

void ChatGuide::rollback(int tokens) {
    since_.resize(since_.size() - std::min(since_.size(), size_t(tokens)));
    now_ = State(earlier_);
    GuideEvents known;
    for (const Said& said : since_) (void)take(now_, said.token, said.piece, known);  // it was taken before
}

}  // namespace hearth::chat
