// What a fuzzer gives is a template, then perhaps a zero byte and the variables as JSON.
#pragma once

#include <string_view>

namespace hearth {

// Parses and renders; aborts when a promise is broken.
void check_jinja(std::string_view input);

}  // namespace hearth
