// A small validator of JSON Schema for the tests: shares no code with what it checks, and knows only what the random
// schemas use.
#pragma once

#include "base/json.h"

namespace hearth::test {

// False with the place of the first violation in `why`.
bool validates(const Json& value, const Json& schema, const Json& root, std::string& why);

}  // namespace hearth::test
