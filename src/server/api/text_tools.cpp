// POST /tokenize, /detokenize and /apply-template, as llama.cpp's server has them: what a model sees of a text.
#include <fmt/format.h>

#include <functional>
#include <memory>

#include "base/text_format.h"
#include "server/api/api.h"
#include "server/api/openai.h"
#include "server/api/openai_chat_request.h"

namespace hearth::server {

namespace {

// What is left to do once the model is there.
struct TextWork {
    std::string model;
    std::function<ApiResult<std::string>(const ServedModel&)> run;
};

Json piece_of(int32_t id, const Tokenizer& tokenizer) {
    const std::string piece = tokenizer.decode(std::span(&id, 1), true);
    if (valid_utf8(piece) == piece) return Json::Object{{"id", int64_t(id)}, {"piece", piece}};
    Json bytes = Json::array();
    for (const char byte : piece) bytes.push(int64_t(uint8_t(byte)));
    return Json::Object{{"id", int64_t(id)}, {"piece", std::move(bytes)}};
}

ApiResult<TextWork> tokenize(const HttpRequest& http, const ApiContext& api) {
    Fields fields = API_TRY(Fields::parse(http.body, api.json_depth));
    const std::string name = fields.text("model").value_or("");
    const auto content = fields.text("content"), prompt = fields.text("prompt");  // llama.cpp's word, vLLM's word
    if (!content && !prompt) fields.refuse("content", "is missing");
    if (content && prompt) fields.refuse("prompt", "and content are two names of the same: give one of them");
    const bool adds = fields.boolean("add_special").value_or(false),
               parses = fields.boolean("parse_special").value_or(true),
               wants_pieces = fields.boolean("with_pieces").value_or(false);
    const auto warnings = API_TRY(api.warnings_of(http, API_TRY(fields.finish())));
    return TextWork{name, [=, text = content ? *content : *prompt](const ServedModel& model) -> ApiResult<std::string> {
                        const Tokenizer& tokenizer = model.engine().tokenizer();
                        std::vector<int32_t> ids;
                        API_TRY(tokenizer.encode(text, {.parse_special = parses, .add_special = adds}, ids));
                        Json tokens = Json::array();
                        for (const int32_t id : ids)
                            tokens.push(wants_pieces ? piece_of(id, tokenizer) : Json(int64_t(id)));
                        Json answer = Json::Object{{"tokens", std::move(tokens)}, {"count", int64_t(ids.size())}};
                        add_warnings(answer, warnings);
                        return answer.dump();
                    }};
}

ApiResult<TextWork> detokenize(const HttpRequest& http, const ApiContext& api) {
    Fields fields = API_TRY(Fields::parse(http.body, api.json_depth));
    const std::string name = fields.text("model").value_or("");
    const Json* given = fields.list("tokens");
    if (!given && !fields.has("tokens")) fields.refuse("tokens", "is missing");
    const auto warnings = API_TRY(api.warnings_of(http, API_TRY(fields.finish())));
    return TextWork{name, [warnings, tokens = *given](const ServedModel& model) -> ApiResult<std::string> {
                        const Tokenizer& tokenizer = model.engine().tokenizer();
                        std::vector<int32_t> ids;
                        for (const Json& token : tokens.items()) {
                            const bool is_token = token.is_integer() && token.as_int(-1) >= 0 &&
                                                  token.as_int() < int64_t(tokenizer.size());
                            if (!is_token)
                                return std::unexpected(
                                    ApiError{400,
                                             fmt::format("tokens[{}] is no token of this model: ids go from 0 to {}",
                                                         ids.size(), tokenizer.size() - 1),
                                             {},
                                             "tokens"});
                            ids.push_back(int32_t(token.as_int()));
                        }
                        Json answer = Json::Object{{"content", valid_utf8(tokenizer.decode(ids, true))}};
                        add_warnings(answer, warnings);
                        return answer.dump();
                    }};
}

// Takes what /v1/chat/completions takes.
ApiResult<TextWork> apply_template(const HttpRequest& http, const ApiContext& api) {
    const auto asked = std::make_shared<OpenaiChatRequest>(API_TRY(read_openai_chat(http, api)));
    return TextWork{asked->model.model, [asked](const ServedModel& model) -> ApiResult<std::string> {
                        const chat::Prompt prompt =
                            API_TRY(API_TRY(model.chat())->prompt(std::get<chat::Conversation>(asked->model.prompt)));
                        Json answer = Json::Object{{"prompt", valid_utf8(prompt.text.text)},
                                                   {"tokens", int64_t(prompt.tokens.size())}};
                        std::vector<std::string> warnings = asked->warnings;
                        warnings.insert(warnings.end(), prompt.notes.begin(), prompt.notes.end());
                        add_warnings(answer, warnings);
                        return answer.dump();
                    }};
}

}  // namespace

void add_text_tools(Router& router, const ApiContext& api) {
    using Read = ApiResult<TextWork> (*)(const HttpRequest&, const ApiContext&);
    for (const auto& [path, read] : {std::pair<const char*, Read>{"/tokenize", tokenize},
                                     {"/detokenize", detokenize},
                                     {"/apply-template", apply_template}})
        router.add("POST", path, {store::Scope::infer, store::Scope::embed}, [&api, read = read](Call call) {
            auto work = read(call.request, api);
            if (!work) return openai_error(call.reply, work.error());
            api.service.with_model(work->model, call.identity,
                                   [reply = call.reply, run = std::move(work->run)](auto model) {
                                       if (!model) return openai_error(reply, model.error());
                                       auto answer = run(**model);
                                       if (!answer) return openai_error(reply, answer.error());
                                       reply.send(200, "application/json", std::move(*answer));
                                   });
        });
}

}  // namespace hearth::server
