// Keys of the API: secrets shown once, scopes, ends.
#include "store/keys.h"

#include "store_support.h"

namespace hearth::store {
namespace {

class KeysTest : public testing::Test {
protected:
    void SetUp() override {
        auto opened = Store::open(folder_);
        ASSERT_TRUE(opened) << line_of(opened);
        store_ = std::make_unique<Store>(std::move(*opened));
    }
    Keys& keys() { return store_->keys(); }
    AddedKey add(const NewKey& wanted) {
        auto added = keys().add(wanted, kNow);
        EXPECT_TRUE(added) << line_of(added);
        return added.value_or(AddedKey{});
    }
    KeyState state(std::string_view secret, int64_t now_ms = kNow) {
        const auto found = keys().find_by_secret(secret, now_ms);
        EXPECT_TRUE(found) << line_of(found);
        return found->state;
    }

    std::string folder_ = fresh_folder();
    std::unique_ptr<Store> store_;
};

TEST_F(KeysTest, AreFoundByTheirSecret) {
    const NewKey wanted{.name = "laptop",
                        .scopes = {Scope::infer, Scope::metrics},
                        .limits = {.requests_per_minute = 60, .tokens_per_minute = 9000, .concurrency = 2},
                        .expires_ms = kNow + 1000};
    const AddedKey added = add(wanted), other = add({.name = "other"});
    EXPECT_EQ(added.secret.size(), 79u);
    EXPECT_TRUE(added.secret.starts_with("hearth-" + added.key.id));
    EXPECT_NE(added.secret.substr(15), other.secret.substr(15));
    SetUp();
    const auto found = keys().find_by_secret(added.secret, kNow);
    ASSERT_TRUE(found) << line_of(found);
    EXPECT_EQ(found->state, KeyState::valid);
    EXPECT_EQ(found->key.id, added.key.id);
    EXPECT_EQ(found->key.name, "laptop");
    EXPECT_EQ(found->key.scopes, wanted.scopes);
    EXPECT_EQ(found->key.limits.requests_per_minute, 60);
    EXPECT_EQ(found->key.limits.tokens_per_minute, 9000);
    EXPECT_EQ(found->key.limits.concurrency, 2);
    EXPECT_EQ(found->key.created_ms, kNow);
    EXPECT_EQ(found->key.expires_ms, kNow + 1000);
    EXPECT_EQ(keys().find_by_secret(other.secret, kNow)->key.name, "other");
}

TEST_F(KeysTest, EveryCharacterOfTheSecretCounts) {
    const AddedKey added = add({.name = "one"}), other = add({.name = "other"});
    ASSERT_EQ(state(added.secret), KeyState::valid);
    for (size_t at = 0; at < added.secret.size(); ++at) {
        std::string wrong = added.secret;
        wrong[at] = wrong[at] == '0' ? '1' : '0';
        EXPECT_EQ(state(wrong), KeyState::unknown) << at;
    }
    EXPECT_EQ(state(added.secret.substr(0, 15) + other.secret.substr(15)), KeyState::unknown);
    for (const std::string& wrong :
         {std::string(), std::string("hearth-"), added.secret + "0", added.secret.substr(0, 78), " " + added.secret,
          std::string(79, '\''), std::string(79, '\0'), std::string(1 << 20, 'x')})
        EXPECT_EQ(state(wrong), KeyState::unknown) << wrong.substr(0, 100);
}

TEST_F(KeysTest, SecretsAreNotOnTheDisk) {
    const AddedKey added = add({.name = "one"});
    const std::string disk = test::read_text(store_->path()) + test::read_text(store_->path() + "-wal");
    EXPECT_TRUE(contains(disk, added.key.id));
    EXPECT_FALSE(contains(disk, added.secret.substr(15, 16)));
}

TEST_F(KeysTest, EndByRevocationAndByTime) {
    const AddedKey added = add({.name = "short", .expires_ms = kNow + 1000}), other = add({.name = "other"});
    EXPECT_EQ(state(added.secret, kNow + 999), KeyState::valid);
    EXPECT_EQ(state(added.secret, kNow + 1000), KeyState::expired);
    auto elsewhere = Store::open(folder_);  // as from another process
    ASSERT_TRUE(elsewhere && elsewhere->keys().revoke(added.key.id, kNow + 5));
    EXPECT_EQ(state(added.secret), KeyState::revoked);
    ASSERT_TRUE(keys().revoke(added.key.id, kNow + 6)) << "once more does no harm";
    EXPECT_EQ(state(other.secret), KeyState::valid);
    for (const char* unknown : {"00000000", "", "x\n", "hearth-"})
        EXPECT_EQ(kind_of(keys().revoke(unknown, kNow)), ErrorKind::not_found) << unknown;
    const auto list = keys().list();
    ASSERT_TRUE(list && list->size() == 2);
    const ApiKey& first = (*list)[0].id == added.key.id ? (*list)[0] : (*list)[1];
    EXPECT_EQ(first.revoked_ms, kNow + 5);
}

TEST_F(KeysTest, UseIsNotedOnceAMinute) {
    const AddedKey added = add({.name = "one"});
    EXPECT_EQ((*keys().list())[0].last_used_ms, 0);
    ASSERT_TRUE(keys().note_use(added.key, kNow));
    ApiKey key = keys().find_by_secret(added.secret, kNow)->key;
    EXPECT_EQ(key.last_used_ms, kNow);
    ASSERT_TRUE(keys().note_use(key, kNow + 59999));
    EXPECT_EQ((*keys().list())[0].last_used_ms, kNow);
    ASSERT_TRUE(keys().note_use(key, kNow + 60000));
    ASSERT_TRUE(keys().note_use(added.key, kNow + 1)) << "a late note";
    EXPECT_EQ((*keys().list())[0].last_used_ms, kNow + 60000);
}

TEST_F(KeysTest, WhatMakesNoSenseIsRefused) {
    const std::vector<NewKey> wrong{{.name = ""},
                                    {.name = std::string(101, 'x')},
                                    {.name = "a\nb"},
                                    {.name = "none", .scopes = {}},
                                    {.name = "limit", .limits = {.concurrency = -1}},
                                    {.name = "limit", .limits = {.tokens_per_minute = INT64_MAX}},
                                    {.name = "past", .expires_ms = kNow},
                                    {.name = "past", .expires_ms = -1}};
    for (const NewKey& one : wrong) EXPECT_EQ(kind_of(keys().add(one, kNow)), ErrorKind::bad_request) << one.name;
    EXPECT_TRUE(keys().list()->empty());
}

TEST(KeyScopes, AreWrittenAndRead) {
    const Scopes both{Scope::manage, Scope::infer};
    EXPECT_EQ(both.text(), "infer,manage");
    EXPECT_EQ(Scopes::parse("manage,infer").value(), both);
    EXPECT_TRUE(both.has(Scope::infer) && both.has(Scope::manage));
    EXPECT_FALSE(both.has(Scope::embed) || both.has(Scope::metrics));
    EXPECT_TRUE(Scopes::parse("").value().is_empty());
    for (const char* wrong : {"infer,", ",", "Infer", "infer embed", "all", "infer,,embed"})
        EXPECT_FALSE(Scopes::parse(wrong)) << wrong;
    EXPECT_EQ(Scopes::from_bits(int64_t{1} << 40 | 16 | 1), Scopes{Scope::infer});
}

}  // namespace
}  // namespace hearth::store
