// What compilers of grammars promise for any input: an error that says something, or masks that accept() agrees with.
#pragma once

#include <string_view>

namespace hearth {

void check_gbnf(std::string_view input);
void check_regex(std::string_view input);
// A first byte chooses the options, the rest is the schema.
void check_json_schema(std::string_view input);

}  // namespace hearth
