// POST /v1/responses, and what was answered there: GET, DELETE, its input items.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "server/api/api.h"
#include "server/api/cache_report.h"
#include "server/api/openai.h"
#include "server/api/responses_items.h"
#include "server/api/responses_output.h"
#include "server/api/responses_request.h"

namespace hearth::server {

namespace {

class ResponseSink final : public AnswerSink {
public:
    // `keeper` outlives all answers.
    ResponseSink(HttpReply reply, ResponsesRequest asked, ResponseKeeper& keeper)
        : reply_(std::move(reply)),
          keeper_(keeper),
          asked_(std::move(asked)),
          events_(reply_, asked_.streams),
          output_(asked_.id, asked_.thoughts_are_summary, events_) {}

    void loading(double share) override {
        if (!asked_.streams) return;
        open();
        reply_.write(sse_loading(share));
    }

    void begin(const PromptInfo& info) override {
        model_ = info.model;
        asked_.warnings.insert(asked_.warnings.end(), info.notes.begin(), info.notes.end());
        if (!asked_.streams) return;
        open();
        for (const char* type : {"response.created", "response.in_progress"})
            events_.send(type, {{"response", body("in_progress")}});
    }

    void part(int64_t /*choice*/, const AnswerPart& part) override { output_.add(part); }

    void ended(int64_t /*choice*/, const AnswerEnd& end) override {
        if (end.reason == FinishReason::cancelled)
            return failed({503, "the answer was given up: the server stops", "cancelled"});
        const bool is_complete = end.reason != FinishReason::max_tokens && end.reason != FinishReason::context;
        events_.hold();
        output_.end(is_complete);
        asked_.warnings.insert(asked_.warnings.end(), end.reply.warnings.begin(), end.reply.warnings.end());
        Json answer = body(is_complete ? "completed" : "incomplete");
        answer.set("completed_at", int64_t(std::time(nullptr)));
        if (!is_complete) answer.set("incomplete_details", Json::Object{{"reason", "max_output_tokens"}});
        const AnswerUsage& usage = end.usage;
        answer.set("usage",
                   Json::Object{{"input_tokens", usage.prompt_tokens},
                                {"input_tokens_details", Json::Object{{"cached_tokens", usage.cached_tokens}}},
                                {"output_tokens", usage.generated_tokens},
                                {"output_tokens_details", Json::Object{{"reasoning_tokens", usage.thinking_tokens}}},
                                {"total_tokens", usage.prompt_tokens + usage.generated_tokens}});
        add_cache_report(end, answer);
        add_stop_details(end, answer);
        if (!asked_.is_kept) return deliver(reply_, events_, answer);
        store::StoredResponse kept{.id = asked_.id,
                                   .previous_id = asked_.previous_id,
                                   .owner = asked_.model.identity.owner,
                                   .body = answer,
                                   .input_items = std::move(asked_.input_items)};
        // Whoever has the last byte finds it again, whatever happens to this process.
        keeper_.keep(std::move(kept), [reply = reply_, events = events_, answer,
                                       warnings = asked_.warnings](const Result<>& done) mutable {
            if (!done) {
                warnings.push_back("this response could not be kept: " + done.error().line());
                answer.set("store", false);
                add_warnings(answer, warnings);
            }
            deliver(reply, events, answer);
        });
    }

    void failed(const ApiError& error) override {
        if (!is_open_) {
            ApiError told = error;
            if (told.param == "messages") told.param = "input";
            return openai_error(reply_, told);
        }
        const auto or_none = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
        events_.send("error",
                     {{"code", or_none(error.code)}, {"message", error.message}, {"param", or_none(error.param)}});
        Json answer = body("failed");
        answer.set("error", Json::Object{{"code", "server_error"}, {"message", error.message}});
        deliver(reply_, events_, answer);
    }

private:
    void open() {
        if (!std::exchange(is_open_, true)) reply_.begin_stream("text/event-stream");
    }

    Json body(std::string_view status) const {
        Json answer = Json::Object{{"id", asked_.id},
                                   {"object", "response"},
                                   {"created_at", int64_t(created_)},
                                   {"status", status},
                                   {"background", false},
                                   {"completed_at", nullptr},
                                   {"error", nullptr},
                                   {"incomplete_details", nullptr},
                                   {"model", model_},
                                   {"output", output_.items()},
                                   {"usage", nullptr},
                                   {"service_tier", "default"}};
        for (const auto& [name, value] : asked_.echoed.members()) answer.set(name, value);
        add_warnings(answer, asked_.warnings);
        return answer;
    }

    static void deliver(const HttpReply& reply, ResponseEvents& events, const Json& answer) {
        if (!events.is_on()) return reply.send(200, "application/json", answer.dump());
        events.send("response." + answer.find("status")->as_string(), {{"response", answer}});
        events.finish();
    }

