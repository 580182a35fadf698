// POST /v1/messages and /v1/messages/count_tokens.
#include "server/api/anthropic.h"

#include <algorithm>

#include "server/api/anthropic_answer.h"
#include "server/api/anthropic_request.h"
#include "server/prepare.h"

namespace hearth::server {

bool is_anthropic(const HttpRequest& request) {
    return request.header("anthropic-version") != nullptr;
}

namespace {

const char* anthropic_error_type(int status) {
    switch (status) {
        case 401:
            return "authentication_error";
        case 403:
            return "permission_error";
        case 404:
            return "not_found_error";
        case 413:
            return "request_too_large";
        case 429:
            return "rate_limit_error";
        case 503:
            return "overloaded_error";
    }
    return status >= 500 ? "api_error" : "invalid_request_error";
}

// The way an answer goes, up to its prompt.
ApiResult<std::string> count_tokens(const ServedModel& model, AnthropicRequest& asked) {
    const Prepared prepared = API_TRY(prepare(model, asked.model));
    Json answer = Json::Object{{"input_tokens", prepared.info.prompt_tokens}};
    asked.warnings.insert(asked.warnings.end(), prepared.info.notes.begin(), prepared.info.notes.end());
    add_anthropic_warnings(answer, asked.warnings);
    return answer.dump();
}

}  // namespace

Json anthropic_error_body(const ApiError& error, const std::string& request_id) {
    std::string message = error.message;
    // Clients that shorten a conversation and try again look for these words.
    if (error.code == "context_length_exceeded") message = "prompt is too long: " + message;
    return Json::Object{
        {"type", "error"},
        {"error", Json::Object{{"type", anthropic_error_type(error.status)}, {"message", std::move(message)}}},
        {"request_id", request_id}};
}

void anthropic_error(const HttpReply& reply, const ApiError& error) {
    std::vector<Header> headers = anthropic_headers(reply);
    if (error.status == 401) headers.push_back({"WWW-Authenticate", "Bearer"});
    if (error.status == 429 || error.status == 503)
        headers.push_back({"Retry-After", std::to_string(std::max<int64_t>(error.retry_seconds, 1))});
    reply.send(error.status, "application/json", anthropic_error_body(error, reply.id()).dump(), std::move(headers));
}

std::vector<Header> anthropic_headers(const HttpReply& reply) {
    return {{"request-id", reply.id()}};
}

std::string anthropic_event(const Json& event) {
    return "event: " + event.find("type")->as_string() + "\ndata: " + event.dump() + "\n\n";
}

void add_anthropic_warnings(Json& object, const std::vector<std::string>& warnings) {
    if (warnings.empty()) return;
    Json list = Json::array();
    for (const std::string& one : warnings) list.push(one);
    object.set("warnings", std::move(list));
}

void add_anthropic(Router& router, const ApiContext& api) {
    router.tell_errors("/v1/messages", anthropic_error);
    router.add("POST", "/v1/messages", {store::Scope::infer}, [&api](Call call) {
        auto asked = read_anthropic(call.request, api, AnthropicPurpose::answer);
        if (!asked) return anthropic_error(call.reply, asked.error());
        asked->model.identity = std::move(call.identity);
        ModelRequest request = asked->model;
        api.service.run(std::move(request), anthropic_sink(call.reply, std::move(*asked)),
                        [&](std::function<void()> cancel) { call.reply.on_gone(std::move(cancel)); });
    });
    router.add("POST", "/v1/messages/count_tokens", {store::Scope::infer}, [&api](Call call) {
        auto read = read_anthropic(call.request, api, AnthropicPurpose::count);
        if (!read) return anthropic_error(call.reply, read.error());
        const auto asked = std::make_shared<AnthropicRequest>(std::move(*read));
        api.service.with_model(asked->model.model, call.identity, [reply = call.reply, asked](auto model) {
            if (!model) return anthropic_error(reply, model.error());
            auto answer = count_tokens(**model, *asked);
            if (!answer) return anthropic_error(reply, answer.error());
            reply.send(200, "application/json", std::move(*answer), anthropic_headers(reply));
        });
    });
}

}  // namespace hearth::server
