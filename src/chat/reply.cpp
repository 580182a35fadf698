#include "chat/reply.h"

#include <algorithm>

namespace hearth::chat {

void Reply::add(const GuideEvent& event) {
    const size_t index = size_t(event.index);
    switch (ReplyPart(event.kind)) {
        case ReplyPart::answer:
            answer += event.text;
            break;
        case ReplyPart::thinking:
            thinking += event.text;
            break;
        case ReplyPart::call_id:
            calls.resize(std::max(calls.size(), index + 1));
            calls[index].id = event.text;
            break;
        case ReplyPart::call_name:
            calls.resize(std::max(calls.size(), index + 1));
            calls[index].name = event.text;
            break;
        case ReplyPart::call_arguments:
            if (index < calls.size()) calls[index].arguments += event.text;
            break;
        case ReplyPart::call_end:
            if (index < calls.size()) calls[index].is_whole = true;
            break;
        case ReplyPart::call_broken:
        case ReplyPart::warning:
            warnings.push_back(event.text);
            break;
        case ReplyPart::stopped:
            stopped = event.text;
            break;
    }
}

bool Reply::has_whole_call() const {
    return std::ranges::any_of(calls, &ReplyCall::is_whole);
}

Json Reply::message() const {
    Json message = Json::object();
    message.set("role", "assistant");
    message.set("content", answer);
    if (!thinking.empty()) message.set("reasoning_content", thinking);
    Json list = Json::array();
    for (const ReplyCall& call : calls) {
        if (!call.is_whole) continue;
        list.push(Json::Object{
            {"id", call.id},
            {"type", "function"},
            {"function", Json::Object{{"name", call.name}, {"arguments", call.arguments}}},
        });
    }
    if (!list.items().empty()) message.set("tool_calls", std::move(list));
    return message;
}

void ReplyWriter::text(ReplyPart part, int32_t index, std::string_view text) {
    if (text.empty()) return;
    if (!out_.empty() && out_.back().kind == int32_t(part) && out_.back().index == index)
        out_.back().text += text;
    else
        out_.push_back({int32_t(part), index, std::string(text)});
}

static size_t space_at_end(std::string_view text) {
    const size_t last = text.find_last_not_of(" \t\n\r\v\f");
    return last == std::string_view::npos ? text.size() : text.size() - last - 1;
}

void ReplyWriter::answer(std::string_view more) {
    const size_t spaces = space_at_end(more);
    if (spaces < more.size()) {
        const bool drops = !state_.has_answer && (state_.has_thought || state_.calls > 0);
        if (drops)
            more.remove_prefix(more.find_first_not_of(" \t\n\r\v\f"));
        else
            text(ReplyPart::answer, 0, state_.held);
        state_.held.clear();
        state_.has_answer = true;
        text(ReplyPart::answer, 0, more.substr(0, more.size() - spaces));
    }
    state_.held += more.substr(more.size() - spaces);
}

void ReplyWriter::begin_answer() {
    if (state_.has_answer) state_.held = "\n\n";
}

void ReplyWriter::begin_thought() {
    state_.before_thought = state_.has_answer ? state_.held : "";
    state_.held.clear();
    state_.has_thought = true;
    state_.is_thought_begun = false;
}

void ReplyWriter::thinking(std::string_view more) {
    const size_t spaces = space_at_end(more);
    if (spaces < more.size()) {
        if (!state_.is_thought_begun) {
            more.remove_prefix(more.find_first_not_of(" \t\n\r\v\f"));
            state_.held = state_.has_thought_text ? "\n\n" : "";
        }
        text(ReplyPart::thinking, 0, state_.held);
        state_.held.clear();
        state_.is_thought_begun = state_.has_thought_text = true;
        text(ReplyPart::thinking, 0, more.substr(0, more.size() - spaces));
    }
    state_.held += more.substr(more.size() - spaces);
}

void ReplyWriter::end_thought() {
    state_.held = std::move(state_.before_thought);
    state_.before_thought.clear();
}

void ReplyWriter::call_id(std::string id) {
    state_.held.clear();
    out_.push_back({int32_t(ReplyPart::call_id), state_.calls, std::move(id)});
}

void ReplyWriter::call_name(std::string name) {
    out_.push_back({int32_t(ReplyPart::call_name), state_.calls, std::move(name)});
}

void ReplyWriter::call_arguments(std::string_view more) {
    text(ReplyPart::call_arguments, state_.calls, more);
}

void ReplyWriter::end_call() {
    out_.push_back({int32_t(ReplyPart::call_end), state_.calls++, ""});
}

void ReplyWriter::break_call(std::string why) {
    out_.push_back({int32_t(ReplyPart::call_broken), state_.calls++, std::move(why)});
}

void ReplyWriter::warn(std::string what) {
    out_.push_back({int32_t(ReplyPart::warning), 0, std::move(what)});
}

void ReplyWriter::finish() {
    // White space is all that such an answer ended with, or consisted of.
    if (state_.calls == 0 && (state_.has_answer || !state_.has_thought)) text(ReplyPart::answer, 0, state_.held);
    state_.held.clear();
}

}  // namespace hearth::chat
