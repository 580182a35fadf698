// What every dialect of the API is given, and the dialects themselves: one file and one line each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "server/api/api_error.h"
#include "server/router.h"
#include "server/service.h"

namespace hearth::store {
class Store;
}

namespace hearth::server {

class Monitor;

struct ApiContext {
    Service& service;
    std::string version;  // of the program
    bool is_strict = false;
    int json_depth = 100;
    Monitor* monitor = nullptr;
    std::shared_ptr<store::Store> store = nullptr;  // what lasts; null: nothing is kept

    // Unknown fields of a request: an error where the server or the request (header X-Hearth-Strict) is strict, else
    // warnings that go with the answer.
    ApiResult<std::vector<std::string>> warnings_of(const HttpRequest& request,
                                                    const std::vector<std::string>& unknown) const;
};

// A list in an answer, where there are any.
void add_warnings(Json& answer, const std::vector<std::string>& warnings);

void add_metrics(Router& router, const ApiContext& api);             // /metrics, /v1/hearth/status
void add_anthropic(Router& router, const ApiContext& api);           // /v1/messages and below
void add_openai_chat(Router& router, const ApiContext& api);         // /v1/chat/completions
void add_openai_completions(Router& router, const ApiContext& api);  // /v1/completions
void add_openai_models(Router& router, const ApiContext& api);       // /v1/models
void add_openai_responses(Router& router, const ApiContext& api);    // /v1/responses
void add_embeddings(Router& router, const ApiContext& api);          // /v1/embeddings
void add_rerank(Router& router, const ApiContext& api);              // /v1/rerank, /v2/rerank, /rerank
void add_ollama_chat(Router& router, const ApiContext& api);         // /api/chat, /api/generate
void add_ollama_embed(Router& router, const ApiContext& api);        // /api/embed, /api/embeddings
void add_ollama_models(Router& router, const ApiContext& api);       // /api/tags, /api/show, /api/ps, /api/version
void add_text_tools(Router& router, const ApiContext& api);          // /tokenize, /detokenize, /apply-template

}  // namespace hearth::server
