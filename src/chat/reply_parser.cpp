#include "chat/reply_parser.h"

namespace hearth::chat {

ReplyParser::ReplyParser(ReplySetup setup) : setup_(std::move(setup)) {
    if (setup_.lexicon->channels().calls == CallSyntax::harmony) {
        place_ = setup_.begins_in_answer ? Place::answer : Place::header;
    } else if (setup_.begins_in_thought) {
        place_ = Place::thought;
        writing_.has_thought = true;
    }
}

ReplyParser::ReplyParser(const ReplyParser& other)
    : setup_(other.setup_),
      place_(other.place_),
      utf8_(other.utf8_),
      pending_(other.pending_),
      writing_(other.writing_),
      calling_(other.calling_),
      reader_(other.reader_ ? other.reader_->clone() : nullptr),
      block_(other.block_),
      name_(other.name_),
      role_(other.role_),
      channel_(other.channel_),
      is_bare_(other.is_bare_),
      is_at_start_(other.is_at_start_),
      expects_close_(other.expects_close_),
      is_in_channel_(other.is_in_channel_),
      is_first_header_(other.is_first_header_),
      is_all_answer_(other.is_all_answer_) {}

void ReplyParser::push(int32_t token, std::string_view piece, GuideEvents& out) {
    const Mark mark = setup_.lexicon->find(token);
    if (mark == Mark::count) return push_text(piece, out);
    out_ = &out;
    take_text(utf8_.finish());
    drain(true);
    deliver(mark);
}

void ReplyParser::push_text(std::string_view bytes, GuideEvents& out) {
    out_ = &out;
    take_text(utf8_.push(bytes));
}

void ReplyParser::finish(GuideEvents& out) {
    out_ = &out;
    take_text(utf8_.finish());
    drain(true);
    if (place_ == Place::header && (is_in_channel_ || (is_first_header_ && !role_.empty())))
        writer().warn("the reply ended inside the header of a message");
    if (reader_) {
        if (calling_.why.empty()) calling_.why = "the reply ended inside a call";
        fail_call();
    }
    writer().finish();
}

void ReplyParser::take_text(std::string_view valid) {
    for (const char c : valid) {
        pending_ += c;
        drain(false);
    }
}

// `is_last`: no text follows that could complete a mark.
void ReplyParser::drain(bool is_last) {
    while (!pending_.empty()) {
        const Lexicon::Match match = setup_.lexicon->match(pending_, active());
        if (match.may_grow && !is_last) return;
        if (match.mark != Mark::count) {
            pending_.erase(0, setup_.lexicon->text(match.mark).size());
            deliver(match.mark);
        } else {
            const char c = pending_[0];
            pending_.erase(0, 1);
            take(c);
        }
    }
}

// A mark that means nothing here is text like any other.
void ReplyParser::deliver(Unit unit) {
    if (!unit.is_mark() || active().contains(unit.mark())) return take(unit);
    for (const char c : setup_.lexicon->text(unit.mark())) take(c);
}

std::string ReplyParser::spelled(Unit unit) const {
    return unit.is_mark() ? setup_.lexicon->text(unit.mark()) : std::string(1, unit.byte());
}

Calls ReplyParser::calls() {
    return Calls(ReplyWriter(*out_, writing_), *setup_.tools, setup_.id_seed, calling_);
}

MarkSet ReplyParser::active() const {
    if (is_all_answer_) return {};
    if (setup_.lexicon->channels().calls == CallSyntax::harmony) return harmony_marks();
    if (reader_) return reader_->marks();
    const Channels& channels = setup_.lexicon->channels();
    const MarkSet calls = setup_.tools->empty() ? MarkSet{} : MarkSet{Mark::call_open, Mark::call_open_too};
    switch (place_) {
        case Place::thought:
            return calls | MarkSet{Mark::think_close};
        case Place::thought_name:
            return {Mark::think_close};
        default:
            break;
    }
    MarkSet marks = calls | MarkSet{Mark::think_open, Mark::noise_open, Mark::noise_close};
    if (expects_close_) marks = marks | MarkSet{Mark::call_close};
    if (channels.hides_stray_close) marks = marks | MarkSet{Mark::think_close};
    if (channels.calls == CallSyntax::tagged && !setup_.tools->empty()) marks = marks | MarkSet{Mark::function};
    return marks;
}

void ReplyParser::take(Unit unit) {
    if (is_all_answer_) return answer(unit.byte());  // without marks there are only bytes
    if (setup_.lexicon->channels().calls == CallSyntax::harmony) return take_harmony(unit);
    switch (place_) {
        case Place::thought:
        case Place::thought_name:
            return take_in_thought(unit);
        case Place::call:
            return take_in_call(unit);
        default:
            return take_in_answer(unit);
    }
}

void ReplyParser::answer(char c) {
    if (!Unit(c).is_space()) is_at_start_ = expects_close_ = false;
    writer().answer(std::string_view(&c, 1));
}

void ReplyParser::take_in_answer(Unit unit) {
    const Channels& channels = setup_.lexicon->channels();
    if (!unit.is_mark()) {
        if (channels.calls == CallSyntax::bare && is_at_start_ && unit.is('{') && !setup_.tools->empty()) {
            begin_call(make_json_call_reader(true), "");
            is_bare_ = true;
            return take_in_call(unit);
        }
        return answer(unit.byte());
    }
    switch (unit.mark()) {
        case Mark::think_open:
            writer().begin_thought();
            name_.clear();
            place_ = channels.thought_has_name ? Place::thought_name : Place::thought;
            return;
        case Mark::call_open:
        case Mark::call_open_too:
            return open_call(unit);
        case Mark::function:
            return begin_call(make_xml_call_reader(), spelled(unit));
        case Mark::call_close:
            expects_close_ = false;
            return;
        default:
            return;  // noise, or an end of a thought that never began
    }
}

void ReplyParser::take_in_thought(Unit unit) {
    if (unit.is(Mark::think_close)) {
        writer().end_thought();
        place_ = Place::answer;
        return;
    }
    if (unit.is(Mark::call_open) || unit.is(Mark::call_open_too)) {  // some models call without closing the thought
        writer().end_thought();
        return open_call(unit);
    }
    if (place_ == Place::thought_name) {
        name_ += unit.byte();
        constexpr size_t kLongestChannel = 40;
        if (!unit.is('\n') && name_.size() < kLongestChannel) return;
        place_ = Place::thought;
        if (!unit.is('\n')) writer().thinking(name_);  // no name: the thought itself
        return;
    }
    writer().thinking(spelled(unit));
}

static std::unique_ptr<CallReader> make_reader(CallSyntax syntax) {
    switch (syntax) {
        case CallSyntax::none:
        case CallSyntax::harmony:
        case CallSyntax::json:
            break;
        case CallSyntax::tagged:
            return make_tagged_call_reader();
        case CallSyntax::bare:
            return make_tagged_call_reader(true);
        case CallSyntax::name_json:
            return make_name_json_call_reader();
        case CallSyntax::gemma:
            return make_gemma_call_reader();
        case CallSyntax::python:
            return make_python_call_reader();
        case CallSyntax::deepseek:
            return make_deepseek_call_reader();
    }
    return make_json_call_reader(false);
}

void ReplyParser::open_call(Unit unit) {
    const std::string opening = spelled(unit);
    begin_call(make_reader(setup_.lexicon->channels().calls), opening);
    if (opening.ends_with('[')) {  // functools[
        take_in_call('[');
        block_ = opening;
    }
}

void ReplyParser::begin_call(std::unique_ptr<CallReader> reader, std::string opening) {
    reader_ = std::move(reader);
    block_ = std::move(opening);
    calling_ = {};
    is_bare_ = false;
    place_ = Place::call;
}

void ReplyParser::take_in_call(Unit unit) {
    Calls sink = calls();
    const int32_t before = writing_.calls;
    switch (reader_->take(unit, sink)) {
        case Step::more:
            if (calling_.is_open || writing_.calls > before)
                block_.clear();
            else
                block_ += spelled(unit);
            return;
        case Step::done:
            return end_call();
        case Step::done_before:
            end_call();
            return deliver(unit);
        case Step::failed:
            fail_call();
            return deliver(unit);
    }
}

void ReplyParser::end_call() {
    reader_.reset();
    block_.clear();
    place_ = Place::answer;
    is_at_start_ = false;
    expects_close_ = true;
}

void ReplyParser::fail_call() {
    const bool was_open = calling_.is_open;
    Calls sink = calls();
    reader_->close(sink);
    if (calling_.why.empty()) calling_.why = "the model wrote a call that makes no sense";
    if (calling_.is_open) {
        writer().break_call(calling_.why);
    } else if (!was_open) {
        const bool is_plain_answer = is_bare_ && !calling_.why.starts_with("the model calls");
        if (!is_plain_answer) writer().warn(calling_.why);
    }
    reader_.reset();
    if (place_ == Place::call) place_ = Place::answer;
    const std::string block = std::move(block_);
    block_.clear();
    is_at_start_ = false;
    for (const char c : block) answer(c);
}

}  // namespace hearth::chat
