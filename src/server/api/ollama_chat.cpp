// POST /api/chat and /api/generate: answers in Ollama's form, as a stream of lines unless a client wants them whole.
#include <fmt/format.h>

#include <mutex>

#include "base/os.h"
#include "server/api/api.h"
#include "server/api/cache_report.h"
#include "server/api/ollama.h"
#include "server/api/ollama_request.h"
#include "server/api/openai.h"

namespace hearth::server {

namespace {

using chat::ReplyPart;

// How the objects of an answer look; the two endpoints differ in where its text stands.
struct OllamaForm {
    std::string name;
    bool is_generate;

    Json object() const {
        return Json::Object{{"model", name}, {"created_at", ollama_time(std::chrono::system_clock::now())}};
    }
    Json text(std::string_view answer, std::string_view thinking, Json calls = {}) const {
        Json made = object();
        if (is_generate) {
            made.set("response", answer);
            if (!thinking.empty()) made.set("thinking", thinking);
        } else {
            Json message = Json::Object{{"role", "assistant"}, {"content", answer}};
            if (!thinking.empty()) message.set("thinking", thinking);
            if (!calls.is_null()) message.set("tool_calls", std::move(calls));
            made.set("message", std::move(message));
        }
        return made;
    }
};

Json ollama_call(const chat::ReplyCall& call) {
    auto arguments = Json::parse(call.arguments);  // bound to be an object (chat/reply.h)
    return Json::Object{{"id", call.id},
                        {"function", Json::Object{{"name", call.name},
                                                  {"arguments", arguments ? std::move(*arguments) : Json::object()}}}};
}

void begin_lines(const HttpReply& reply) {
    reply.begin_stream("application/x-ndjson");
}

// Has the stream begun, an error is a line of its own.
void tell_error(const HttpReply& reply, const ApiError& error, bool has_begun) {
    if (!has_begun) return ollama_error(reply, error);
    reply.write(ndjson(Json::Object{{"error", error.message}}));
    reply.finish();
}

// Says how far a model is while its answer waits for it. Clients read every line as a part of an answer, so these are
// parts without a word: a line of another kind, even an empty one, ends some of them with an error.
class LoadingLines {
public:
    LoadingLines(HttpReply reply, OllamaForm form) : reply_(std::move(reply)), form_(std::move(form)) {}

    void tell(double share) {
        std::lock_guard lock(mutex_);
        if (is_over_) return;
        if (!std::exchange(has_begun_, true)) begin_lines(reply_);
        Json line = form_.text("", "");
        line.set("done", false);
        line.set("loading", int(share * 100));
        reply_.write(ndjson(line));
    }
    // Nothing is told from now on. True: the stream has begun.
    bool end() {
        std::lock_guard lock(mutex_);
        is_over_ = true;
        return has_begun_;
    }

private:
    const HttpReply reply_;
    const OllamaForm form_;
    std::mutex mutex_;  // the last word may come while the model is handed over
    bool has_begun_ = false, is_over_ = false;
};

// When the request came, and what happened until its model was there.
struct OllamaStart {
    double began = 0, load_seconds = 0;
    bool has_begun = false;  // the stream
};

class OllamaSink final : public AnswerSink {
public:
    OllamaSink(HttpReply reply, OllamaRequest asked, const OllamaStart& start)
        : reply_(std::move(reply)),
          form_{std::move(asked.name), asked.is_generate},
          streams_(asked.streams),
          warnings_(std::move(asked.warnings)),
          start_(start) {}

    void begin(const PromptInfo& info) override {
        warnings_.insert(warnings_.end(), info.notes.begin(), info.notes.end());
        if (streams_ && !std::exchange(start_.has_begun, true)) begin_lines(reply_);
    }

    void part(int64_t, const AnswerPart& part) override {
        scores_.insert(scores_.end(), part.scores.begin(), part.scores.end());
        if (!streams_) return;
        for (const GuideEvent& event : part.events) take(event);
    }

    void ended(int64_t, const AnswerEnd& end) override {
        if (end.reason == FinishReason::cancelled)
            return failed({503, "the answer was given up: the server stops", "cancelled"});
        Json last;
        if (streams_) {
            last = form_.text("", "");
        } else {
            Json calls = Json::array();
            for (const chat::ReplyCall& call : end.reply.calls)
                if (call.is_whole) calls.push(ollama_call(call));
            last = form_.text(end.reply.answer, end.reply.thinking, calls.items().empty() ? Json() : std::move(calls));
        }
        last.set("done", true);
        const bool is_cut = end.reason == FinishReason::max_tokens || end.reason == FinishReason::context;
        last.set("done_reason", is_cut ? "length" : "stop");
        add_stop_details(end, last);
        add_cache_report(end, last);
        last.set("total_duration", nanoseconds(monotonic_seconds() - start_.began));
        last.set("load_duration", nanoseconds(start_.load_seconds));
        last.set("prompt_eval_count", end.usage.prompt_tokens);
        last.set("prompt_eval_duration", nanoseconds(end.usage.prompt_seconds));
        last.set("eval_count", end.usage.generated_tokens);
        last.set("eval_duration", nanoseconds(end.usage.decode_seconds));
        warnings_.insert(warnings_.end(), end.reply.warnings.begin(), end.reply.warnings.end());
        add_details(last);
        if (!streams_) return reply_.send(200, "application/json", last.dump());
        reply_.write(ndjson(last));
        reply_.finish();
    }