    const HttpReply reply_;
    ResponseKeeper& keeper_;
    ResponsesRequest asked_;
    ResponseEvents events_;
    ResponseOutput output_;
    const std::time_t created_ = std::time(nullptr);
    std::string model_;
    bool is_open_ = false;  // the stream has begun
};

// A page of the items that a request brought, as OpenAI turns pages.
ApiResult<Json> page_of_items(const Json& items, const HttpRequest& request) {
    const std::string order = request.parameter("order").value_or("desc");
    if (order != "asc" && order != "desc")
        return std::unexpected(ApiError{400, "order must be asc or desc", {}, "order"});
    size_t limit = 20;
    if (const auto text = request.parameter("limit")) {
        const bool is_number =
            !text->empty() && text->size() <= 3 && text->find_first_not_of("0123456789") == std::string::npos;
        limit = is_number ? std::stoul(*text) : 0;
        if (limit < 1 || limit > 100)
            return std::unexpected(ApiError{400, "limit must lie between 1 and 100", {}, "limit"});
    }
    Json::Array all = items.is_array() ? items.items() : Json::Array{};
    if (order == "desc") std::ranges::reverse(all);
    size_t begin = 0;
    if (const auto after = request.parameter("after")) {
        const auto found = std::ranges::find_if(all, [&](const Json& item) { return text_of(item, "id") == *after; });
        if (found == all.end()) return std::unexpected(ApiError{400, "after names none of the items", {}, "after"});
        begin = size_t(found - all.begin()) + 1;
    }
    const size_t end = std::min(all.size(), begin + limit);
    Json page = Json::array();
    for (size_t i = begin; i < end; ++i) page.push(all[i]);
    const auto id_at = [&](size_t i) {
        const Json* id = begin < end ? all[i].find("id") : nullptr;
        return id ? *id : Json();
    };
    return Json(Json::Object{{"object", "list"},
                             {"data", std::move(page)},
                             {"first_id", id_at(begin)},
                             {"last_id", id_at(end - 1)},
                             {"has_more", end < all.size()}});
}

constexpr std::string_view kInputItems = "/input_items", kCancel = "/cancel";

ApiResult<Json> look_up_response(const Call& call, const ResponseKeeper& keeper) {
    const bool wants_items = call.name.ends_with(kInputItems);
    const std::string id = call.name.substr(0, call.name.size() - (wants_items ? kInputItems.size() : 0));
    if (const auto streams = call.request.parameter("stream"); streams && *streams == "true")
        return std::unexpected(
            ApiError{400, "stream: what is over is not streamed again; leave it away", {}, "stream"});
    auto found = API_TRY(keeper.get(id, call.identity.owner));
    if (wants_items) return page_of_items(found.input_items, call.request);
    return std::move(found.body);
}

ApiResult<Json> cancel_response(const Call& call, const ResponseKeeper& keeper) {
    if (!call.name.ends_with(kCancel))
        return std::unexpected(ApiError{404, fmt::format("there is nothing at {}", call.request.path), "not_found"});
    const std::string id = call.name.substr(0, call.name.size() - kCancel.size());
    API_TRY(keeper.get(id, call.identity.owner));
    return std::unexpected(ApiError{400,
                                    fmt::format("response {} is over, and this server runs none in the background; an "
                                                "answer on its way is given up by closing its connection",
                                                id),
                                    "not_in_background"});
}

ApiResult<Json> delete_response(const Call& call, const ResponseKeeper& keeper) {
    API_TRY(keeper.remove(call.name, call.identity.owner));
    return Json(Json::Object{{"id", call.name}, {"object", "response"}, {"deleted", true}});
}

}  // namespace

void add_openai_responses(Router& router, const ApiContext& api) {
    const auto keeper = std::make_shared<ResponseKeeper>(api.store);
    router.add("POST", "/v1/responses", {store::Scope::infer}, [&api, keeper](Call call) {
        auto asked = read_responses(call, api, *keeper);
        if (!asked) return openai_error(call.reply, asked.error());
        ModelRequest request = std::move(asked->model);
        asked->model.identity = request.identity;
        auto sink = std::make_unique<ResponseSink>(call.reply, std::move(*asked), *keeper);
        api.service.run(std::move(request), std::move(sink),
                        [&](std::function<void()> cancel) { call.reply.on_gone(std::move(cancel)); });
    });
    using Work = ApiResult<Json> (*)(const Call&, const ResponseKeeper&);
    for (const auto& [method, work] : {std::pair<const char*, Work>{"GET", look_up_response},
                                       {"DELETE", delete_response},
                                       {"POST", cancel_response}})
        router.add(method, "/v1/responses/{name}", {store::Scope::infer}, [keeper, work = work](Call call) {
            auto answer = work(call, *keeper);
            if (!answer) return openai_error(call.reply, answer.error());
            call.reply.send(200, "application/json", answer->dump());
        });
}

}  // namespace hearth::server
