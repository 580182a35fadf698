#include "requests_check.h"

#include <cmath>

#include "promise.h"
#include "server/api/anthropic.h"
#include "server/api/anthropic_request.h"
#include "server/api/openai.h"
#include "server/api/openai_chat_request.h"
#include "server/api/openai_completions_request.h"

namespace hearth {

namespace {

using namespace server;

// A server without models, which is all that reading a request needs.
struct Decoders {
    std::unique_ptr<Models> models = *Models::make({});
    Workers encoders{1};
    RateLimits limits;
    ModelLoads loads{*models, encoders, 5};
    Service service{*models, loads, encoders, limits};
    ApiContext lenient{service, "fuzz", false, 100}, strict{service, "fuzz", true, 100};
};

// A request as far as all dialects have the same: what was asked, and what was not understood.
struct Read {
    std::vector<ModelRequest> requests;
    size_t warnings = 0;
};

ApiResult<Read> read_chat(const HttpRequest& http, const ApiContext& api) {
    OpenaiChatRequest asked = API_TRY(read_openai_chat(http, api));
    return Read{{std::move(asked.model)}, asked.warnings.size()};
}

ApiResult<Read> read_texts(const HttpRequest& http, const ApiContext& api) {
    CompletionsRequest asked = API_TRY(read_completions(http, api));
    return Read{std::move(asked.requests), asked.warnings.size()};
}

ApiResult<Read> read_messages(const HttpRequest& http, const ApiContext& api) {
    AnthropicRequest asked = API_TRY(read_anthropic(http, api, AnthropicPurpose::answer));
    promise(asked.model.max_tokens > 0, "an answer's length is said");
    const auto counted = read_anthropic(http, api, AnthropicPurpose::count);
    promise(counted && std::get<chat::Conversation>(counted->model.prompt).messages.dump() ==
                           std::get<chat::Conversation>(asked.model.prompt).messages.dump(),
            "what is counted is what is answered");
    return Read{{std::move(asked.model)}, asked.warnings.size()};
}

struct Dialect {
    char letter;
    ApiResult<Read> (*read)(const HttpRequest&, const ApiContext&);
    Json (*error)(const ApiError&);
};
constexpr Dialect kDialects[] = {
    {'c', read_chat, openai_error_body},
    {'t', read_texts, openai_error_body},
    {'m', read_messages, [](const ApiError& error) { return anthropic_error_body(error, "id"); }},
};

void check_conversation(const chat::Conversation& conversation) {
    promise(conversation.messages.is_array() && !conversation.messages.items().empty(), "there are messages");
    for (const Json& message : conversation.messages.items()) {
        const Json *role = message.find("role"), *content = message.find("content");
        promise(role && role->is_string(), "a message has a role");
        promise(!content || content->is_null() || content->is_string() || content->is_array(), "contents are readable");
    }
    promise(conversation.tools.is_null() || chat::Tools::read(conversation.tools), "tools can be offered");
    if (!conversation.continues_last) return;
    promise(conversation.messages.items().back().find("role")->as_string() == "assistant",
            "only what the assistant said is gone on with");
}

void check_asked(const ModelRequest& request) {
    promise(request.max_tokens != 0 && request.max_tokens >= -1, "an answer has room");
    promise(request.choices >= 1 && request.choices <= 32, "choices are counted");
    for (const std::string& stop : request.stops) promise(!stop.empty(), "no answer stops at nothing");
    promise(!request.sampling.temperature || std::isfinite(*request.sampling.temperature), "numbers are finite");
    if (const auto* conversation = std::get_if<chat::Conversation>(&request.prompt)) check_conversation(*conversation);
}

}  // namespace

bool check_request(std::string_view input) {
    static const Decoders decoders;
    if (input.empty()) return false;
    for (const Dialect& dialect : kDialects) {
        if (dialect.letter != input[0]) continue;
        HttpRequest http;
        http.body = input.substr(1);
        const auto read = dialect.read(http, decoders.lenient), strictly = dialect.read(http, decoders.strict);
        promise(read || !strictly, "strictness accepts nothing more");
        if (!read) {
            promise(read.error().status == 400 && !read.error().message.empty(), "a refusal has words");
            promise(Json::parse(dialect.error(read.error()).dump()).has_value(), "a refusal is JSON");
            return false;
        }
        promise(strictly || read->warnings > 0, "what strictness refuses is told without it");
        for (const ModelRequest& request : read->requests) check_asked(request);
        return true;
    }
    return false;
}

}  // namespace hearth
