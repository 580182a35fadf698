// The bodies of POST /api/chat and /api/generate.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/api/api.h"
#include "server/request.h"

namespace hearth::server {

struct OllamaRequest {
    ModelRequest model;
    std::string name;          // of the model, as the client wrote it
    bool is_generate = false;  // which of the two it is, and so the form of the answer
    bool streams = true;
    bool loads_only = false;                // nothing was asked
    bool unloads = false;                   // the model is not needed any more
    bool must_think = false;                // thoughts were asked for
    std::optional<int64_t> context_tokens;  // options.num_ctx
    std::vector<std::string> warnings;
};

ApiResult<OllamaRequest> read_ollama_chat(const HttpRequest& http, const ApiContext& api);
ApiResult<OllamaRequest> read_ollama_generate(const HttpRequest& http, const ApiContext& api);

}  // namespace hearth::server
