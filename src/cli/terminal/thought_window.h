// A thought on a terminal: its last few lines, dimmed, and one line once it has ended. The window is redrawn in place
// and never higher than the terminal, so that it can be taken away whole.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "cli/terminal/line_writer.h"

namespace hearth::cli {

class ThoughtWindow {
public:
    ThoughtWindow(int columns, int rows);

    // Both return what must be written to the terminal.
    std::string add(std::string_view text);  // harmless text of whole characters
    std::string fold(std::string_view line);
    bool is_open() const { return drawn_ > 0; }

private:
    std::string redraw();
    std::string laid_;  // lines that the writer has not ended yet
    LineWriter writer_;
    std::deque<std::string> lines_;
    size_t rows_;
    size_t drawn_ = 0;  // lines on the screen
};

}  // namespace hearth::cli
