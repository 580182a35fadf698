// The body of POST /v1/messages and /v1/messages/count_tokens.
#pragma once

#include <string>
#include <vector>

#include "server/api/api.h"
#include "server/request.h"

namespace hearth::server {

struct AnthropicRequest {
    ModelRequest model;
    bool streams = false;
    bool shows_thoughts = true;  // false: their blocks come empty
    std::vector<std::string> warnings;
};

enum class AnthropicPurpose : uint8_t { answer, count };  // who counts need not say how long an answer may be

ApiResult<AnthropicRequest> read_anthropic(const HttpRequest& http, const ApiContext& api, AnthropicPurpose purpose);

}  // namespace hearth::server
