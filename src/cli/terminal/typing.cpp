#include "cli/terminal/typing.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <utility>

namespace hearth::cli {

namespace {
termios at_start{};
bool is_remembered = false;
std::string typed_ahead;
}  // namespace

void remember_terminal() {
    is_remembered = tcgetattr(STDIN_FILENO, &at_start) == 0;
}

void restore_terminal() {
    if (!is_remembered) return;
    tcsetattr(STDIN_FILENO, TCSANOW, &at_start);
    static constexpr char kPlain[] = "\x1b[0m\x1b[?2004l\n";
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kPlain, sizeof kPlain - 1);
}

Typing::Typing() {
    if (!is_remembered) return;
    termios quiet = at_start;
    quiet.c_lflag &= ~tcflag_t(ICANON | ECHO);
    quiet.c_cc[VMIN] = 0;
    quiet.c_cc[VTIME] = 0;
    is_on_ = tcsetattr(STDIN_FILENO, TCSANOW, &quiet) == 0;
}

Typing::~Typing() {
    if (!is_on_) return;
    poll();
    tcsetattr(STDIN_FILENO, TCSANOW, &at_start);
    for (const char c : typed_)
        if (uint8_t(c) >= 0x20 && c != 0x7F) typed_ahead += c;
}

void Typing::poll() {
    if (!is_on_) return;
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    while (::poll(&input, 1, 0) > 0 && (input.revents & POLLIN)) {
        char bytes[256];
        const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
        if (count <= 0) break;
        for (ssize_t i = 0; i < count; ++i) {
            const char c = bytes[i];
            const bool is_enter = c == '\n' || c == '\r';
            if (is_enter && (typed_.empty() || typed_ == "/stop-thinking")) {
                was_entered_ = true;
                typed_.clear();
            } else if (c == 0x7F || c == '\b') {
                while (!typed_.empty() && (uint8_t(typed_.back()) & 0xC0) == 0x80) typed_.pop_back();
                if (!typed_.empty()) typed_.pop_back();
            } else if (c == '\x1b') {
                break;  // an arrow or another key of several bytes: of no use here
            } else if (typed_.size() < 4096) {
                typed_ += is_enter ? ' ' : c;
            }
        }
    }
}

bool Typing::take_enter() {
    return std::exchange(was_entered_, false);
}

std::string Typing::take_ahead() {
    return std::exchange(typed_ahead, {});
}

}  // namespace hearth::cli
