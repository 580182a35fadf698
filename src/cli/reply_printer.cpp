#include "cli/reply_printer.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "base/os.h"
#include "base/text_format.h"
#include "cli/console.h"

namespace hearth::cli {

using chat::ReplyPart;

ReplyPrinter::ReplyPrinter(const Style& style) : style_(style) {
    if (style_.formatted) markdown_.emplace(terminal_columns(STDOUT_FILENO));
}

Result<> ReplyPrinter::write_event(const Json& event) {
    return write_out(event.dump() + "\n");
}

Result<> ReplyPrinter::write_answer(std::string_view text) {
    if (text.empty()) return {};
    end_thought();
    if (markdown_) {
        const std::string out = markdown_->feed(text);
        return out.empty() ? Result<>() : write_out(out);
    }
    ends_with_newline_ = text.back() == '\n';
    return write_out(style_.terminal ? harmless_text(text) : std::string(text));
}

void ReplyPrinter::end_thought() {
    if (!is_in_thought_) return;
    is_in_thought_ = false;
    if (window_) {
        fmt::print(stderr, "{}",
                   window_->fold(fmt::format("thought for {}", duration_text(monotonic_seconds() - thought_began_))));
        std::fflush(stderr);
        window_.reset();
        return;
    }
    fmt::print(stderr, "{}\n\n", style_.colour ? "\x1b[0m" : "");
}

void ReplyPrinter::show_thought(const std::string& text) {
    if (!is_in_thought_) {
        thought_began_ = monotonic_seconds();
        if (style_.formatted) window_.emplace(terminal_columns(STDERR_FILENO), terminal_rows(STDERR_FILENO));
        if (!style_.formatted && style_.colour) fmt::print(stderr, "\x1b[2m");
    }
    is_in_thought_ = true;
    fmt::print(stderr, "{}", window_ ? window_->add(text) : text);
    std::fflush(stderr);
}

Result<> ReplyPrinter::show_part(const GuideEvent& part) {
    reply_.add(part);
    const auto event = [&](const char* type, Json::Object fields) {
        Json::Object all{{"type", type}};
        for (auto& field : fields) all.push_back(std::move(field));
        return style_.events ? write_event(std::move(all)) : Result<>();
    };
    switch (ReplyPart(part.kind)) {
        case ReplyPart::answer:
            return style_.events ? event("answer", {{"text", part.text}}) : write_answer(part.text);
        case ReplyPart::thinking:
            if (style_.events) return event("thinking", {{"text", part.text}});
            if (!style_.thoughts) return {};
            show_thought(harmless_text(part.text));
            return {};
        case ReplyPart::call_id:
            return {};
        case ReplyPart::call_name:
            return event(
                "tool_call",
                {{"index", int64_t(part.index)}, {"id", reply_.calls[size_t(part.index)].id}, {"name", part.text}});
        case ReplyPart::call_arguments:
            return event("tool_call_arguments", {{"index", int64_t(part.index)}, {"text", part.text}});
        case ReplyPart::call_end:
            return event("tool_call_end", {{"index", int64_t(part.index)}});
        case ReplyPart::call_broken:
            if (!style_.events) notices_.push_back(part.text);
            return event("tool_call_broken", {{"index", int64_t(part.index)}, {"text", part.text}});
        case ReplyPart::warning:
            if (!style_.events) warnings_.push_back(part.text);
            return event("warning", {{"text", part.text}});
        case ReplyPart::stopped:
            return event("stopped", {{"text", part.text}});
    }
    return {};
}

Result<> ReplyPrinter::show(const Event& event) {
    for (const GuideEvent& part : event.guide) TRY(show_part(part));
    return {};
}

Result<> ReplyPrinter::show_raw(const Event& event) {
    if (event.text.empty()) return {};
    return show_part({int32_t(ReplyPart::answer), 0, event.text});
}

Result<> ReplyPrinter::end(const Event& last) {
    if (style_.events) {
        const Usage& usage = last.usage;
        return write_event(Json::Object{{"type", "finish"},
                                        {"reason", name_of(last.reason)},
                                        {"prompt_tokens", usage.prompt_tokens},
                                        {"cached_tokens", usage.cached_tokens},
                                        {"generated_tokens", usage.generated_tokens}});
    }
    end_thought();
    if (markdown_ && !reply_.answer.empty()) TRY(write_out(markdown_->finish()));
    if (!ends_with_newline_ || (reply_.answer.empty() && reply_.calls.empty())) TRY(write_out("\n"));
    for (const std::string& text : notices_) notice("hearth: " + text);
    // Who stops an answer knows that it is not whole.
    if (last.reason != FinishReason::cancelled)
        for (const std::string& text : warnings_) notice("hearth: " + text);
    std::vector<chat::ReplyCall> whole;
    std::ranges::copy_if(reply_.calls, std::back_inserter(whole), &chat::ReplyCall::is_whole);
    if (style_.are_carried_out && style_.are_carried_out(whole)) return {};
    return show_calls(whole, style_.terminal);
}

Result<> show_calls(const std::vector<chat::ReplyCall>& calls, bool terminal) {
    for (const chat::ReplyCall& call : calls) {
        const auto arguments = Json::parse(call.arguments);
        const Json line = Json::Object{
            {"id", call.id}, {"name", call.name}, {"arguments", arguments ? *arguments : Json(call.arguments)}};
        const std::string text = line.dump() + "\n";
        TRY(write_out(terminal ? harmless_text(text) : text));
    }
    return {};
}

}  // namespace hearth::cli
