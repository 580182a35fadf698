#include "cli/tools/tool_desk.h"

#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>

#include "base/os.h"
#include "cli/console.h"

namespace hearth::cli {

bool TerminalDesk::can_ask() const {
    return is_terminal(STDIN_FILENO) && is_terminal(STDERR_FILENO);
}

std::optional<std::string> TerminalDesk::ask(const std::string& question) {
    // What was typed before the question was there is no answer to it.
    tcflush(STDIN_FILENO, TCIFLUSH);
    fmt::print(stderr, "{}", one_line(question));
    std::fflush(stderr);
    std::string line;
    while (!was_interrupted()) {
        pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
        if (poll(&input, 1, 50) <= 0) continue;
        char c = 0;
        if (read(STDIN_FILENO, &c, 1) != 1) break;
        if (c == '\n') return line;
        if (line.size() < 100) line += c;
    }
    fmt::print(stderr, "\n");
    return std::nullopt;
}

void TerminalDesk::announce(const std::string& line) {
    if (announces_) aside(line, colour_);
}

void TerminalDesk::tell(const std::string& line) {
    if (was_interrupted() && can_ask()) fmt::print(stderr, "\n");  // behind the ^C
    notice(line);
}

void TerminalDesk::show_error_text(const std::string& text) {
    fmt::print(stderr, "{}{}{}", colour_ ? "\x1b[2m" : "", harmless_text(text), colour_ ? "\x1b[0m" : "");
    std::fflush(stderr);
}

bool TerminalDesk::is_stopped() const {
    return was_interrupted();
}

}  // namespace hearth::cli
