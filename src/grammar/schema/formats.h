// The formats of strings that are enforced, as regular expressions over the whole text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hearth::grammar {

// Nothing: not enforced, the format is then a note for the reader as the standard says.
std::optional<std::string> expression_of_format(std::string_view name);

}  // namespace hearth::grammar
