// What the endpoints in the form of Anthropic's Messages API have in common: errors, events, and who asks for that
// form.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/api/api.h"
#include "server/http/reply.h"

namespace hearth::server {

// Ids of calls begin with it in this form, and with nothing where chat templates see them.
inline constexpr std::string_view kAnthropicCallPrefix = "toolu_";

// Both forms have a /v1/models: who sends the header that Anthropic's clients must send is answered in theirs.
bool is_anthropic(const HttpRequest& request);

Json anthropic_error_body(const ApiError& error, const std::string& request_id);
void anthropic_error(const HttpReply& reply, const ApiError& error);
// With every answer, beside X-Request-Id: the name their clients look for.
std::vector<Header> anthropic_headers(const HttpReply& reply);
// A server-sent event, named by its field "type".
std::string anthropic_event(const Json& event);
void add_anthropic_warnings(Json& object, const std::vector<std::string>& warnings);  // none: nothing

// GET /v1/models and /v1/models/NAME.
void anthropic_model_list(const Call& call, const ApiContext& api);
void anthropic_model(const Call& call, const ApiContext& api);

}  // namespace hearth::server
