// hearth top against a server, and where hearth serve writes its access log.
#include <chrono>
#include <thread>

#include "cli/command.h"
#include "server/ember_server.h"

namespace hearth::test {
namespace {

class Top : public Command {
protected:
    void SetUp() override {
        Command::SetUp();
        if (IsSkipped()) return;
        running = start_ember_server([&](server::ServerOptions& options) {
            options.http.unix_socket = (folder / "top.sock").string();
            options.loads_at_start = false;
        });
        ASSERT_TRUE(running);
        url = "--url http://127.0.0.1:" + std::to_string(running->port());
    }
    std::unique_ptr<server::Server> running;
    std::string url;
};

TEST_F(Top, ShowsAServerOnce) {
    http_post(running->port(), "/v1/chat/completions",
              R"({"model": "ember", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3})");
    // Standard output is no terminal here: one look.
    const Ran ran = hearth("top " + url);
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_EQ(ran.err, "");
    for (const char* piece : {"hearth test", "0 running", "0 tokens/s out", "ember", "0/4", "small", "not loaded"})
        EXPECT_NE(ran.out.find(piece), std::string::npos) << piece << " in:\n" << ran.out;
    EXPECT_EQ(ran.out.find('\x1b'), std::string::npos);
    const Ran json = hearth("top --json --url unix:top.sock");
    EXPECT_EQ(json.exit_code, 0) << json.err;
    const Json status = parsed(json.out);
    EXPECT_EQ(at(status, "models", 0, "totals", "generated_tokens").as_int(), 3);
    EXPECT_TRUE(at(status, "requests").is_array());
}

TEST_F(Top, SaysWhyItCannot) {
    refused("\"$H\" top --url http://127.0.0.1:1", 1, {"nobody answers", "hearth serve"});
    refused("\"$H\" top --url https://127.0.0.1", 1, {"TLS"});
    refused("\"$H\" top --url nonsense", 1, {"http://HOST:PORT"});
    refused("\"$H\" top --every 0", 1, {"--every"});
    refused("\"$H\" top " + url + "/elsewhere", 1, {"status 404", "hearth serve"});
    write("keys.txt", "# first\nsome-long-key\n");
    running = start_ember_server([&](server::ServerOptions& options) {
        options.loads_at_start = false;
        options.access = std::move(*server::key_file_access((folder / "keys.txt").string()));
    });
    url = "--url http://127.0.0.1:" + std::to_string(running->port());
    refused("\"$H\" top " + url, 1, {"--api-key-file"});
    const Ran ran = hearth("top --json --api-key-file keys.txt " + url);
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
}

TEST_F(Top, ServersLogWhereTheyAreTold) {
    const auto after_one_request = [&](const std::string& flags) {
        shell("\"$H\" serve --port 0 --model ember --ctx 256 --threads 1 " + flags +
              " 2>log.err >/dev/null & p=$!; for i in $(seq 1000); do grep -q listening log.err && break; sleep 0.01; "
              "done; "
              "exec 3<>/dev/tcp/127.0.0.1/$(sed -n 's/^listening.*://p' log.err); "
              "printf 'GET /v1/models HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3; cat <&3 >/dev/null; "
              "kill $p; wait $p");
        return read_text(folder / "log.err");
    };
    const std::string everything = after_one_request("");
    EXPECT_NE(everything.find(R"("path":"/v1/models","status":200)"), std::string::npos) << everything;
    EXPECT_NE(after_one_request("--log-format text").find(" GET /v1/models 200 "), std::string::npos);
    EXPECT_EQ(after_one_request("--access-log none").find("/v1/models"), std::string::npos);
    EXPECT_EQ(after_one_request("--access-log access.log").find("/v1/models"), std::string::npos);
    after_one_request("--access-log access.log");
    const std::string lines = read_text(folder / "access.log");
    EXPECT_EQ(std::ranges::count(lines, '\n'), 2) << lines;
    EXPECT_EQ(text_at(parsed(lines.substr(0, lines.find('\n'))), "path"), "/v1/models");
    refused("\"$H\" serve --model ember --access-log nowhere/x.log", 1, {"nowhere/x.log"});
    refused("\"$H\" serve --model ember --log-format xml", 2, {"--log-format"});
}

}  // namespace
}  // namespace hearth::test
