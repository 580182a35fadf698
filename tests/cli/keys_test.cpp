// hearth keys as people use it.
#include <sys/stat.h>

#include "base/json.h"
#include "cli/command.h"

namespace hearth::test {
namespace {

class KeysCommand : public Command {
protected:
    void SetUp() override {
        Command::SetUp();
        fs::remove_all(folder / "home");
    }
    Ran keys(const std::string& words) const { return shell("HEARTH_HOME=home \"$H\" keys " + words); }
    Json listed() const {
        auto list = Json::parse(keys("list --json").out);
        EXPECT_TRUE(list);
        return list ? std::move(*list) : Json();
    }
};

TEST_F(KeysCommand, SecretsGoToStandardOutputAlone) {
    const Ran added = keys(
        "add anna --scope infer,metrics --requests-per-minute 60 --tokens-per-minute 5000 --concurrent 2 "
        "--expires 30d");
    ASSERT_EQ(added.exit_code, 0) << added.err;
    ASSERT_EQ(added.out.size(), 7u + 8 + 64 + 1) << added.out;
    EXPECT_TRUE(added.out.starts_with("hearth-"));
    EXPECT_EQ(added.out.find('\n'), added.out.size() - 1);
    const std::string id = added.out.substr(7, 8), random = added.out.substr(15, 64);
    EXPECT_EQ(added.err.find(random), std::string::npos);
    for (const char* word : {"anna", "infer,metrics", "60 requests/min", "5000 tokens/min", "2 at once", "valid until"})
        EXPECT_NE(added.err.find(word), std::string::npos) << "no " << word << " in " << added.err;
    EXPECT_NE(added.err.find(id), std::string::npos) << added.err;

    const Json list = listed();
    ASSERT_EQ(list.items().size(), 1u);
    const Json& key = list.items()[0];
    EXPECT_EQ(key.find("id")->as_string(), id);
    EXPECT_EQ(key.find("name")->as_string(), "anna");
    EXPECT_EQ(key.find("scopes")->dump(), R"(["infer","metrics"])");
    EXPECT_EQ(key.find("requests_per_minute")->as_int(), 60);
    EXPECT_EQ(key.find("concurrent")->as_int(), 2);
    EXPECT_TRUE(key.find("revoked")->is_null());
    EXPECT_EQ(keys("list --json").out.find(random), std::string::npos);
    const Ran shown = keys("list");
    EXPECT_NE(shown.out.find(id + "  anna"), std::string::npos) << shown.out;
    EXPECT_NE(shown.out.find("never used"), std::string::npos) << shown.out;

    ASSERT_EQ(keys("revoke " + id).exit_code, 0);
    EXPECT_FALSE(listed().items()[0].find("revoked")->is_null());
    EXPECT_NE(keys("list").out.find("revoked"), std::string::npos);
}

TEST_F(KeysCommand, EachChangeIsALineOfTheLog) {
    const Ran added = keys("add 'a \"quoted\" name'");
    ASSERT_EQ(added.exit_code, 0) << added.err;
    const std::string id = added.out.substr(7, 8);
    ASSERT_EQ(keys("revoke " + id).exit_code, 0);
    keys("list");
    EXPECT_NE(keys("revoke 00000000").exit_code, 0);
    const fs::path log = folder / "home" / "audit.log";
    struct stat info {};
    ASSERT_EQ(stat(log.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    const std::vector<std::string> lines = read_lines(log);
    ASSERT_EQ(lines.size(), 2u);  // what was only looked at, or failed, is no change
    const auto first = Json::parse(lines[0]), second = Json::parse(lines[1]);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->find("action")->as_string(), "keys.add");
    EXPECT_EQ(first->find("name")->as_string(), "a \"quoted\" name");
    EXPECT_EQ(first->find("id")->as_string(), id);
    EXPECT_TRUE(first->find("time")->as_string().ends_with("Z"));
    EXPECT_TRUE(first->find("by")->as_string().starts_with("command line, user "));
    EXPECT_EQ(second->find("action")->as_string(), "keys.revoke");
    EXPECT_EQ(read_text(log).find(added.out.substr(15, 64)), std::string::npos);
}

// A key that nobody got to know does not stay good.
TEST_F(KeysCommand, ASecretThatCannotBeWrittenIsRevoked) {
    const Ran added = keys("add anna >/dev/full");
    EXPECT_EQ(added.exit_code, 1);
    const Json list = listed();
    ASSERT_EQ(list.items().size(), 1u);
    EXPECT_FALSE(list.items()[0].find("revoked")->is_null());
}

TEST_F(KeysCommand, WhatIsWrongIsSaid) {
    const std::string run = "HEARTH_HOME=home \"$H\" keys ";
    refused(run + "add a --scope infer,fly", 1, {"fly", "infer, embed, metrics and manage"});
    refused(run + "add a --scope ''", 1, {"without scopes"});
    refused(run + "add a --expires tomorrow", 1, {"--expires tomorrow", "30d"});
    refused(run + "add a --expires=-1d", 1, {"--expires"});
    refused(run + "add a --expires 101y", 1, {"--expires 101y"});
    refused(run + "add ''", 1, {"name of a key"});
    refused(run + "add a --concurrent -1", 2, {"--concurrent"});
    refused(run + "revoke 12345678", 1, {"no key 12345678"});
    refused("env -u HOME -u XDG_DATA_HOME -u HEARTH_HOME \"$H\" keys add a", 1, {"HEARTH_HOME"});
    EXPECT_EQ(keys("list").out, "");
    EXPECT_EQ(listed().items().size(), 0u);
}

TEST_F(KeysCommand, ServeWantsThemOnAddressesThatOthersReach) {
    refused(
        "HEARTH_HOME=home \"$H\" serve --model ember --host 0.0.0.0 --port 0 --check-config 2>&1 >/dev/null | tail -1 "
        ">&2; false",
        1, {"hearth keys add", "--insecure"});
    ASSERT_EQ(keys("add anna").exit_code, 0);
    const Ran fine = shell("HEARTH_HOME=home \"$H\" serve --model ember --host 0.0.0.0 --port 0 --check-config");
    EXPECT_EQ(fine.exit_code, 0) << fine.err;
}

}  // namespace
}  // namespace hearth::test
