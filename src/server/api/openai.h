// What the endpoints in OpenAI's form have in common: errors, usage, and the fields that say how an answer is sampled
// and in which form it comes, with those that llama.cpp and vLLM added.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/api/api_error.h"
#include "server/api/fields.h"
#include "server/http/reply.h"
#include "server/request.h"

namespace hearth::server {

Json openai_error_body(const ApiError& error);
void openai_error(const HttpReply& reply, const ApiError& error);

// One object of a stream of server-sent events.
std::string sse(const Json& object);
// A comment for whoever waits until a model is read: clients pass over it.
std::string sse_loading(double share);
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";

void read_sampling(Fields& fields, ModelRequest& request);
void read_stops(Fields& fields, ModelRequest& request);
// response_format, json_schema, grammar, structured_outputs, guided_*: at most one of them.
void read_form(Fields& fields, ModelRequest& request);
// priority and deadline_ms: when it is to begin.
void read_turn(Fields& fields, Turn& turn);
void read_overflow(Fields& fields, ModelRequest& request);
// A level of effort: whether the model thinks, and what its template is told.
std::optional<std::string> read_reasoning_effort(Fields& fields, std::string_view name,
                                                 chat::Conversation& conversation);
// enable_thinking, thinking_budget and vLLM's chat_template_kwargs.
void read_thinking_switches(Fields& fields, ModelRequest& request, chat::Conversation& conversation);

// Of all choices together: the prompt counts once.
Json openai_usage(const std::vector<AnswerUsage>& choices);
std::string_view openai_finish_reason(const AnswerEnd& end);
Json openai_token_scores(const std::vector<TokenScore>& scores);
// Why an answer ended, where the peers' words do not say it all: adds to a choice.
void add_stop_details(const AnswerEnd& end, Json& choice);

}  // namespace hearth::server
