#include "chat/chat_guide.h"

#include <algorithm>

namespace hearth::chat {

ChatGuide::ChatGuide(GuideSetup setup)
    : setup_(std::make_shared<GuideSetup>(std::move(setup))),
      budget_(setup_->thinking_budget),
      now_{.parser = ReplyParser(setup_->reply),
           .stops = StopStrings(setup_->stops),
           .form = AnswerForm(setup_->form, setup_->tokenizer),
           .calls = AnswerForm(setup_->calls, setup_->tokenizer)},
      earlier_(now_) {
    // A thought that the prompt has begun and that may have no tokens.
    if (now_.parser.is_thinking() && setup_->thinking_budget == 0 && !setup_->end_thought.empty())
        now_.is_forcing = earlier_.is_forcing = true;
}

bool ChatGuide::mask(std::span<uint32_t> allowed_bits) {
    const bool by_form = binds(now_);
    if (!by_form && !calls_bind(now_)) return false;
    AnswerForm& form = by_form ? now_.form : now_.calls;
    // Before the answer begins, a thought may (one) or a call.
    std::vector<std::pair<int32_t, uint32_t>> openings;
    if (!form.has_begun() && (by_form || !setup_->calls_cover_thoughts)) {
        const Lexicon& lexicon = *setup_->reply.lexicon;
        const bool may_call = by_form && setup_->reply.tools && !setup_->reply.tools->empty();
        for (const Mark mark : {Mark::think_open, Mark::call_open, Mark::call_open_too}) {
            if (mark == Mark::think_open ? !setup_->may_think || now_.parser.has_thought() : !may_call) continue;
            const bool is_bound = mark != Mark::think_open && !now_.calls.is_any();
            if (const auto id = lexicon.token(mark); id && (!is_bound || now_.calls.allows(*id)))
                openings.emplace_back(*id, allowed_bits[size_t(*id) / 32] & 1u << *id % 32);
        }
    }
    form.mask(allowed_bits);
    for (const auto& [id, bit] : openings) allowed_bits[size_t(id) / 32] |= bit;
    return true;
}

Result<> ChatGuide::take_by_grammars(State& state, int32_t token) const {
    const Mark mark = setup_->reply.lexicon->find(token);
    if (binds(state) && (state.form.has_begun() || mark == Mark::count)) {
        TRY(state.form.accept(token));
        state.parser.read_rest_as_answer();
        state.calls.give_up();
        return {};
    }
    if (state.calls.is_any()) return {};
    if (!setup_->calls_cover_thoughts) {
        const bool is_in_its_place = binds(state) && (mark == Mark::call_open || mark == Mark::call_open_too);
        if (!calls_bind(state) && !is_in_its_place) return {};
        if (mark == Mark::think_open && may_open_thought(state.calls) && !state.parser.has_thought()) return {};
        return state.calls.accept(token);
    }
    // What is put into the model's mouth comes whatever a grammar says.
    if (state.is_forcing) {
        if (!state.calls.accept(token)) state.calls.give_up();
        return {};
    }
    return state.calls.accept(token);
}

// A thought may end with a call that nothing announced but its mark.
void ChatGuide::follow_call_in_thought(State& state, int32_t token, std::string_view piece) const {
    const Lexicon& lexicon = *setup_->reply.lexicon;
    bool is_followed = false;
    if (lexicon.find(token) != Mark::count) {
        is_followed = state.calls.accept(token).has_value();
    } else {
        // The mark was spelled out, and ends somewhere in this token.
        const std::string& mark = lexicon.text(Mark::call_open);
        for (size_t cut = 1; cut <= piece.size() && !is_followed; ++cut) {
            const std::string_view part = piece.substr(0, cut);
            if (part.ends_with(mark) || std::string_view(mark).ends_with(part))
                is_followed = state.calls.accept(mark + std::string(piece.substr(cut))).has_value();
        }
    }
    if (!is_followed) state.calls.give_up();
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
    TRY(take_by_grammars(state, token));
    state.parser.push(token, piece, events);
    const bool calls_wait = !state.calls.is_any() && !setup_->calls_cover_thoughts && !state.calls.has_begun();
    if (was_thinking && calls_wait && state.parser.is_in_call()) {
        follow_call_in_thought(state, token, piece);
    } else if (was_thinking && !was_forcing && state.parser.is_answering()) {
        if (!state.form.is_any())
            begin_answer(state, state.form, events);
        else if (calls_wait)
            begin_answer(state, state.calls, events);
    } else if (!state.form.is_any() && !is_formed && !was_forcing) {
        check_form(state, events);
    }
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
    const bool has_called =
        std::ranges::any_of(events, [](const GuideEvent& event) { return event.kind == int32_t(ReplyPart::call_end); });
    stop_at(state, events, out);
    // With a grammar the mark that ends the call comes too.
    if (setup_->is_one_call && has_called && !calls_bind(state) && !state.is_stopped) finish_state(state, out);
    return {};
}

// Text that came into the answer past the form, of a call or a header that broke. It fits the form, or there is none
// any more, and the client is told.
void ChatGuide::check_form(State& state, GuideEvents& events) const {
    std::string text;
    for (const GuideEvent& event : events)
        if (event.kind == int32_t(ReplyPart::answer)) text += event.text;
    if (text.empty() || (!state.form.has_begun() && state.form.accept(text))) return;
    events.push_back(
        {int32_t(ReplyPart::warning), 0, "the answer is not in the form asked for: the model broke its format"});
    state.form.give_up();
}

// The model has ended its thought. What its format has between a thought and an answer (line breaks) is said as it is
// used to; where the thought's end is spelled out, the token may hold the first text of the answer.
void ChatGuide::begin_answer(State& state, AnswerForm& form, GuideEvents& events) const {
    if (form.has_begun()) return;
    std::string text;
    for (const GuideEvent& event : events)
        if (event.kind == int32_t(ReplyPart::answer)) text += event.text;
    if (!text.empty()) {
        if (!form.accept(text)) {
            events.push_back(
                {int32_t(ReplyPart::warning), 0,
                 "the answer began within the token that ended the thought, in another form than asked for"});
            form.give_up();
        }
        return;
    }
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
    // In a thought or out of it.
    const bool is_short =
        !state.form.is_any() && !state.form.may_end() && !state.parser.has_calls() && !state.parser.is_in_call();
    const bool lacks_call = setup_->needs_call && !state.parser.has_calls() && !state.parser.is_in_call();
    state.parser.finish(events);
    if (is_short)
        events.push_back(
            {int32_t(ReplyPart::warning), 0, "the answer ended before it was complete in the form asked for"});
    if (lacks_call)
        events.push_back({int32_t(ReplyPart::warning), 0, "the reply ended without the call that was asked for"});
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
    if (binds(now_)) return now_.form.has_begun() ? now_.form.forced() : std::span<const int32_t>();
    if (calls_bind(now_) && now_.calls.has_begun()) return now_.calls.forced();
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
