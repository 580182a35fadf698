// Saved dialogues: ids, titles, order, limits, two who save the same one.
#include "store/conversations.h"

#include <cctype>

#include "store/conversation_id.h"
#include "store/database.h"
#include "store/schema.h"
#include "store_support.h"

namespace hearth::store {
namespace {

class ConversationsTest : public testing::Test {
protected:
    void SetUp() override {
        auto opened = Store::open(folder_);
        ASSERT_TRUE(opened) << line_of(opened);
        store_ = std::make_unique<Store>(std::move(*opened));
    }
    Conversations& saved() { return store_->conversations(); }

    std::string folder_ = fresh_folder();
    std::unique_ptr<Store> store_;
};

TEST_F(ConversationsTest, ComeBackAsTheyWere) {
    Conversation one = dialogue("Why is the sky blue?");
    one.settings.set("temperature", 0.5);
    Json call = message("assistant", "Grüße \xF0\x9F\x94\xA5 \"quoted\"\n\x01");
    call.set("arguments", Json::Number{"1.0000000000000000001e5"});
    one.messages.push(call);
    ASSERT_TRUE(saved().save(one, kNow));
    EXPECT_EQ(one.title, "Why is the sky blue?");
    const auto back = saved().load(one.id);
    ASSERT_TRUE(back) << line_of(back);
    EXPECT_EQ(back->messages.dump(), one.messages.dump());
    EXPECT_EQ(back->settings.dump(), R"({"temperature":0.5})");
    EXPECT_EQ(back->title, one.title);
    EXPECT_EQ(back->model, "ember");
    EXPECT_EQ(back->created_ms, kNow);
    EXPECT_EQ(back->updated_ms, kNow);
    EXPECT_EQ(back->message_count, 3);
    EXPECT_EQ(back->revision, 1);
}

TEST_F(ConversationsTest, GoOnUnderTheirId) {
    Conversation one = dialogue("Hello");
    ASSERT_TRUE(saved().save(one, kNow));
    const std::string id = one.id;
    one.messages.push(message("user", "And then?"));
    ASSERT_TRUE(saved().save(one, kNow + 5000));
    EXPECT_EQ(one.id, id);
    SetUp();  // another process, as it were
    const auto back = saved().load(id);
    ASSERT_TRUE(back) << line_of(back);
    EXPECT_EQ(back->message_count, 3);
    EXPECT_EQ(back->created_ms, kNow);
    EXPECT_EQ(back->updated_ms, kNow + 5000);
    EXPECT_EQ(saved().list(10)->size(), 1u);
}

TEST_F(ConversationsTest, NobodyOverwritesWhatSomebodyElseSaved) {
    Conversation mine = dialogue("Hello");
    ASSERT_TRUE(saved().save(mine, kNow));
    Conversation theirs = *saved().load(mine.id);
    theirs.messages.push(message("user", "theirs"));
    ASSERT_TRUE(saved().save(theirs, kNow + 1));
    mine.messages.push(message("user", "mine"));
    const auto refused = saved().save(mine, kNow + 2);
    EXPECT_EQ(line_of(refused),
              "conversation " + mine.id + " was saved by somebody else meanwhile; save it as a new one");
    EXPECT_EQ(saved().load(mine.id)->messages.dump(), theirs.messages.dump());
    mine.id.clear();
    ASSERT_TRUE(saved().save(mine, kNow + 3));
    EXPECT_EQ(saved().list(10)->size(), 2u);
    // One that was removed meanwhile does not come back by itself.
    const std::string removed = mine.id;
    ASSERT_TRUE(saved().remove(removed));
    const auto gone = saved().save(mine, kNow + 4);
    EXPECT_EQ(line_of(gone), "conversation " + removed + " was removed meanwhile; save it as a new one to keep it");
    EXPECT_EQ(gone.error().kind, ErrorKind::not_found);
    EXPECT_EQ(saved().list(10)->size(), 1u);
    mine.id.clear();
    ASSERT_TRUE(saved().save(mine, kNow + 5));
    EXPECT_TRUE(saved().load(mine.id));
}

TEST_F(ConversationsTest, AreListedLatestFirst) {
    std::vector<std::string> ids;
    for (int i = 0; i < 4; ++i) {
        Conversation one = dialogue("question " + std::to_string(i));
        ASSERT_TRUE(saved().save(one, kNow + i * 1000));
        ids.push_back(one.id);
    }
    Conversation first = *saved().load(ids[0]);
    ASSERT_TRUE(saved().save(first, kNow + 9000));
    const auto list = saved().list(3);
    ASSERT_TRUE(list && list->size() == 3);
    EXPECT_EQ((*list)[0].id, ids[0]);
    EXPECT_EQ((*list)[1].id, ids[3]);
    EXPECT_EQ((*list)[2].title, "question 2");
    EXPECT_EQ((*list)[2].message_count, 2);
    EXPECT_EQ((**saved().latest()).id, ids[0]);
    EXPECT_TRUE(saved().list(0)->empty());
    EXPECT_TRUE(saved().list(-1)->empty());
    ASSERT_TRUE(saved().remove_all());
    EXPECT_FALSE(saved().latest()->has_value());
}

TEST_F(ConversationsTest, AreFoundByTheFirstLettersOfTheirId) {
    Conversation one = dialogue("one"), two = dialogue("two"), late = dialogue("late");
    ASSERT_TRUE(saved().save(one, kNow));
    ASSERT_TRUE(saved().save(two, kNow));
    ASSERT_TRUE(saved().save(late, kNow + int64_t{4} * 365 * 86400 * 1000));
    EXPECT_EQ(saved().load(late.id.substr(0, 1))->title, "late");
    std::string shouted = late.id;
    for (char& c : shouted) c = c == '1' ? 'l' : c == '0' ? 'O' : char(toupper(c));
    EXPECT_EQ(saved().load(shouted)->title, "late");
    const auto several = saved().load(one.id.substr(0, 6));
    EXPECT_EQ(kind_of(several), ErrorKind::bad_request);
    EXPECT_TRUE(contains(line_of(several), one.id) && contains(line_of(several), two.id)) << line_of(several);
    for (const char* unknown : {"zzzzzzzz", "", "not/an\nid", "u", "0123456789012345678901234567890123456789"}) {
        const auto none = saved().load(unknown);
        EXPECT_EQ(kind_of(none), ErrorKind::not_found) << unknown;
        EXPECT_FALSE(contains(line_of(none), "\n"));
        EXPECT_EQ(kind_of(saved().remove(unknown)), ErrorKind::not_found) << unknown;
    }
    EXPECT_FALSE(saved().remove(one.id.substr(0, 6))) << "two were meant";
    ASSERT_TRUE(saved().remove(one.id));
    EXPECT_EQ(saved().load(two.id.substr(0, 6))->title, "two");
    EXPECT_EQ(saved().list(10)->size(), 2u);
}

TEST_F(ConversationsTest, RemovedOnesLeaveTheDisk) {
    Conversation one = dialogue("my secret is under the third stone" + std::string(20000, '.'));
    ASSERT_TRUE(saved().save(one, kNow));
    ASSERT_TRUE(saved().remove(one.id));
    const std::string path = store_->path();
    EXPECT_FALSE(contains(test::read_text(path) + test::read_text(path + "-wal"), "third stone"));
}

TEST_F(ConversationsTest, OneMoreThanASecondHasIdsTakesOneOfALaterSecond) {
    Conversation first = dialogue("first"), last = dialogue("last");
    ASSERT_TRUE(saved().save(first, kNow));
    const std::string second = first.id.substr(0, 6);
    {
        auto database = Database::open(store_->path(), schema());
        ASSERT_TRUE(database) << line_of(database);
        auto all = (*database)->write();
        ASSERT_TRUE(all && all->run("WITH RECURSIVE n(i, d) AS (SELECT 0, '0123456789abcdefghjkmnpqrstvwxyz' "
                                    "UNION ALL SELECT i + 1, d FROM n WHERE i < 1023) INSERT OR IGNORE INTO "
                                    "conversations SELECT ? || substr(d, i / 32 + 1, 1) || substr(d, i % 32 + 1, 1), "
                                    "'', '', 0, 0, 1, 0, '{}', '[]' FROM n",
                                    {second}));
        ASSERT_TRUE(all->commit());
    }
    EXPECT_EQ(saved().list(2000)->size(), 1024u);
    ASSERT_TRUE(saved().save(last, kNow));
    EXPECT_GT(last.id.substr(0, 6), second);
    EXPECT_EQ(saved().list(2000)->size(), 1025u);
    const auto many = saved().load(second);
    EXPECT_TRUE(contains(line_of(many), second + "04 and more")) << line_of(many);
}

TEST_F(ConversationsTest, WhatIsTooLargeOrNoConversationIsRefused) {
    Conversation large = dialogue(std::string(65 << 20, 'x'));
    EXPECT_EQ(line_of(saved().save(large, kNow)),
              "the messages of a conversation take more than the 64 MiB that are kept");
    Conversation settings = dialogue("x");
    settings.settings.set("x", std::string(600000, '"'));  // twice as long once it is written
    EXPECT_EQ(kind_of(saved().save(settings, kNow)), ErrorKind::bad_request);
    Conversation model = dialogue("x");
    model.model = std::string(5000, 'm');
    EXPECT_EQ(kind_of(saved().save(model, kNow)), ErrorKind::bad_request);
    Conversation no_list = dialogue("x");
    no_list.messages = Json::object();
    EXPECT_EQ(kind_of(saved().save(no_list, kNow)), ErrorKind::bad_request);
    Conversation odd_id = dialogue("x");
    odd_id.id = "../x";
    EXPECT_EQ(kind_of(saved().save(odd_id, kNow)), ErrorKind::bad_request);
    Conversation deep = dialogue("x");
    for (int level = 0; level < 500; ++level) deep.messages = Json(Json::Array{std::move(deep.messages)});
    EXPECT_EQ(kind_of(saved().save(deep, kNow)), ErrorKind::bad_request) << "it could never be read again";
    EXPECT_TRUE(saved().list(10)->empty());
}

std::string title_of_question(std::string text) {
    return title_of(Json(Json::Array{message("system", "You are kind."), message("user", std::move(text))}));
}

TEST(ConversationTitle, IsOneShortLineOfTheFirstQuestion) {
    EXPECT_EQ(title_of_question("  Why\n\tis it  blue? "), "Why is it blue?");
    EXPECT_EQ(title_of_question("\x1b[31mred\x7f \xC2\x9B"
                                "1m"),
              "[31mred 1m");
    std::string words, letters;
    for (int i = 0; i < 30; ++i) words += "wörter ", letters += "äöü";
    EXPECT_EQ(title_of_question(words), "wörter wörter wörter wörter wörter wörter wörter wörter…");
    EXPECT_EQ(title_of_question(letters), letters.substr(0, 120) + "…");
    EXPECT_EQ(title_of_question(std::string(60, 'x')), std::string(60, 'x'));
    EXPECT_EQ(title_of_question(std::string(60, 'x') + " y"), std::string(60, 'x') + "…");
    EXPECT_EQ(title_of_question("\xFF"), "\xEF\xBF\xBD");
    EXPECT_EQ(title_of_question(" "), "");
    EXPECT_EQ(title_of(Json()), "");
    const auto parts =
        Json::parse(R"([{"role":"user","content":[{"type":"image"},{"type":"text","text":"What is it?"}]}])");
    EXPECT_EQ(title_of(*parts), "What is it?");
    EXPECT_EQ(title_of(*Json::parse(R"([1,{"role":7},{"role":"user"},{"role":"user","content":8}])")), "");
}

TEST(ConversationId, SortsByAge) {
    std::string before;
    for (const int64_t now :
         {int64_t{0}, int64_t{1767225601000}, kNow, kNow + 1000, kNow + 86400000, int64_t{1} << 60}) {
        const auto id = new_conversation_id(now);
        ASSERT_TRUE(id);
        EXPECT_EQ(id->size(), 8u);
        EXPECT_LT(before.substr(0, 6), id->substr(0, 6)) << now;
        EXPECT_EQ(conversation_id_from(*id), *id);
        before = *id;
    }
}

}  // namespace
}  // namespace hearth::store
