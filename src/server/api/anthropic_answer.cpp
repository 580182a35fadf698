#include "server/api/anthropic_answer.h"

#include "server/api/anthropic.h"
#include "server/api/cache_report.h"
#include "server/api/openai.h"

namespace hearth::server {

namespace {

// Thoughts carry a signature that their maker checks when they come back. Here nothing is signed and none is checked.
constexpr std::string_view kSignature = "unsigned";

}  // namespace

void AnthropicBlocks::open(Kind kind, Json block, std::vector<Json>& events) {
    close(events);
    kind_ = kind;
    events.push_back(Json::Object{
        {"type", "content_block_start"}, {"index", int64_t(content_.items().size())}, {"content_block", block}});
    block_ = std::move(block);
}

void AnthropicBlocks::delta(std::string_view type, std::string_view key, std::string_view text,
                            std::vector<Json>& events) {
    Json delta = Json::Object{{"type", type}};
    delta.set(std::string(key), text);
    events.push_back(Json::Object{
        {"type", "content_block_delta"}, {"index", int64_t(content_.items().size())}, {"delta", std::move(delta)}});
}

void AnthropicBlocks::close(std::vector<Json>& events) {
    if (kind_ == Kind::none) return;
    if (kind_ == Kind::thinking) {
        delta("signature_delta", "signature", kSignature, events);
        block_.set("thinking", std::move(text_));
        block_.set("signature", kSignature);
    } else if (kind_ == Kind::text) {
        block_.set("text", std::move(text_));
    } else if (auto input = Json::parse(text_); input && input->is_object()) {
        block_.set("input", std::move(*input));
    }
    text_.clear();
    events.push_back(Json::Object{{"type", "content_block_stop"}, {"index", int64_t(content_.items().size())}});
    content_.push(std::move(block_));
    kind_ = Kind::none;
}

void AnthropicBlocks::take(const GuideEvent& event, std::vector<Json>& events) {
    using chat::ReplyPart;
    switch (ReplyPart(event.kind)) {
        case ReplyPart::thinking:
            if (kind_ != Kind::thinking)
                open(Kind::thinking, Json::Object{{"type", "thinking"}, {"thinking", ""}, {"signature", ""}}, events);
            if (!shows_thoughts_) return;
            text_ += event.text;
            return delta("thinking_delta", "thinking", event.text, events);
        case ReplyPart::answer:
            if (kind_ != Kind::text) open(Kind::text, Json::Object{{"type", "text"}, {"text", ""}}, events);
            text_ += event.text;
            return delta("text_delta", "text", event.text, events);
        case ReplyPart::call_id:
            call_id_ = event.text;
            return;
        case ReplyPart::call_name:
            return open(Kind::tool_use,
                        Json::Object{{"type", "tool_use"},
                                     {"id", std::string(kAnthropicCallPrefix) + call_id_},
                                     {"name", event.text},
                                     {"input", Json::object()}},
                        events);
        case ReplyPart::call_arguments:
            if (kind_ != Kind::tool_use) return;
            text_ += event.text;
            return delta("input_json_delta", "partial_json", event.text, events);
        case ReplyPart::call_broken:
            has_broken_call_ = true;
            return close(events);
        case ReplyPart::call_end:
            return close(events);
        case ReplyPart::stopped:
        case ReplyPart::warning:
            return;
    }
}

namespace {

// A call that was cut off must not be carried out, so the reason is never one after which clients do that.
std::string_view anthropic_stop_reason(const AnswerEnd& end, bool has_broken_call) {
    if (end.reason == FinishReason::context) return "model_context_window_exceeded";
    if (end.reason == FinishReason::max_tokens || has_broken_call) return "max_tokens";
    if (end.reply.has_whole_call()) return "tool_use";
    return end.reply.stopped.empty() ? "end_turn" : "stop_sequence";
}

Json anthropic_usage(const AnswerUsage& usage) {
    return Json::Object{{"input_tokens", usage.prompt_tokens - usage.cached_tokens},
                        {"cache_creation_input_tokens", 0},
                        {"cache_read_input_tokens", usage.cached_tokens},
                        {"output_tokens", usage.generated_tokens},
                        {"output_tokens_details", Json::Object{{"thinking_tokens", usage.thinking_tokens}}},
                        {"service_tier", "standard"}};
}

class AnthropicSink final : public AnswerSink {
public:
    AnthropicSink(HttpReply reply, AnthropicRequest asked)
        : reply_(std::move(reply)),
          streams_(asked.streams),
          warnings_(std::move(asked.warnings)),
          blocks_(asked.shows_thoughts) {}

