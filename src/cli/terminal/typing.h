// What is typed while an answer is written: kept for the next line, shown nowhere, so that it does not stand in the
// middle of the answer. Ctrl-C stays the signal it is.
#pragma once

#include <string>

namespace hearth::cli {

class Typing {
public:
    Typing();  // does nothing where standard input is no terminal
    ~Typing();
    Typing(const Typing&) = delete;
    Typing& operator=(const Typing&) = delete;

    void poll();
    // Enter on an empty line, or behind /stop-thinking; asked for once.
    bool take_enter();
    // The rest, without control characters.
    static std::string take_ahead();

private:
    bool is_on_ = false, was_entered_ = false;
    std::string typed_;
};

// Puts the terminal back as it was when the program began; safe in a signal handler.
void remember_terminal();
void restore_terminal();

}  // namespace hearth::cli
