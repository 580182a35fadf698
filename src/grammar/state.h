// Where a text has got to: inside of matcher.cpp and mask.cpp only.
#pragma once

#include <vector>

#include "grammar/machine.h"

namespace hearth::grammar {

struct State {
    std::vector<Configuration> configurations;
    bool may_end = false;
    bool is_ended = false;  // by an end token
};

}  // namespace hearth::grammar
