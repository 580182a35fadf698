// Markdown on a terminal: the same bytes however the text is cut, nothing that a terminal would take for a command, and
// no more output than the text accounts for. Shared by the fuzzer and by the test that replays its corpus.
#pragma once

#include <string_view>

namespace hearth {

// A byte that chooses the width, then the text.
void check_markdown(std::string_view input);

}  // namespace hearth
