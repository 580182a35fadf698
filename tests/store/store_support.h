// Folders and other processes for the tests of what must last.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "base/result.h"
#include "store/store.h"
#include "support/shared_data.h"

namespace hearth::store {

constexpr int64_t kNow = 1800000000000;  // in 2027

inline std::string fresh_folder() {
    static int count = 0;
    const std::string folder = test::temporary_directory() + "/store" + std::to_string(count++);
    std::filesystem::remove_all(folder);
    return folder;
}

template <class T>
std::string line_of(const Result<T>& result) {
    return result ? "" : result.error().line();
}

template <class T>
ErrorKind kind_of(const Result<T>& result) {
    EXPECT_FALSE(result);
    return result ? ErrorKind::cancelled : result.error().kind;
}

inline bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

// Another process that runs `work`; what it writes to the descriptor can be read from `output`.
struct Child {
    explicit Child(const std::function<void(int output)>& work) {
        int ends[2];
        if (pipe(ends) != 0) return;
        process = fork();
        if (process == 0) {
            close(ends[0]);
            work(ends[1]);
            _exit(0);
        }
        close(ends[1]);
        output = ends[0];
    }
    ~Child() {
        if (output >= 0) close(output);
    }
    // All it writes until it ends, and how it ended.
    std::string finish() {
        std::string text;
        char buffer[4096];
        for (ssize_t got; (got = read(output, buffer, sizeof buffer)) > 0;) text.append(buffer, size_t(got));
        waitpid(process, &status, 0);
        return text;
    }
    bool ended_well() const { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }

    pid_t process = -1;
    int output = -1;
    int status = -1;
};

inline void say(int output, const std::string& text) {
    if (write(output, text.data(), text.size()) < 0) _exit(3);
}

inline Json message(const char* role, std::string text) {
    Json entry = Json::object();
    entry.set("role", role);
    entry.set("content", std::move(text));
    return entry;
}

inline Conversation dialogue(std::string question) {
    Conversation conversation;
    conversation.model = "ember";
    conversation.messages.push(message("user", std::move(question)));
    conversation.messages.push(message("assistant", "Yes."));
    return conversation;
}

}  // namespace hearth::store
