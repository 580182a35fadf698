// The body of POST /v1/completions.
#pragma once

#include <string>
#include <vector>

#include "server/api/api.h"
#include "server/request.h"

namespace hearth::server {

struct CompletionsRequest {
    std::vector<ModelRequest> requests;  // one a prompt
    std::vector<std::string> prompts;    // their texts, where they are to be repeated
    int64_t choices = 1;                 // a prompt
    bool streams = false, includes_usage = false, echoes = false;
    std::vector<std::string> warnings;
};

ApiResult<CompletionsRequest> read_completions(const HttpRequest& http, const ApiContext& api);

}  // namespace hearth::server
