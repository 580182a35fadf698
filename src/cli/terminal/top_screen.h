// The screen of `hearth top`: what a server says about itself, as lines of a terminal.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace hearth::cli {

struct TopView {
    int columns = 80, rows = 24;
    bool colour = false;
};

// `now` and `before` are answers of /v1/hearth/status; speeds come from what lies between them. At most `rows` lines,
// none wider than `columns`; what does not fit is counted in the last one.
std::vector<std::string> top_screen(const Json& now, const Json* before, const TopView& view);

}  // namespace hearth::cli
