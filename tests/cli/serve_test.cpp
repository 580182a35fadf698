// hearth serve as people start and stop it.
#include <signal.h>

#include <chrono>
#include <thread>

#include "cli/command.h"
#include "server/client.h"

namespace hearth::test {
namespace {

class Serve : public Command {
protected:
    // Starts it in the background; its port, once it listens.
    int start(const std::string& flags) {
        std::ofstream(folder / "serve.txt").close();
        shell("\"$H\" serve --port 0 " + flags + " >serve.out 2>serve.txt & echo $! >serve.pid");
        pid = std::stoi(read_text(folder / "serve.pid"));
        for (int i = 0; i < 1000; ++i) {
            const std::string said = read_text(folder / "serve.txt");
            const size_t found = said.find("listening on http://127.0.0.1:");
            if (found != std::string::npos && said.find('\n', found) != std::string::npos)
                return std::stoi(said.substr(found + 30));
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        ADD_FAILURE() << read_text(folder / "serve.txt");
        return 0;
    }
    bool ends_within(double seconds) const {
        for (int i = 0; i < int(seconds * 100); ++i) {
            if (kill(pid, 0) != 0) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return false;
    }
    void TearDown() override {
        if (pid > 0 && kill(pid, 0) == 0) kill(pid, SIGKILL);
    }
    int pid = 0;
};

TEST_F(Serve, AnswersUntilItIsToldToStop) {
    const int port = start("--model ember --ctx 256 --threads 1 --parallel 2");
    ASSERT_GT(port, 0);
    const std::string said = read_text(folder / "serve.txt");
    EXPECT_NE(said.find("model ember"), std::string::npos) << said;
    EXPECT_NE(said.find("memory"), std::string::npos) << said;
    const HttpAnswer answer = http_post(port, "/v1/chat/completions",
                                        R"({"messages": [{"role": "user", "content": "What is 17 + 25?"}],
                                            "temperature": 0})");
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_NE(answer.body.find("17 + 25 = 42"), std::string::npos) << answer.body;
    EXPECT_EQ(http_get(port, "/readyz").status, 200);
    kill(pid, SIGTERM);
    EXPECT_TRUE(ends_within(5)) << read_text(folder / "serve.txt");
    EXPECT_FALSE(HttpClient(port).is_connected());
    EXPECT_EQ(read_text(folder / "serve.out"), "");
}

TEST_F(Serve, WhatCannotBeServedIsSaid) {
    refused("\"$H\" serve --model nothing.gguf", 1, {"no file nothing.gguf"});
    refused("\"$H\" serve --model ember --model ember --check-config --port 70000", 2, {"--port"});
    refused("\"$H\" serve --model ember --host 0.0.0.0", 1, {"--api-key-file", "--insecure"});
    refused("\"$H\" serve --model ember --host 0.0.0.0 --check-config 2>&1 >/dev/null | tail -1 >&2; false", 1,
            {"--api-key-file"});
    refused("\"$H\" serve --model ember --api-key-file missing.txt", 1, {"missing.txt"});
    refused("\"$H\" serve --model ember --no-tcp", 1, {"--unix-socket"});
    refused("\"$H\" serve --model a=ember --model a=ember", 1, {"two models have the name a"});
    refused("\"$H\" serve --model ember --cache lots --check-config", 1, {"\"lots\" is no size"});
    const Ran fine = hearth("serve --model x=ember --cache 8M --check-config");
    EXPECT_EQ(fine.exit_code, 0);
    EXPECT_NE(fine.err.find("can be served"), std::string::npos) << fine.err;
    EXPECT_NE(fine.err.find("x: "), std::string::npos) << fine.err;
}

}  // namespace
}  // namespace hearth::test