    void failed(const ApiError& error) override { tell_error(reply_, error, start_.has_begun); }

private:
    void take(const GuideEvent& event) {
        switch (ReplyPart(event.kind)) {
            case ReplyPart::answer:
                return write(form_.text(event.text, ""));
            case ReplyPart::thinking:
                return write(form_.text("", event.text));
            case ReplyPart::call_id:
                call_ = {.id = event.text, .name = {}, .arguments = {}};
                return;
            case ReplyPart::call_name:
                call_.name = event.text;
                return;
            case ReplyPart::call_arguments:
                call_.arguments += event.text;
                return;
            case ReplyPart::call_end:
                return write(form_.text("", "", Json::Array{ollama_call(call_)}));
            case ReplyPart::call_broken:
            case ReplyPart::stopped:
            case ReplyPart::warning:
                return;
        }
    }

    void write(Json object) {
        object.set("done", false);
        add_details(object);
        reply_.write(ndjson(object));
    }

    // Each once, with the next object that goes out.
    void add_details(Json& object) {
        if (!scores_.empty()) object.set("logprobs", openai_token_scores(std::exchange(scores_, {})));
        add_warnings(object, std::exchange(warnings_, {}));
    }

    const HttpReply reply_;
    const OllamaForm form_;
    const bool streams_;
    std::vector<std::string> warnings_;
    OllamaStart start_;
    std::vector<TokenScore> scores_;
    chat::ReplyCall call_;  // that is being written
};

// A request without a question: the model is in memory now, or has left it.
void answer_load(const HttpReply& reply, const OllamaRequest& asked, const OllamaStart& start) {
    const OllamaForm form{asked.name, asked.is_generate};
    Json answer = form.text("", "");
    answer.set("done", true);
    answer.set("done_reason", asked.unloads ? "unload" : "load");
    answer.set("total_duration", nanoseconds(monotonic_seconds() - start.began));
    answer.set("load_duration", nanoseconds(start.load_seconds));
    add_warnings(answer, asked.warnings);
    reply.send(200, "application/json", answer.dump());
}

ApiResult<> check_model(const ServedModel& model, OllamaRequest& asked) {
    if (const auto note = context_note(asked.context_tokens, model)) asked.warnings.push_back(*note);
    if (!asked.must_think) return {};
    const auto chat = API_TRY(model.chat());
    if (chat->chat_template().can_think()) return {};
    return std::unexpected(
        ApiError{400, fmt::format("{} does not support thinking; leave think away", asked.name), {}, "think"});
}

using OllamaReader = ApiResult<OllamaRequest> (*)(const HttpRequest&, const ApiContext&);

// The model is there.
void go_on(const ApiContext& api, const HttpReply& reply, OllamaRequest& asked,
           std::shared_ptr<const ServedModel> model, const OllamaStart& start) {
    if (auto fits = check_model(*model, asked); !fits) return tell_error(reply, fits.error(), start.has_begun);
    if (asked.loads_only) {
        model.reset();  // the client may ask next that it be unloaded
        return answer_load(reply, asked, start);
    }
    ModelRequest request = asked.model;
    auto sink = std::make_unique<OllamaSink>(reply, std::move(asked), start);
    api.service.run(std::move(request), std::move(sink),
                    [&](std::function<void()> cancel) { reply.on_gone(std::move(cancel)); });
}

void answer_ollama(const ApiContext& api, Call call, OllamaReader read) {
    const double began = monotonic_seconds();
    auto given = read(call.request, api);
    if (!given) return ollama_error(call.reply, given.error());
    const auto asked = std::make_shared<OllamaRequest>(std::move(*given));
    asked->model.identity = std::move(call.identity);
    const bool is_known = api.service.models().has(asked->model.model);
    if (asked->loads_only && asked->unloads && is_known)
        return api.service.unload(
            asked->model.model, asked->model.identity, [reply = call.reply, asked, began](bool is_gone) {
                if (!is_gone) asked->warnings.emplace_back("the model is in use and stays in memory; ask again later");
                answer_load(reply, *asked, {.began = began});
            });
    const auto lines = std::make_shared<LoadingLines>(call.reply, OllamaForm{asked->name, asked->is_generate});
    std::function<void(double)> progress;
    if (asked->streams && !asked->loads_only) progress = [lines](double share) { lines->tell(share); };
    api.service.with_model(
        asked->model.model, asked->model.identity,
        [&api, reply = call.reply, asked, began, lines](ApiResult<std::shared_ptr<const ServedModel>> model) {
            const OllamaStart start{
                .began = began, .load_seconds = monotonic_seconds() - began, .has_begun = lines->end()};
            if (!model) return tell_error(reply, model.error(), start.has_begun);
            go_on(api, reply, *asked, std::move(*model), start);
        },
        std::move(progress));
}

}  // namespace

void add_ollama_chat(Router& router, const ApiContext& api) {
    router.add("POST", "/api/chat", {store::Scope::infer},
               [&api](Call call) { answer_ollama(api, std::move(call), read_ollama_chat); });
    router.add("POST", "/api/generate", {store::Scope::infer},
               [&api](Call call) { answer_ollama(api, std::move(call), read_ollama_generate); });
}

}  // namespace hearth::server
