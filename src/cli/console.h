// What the terminal commands share: one line for an error, progress, Ctrl-C.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hearth::cli {

inline constexpr int kDone = 0, kFailed = 1, kWrongUsage = 2;

// "hearth: what, why, what to do" on stderr; returns the exit code.
int report(const Error& error);
int wrong_usage(std::string_view line);
// Something the user should know, on stderr.
void notice(std::string_view line);
void aside(std::string_view line, bool colour);  // the same, dimmed where colours are welcome

// Text of files and models for a terminal: valid UTF-8 without control characters, so that nobody else steers it.
std::string one_line(std::string_view text);
std::string harmless_text(std::string_view text);  // keeps line breaks and tabs

// All of stdin; an error when it is not readable.
Result<std::string> read_stdin();
Result<std::string> read_file(const std::string& path);
// Writes and checks: a full disk or a closed pipe is an error, not silence.
Result<> write_out(std::string_view text);
Result<> write_file(const std::string& path, std::string_view bytes);

// A line that redraws itself on a terminal and is silent elsewhere: "loading x.gguf 42 %, 1.2 s left". A note stands
// behind the name: "reading 9000 tokens at 812/s 42 %, 6 s left".
class Progress {
public:
    explicit Progress(std::string what);
    ~Progress();  // wipes the line
    void update(double share, std::string_view note = {});

private:
    std::string what_;
    double started_, last_drawn_ = 0;
    bool is_shown_ = false, is_drawn_ = false;
};

// From here on Ctrl-C and SIGTERM are only counted; one more than `patience` ends the process.
void catch_interrupts(int patience = 1);
bool was_interrupted();
int interrupts();
void forget_interrupt();

}  // namespace hearth::cli
