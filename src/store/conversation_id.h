// Names of conversations: eight letters and digits that sort by age and are hard to misread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hearth::store {

// Six digits in base 32 for the seconds since 2026, which last until 2060, and two by chance.
Result<std::string> new_conversation_id(int64_t now_ms);
// As typed by a person: capitals, and letters that look like a digit, are read as meant. Empty: no such id can exist.
std::string conversation_id_from(std::string_view typed);

}  // namespace hearth::store
