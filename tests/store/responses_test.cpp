// What a stateful API keeps: owners, times, chains.
#include "store/responses.h"

#include "store/database.h"
#include "store/schema.h"
#include "store_support.h"

namespace hearth::store {
namespace {

StoredResponse response(std::string id, std::string previous = "", std::string owner = "") {
    StoredResponse made;
    made.id = std::move(id);
    made.previous_id = std::move(previous);
    made.owner = std::move(owner);
    made.created_ms = kNow;
    made.body = Json::object();
    made.body.set("id", made.id);
    made.input_items.push(message("user", "input of " + made.id));
    return made;
}

class ResponsesTest : public testing::Test {
protected:
    void SetUp() override {
        auto opened = Store::open(fresh_folder());
        ASSERT_TRUE(opened) << line_of(opened);
        store_ = std::make_unique<Store>(std::move(*opened));
    }
    Responses& kept() { return store_->responses(); }

    std::unique_ptr<Store> store_;
};

TEST_F(ResponsesTest, ComeBackAsTheyWere) {
    StoredResponse one = response("resp_1", "resp_0", "key");
    one.expires_ms = kNow + 10;
    ASSERT_TRUE(kept().put(one));
    const auto back = kept().get("resp_1", "key", kNow);
    ASSERT_TRUE(back) << line_of(back);
    EXPECT_EQ(back->id, "resp_1");
    EXPECT_EQ(back->previous_id, "resp_0");
    EXPECT_EQ(back->owner, "key");
    EXPECT_EQ(back->created_ms, kNow);
    EXPECT_EQ(back->expires_ms, kNow + 10);
    EXPECT_EQ(back->body.dump(), one.body.dump());
    EXPECT_EQ(back->input_items.dump(), one.input_items.dump());
    one.body.set("status", "completed");
    ASSERT_TRUE(kept().put(one));
    EXPECT_EQ(kept().get("resp_1", "key", kNow)->body.dump(), one.body.dump());
}

TEST_F(ResponsesTest, BelongToTheirOwnerAlone) {
    ASSERT_TRUE(kept().put(response("resp_1", "", "mine")));
    ASSERT_TRUE(kept().put(response("resp_2", "resp_1", "theirs")));
    const std::string absent = line_of(kept().get("resp_9", "theirs", kNow));
    for (const char* stranger : {"theirs", "", "min", "Mine"}) {
        const auto seen = kept().get("resp_1", stranger, kNow);
        EXPECT_EQ(kind_of(seen), ErrorKind::not_found) << stranger;
        // Nothing tells one that is there from one that is not, but for its name.
        EXPECT_EQ(line_of(seen).size(), absent.size());
        EXPECT_EQ(kind_of(kept().remove("resp_1", stranger, kNow)), ErrorKind::not_found);
        EXPECT_EQ(kind_of(kept().put(response("resp_1", "", stranger))), ErrorKind::bad_request);
    }
    EXPECT_EQ(kind_of(kept().chain("resp_2", "theirs", kNow)), ErrorKind::not_found);
    EXPECT_TRUE(kept().get("resp_1", "mine", kNow));
    EXPECT_TRUE(kept().remove("resp_1", "mine", kNow));
    EXPECT_EQ(kind_of(kept().get("resp_1", "mine", kNow)), ErrorKind::not_found);
}

TEST_F(ResponsesTest, EndWithTheirTime) {
    {
        auto database = Database::open(store_->path(), schema());
        ASSERT_TRUE(database) << line_of(database);
        auto many = (*database)->write();
        ASSERT_TRUE(many && many->run("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 449) "
                                      "INSERT INTO responses SELECT 'resp_' || i, '', '', ?1, "
                                      "CASE WHEN i = 0 THEN 0 WHEN i < 430 THEN ?1 + 10 ELSE ?1 + 20 END, '{}', '[]' "
                                      "FROM n",
                                      {kNow}));
        ASSERT_TRUE(many->commit());
    }
    EXPECT_TRUE(kept().get("resp_1", "", kNow + 9));
    EXPECT_EQ(kind_of(kept().get("resp_1", "", kNow + 10)), ErrorKind::not_found);
    EXPECT_EQ(kind_of(kept().remove("resp_1", "", kNow + 10)), ErrorKind::not_found);
    EXPECT_EQ(kept().purge_expired(kNow + 9).value(), 0);
    EXPECT_EQ(kept().purge_expired(kNow + 10).value(), 429);
    EXPECT_EQ(kind_of(kept().get("resp_1", "", kNow)), ErrorKind::not_found);
    EXPECT_TRUE(kept().get("resp_440", "", kNow + 19));
    EXPECT_EQ(kept().purge_expired(kNow + 1000000).value(), 20);
    EXPECT_TRUE(kept().get("resp_0", "", kNow + 1000000));
}

TEST_F(ResponsesTest, ChainsBeginWithTheFirst) {
    ASSERT_TRUE(kept().put(response("a")));
    ASSERT_TRUE(kept().put(response("b", "a")));
    ASSERT_TRUE(kept().put(response("c", "b")));
    const auto chain = kept().chain("c", "", kNow, {.responses = 3});
    ASSERT_TRUE(chain) << line_of(chain);
    std::string ids;
    for (const StoredResponse& one : *chain) ids += one.id;
    EXPECT_EQ(ids, "abc");
    EXPECT_EQ(kept().chain("a", "", kNow)->size(), 1u);
    EXPECT_EQ(kind_of(kept().chain("c", "", kNow, {.responses = 2})), ErrorKind::bad_request);
    EXPECT_EQ(kind_of(kept().chain("", "", kNow)), ErrorKind::not_found);
    ASSERT_TRUE(kept().remove("a", "", kNow));
    const auto torn = kept().chain("c", "", kNow);
    EXPECT_EQ(kind_of(torn), ErrorKind::not_found);
    EXPECT_TRUE(contains(line_of(torn), "no response a;")) << line_of(torn);
}

TEST_F(ResponsesTest, ChainsWithoutEndAreRefused) {
    ASSERT_TRUE(kept().put(response("a", "b")));
    ASSERT_TRUE(kept().put(response("b", "a")));
    EXPECT_EQ(kind_of(kept().chain("a", "", kNow)), ErrorKind::bad_request);
    StoredResponse large = response("l1");
    large.body.set("text", std::string(50000, 'x'));
    ASSERT_TRUE(kept().put(large));
    large.previous_id = large.id;
    large.id = "l2";
    ASSERT_TRUE(kept().put(large));
    EXPECT_EQ(kept().chain("l2", "", kNow, {.bytes = 110000})->size(), 2u);
    const auto refused = kept().chain("l2", "", kNow, {.bytes = 90000});
    EXPECT_EQ(line_of(refused), "response l1 and those before it are too large together; begin a new conversation");
}

TEST_F(ResponsesTest, WhatIsTooLargeOrHasNoProperIdIsRefused) {
    for (const std::string& id :
         {std::string(), std::string("a b"), std::string("a\n"), std::string("\xC3\xA4"), std::string(129, 'x')}) {
        EXPECT_EQ(kind_of(kept().put(response(id))), ErrorKind::bad_request) << id;
        EXPECT_EQ(kind_of(kept().get(id, "", kNow)), ErrorKind::not_found) << id;
        if (id.empty()) continue;
        EXPECT_EQ(kind_of(kept().put(response("ok", id))), ErrorKind::bad_request) << id;
    }
    StoredResponse large = response("large");
    large.input_items.push(std::string(65 << 20, 'x'));
    EXPECT_EQ(kind_of(kept().put(large)), ErrorKind::bad_request);
}

}  // namespace
}  // namespace hearth::store
