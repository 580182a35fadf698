// POST /v1/completions: texts that are continued as they stand, in OpenAI's form, whole or as a stream.
#include <fmt/format.h>

#include <ctime>
#include <mutex>

#include "base/text_format.h"
#include "server/api/api.h"
#include "server/api/cache_report.h"
#include "server/api/openai.h"
#include "server/api/openai_completions_request.h"

namespace hearth::server {

namespace {

constexpr size_t kMostPrompts = 256;
constexpr int64_t kUsualTokens = 16;  // OpenAI's default

// One prompt: a text, or token ids.
bool read_prompt(Fields& fields, const Json& json, PlainText& plain) {
    if (json.is_string()) {
        plain.text = json.as_string();
        return true;
    }
    if (!json.is_array() || json.items().empty()) {
        fields.refuse("prompt", "is neither a text, nor a list of texts, nor a list of token ids");
        return false;
    }
    for (const Json& id : json.items()) {
        if (!id.is_integer() || id.as_int(-1) < 0 || id.as_int() > INT32_MAX) {
            fields.refuse("prompt", "holds something that is no token id");
            return false;
        }
        plain.tokens.push_back(int32_t(id.as_int()));
    }
    return true;
}

std::vector<PlainText> read_prompts(Fields& fields) {
    const Json* prompt = fields.any("prompt");
    if (!prompt) {
        fields.refuse("prompt", "is missing");
        return {};
    }
    const bool is_list = prompt->is_array() && !prompt->items().empty() &&
                         (prompt->items()[0].is_string() || prompt->items()[0].is_array());
    std::vector<PlainText> prompts(is_list ? prompt->items().size() : 1);
    if (prompts.size() > kMostPrompts) {
        fields.refuse("prompt", fmt::format("lists {} prompts, {} are the most", prompts.size(), kMostPrompts));
        return {};
    }
    for (size_t i = 0; i < prompts.size(); ++i)
        if (!read_prompt(fields, is_list ? prompt->items()[i] : *prompt, prompts[i])) return {};
    return prompts;
}

}  // namespace

ApiResult<CompletionsRequest> read_completions(const HttpRequest& http, const ApiContext& api) {
    Fields fields = API_TRY(Fields::parse(http.body, api.json_depth));
    CompletionsRequest asked;
    ModelRequest common;
    common.model = fields.text("model").value_or("");
    const std::vector<PlainText> prompts = read_prompts(fields);
    read_sampling(fields, common);
    read_stops(fields, common);
    read_form(fields, common);
    read_turn(fields, common.turn);
    read_cache_report(fields, common);
    common.max_tokens = fields.integer("max_tokens", -1, INT64_MAX).value_or(kUsualTokens);
    if (common.max_tokens == 0) fields.refuse("max_tokens", "is 0; ask for at least 1 token");
    common.choices = asked.choices = fields.integer("n", 1, 32).value_or(1);
    if (fields.integer("best_of", 1, 32).value_or(common.choices) != common.choices)
        fields.refuse("best_of", "must be the same as n: answers are not ranked");
    common.logprobs = int32_t(fields.integer("logprobs", 0, 20).value_or(-1));
    asked.echoes = fields.boolean("echo").value_or(false);
    if (asked.echoes && common.logprobs >= 0) fields.refuse("logprobs", "cannot be had of the prompt; leave echo away");
    if (const auto suffix = fields.text("suffix"); suffix && !suffix->empty())
        fields.refuse("suffix", "cannot be honoured: text is continued, not filled in");
    asked.streams = fields.boolean("stream").value_or(false);
    if (auto options = fields.object("stream_options")) {
        asked.includes_usage = options->boolean("include_usage").value_or(false);
        options->ignore({"include_obfuscation"});
        if (!asked.streams) fields.refuse("stream_options", "needs \"stream\": true");
    }
    fields.ignore({"user", "cache_prompt"});
    if (common.form.kind != chat::FormRequest::Kind::any)
        fields.refuse(common.form_field, "cannot be honoured: a plain text is continued without a form");
    // Every prompt becomes a request with all that was asked beside it.
    constexpr size_t kMostCopied = size_t{64} << 20;
    size_t of_prompts = 0;
    for (const PlainText& prompt : prompts) of_prompts += prompt.text.size() + 2 * prompt.tokens.size();
    if (prompts.size() > 1 && http.body.size() - std::min(http.body.size(), of_prompts) > kMostCopied / prompts.size())
        fields.refuse("prompt", "lists many texts, and what is asked beside them is too large for so many");
    asked.warnings = API_TRY(api.warnings_of(http, API_TRY(fields.finish())));
    for (const PlainText& prompt : prompts) {
        asked.prompts.push_back(asked.echoes ? prompt.text : "");
        ModelRequest& one = asked.requests.emplace_back(common);
        one.prompt = prompt;
    }
    return asked;
}

namespace {

// All prompts of one HTTP request: their answers come at the same time and go into one reply.
class Completion {
public:
    Completion(HttpReply reply, CompletionsRequest& asked, std::string id, std::string version)
        : reply_(std::move(reply)),
          id_(std::move(id)),
          version_(std::move(version)),
          streams_(asked.streams),
          includes_usage_(asked.includes_usage),
          choices_(size_t(asked.choices)),
          echoes_(asked.echoes),
          warnings_(std::move(asked.warnings)),
          prompts_(std::move(asked.prompts)),
          answers_(prompts_.size() * choices_) {}

