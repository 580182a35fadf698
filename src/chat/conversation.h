// A conversation as clients write it, in OpenAI's form.
#pragma once

#include <ctime>
#include <optional>

#include "base/json.h"

namespace hearth::chat {

struct Conversation {
    Json messages = Json::array();  // {"role", "content", "tool_calls"?, "tool_call_id"?, "reasoning_content"?, ...}
    Json tools, documents;          // lists, or null
    std::optional<bool> thinking;   // absent: as the template does by itself
    Json::Object variables;         // further ones of the template ("chat_template_kwargs")
    bool add_generation_prompt = true;
    bool continues_last = false;  // the last message is the assistant's and is to be gone on with
    std::tm now{};                // what templates show as date
};

}  // namespace hearth::chat
