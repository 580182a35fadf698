// What a served model has read is known after a restart, to whom it was known before.
#include "cli/serving.h"
#include "server/client.h"

namespace hearth::test {
namespace {

class ServeDisk : public Serving {
protected:
    void SetUp() override {
        Serving::SetUp();
        if (!IsSkipped()) fs::remove_all(folder / "place");
    }
    fs::path kept() const { return folder / "place/prefixes"; }
    int64_t files() const {
        return fs::exists(kept()) ? std::distance(fs::directory_iterator(kept()), fs::directory_iterator()) : 0;
    }
    int start_with(const std::string& flags, const std::string& limits = "") {
        return start("--model ember --ctx 4096 --threads 2 " + flags, limits + " export HEARTH_HOME=place;");
    }
    void stop() {
        kill(pid, SIGTERM);
        EXPECT_EQ(exit_code_within(20), 0) << said();
    }
    struct Answered {
        std::string text;
        int64_t prompt_tokens = 0, cached_tokens = 0;
    };
    // A long story whose last words may change.
    static Answered ask(int port, const std::string& last, const std::string& headers = "") {
        std::string story;
        for (int i = 0; i < 300; ++i) story += "The number " + std::to_string(i * 7919 % 1000) + " came by. ";
        const Json body = Json::Object{{"prompt", story + last}, {"max_tokens", 12}, {"temperature", 0}};
        const Json answer = http_post(port, "/v1/completions", body.dump(), headers).json();
        const Json* usage = answer.find("usage");
        EXPECT_TRUE(usage) << answer.dump();
        if (!usage) return {};
        return {answer.find("choices")->items()[0].find("text")->as_string(), usage->find("prompt_tokens")->as_int(),
                usage->find("prompt_tokens_details")->find("cached_tokens")->as_int()};
    }
};

TEST_F(ServeDisk, WhatWasReadIsKnownAfterARestart) {
    int port = start_with("--cache-disk 200M");
    ASSERT_GT(port, 0);
    EXPECT_EQ(ask(port, "Then all went home.").cached_tokens, 0);
    stop();
    EXPECT_EQ(files(), 1);
    EXPECT_EQ(fs::status(kept()).permissions(), fs::perms::owner_all);
    for (const auto& file : fs::directory_iterator(kept()))
        EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    // Rights that somebody gave meanwhile do not stay.
    fs::permissions(kept(), fs::perms::all);
    port = start_with("--cache-disk 200M");
    ASSERT_GT(port, 0);
    EXPECT_EQ(fs::status(kept()).permissions(), fs::perms::owner_all);
    const Answered again = ask(port, "Then it became dark and they slept.");
    EXPECT_GT(again.prompt_tokens, 1500);
    EXPECT_LE(again.prompt_tokens - again.cached_tokens, 512);
    stop();
    // The same as if nothing had been kept; and without the flag nothing is.
    port = start_with("--cache-disk 0");
    ASSERT_GT(port, 0);
    const Answered fresh = ask(port, "Then it became dark and they slept.");
    EXPECT_EQ(fresh.cached_tokens, 0);
    EXPECT_EQ(fresh.text, again.text);
    const int64_t before = files();
    stop();
    EXPECT_EQ(files(), before);
}

// A key's place in the file is another's after an edit.
TEST_F(ServeDisk, AKeyFindsItsOwnOnly) {
    write("keys.txt", "first-key\nsecond-key\n");
    const std::string flags = "--cache-disk 200M --api-key-file keys.txt";
    const std::string first = "Authorization: Bearer first-key\r\n", second = "Authorization: Bearer second-key\r\n";
    int port = start_with(flags);
    ASSERT_GT(port, 0);
    EXPECT_EQ(ask(port, "x", first).cached_tokens, 0);
    EXPECT_EQ(ask(port, "x", second).cached_tokens, 0);
    EXPECT_GT(ask(port, "y", first).cached_tokens, 0);
    stop();
    fs::remove_all(kept());
    port = start_with(flags);
    ASSERT_GT(port, 0);
    EXPECT_EQ(ask(port, "x", first).cached_tokens, 0);
    stop();
    write("keys.txt", "second-key\nfirst-key\n");
    port = start_with(flags);
    ASSERT_GT(port, 0);
    EXPECT_EQ(ask(port, "x", second).cached_tokens, 0);
    EXPECT_GT(ask(port, "x", first).cached_tokens, 1000);
}

TEST_F(ServeDisk, WhatWasKeptForARevokedKeyGoesAtTheNextStart) {
    const auto keys = [&](const std::string& words) {
        const Ran ran = shell("export HEARTH_HOME=place; \"$H\" keys " + words);
        EXPECT_EQ(ran.exit_code, 0) << ran.err;
        return ran.out.substr(0, ran.out.find('\n'));
    };
    const std::string anna = keys("add anna"), bert = keys("add bert");
    const auto bearer = [](const std::string& secret) { return "Authorization: Bearer " + secret + "\r\n"; };
    int port = start_with("--cache-disk 200M");
    ASSERT_GT(port, 0);
    EXPECT_EQ(ask(port, "x", bearer(anna)).cached_tokens, 0);
    EXPECT_EQ(ask(port, "x", bearer(bert)).cached_tokens, 0);
    // It is still known to the server, which writes it down when it ends.
    keys("revoke " + anna.substr(std::string("hearth-").size(), 8));
    stop();
    const int64_t of_both = files();
    EXPECT_GE(of_both, 2);
    port = start_with("--cache-disk 200M");
    ASSERT_GT(port, 0);
    EXPECT_NE(said().find("revoked keys is deleted"), std::string::npos) << said();
    EXPECT_EQ(files(), of_both / 2);
    EXPECT_GT(ask(port, "y", bearer(bert)).cached_tokens, 1000);
}

// No file may have more than 50 KB: to whoever writes the same as a full disk.
TEST_F(ServeDisk, AFullDiskIsToldOnceAndAnswersGoOn) {
    const int port = start_with("--cache-disk 200M --no-save", "trap '' XFSZ; ulimit -f 50;");
    ASSERT_GT(port, 0);
    for (const char* last : {"a", "b", "c"}) {
        EXPECT_FALSE(ask(port, last).text.empty());
        for (int i = 0; i < 100 && said().find("cannot be written") == std::string::npos; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    stop();
    const size_t told = said().find("cannot be written");
    ASSERT_NE(told, std::string::npos) << said();
    EXPECT_EQ(told, said().rfind("cannot be written")) << said();
    EXPECT_NE(said().find("place/prefixes"), std::string::npos) << said();
    EXPECT_EQ(files(), 0);
}

}  // namespace
}  // namespace hearth::test