    void loading(double share) {
        std::lock_guard lock(mutex_);
        if (!streams_ || has_failed_) return;
        open();
        reply_.write(sse_loading(share));
    }

    void began(size_t prompt, const PromptInfo& info) {
        std::lock_guard lock(mutex_);
        if (has_failed_) return;
        warnings_.insert(warnings_.end(), info.notes.begin(), info.notes.end());
        model_ = info.model;
        if (streams_) open();
        for (size_t choice = 0; choice < choices_; ++choice) {
            Answer& answer = answers_[prompt * choices_ + choice];
            if (echoes_) answer.text = prompts_[prompt].empty() ? info.text : prompts_[prompt];
            if (streams_ && !answer.text.empty()) write(prompt * choices_ + choice, answer.text, {}, nullptr);
        }
    }

    void part(size_t prompt, int64_t choice, const AnswerPart& part) {
        std::lock_guard lock(mutex_);
        const size_t index = prompt * choices_ + size_t(choice);
        std::string text;
        for (const GuideEvent& event : part.events)
            if (chat::ReplyPart(event.kind) == chat::ReplyPart::answer) text += event.text;
        Answer& answer = answers_[index];
        if (streams_ && !has_failed_ && (!text.empty() || !part.scores.empty()))
            write(index, text, scores(part.scores, answer.offset), nullptr);
        else
            answer.scores.insert(answer.scores.end(), part.scores.begin(), part.scores.end());
        answer.text += text;
    }

    void ended(size_t prompt, int64_t choice, const AnswerEnd& end) {
        std::lock_guard lock(mutex_);
        if (has_failed_) return;
        const size_t index = prompt * choices_ + size_t(choice);
        answers_[index].end = end;
        const bool is_last = ++ended_ == answers_.size();
        if (streams_) write(index, "", {}, &end, is_last && !includes_usage_);
        if (!is_last) return;
        const Json usage = this->usage();
        if (!streams_) return send_whole(usage);
        if (includes_usage_) {
            Json chunk = object();
            chunk.set("choices", Json::array());
            chunk.set("usage", usage);
            add_cache_report(chunk);
            reply_.write(sse(chunk));
        }
        reply_.write(kSseDone);
        reply_.finish();
    }

    // True the first time: the others are to be given up.
    bool fail(const ApiError& error) {
        std::lock_guard lock(mutex_);
        if (std::exchange(has_failed_, true)) return false;
        if (!is_open_) {
            openai_error(reply_, error);
        } else {
            reply_.write(sse(openai_error_body(error)));
            reply_.write(kSseDone);
            reply_.finish();
        }
        return true;
    }

    void add_cancel(std::function<void()> cancel) {
        {
            std::lock_guard lock(mutex_);
            if (!has_failed_) return cancels_.push_back(std::move(cancel));
        }
        cancel();
    }
    bool has_failed() {
        std::lock_guard lock(mutex_);
        return has_failed_;
    }
    void cancel_all() {
        std::vector<std::function<void()>> all;
        {
            std::lock_guard lock(mutex_);
            all = cancels_;
        }
        for (const auto& cancel : all) cancel();
    }

private:
    struct Answer {
        std::string text;
        std::vector<TokenScore> scores;
        int64_t offset = 0;  // of the next token with a score, in bytes of the answer
        AnswerEnd end;
    };

    void open() {
        if (!std::exchange(is_open_, true)) reply_.begin_stream("text/event-stream");
    }

    Json object() const {
        return Json::Object{{"id", id_},
                            {"object", "text_completion"},
                            {"created", int64_t(created_)},
                            {"model", model_},
                            {"system_fingerprint", version_}};
    }

    static Json scores(const std::vector<TokenScore>& list, int64_t& offset) {
        if (list.empty()) return {};
        Json tokens = Json::array(), logprobs = Json::array(), top = Json::array(), offsets = Json::array();
        for (const TokenScore& score : list) {
            tokens.push(valid_utf8(score.bytes));
            logprobs.push(double(score.logprob));
            Json best = Json::object();
            for (const TokenScore::Alternative& one : score.top) best.set(valid_utf8(one.bytes), double(one.logprob));
            top.push(std::move(best));
            offsets.push(offset);
            offset += int64_t(score.bytes.size());
        }
        return Json::Object{{"tokens", std::move(tokens)},
                            {"token_logprobs", std::move(logprobs)},
                            {"top_logprobs", std::move(top)},
                            {"text_offset", std::move(offsets)}};
    }

