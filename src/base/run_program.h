// Runs another program: its words go to it as they stand (no shell reads them), text in, text out, bounded in time and
// size. It and what it started in its process group are gone when the call returns.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth {

struct ProgramCall {
    std::vector<std::string> words;  // the program first: a path where it has a slash, else looked up in PATH
    std::string directory = {};      // where it runs; empty: where we do
    std::string input = {};          // its standard input
    double timeout_seconds = 30;
    size_t output_limit_bytes = size_t{1} << 20;
    size_t error_tail_bytes = 4096;                            // of its standard error the last are kept
    std::function<bool()> is_stopped = {};                     // asked many times a second
    std::function<void(std::string_view)> on_error_text = {};  // its standard error as it comes
};

struct ProgramEnd {
    enum class Kind : uint8_t { exited, killed, timed_out, too_long, stopped } kind = Kind::exited;
    int code = 0;  // exited: its exit code; killed: the signal
    std::string output, error_tail;
};

// An error: it could not be started. Called from one thread at a time.
Result<ProgramEnd> run_program(const ProgramCall& call);

// For signal handlers that end the process: what run_program waits for does not outlive it.
void kill_running_program();

}  // namespace hearth