    void loading(double share) override {
        if (!streams_) return;
        open();
        reply_.write(sse_loading(share));
    }

    void begin(const PromptInfo& info) override {
        model_ = info.model;
        warnings_.insert(warnings_.end(), info.notes.begin(), info.notes.end());
        if (!streams_) return;
        open();
        // What of the prompt was remembered is known at the end; message_delta corrects the numbers.
        AnswerUsage usage;
        usage.prompt_tokens = info.prompt_tokens;
        Json message = this->message(Json::array(), {}, {}, usage);
        add_anthropic_warnings(message, warnings_);
        write(
            {Json::Object{{"type", "message_start"}, {"message", std::move(message)}}, Json::Object{{"type", "ping"}}});
    }

    void part(int64_t, const AnswerPart& part) override {
        std::vector<Json> events;
        for (const GuideEvent& event : part.events) blocks_.take(event, events);
        if (streams_) write(events);
    }

    void ended(int64_t, const AnswerEnd& end) override {
        if (end.reason == FinishReason::cancelled)
            return failed({503, "the answer was given up: the server stops", "cancelled"});
        if (has_failed_) return;
        std::vector<Json> events;
        blocks_.close(events);
        const std::string_view reason = anthropic_stop_reason(end, blocks_.has_broken_call());
        const Json stopped = reason == "stop_sequence" ? Json(end.reply.stopped) : Json();
        if (!streams_) return send_whole(end, reason, stopped);
        Json last = Json::Object{{"type", "message_delta"},
                                 {"delta", Json::Object{{"stop_reason", reason}, {"stop_sequence", stopped}}},
                                 {"usage", anthropic_usage(end.usage)}};
        add_loop(end, last);
        add_cache_report(end, last);
        add_anthropic_warnings(last, end.reply.warnings);
        events.push_back(std::move(last));
        events.push_back(Json::Object{{"type", "message_stop"}});
        write(events);
        reply_.finish();
    }

    void failed(const ApiError& error) override {
        if (std::exchange(has_failed_, true)) return;
        if (!is_open_) return anthropic_error(reply_, error);
        write({anthropic_error_body(error, reply_.id())});
        reply_.finish();
    }

private:
    void open() {
        if (!std::exchange(is_open_, true)) reply_.begin_stream("text/event-stream", anthropic_headers(reply_));
    }

    Json message(Json content, Json reason, Json stopped, const AnswerUsage& usage) const {
        return Json::Object{{"id", "msg_" + reply_.id()},
                            {"type", "message"},
                            {"role", "assistant"},
                            {"model", model_},
                            {"content", std::move(content)},
                            {"stop_reason", std::move(reason)},
                            {"stop_sequence", std::move(stopped)},
                            {"usage", anthropic_usage(usage)}};
    }

    static void add_loop(const AnswerEnd& end, Json& object) {
        if (end.loop)
            object.set("loop", Json::Object{{"period", int64_t(end.loop->period)}, {"repeats", end.loop->repeats}});
    }

    void send_whole(const AnswerEnd& end, std::string_view reason, const Json& stopped) {
        Json whole = message(blocks_.content(), reason, stopped, end.usage);
        add_loop(end, whole);
        add_cache_report(end, whole);
        warnings_.insert(warnings_.end(), end.reply.warnings.begin(), end.reply.warnings.end());
        add_anthropic_warnings(whole, warnings_);
        reply_.send(200, "application/json", whole.dump(), anthropic_headers(reply_));
    }

    void write(const std::vector<Json>& events) {
        std::string text;
        for (const Json& event : events) text += anthropic_event(event);
        if (!text.empty()) reply_.write(text);
    }

    const HttpReply reply_;
    const bool streams_;
    std::vector<std::string> warnings_;
    AnthropicBlocks blocks_;
    std::string model_;
    bool is_open_ = false;  // the stream has begun
    bool has_failed_ = false;
};

}  // namespace

std::unique_ptr<AnswerSink> anthropic_sink(HttpReply reply, AnthropicRequest asked) {
    return std::make_unique<AnthropicSink>(std::move(reply), std::move(asked));
}

}  // namespace hearth::server
