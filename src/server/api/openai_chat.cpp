// POST /v1/chat/completions: answers in OpenAI's form, whole or as a stream of chunks.
#include <fmt/format.h>

#include <ctime>

#include "server/api/api.h"
#include "server/api/cache_report.h"
#include "server/api/openai.h"
#include "server/api/openai_chat_request.h"

namespace hearth::server {

namespace {

using chat::ReplyPart;

class ChatSink final : public AnswerSink {
public:
    ChatSink(HttpReply reply, OpenaiChatRequest asked, std::string id, std::string version)
        : reply_(std::move(reply)),
          streams_(asked.streams),
          includes_usage_(asked.includes_usage),
          has_scores_(asked.model.logprobs >= 0),
          warnings_(std::move(asked.warnings)),
          id_(std::move(id)),
          version_(std::move(version)),
          choices_(size_t(asked.model.choices)) {}

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
        for (size_t i = 0; i < choices_.size(); ++i) {
            Json chunk = object("chat.completion.chunk");
            chunk.set("choices", Json::Array{choice(i, Json::Object{{"role", "assistant"}, {"content", ""}}, nullptr)});
            if (i == 0) add_warnings(chunk, warnings_);
            write(chunk);
        }
    }

    void part(int64_t index, const AnswerPart& part) override {
        Choice& one = choices_[size_t(index)];
        one.scores.insert(one.scores.end(), part.scores.begin(), part.scores.end());
        if (!streams_) return;
        for (const GuideEvent& event : part.events)
            if (Json delta = delta_of(event, one); !delta.is_null()) write_delta(size_t(index), std::move(delta));
        if (!one.scores.empty()) write_delta(size_t(index), Json::Object{{"content", ""}});
    }

    void ended(int64_t index, const AnswerEnd& end) override {
        if (end.reason == FinishReason::cancelled)
            return failed({503, "the answer was given up: the server stops", "cancelled"});
        Choice& one = choices_[size_t(index)];
        one.end = end;
        const bool is_last = ++ended_ == choices_.size();
        if (streams_) write_end(size_t(index), end, is_last && !includes_usage_);
        if (!is_last || has_failed_) return;
        std::vector<AnswerUsage> usage;
        for (const Choice& choice : choices_) usage.push_back(choice.end.usage);
        if (streams_) {
            if (includes_usage_) {
                Json chunk = object("chat.completion.chunk");
                chunk.set("choices", Json::array());
                chunk.set("usage", openai_usage(usage));
                add_cache_report(choices_[0].end, chunk);
                write(chunk);
            }
            reply_.write(kSseDone);
            return reply_.finish();
        }
        send_whole(usage);
    }

    void failed(const ApiError& error) override {
        if (std::exchange(has_failed_, true)) return;
        if (!is_open_) return openai_error(reply_, error);
        reply_.write(sse(openai_error_body(error)));
        reply_.write(kSseDone);
        reply_.finish();
    }

private:
    struct Choice {
        std::vector<TokenScore> scores;  // not yet sent
        std::string call_id;             // of the call whose name comes next
        AnswerEnd end;
    };

    void open() {
        if (!std::exchange(is_open_, true)) reply_.begin_stream("text/event-stream");
    }

    Json object(const char* kind) const {
        return Json::Object{{"id", id_},
                            {"object", kind},
                            {"created", int64_t(created_)},
                            {"model", model_},
                            {"system_fingerprint", version_}};
    }

    // A delta or a message as a choice.
    Json choice(size_t index, Json content, const char* finish_reason) const {
        return Json::Object{{"index", int64_t(index)},
                            {streams_ ? "delta" : "message", std::move(content)},
                            {"logprobs", nullptr},
                            {"finish_reason", finish_reason ? Json(finish_reason) : Json()}};
    }

    void add_scores(Choice& one, Json& choice) const {
        if (!has_scores_ || one.scores.empty()) return;
        choice.set("logprobs",
                   Json::Object{{"content", openai_token_scores(std::exchange(one.scores, {}))}, {"refusal", nullptr}});
    }

