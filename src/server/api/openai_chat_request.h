// The body of POST /v1/chat/completions.
#pragma once

#include <string>
#include <vector>

#include "server/api/api.h"
#include "server/request.h"

namespace hearth::server {

struct OpenaiChatRequest {
    ModelRequest model;
    bool streams = false, includes_usage = false;
    std::vector<std::string> warnings;
};

ApiResult<OpenaiChatRequest> read_openai_chat(const HttpRequest& http, const ApiContext& api);

}  // namespace hearth::server
