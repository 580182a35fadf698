// Tools of anybody: what the grammar of their calls lets a model write is read back as whole calls whose arguments
// satisfy the schema. Shared by the fuzzer and by the test that replays its corpus.
#pragma once

#include <string_view>

namespace hearth {

// Two bytes of choices (the family; marks spelled out, calls required, one call), then JSON: a list of tools, or the
// schema of one tool's parameters.
void check_calls(std::string_view input);

}  // namespace hearth