    static Json choice(size_t index, std::string_view text, Json logprobs, const AnswerEnd* end) {
        Json choice = Json::Object{{"index", int64_t(index)},
                                   {"text", text},
                                   {"logprobs", std::move(logprobs)},
                                   {"finish_reason", end ? Json(openai_finish_reason(*end)) : Json()}};
        if (end) add_stop_details(*end, choice);
        return choice;
    }

    void write(size_t index, std::string_view text, Json logprobs, const AnswerEnd* end, bool is_last_chunk = false) {
        Json chunk = object();
        chunk.set("choices", Json::Array{choice(index, text, std::move(logprobs), end)});
        if (is_last_chunk) add_cache_report(chunk);
        add_warnings(chunk);
        reply_.write(sse(chunk));
    }

    // Of each prompt's first choice: it found what was known before, the others what it left.
    void add_cache_report(Json& object) const {
        Json reports = Json::array();
        for (size_t i = 0; i < answers_.size(); i += choices_)
            if (Json one = cache_report_json(answers_[i].end); !one.is_null()) reports.push(std::move(one));
        if (reports.items().empty()) return;
        object.set("cache_report", prompts_.size() == 1 ? reports.items()[0] : reports);
    }

    // Once, with the first object that goes out.
    void add_warnings(Json& object) {
        if (warnings_.empty()) return;
        Json list = Json::array();
        for (const std::string& one : warnings_) list.push(one);
        warnings_.clear();
        object.set("warnings", std::move(list));
    }

    void send_whole(const Json& usage) {
        Json list = Json::array();
        for (size_t i = 0; i < answers_.size(); ++i) {
            Answer& answer = answers_[i];
            list.push(choice(i, answer.text, scores(answer.scores, answer.offset), &answer.end));
        }
        Json whole = object();
        whole.set("choices", std::move(list));
        whole.set("usage", usage);
        add_cache_report(whole);
        add_warnings(whole);
        reply_.send(200, "application/json", whole.dump());
    }

    // Every prompt counts once, however many choices it has.
    Json usage() const {
        std::vector<AnswerUsage> all;
        for (size_t i = 0; i < answers_.size(); ++i) {
            AnswerUsage one = answers_[i].end.usage;
            if (i % choices_ != 0) one.prompt_tokens = one.cached_tokens = 0;
            all.push_back(one);
        }
        AnswerUsage sum;
        for (const AnswerUsage& one : all) {
            sum.prompt_tokens += one.prompt_tokens;
            sum.cached_tokens += one.cached_tokens;
            sum.generated_tokens += one.generated_tokens;
        }
        return openai_usage({sum});
    }

    const HttpReply reply_;
    const std::string id_, version_;
    const bool streams_, includes_usage_;
    const size_t choices_;
    const bool echoes_;
    const std::time_t created_ = std::time(nullptr);
    std::mutex mutex_;
    std::vector<std::string> warnings_;
    std::string model_;
    bool is_open_ = false;  // the stream has begun
    std::vector<std::string> prompts_;
    std::vector<Answer> answers_;
    std::vector<std::function<void()>> cancels_;
    size_t ended_ = 0;
    bool has_failed_ = false;
};

class PromptSink final : public AnswerSink {
public:
    PromptSink(std::shared_ptr<Completion> all, size_t prompt) : all_(std::move(all)), prompt_(prompt) {}

    void loading(double share) override { all_->loading(share); }
    void begin(const PromptInfo& info) override { all_->began(prompt_, info); }
    void part(int64_t choice, const AnswerPart& part) override { all_->part(prompt_, choice, part); }
    void ended(int64_t choice, const AnswerEnd& end) override {
        if (end.reason == FinishReason::cancelled)
            return failed({503, "the answer was given up: the server stops", "cancelled"});
        all_->ended(prompt_, choice, end);
    }
    void failed(const ApiError& error) override {
        if (all_->fail(error)) all_->cancel_all();
    }

private:
    const std::shared_ptr<Completion> all_;
    const size_t prompt_;
};

}  // namespace

void add_openai_completions(Router& router, const ApiContext& api) {
    router.add("POST", "/v1/completions", {store::Scope::infer}, [&api](Call call) {
        auto asked = read_completions(call.request, api);
        if (!asked) return openai_error(call.reply, asked.error());
        auto all = std::make_shared<Completion>(call.reply, *asked, "cmpl-" + call.request.id, "hearth-" + api.version);
        for (size_t prompt = 0; prompt < asked->requests.size() && !all->has_failed(); ++prompt) {
            asked->requests[prompt].identity = call.identity;
            api.service.run(std::move(asked->requests[prompt]), std::make_unique<PromptSink>(all, prompt),
                            [&](std::function<void()> cancel) { all->add_cancel(std::move(cancel)); });
        }
        // Not the answers themselves: they would keep the reply, and the reply them.
        call.reply.on_gone([weak = std::weak_ptr(all)] {
            if (const auto one = weak.lock()) one->cancel_all();
        });
    });
}

}  // namespace hearth::server
