// JSON in a text column: bounded on the way in, checked on the way out.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace hearth::store {

// `what` names the thing in the error: "the messages of a conversation".
Result<std::string> text_to_store(const Json& value, int64_t most_bytes, const std::string& what);
Result<Json> stored_json(const std::string& text, const std::string& what);

}  // namespace hearth::store
