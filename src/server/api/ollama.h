// What the endpoints in Ollama's form have in common: errors, names of models, times, and the fields that several of
// them take.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/json.h"
#include "server/api/api_error.h"
#include "server/api/fields.h"
#include "server/http/reply.h"
#include "server/models.h"
#include "server/request.h"

namespace hearth::server {

void ollama_error(const HttpReply& reply, const ApiError& error);  // {"error": "..."}
// One object of a stream: a line.
std::string ndjson(const Json& object);

std::string ollama_time(std::chrono::system_clock::time_point time);  // "2026-11-30T16:20:00.123456789Z"
int64_t nanoseconds(double seconds);

// Every name has a tag there: "ember" is "ember:latest".
std::string with_tag(const std::string& name);

struct OllamaName {
    std::string asked;   // as the client wrote it; it stands in the answer
    std::string served;  // as it is called here
};
// The field `model`, or `name`, which it was called earlier.
OllamaName read_ollama_model(Fields& fields, const Models& models);

// The field `options`; `context_tokens` gets the context that was asked for. What is not known there becomes a warning.
void read_ollama_options(Fields& fields, ModelRequest& request, std::optional<int64_t>& context_tokens);
// Told where another context was asked for than the model was loaded with.
std::optional<std::string> context_note(std::optional<int64_t> asked, const ServedModel& model);
// The field `keep_alive`; true: the model is to be unloaded at once.
bool read_keep_alive(Fields& fields);

}  // namespace hearth::server
