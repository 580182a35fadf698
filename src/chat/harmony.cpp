// Harmony (gpt-oss): every message has a header of role, recipient and channel, and the channel says what it is.
#include "chat/reply_parser.h"

namespace hearth::chat {

namespace {

std::string_view after_spaces(std::string_view text) {
    while (!text.empty() && Unit(text.front()).is_space()) text.remove_prefix(1);
    return text;
}

std::string_view first_word(std::string_view text) {
    text = after_spaces(text);
    return text.substr(0, text.find_first_of(" \t\r\n"));
}

std::string_view recipient_in(std::string_view text) {
    constexpr std::string_view kTo = "to=";
    const size_t at = text.find(kTo);
    return at == std::string_view::npos ? "" : first_word(text.substr(at + kTo.size()));
}

constexpr size_t kLongestHeader = 512;

}  // namespace

MarkSet ReplyParser::harmony_marks() const {
    switch (place_) {
        case Place::header:
            return {Mark::start, Mark::channel, Mark::message, Mark::constrain, Mark::end};
        case Place::between:
            return {Mark::start, Mark::channel, Mark::message, Mark::end};
        default:
            return {Mark::start, Mark::channel, Mark::end};
    }
}

void ReplyParser::take_harmony(Unit unit) {
    if (place_ == Place::header) return take_in_header(unit);
    if (unit.is(Mark::start) || unit.is(Mark::channel)) {
        if (place_ != Place::between) end_message();
        role_.clear(), channel_.clear();
        is_in_channel_ = unit.is(Mark::channel);
        place_ = Place::header;
        return;
    }
    if (unit.is(Mark::end)) {
        if (place_ != Place::between) end_message();
        place_ = Place::between;
        return;
    }
    switch (place_) {
        case Place::between:
            if (unit.is_space()) return;
            role_.clear(), channel_.clear();
            if (unit.is(Mark::message)) return begin_message();
            writer().warn("the model wrote text outside of a message");
            writer().begin_answer();
            place_ = Place::answer;
            return answer(unit.byte());
        case Place::thought:
            return writer().thinking(spelled(unit));
        case Place::call:
            return take_in_call(unit);
        default:
            for (const char c : spelled(unit)) answer(c);
    }
}

void ReplyParser::take_in_header(Unit unit) {
    if (unit.is(Mark::message)) return begin_message();
    if (unit.is(Mark::start)) {
        role_.clear(), channel_.clear();
        is_in_channel_ = is_first_header_ = false;
        return;
    }
    if (unit.is(Mark::channel)) {
        is_in_channel_ = true;
        return;
    }
    std::string& text = is_in_channel_ ? channel_ : role_;
    if (unit.is(Mark::end)) {  // a header without a message
        give_up_header();
        place_ = Place::between;
        return;
    }
    text += unit.is(Mark::constrain) ? " " : spelled(unit);
    // The prompt has written the role of the first message: only a recipient can follow.
    constexpr std::string_view kTo = "to=";
    const std::string_view rest = after_spaces(role_);
    const bool is_no_header = is_first_header_ && !kTo.starts_with(rest.substr(0, kTo.size()));
    if (is_no_header || role_.size() + channel_.size() > kLongestHeader) give_up_header();
}

void ReplyParser::give_up_header() {
    const std::string text = role_ + (is_in_channel_ ? setup_.lexicon->text(Mark::channel) : "") + channel_;
    role_.clear(), channel_.clear();
    is_first_header_ = is_in_channel_ = false;
    place_ = Place::answer;
    writer().warn("the model wrote text outside of a message");
    writer().begin_answer();
    for (const char c : text) answer(c);
}

void ReplyParser::begin_message() {
    std::string_view recipient = recipient_in(role_);
    if (recipient.empty()) recipient = recipient_in(channel_);
    const std::string_view kind = first_word(channel_);
    is_first_header_ = is_in_channel_ = false;
    if (!recipient.empty() && recipient != "user" && recipient != "all") {
        constexpr std::string_view kFunctions = "functions.";
        if (recipient.starts_with(kFunctions)) recipient.remove_prefix(kFunctions.size());
        std::string opening;
        if (!setup_.tools->contains(recipient))
            opening = setup_.lexicon->text(Mark::channel) + channel_ + setup_.lexicon->text(Mark::message);
        begin_call(make_arguments_reader(std::string(recipient)), std::move(opening));
    } else if (kind == "analysis") {
        writer().begin_thought();
        place_ = Place::thought;
    } else {
        writer().begin_answer();
        place_ = Place::answer;
    }
    role_.clear(), channel_.clear();
}

void ReplyParser::end_message() {
    if (place_ == Place::thought) writer().end_thought();
    if (reader_) {
        if (calling_.why.empty()) calling_.why = "a message ended inside a call";
        fail_call();
    }
}

}  // namespace hearth::chat
