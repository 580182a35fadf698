#include "server/api/responses_output.h"

#include <fmt/format.h>

#include "server/api/openai.h"
#include "server/api/responses_keeper.h"

namespace hearth::server {

void ResponseEvents::send(std::string_view type, Json::Object more) {
    if (!is_on_) return;
    Json event = Json::Object{{"type", type}, {"sequence_number", next_++}};
    for (auto& [name, value] : more) event.set(std::move(name), std::move(value));
    const std::string text = fmt::format("event: {}\n{}", type, sse(event));
    if (holds_)
        held_ += text;
    else
        reply_.write(text);
}

void ResponseEvents::finish() {
    if (!held_.empty()) reply_.write(held_);
    held_.clear();
    reply_.finish();
}

// How each kind of item is called in events.
struct ResponseOutput::Names {
    std::string_view id, grows, part, index, part_type;
};

const ResponseOutput::Names& ResponseOutput::names() const {
    static constexpr Names kText{"msg", "output_text", "content_part", "content_index", "output_text"},
        kThought{"rs", "reasoning_text", "content_part", "content_index", "reasoning_text"},
        kSummary{"rs", "reasoning_summary_text", "reasoning_summary_part", "summary_index", "summary_text"},
        kCall{"fc", "function_call_arguments", "", "", ""};
    return open_ == Open::text ? kText : open_ == Open::thought ? kThought : open_ == Open::summary ? kSummary : kCall;
}

void ResponseOutput::add(const AnswerPart& part) {
    new_scores_.insert(new_scores_.end(), part.scores.begin(), part.scores.end());
    for (const GuideEvent& event : part.events) take(event);
}

void ResponseOutput::take(const GuideEvent& event) {
    switch (chat::ReplyPart(event.kind)) {
        case chat::ReplyPart::answer:
            open(Open::text);
            return grow(event.text);
        case chat::ReplyPart::thinking:
            open(thoughts_are_summary_ ? Open::summary : Open::thought);
            return grow(event.text);
        case chat::ReplyPart::call_id:
            close("completed");
            call_id_ = event.text;
            return;
        case chat::ReplyPart::call_name:
            call_name_ = event.text;
            return open(Open::call);
        case chat::ReplyPart::call_arguments:
            if (open_ == Open::call) grow(event.text);
            return;
        case chat::ReplyPart::call_end:
            return close("completed");
        case chat::ReplyPart::call_broken:
            return close("incomplete");
        case chat::ReplyPart::stopped:
        case chat::ReplyPart::warning:
            return;
    }
}

void ResponseOutput::tell(std::string_view type, Json::Object more) {
    if (!events_.is_on()) return;
    Json::Object all{{"item_id", id_}, {"output_index", int64_t(items_.items().size())}};
    if (!names().index.empty()) all.emplace_back(names().index, 0);
    for (auto& one : more) all.push_back(std::move(one));
    events_.send(fmt::format("response.{}", type), std::move(all));
}

void ResponseOutput::open(Open kind) {
    if (open_ == kind) return;
    close("completed");
    open_ = kind;
    text_.clear();
    scores_.clear();
    const int64_t place = int64_t(items_.items().size());
    id_ = new_item_id(names().id, response_id_, std::to_string(place));
    events_.send("response.output_item.added", {{"output_index", place}, {"item", item("in_progress", true)}});
    if (!names().part.empty()) tell(fmt::format("{}.added", names().part), {{"part", part(true)}});
}

void ResponseOutput::grow(std::string_view text) {
    text_ += text;
    Json::Object more{{"delta", text}};
    if (open_ == Open::text) {
        more.emplace_back("logprobs", openai_token_scores(new_scores_));
        scores_.insert(scores_.end(), new_scores_.begin(), new_scores_.end());
        new_scores_.clear();
    }
    tell(fmt::format("{}.delta", names().grows), std::move(more));
}

void ResponseOutput::close(std::string_view status) {
    if (open_ == Open::nothing) return;
    if (open_ == Open::text && !new_scores_.empty()) grow("");
    Json::Object whole{{open_ == Open::call ? "arguments" : "text", text_}};
    if (open_ == Open::call) whole.emplace_back("name", call_name_);
    if (open_ == Open::text) whole.emplace_back("logprobs", openai_token_scores(scores_));
    tell(fmt::format("{}.done", names().grows), std::move(whole));
    if (!names().part.empty()) tell(fmt::format("{}.done", names().part), {{"part", part(false)}});
    Json done = item(status, false);
    events_.send("response.output_item.done", {{"output_index", int64_t(items_.items().size())}, {"item", done}});
    items_.push(std::move(done));
    open_ = Open::nothing;
}

Json ResponseOutput::part(bool is_begun) const {
    Json part = Json::Object{{"type", names().part_type}, {"text", is_begun ? "" : text_}};
    if (open_ != Open::text) return part;
    part.set("annotations", Json::array());
    part.set("logprobs", is_begun ? Json::array() : openai_token_scores(scores_));
    return part;
}

Json ResponseOutput::item(std::string_view status, bool is_begun) const {
    Json item = Json::Object{{"id", id_}, {"type", "function_call"}, {"status", status}};
    const auto parts = [&](bool are_here) {
        Json list = Json::array();
        if (are_here && !is_begun) list.push(part(false));
        return list;
    };
    switch (open_) {
        case Open::text:
            item.set("type", "message");
            item.set("role", "assistant");
            item.set("content", parts(true));
            break;
        case Open::thought:
        case Open::summary:
            item.set("type", "reasoning");
            item.set("summary", parts(open_ == Open::summary));
            item.set("content", parts(open_ == Open::thought));
            break;
        case Open::call:
        case Open::nothing:
            item.set("call_id", call_id_);
            item.set("name", call_name_);
            item.set("arguments", is_begun ? "" : text_);
            break;
    }
    return item;
}

void ResponseOutput::end(bool is_complete) {
    // Clients look for a text where nothing was said, too.
    if (items_.items().empty() && open_ == Open::nothing) open(Open::text);
    close(is_complete ? "completed" : "incomplete");
}

}  // namespace hearth::server
