#include "cli/terminal/thought_window.h"

#include <fmt/format.h>

#include <algorithm>

namespace hearth::cli {

namespace {
constexpr int kThoughtRows = 6;
}

// One column stays free: what fills a line to its end is counted as a line more by some terminals.
ThoughtWindow::ThoughtWindow(int columns, int rows)
    : writer_(std::max(columns - 1, 8), laid_), rows_(size_t(std::clamp(rows - 2, 1, kThoughtRows))) {
    writer_.begin({}, {});
}

std::string ThoughtWindow::redraw() {
    std::string out;
    if (drawn_ > 1) out += fmt::format("\x1b[{}A", drawn_ - 1);
    out += "\r\x1b[J\x1b[2m";
    const bool has_part = !laid_.empty() || lines_.empty();
    const size_t whole = std::min(lines_.size(), rows_ - (has_part ? 1 : 0));
    drawn_ = 0;
    for (size_t i = lines_.size() - whole; i < lines_.size(); ++i) {
        if (drawn_++ > 0) out += '\n';
        out += lines_[i];
    }
    if (has_part) {
        if (drawn_++ > 0) out += '\n';
        out += laid_.empty() ? "thinking ..." : laid_;
    }
    return out + "\x1b[0m";
}

std::string ThoughtWindow::add(std::string_view text) {
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        writer_.text(text.substr(0, end), styles::kPlain);
        if (end == text.size()) break;
        writer_.end();
        writer_.begin({}, {});
        text.remove_prefix(end + 1);
    }
    for (size_t end; (end = laid_.find('\n')) != std::string::npos;) {
        // Empty lines are a waste of this little room.
        if (end > 0) lines_.push_back(laid_.substr(0, end));
        laid_.erase(0, end + 1);
        if (lines_.size() > rows_) lines_.pop_front();
    }
    return redraw();
}

std::string ThoughtWindow::fold(std::string_view line) {
    if (drawn_ == 0) return "";
    std::string out;
    if (drawn_ > 1) out += fmt::format("\x1b[{}A", drawn_ - 1);
    drawn_ = 0;
    return out + fmt::format("\r\x1b[J\x1b[2m{}\x1b[0m\n\n", line);
}

}  // namespace hearth::cli
