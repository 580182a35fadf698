// Which bytes of a text came from people and not from a template.
#pragma once

#include <cstddef>

namespace hearth {

struct InputSpan {
    size_t begin = 0, end = 0;
    bool operator==(const InputSpan&) const = default;
};

}  // namespace hearth
