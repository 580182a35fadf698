#include "cli/console.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/os.h"
#include "base/run_program.h"
#include "base/text_format.h"
#include "cli/terminal/line_writer.h"
#include "cli/terminal/typing.h"

namespace hearth::cli {

namespace {
std::atomic<int> interrupt_count = 0, interrupt_patience = 1;

void on_interrupt(int) {
    if (interrupt_count.fetch_add(1) < interrupt_patience) return;
    kill_running_program();
    restore_terminal();
    _exit(130);
}
// The terminal is gone; a tool that runs would not hear of it.
void on_hangup(int) {
    restore_terminal();
    kill_running_program();
    _exit(129);
}

// Control characters, those of one byte and the C1 set that UTF-8 writes in two (some terminals obey U+009B as ESC [).
std::string without_controls(std::string_view text, std::string_view keep) {
    std::string clean = valid_utf8(text);
    for (size_t i = 0; i < clean.size(); ++i) {
        const uint8_t byte = uint8_t(clean[i]);
        if ((byte < 0x20 || byte == 0x7F) && keep.find(clean[i]) == std::string_view::npos) clean[i] = ' ';
        if (byte == 0xC2 && uint8_t(clean[i + 1]) < 0xA0) clean[i] = clean[i + 1] = ' ';
    }
    return clean;
}
}  // namespace

std::string one_line(std::string_view text) {
    return without_controls(text, "");
}
std::string harmless_text(std::string_view text) {
    return without_controls(text, "\n\t");
}

int report(const Error& error) {
    fmt::print(stderr, "hearth: {}\n", one_line(error.line()));
    return kFailed;
}

int wrong_usage(std::string_view line) {
    fmt::print(stderr, "hearth: {}\n", one_line(line));
    return kWrongUsage;
}

namespace {
// On a terminal lines break between words.
void write_notice(std::string_view line, Style style) {
    const std::string text = one_line(line);
    if (!is_terminal(STDERR_FILENO)) {
        fmt::print(stderr, "{}\n", text);
        return;
    }
    std::string out;
    LineWriter writer(std::max(terminal_columns(STDERR_FILENO), 8), out);
    writer.begin({}, {});
    writer.text(text, style);
    writer.end();
    fmt::print(stderr, "{}", out);
}
}  // namespace

void notice(std::string_view line) {
    write_notice(line, styles::kPlain);
}

void aside(std::string_view line, bool colour) {
    write_notice(line, colour ? styles::kDim : styles::kPlain);
}

Result<std::string> read_stdin() {
    std::ostringstream text;
    text << std::cin.rdbuf();
    if (std::cin.bad()) return fail(ErrorKind::bad_file, "cannot read standard input");
    return std::move(text).str();
}

Result<std::string> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (file) text << file.rdbuf();
    if (!file)
        return fail(ErrorKind::not_found, fmt::format("cannot read {}: {}", path, std::strerror(errno)),
                    "check the path");
    return std::move(text).str();
}

Result<> write_out(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
        return fail(ErrorKind::bad_file, fmt::format("cannot write the output: {}", std::strerror(errno)));
    return {};
}

Result<> write_file(const std::string& path, std::string_view bytes) {
    std::ofstream file(path, std::ios::binary);
    file.write(bytes.data(), std::streamsize(bytes.size()));
    file.close();
    if (!file) return fail(ErrorKind::bad_file, fmt::format("cannot write {}: {}", path, std::strerror(errno)));
    return {};
}

Progress::Progress(std::string what)
    : what_(std::move(what)), started_(monotonic_seconds()), is_shown_(is_terminal(STDERR_FILENO)) {}

void Progress::update(double share, std::string_view note) {
    const double now = monotonic_seconds();
    if (!is_shown_ || now - started_ < 0.3 || now - last_drawn_ < 0.1) return;
    last_drawn_ = now;
    is_drawn_ = true;
    const double left = share > 0.01 ? (now - started_) * (1 - share) / share : 0;
    const std::string rest =
        fmt::format("{} {:.0f} %{}", note, share * 100, left > 0 ? ", " + duration_text(left) + " left" : "");
    // A line that wraps could not be wiped: of a long path the end is shown.
    const size_t room = size_t(std::max<int>(terminal_columns(STDERR_FILENO) - 1 - int(rest.size()), 10));
    const std::string what = what_.size() <= room ? what_ : "..." + what_.substr(what_.size() - room + 3);
    fmt::print(stderr, "\r\x1b[K{}{}", one_line(what), rest);
    std::fflush(stderr);
}

Progress::~Progress() {
    if (is_drawn_) fmt::print(stderr, "\r\x1b[K");
}

void catch_interrupts(int patience) {
    interrupt_patience = patience;
    remember_terminal();
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    struct sigaction hangup {};
    if (sigaction(SIGHUP, nullptr, &hangup) != 0 || hangup.sa_handler == SIG_IGN) return;  // nohup
    hangup.sa_handler = on_hangup;
    sigaction(SIGHUP, &hangup, nullptr);
    sigaction(SIGQUIT, &hangup, nullptr);
}

bool was_interrupted() {
    return interrupt_count > 0;
}
int interrupts() {
    return interrupt_count;
}
void forget_interrupt() {
    interrupt_count = 0;
}

}  // namespace hearth::cli
