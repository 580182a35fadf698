// hearth serve with --tls-cert and --tls-key, and a client that knows TLS from elsewhere.
#include "cli/serving.h"
#include "server/tls_tunnel.h"

namespace hearth::test {
namespace {

class ServeTls : public Serving {
protected:
    // What a renewal leaves: links to the latest of several pairs that lie elsewhere.
    void renew(int number, const CertificateWishes& wishes = {}) const {
        fs::create_directories(folder / "tls/archive");
        fs::create_directories(folder / "tls/live");
        const std::string name = make_certificate(folder / ("tls/archive/" + std::to_string(number)), wishes);
        for (const std::string ending : {".pem", ".key"}) {
            const fs::path link = folder / ("tls/live/server" + ending), next = folder / "tls/live/next";
            fs::create_symlink("../archive/" + std::to_string(number) + ending, next);
            fs::rename(next, link);
        }
    }
    std::string said_through_curl(int port, int trusted, const std::string& words) const {
        const Ran ran = shell("curl -sS --max-time 20 --cacert tls/archive/" + std::to_string(trusted) + ".pem " +
                              words + " https://localhost:" + std::to_string(port));
        return ran.out + ran.err;
    }
    const std::string flags_ = "--tls-cert tls/live/server.pem --tls-key tls/live/server.key";
};

TEST_F(ServeTls, AnswersCurlAndTakesRenewedCertificates) {
    if (shell("command -v curl").exit_code != 0) GTEST_SKIP() << "curl is not installed";
    renew(1);
    const int port = start(flags_ + " --model ember --ctx 256 --threads 1 --unix-socket $PWD/tls/live.sock");
    ASSERT_GT(port, 0);
    const std::string ask = R"(-N -d '{"messages": [{"role": "user", "content": "What is 17 + 25?"}],
                                 "temperature": 0, "stream": true}' --request-target /v1/chat/completions)";
    std::string answer = said_through_curl(port, 1, ask);
    EXPECT_NE(answer.find(R"("content":" 4")"), std::string::npos) << answer;
    EXPECT_NE(answer.find("data: [DONE]"), std::string::npos) << answer;
    HttpClient plain(port), local((folder / "tls/live.sock").string());
    plain.send(get_request("/livez"));
    EXPECT_EQ(plain.receive().status, 400);
    local.send(get_request("/livez"));
    EXPECT_EQ(local.receive().status, 200);

    renew(2, {.ends_s = 3 * 86400 + 3600});
    for (int i = 0; i < 300 && said().find("a new certificate is used, for 3 days") == std::string::npos; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_NE(said().find("a new certificate is used, for 3 days"), std::string::npos) << said();
    answer = said_through_curl(port, 2, "--request-target /livez");
    EXPECT_EQ(answer, "ok\n");
    answer = said_through_curl(port, 1, "--request-target /livez");
    EXPECT_NE(answer.find("certificate"), std::string::npos) << answer;
}

TEST_F(ServeTls, WhatCannotBeServedWithIsOneLineBeforeTheStart) {
    renew(1, {.ends_s = 5 * 86400 + 3600});
    make_certificate(folder / "tls/other");
    make_certificate(folder / "tls/old", {.begins_s = -7200, .ends_s = -3600});
    const std::string serve = "\"$H\" serve --port 0 --model $M ";
    refused(serve + "--tls-cert tls/live/server.pem", 1,
            {"--tls-cert and --tls-key are of no use without each other; give --tls-key FILE too"});
    refused(serve + "--tls-key tls/live/server.key", 1, {"; give --tls-cert FILE too"});
    refused(serve + "--tls-cert tls/nothing --tls-key tls/live/server.key", 1,
            {"cannot read tls/nothing: No such file or directory; check --tls-cert"});
    refused(serve + "--tls-cert tls/live/server.pem --tls-key tls/other.key", 1,
            {"the key tls/other.key is not that of the certificate tls/live/server.pem"});
    refused(serve + "--tls-cert tls/old.pem --tls-key tls/old.key", 1, {"the certificate tls/old.pem expired on 20"});
    const Ran checked = shell("HEARTH_TLS_CERT=tls/old.pem HEARTH_TLS_KEY=tls/old.key \"$H\" serve --check-config");
    EXPECT_EQ(checked.exit_code, 2);
    EXPECT_NE(checked.out.find("tls-key = \"tls/old.key\""), std::string::npos) << checked.out;
    EXPECT_NE(checked.err.find("expired on"), std::string::npos) << checked.err;
    const Ran fine = hearth("serve --check-config " + flags_);
    EXPECT_EQ(fine.exit_code, 0) << fine.err;
    EXPECT_NE(fine.err.find("the certificate tls/live/server.pem expires in 5 days"), std::string::npos) << fine.err;
}

}  // namespace
}  // namespace hearth::test