    // Null where an event says nothing in this form.
    static Json delta_of(const GuideEvent& event, Choice& one) {
        switch (ReplyPart(event.kind)) {
            case ReplyPart::answer:
                return Json::Object{{"content", event.text}};
            case ReplyPart::thinking:
                return Json::Object{{"reasoning_content", event.text}};
            case ReplyPart::call_id:
                one.call_id = event.text;
                return {};
            case ReplyPart::call_name:
                return call_delta(Json::Object{
                    {"index", int64_t(event.index)},
                    {"id", std::exchange(one.call_id, {})},
                    {"type", "function"},
                    {"function", Json::Object{{"name", event.text}, {"arguments", ""}}},
                });
            case ReplyPart::call_arguments:
                return call_delta(Json::Object{{"index", int64_t(event.index)},
                                               {"function", Json::Object{{"arguments", event.text}}}});
            case ReplyPart::call_end:
            case ReplyPart::call_broken:
            case ReplyPart::stopped:
            case ReplyPart::warning:
                return {};
        }
        return {};
    }
    static Json call_delta(Json call) { return Json::Object{{"tool_calls", Json::Array{std::move(call)}}}; }

    void write(const Json& chunk) { reply_.write(sse(chunk)); }

    void write_delta(size_t index, Json delta) {
        Json entry = choice(index, std::move(delta), nullptr);
        if (entry.find("delta")->find("content")) add_scores(choices_[index], entry);
        Json chunk = object("chat.completion.chunk");
        chunk.set("choices", Json::Array{std::move(entry)});
        write(chunk);
    }

    // Of the first choice: it found what was known before, the others what it left.
    void write_end(size_t index, const AnswerEnd& end, bool is_last_chunk) {
        Json entry = choice(index, Json::object(), openai_finish_reason(end).data());
        add_stop_details(end, entry);
        Json chunk = object("chat.completion.chunk");
        chunk.set("choices", Json::Array{std::move(entry)});
        add_warnings(chunk, end.reply.warnings);
        if (is_last_chunk) add_cache_report(choices_[0].end, chunk);
        write(chunk);
    }

    void send_whole(const std::vector<AnswerUsage>& usage) {
        Json list = Json::array();
        for (size_t i = 0; i < choices_.size(); ++i) {
            Choice& one = choices_[i];
            const chat::Reply& said = one.end.reply;
            Json message = said.message();
            if (said.answer.empty() && said.has_whole_call()) message.set("content", nullptr);
            Json entry = choice(i, std::move(message), openai_finish_reason(one.end).data());
            add_scores(one, entry);
            add_stop_details(one.end, entry);
            list.push(std::move(entry));
            warnings_.insert(warnings_.end(), said.warnings.begin(), said.warnings.end());
        }
        Json answer = object("chat.completion");
        answer.set("choices", std::move(list));
        answer.set("usage", openai_usage(usage));
        add_cache_report(choices_[0].end, answer);
        add_warnings(answer, warnings_);
        reply_.send(200, "application/json", answer.dump());
    }

    const HttpReply reply_;
    const bool streams_, includes_usage_, has_scores_;
    std::vector<std::string> warnings_;
    const std::string id_, version_;
    const std::time_t created_ = std::time(nullptr);
    std::string model_;
    std::vector<Choice> choices_;
    size_t ended_ = 0;
    bool is_open_ = false;  // the stream has begun
    bool has_failed_ = false;
};

}  // namespace

void add_openai_chat(Router& router, const ApiContext& api) {
    router.add("POST", "/v1/chat/completions", {store::Scope::infer}, [&api](Call call) {
        auto asked = read_openai_chat(call.request, api);
        if (!asked) return openai_error(call.reply, asked.error());
        asked->model.identity = std::move(call.identity);
        ModelRequest request = asked->model;
        auto sink = std::make_unique<ChatSink>(call.reply, std::move(*asked), "chatcmpl-" + call.request.id,
                                               "hearth-" + api.version);
        api.service.run(std::move(request), std::move(sink),
                        [&](std::function<void()> cancel) { call.reply.on_gone(std::move(cancel)); });
    });
}

}  // namespace hearth::server
