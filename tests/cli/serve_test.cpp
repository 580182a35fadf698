// hearth serve as people start and stop it.
#include "cli/serving.h"
#include "server/client.h"

namespace hearth::test {
namespace {

using Serve = Serving;

TEST_F(Serve, AnswersUntilItIsToldToStop) {
    const int port = start("--model ember --ctx 256 --threads 1 --parallel 2");
    ASSERT_GT(port, 0);
    EXPECT_NE(said().find("model ember"), std::string::npos) << said();
    EXPECT_NE(said().find("memory"), std::string::npos) << said();
    const HttpAnswer answer = http_post(port, "/v1/chat/completions",
                                        R"({"messages": [{"role": "user", "content": "What is 17 + 25?"}],
                                            "temperature": 0})");
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_NE(answer.body.find("17 + 25 = 42"), std::string::npos) << answer.body;
    EXPECT_EQ(http_get(port, "/readyz").status, 200);
    kill(pid, SIGTERM);
    EXPECT_EQ(exit_code_within(5), 0) << said();
    EXPECT_FALSE(HttpClient(port).is_connected());
    EXPECT_EQ(read_text(folder / "serve.out"), "");
}

// With the same numbers as the commands, also where --ctx is more than such a model can read.
TEST_F(Serve, ModelsThatOnlyReadAreServedToo) {
    NEED_SHARED("reference/bert");
    NEED_SHARED("reference/qwen3-embedding");
    const std::string file_of[] = {fs::absolute(shared_path("reference/bert/bert-cls.gguf")),
                                   fs::absolute(shared_path("reference/qwen3-embedding/qwen3-embed.gguf"))};
    const int port =
        start("--model cls=" + file_of[0] + " --model last=" + file_of[1] + " --ctx 256 --threads 1 --parallel 2");
    ASSERT_GT(port, 0);
    for (size_t i = 0; i < 2; ++i) {
        const std::string name = i == 0 ? "cls" : "last";
        const auto line = Json::parse(hearth("embed --threads 1 " + file_of[i], "the river was calm").out);
        ASSERT_TRUE(line) << name;
        const Json answer =
            http_post(port, "/v1/embeddings", R"({"model": ")" + name + R"(", "input": "the river was calm"})").json();
        ASSERT_TRUE(answer.find("data")) << answer.dump();
        EXPECT_EQ(answer.find("data")->items()[0].find("embedding")->dump(), line->find("embedding")->dump());
    }
}

// Whoever has the last byte of an answer finds it again.
TEST_F(Serve, ResponsesOutliveAServerThatIsKilled) {
    const std::string flags = "--model ember --ctx 256 --threads 1";
    int port = start(flags);
    ASSERT_GT(port, 0);
    std::vector<std::string> ids;
    for (const char* more : {"", R"(, "stream": true)"}) {
        HttpClient client(port);
        client.send(post_request("/v1/responses",
                                 R"({"input": "What is 17 + 25?", "temperature": 0)" + std::string(more) + "}"));
        const HttpAnswer answer = client.receive();
        EXPECT_EQ(answer.status, 200) << answer.body;
        const size_t id = answer.body.find("resp_");
        ASSERT_NE(id, std::string::npos) << answer.body;
        ids.push_back(answer.body.substr(id, answer.body.find('"', id) - id));
        kill(pid, SIGKILL);
        ASSERT_GE(exit_code_within(5), 0);
        port = start(flags);
        ASSERT_GT(port, 0);
    }
    for (const std::string& id : ids) {
        const HttpAnswer found = http_get(port, "/v1/responses/" + id);
        EXPECT_EQ(found.status, 200) << found.body;
        EXPECT_NE(found.body.find("17 + 25 = 42"), std::string::npos) << found.body;
    }
    const HttpAnswer next =
        http_post(port, "/v1/responses",
                  R"({"input": "What is 2 + 3?", "temperature": 0, "previous_response_id": ")" + ids[1] + "\"}");
    EXPECT_NE(next.body.find("2 + 3 = 5"), std::string::npos) << next.body;
    kill(pid, SIGKILL);
    ASSERT_GE(exit_code_within(5), 0);
    port = start(flags + " --no-save");
    ASSERT_GT(port, 0);
    EXPECT_EQ(http_get(port, "/v1/responses/" + ids[0]).status, 404);
}

TEST_F(Serve, WhatCannotBeServedIsSaid) {
    refused("\"$H\" serve --model nothing.gguf", 1, {"no file nothing.gguf"});
    refused("\"$H\" serve --model ember --model ember --check-config --port 70000", 2, {"--port"});
    refused("\"$H\" serve --model ember --host 0.0.0.0", 1, {"--api-key-file", "--insecure"});
    refused("\"$H\" serve --model ember --host 0.0.0.0 --check-config 2>&1 >/dev/null | tail -1 >&2; false", 1,
            {"--api-key-file"});
    refused("\"$H\" serve --model ember --api-key-file missing.txt", 1, {"missing.txt"});
    refused("\"$H\" serve --model ember --no-tcp", 1, {"--unix-socket"});
    refused("HOME=$PWD \"$H\" serve --model ember --unix-socket own.sock", 1, {"own.sock", "a folder of its own"});
    refused("\"$H\" serve --model a=ember --model a=ember", 1, {"two models have the name a"});
    refused("\"$H\" serve --model ember --cache lots", 1, {"\"lots\" is no size"});
    refused("\"$H\" serve --model ember --cache-disk lots", 1, {"\"lots\" is no size"});
    refused("env -u HOME -u XDG_CACHE_HOME -u HEARTH_HOME \"$H\" serve --model ember --cache-disk 1G", 1,
            {"--cache-disk", "HEARTH_HOME"});
    fs::create_directories(folder / "odd");
    write("odd/prefixes", "x");
    for (const char* flag : {"", " --check-config 2>&1 >/dev/null | tail -1 >&2; false"})
        refused(std::string("HEARTH_HOME=odd \"$H\" serve --model ember --cache-disk 1G") + flag, 1,
                {"odd/prefixes is a file"});
    EXPECT_EQ(shell("HEARTH_HOME=new/place \"$H\" serve --model ember --cache-disk 1G --check-config").exit_code, 0);
    EXPECT_FALSE(fs::exists(folder / "new"));
    const Ran fine = hearth("serve --model x=ember --cache 8M --check-config");
    EXPECT_EQ(fine.exit_code, 0);
    EXPECT_NE(fine.err.find("can be served"), std::string::npos) << fine.err;
    EXPECT_NE(fine.err.find("x: "), std::string::npos) << fine.err;
}

}  // namespace
}  // namespace hearth::test
