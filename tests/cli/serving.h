// hearth serve in the background, as people start and stop it.
#pragma once

#include <signal.h>

#include <chrono>
#include <thread>

#include "cli/command.h"

namespace hearth::test {

class Serving : public Command {
protected:
    // Starts it in the background; its port, once it listens. `before`: what the shell does first.
    int start(const std::string& flags, const std::string& before = "") {
        Serving::TearDown();
        for (const char* name : {"serve.txt", "serve.pid", "serve.code"}) fs::remove(folder / name);
        shell("{ (" + before + " echo $BASHPID >serve.pid; exec \"$H\" serve --port 0 " + flags +
              ") >serve.out 2>serve.txt; echo $? >serve.code; } &");
        for (int i = 0; i < 1000 && exit_code() < 0; ++i) {
            const std::string said = this->said();
            for (const std::string begin : {"listening on http://127.0.0.1:", "listening on https://127.0.0.1:"}) {
                const size_t found = said.find(begin);
                if (found == std::string::npos || said.find('\n', found) == std::string::npos) continue;
                pid = std::stoi(text_of("serve.pid"));
                return std::stoi(said.substr(found + begin.size()));
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        ADD_FAILURE() << said();
        return 0;
    }
    std::string text_of(const char* name) const { return fs::exists(folder / name) ? read_text(folder / name) : ""; }
    std::string said() const { return text_of("serve.txt"); }
    // -1: it still runs
    int exit_code() const {
        const std::string code = text_of("serve.code");
        return code.ends_with('\n') ? std::stoi(code) : -1;
    }
    int exit_code_within(double seconds) const {
        for (int i = 0; i < int(seconds * 100) && exit_code() < 0; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return exit_code();
    }
    void TearDown() override {
        const std::string last = text_of("serve.pid");
        if (last.empty() || exit_code() >= 0) return;
        kill(std::stoi(last), SIGKILL);
        exit_code_within(5);  // else its end would be taken for that of the next one
    }
    int pid = 0;
};

}  // namespace hearth::test
