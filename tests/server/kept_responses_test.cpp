// What is kept of responses, for whom and how long, and what goes on from it.
#include <fstream>

#include "base/os.h"
#include "server/api/responses_keeper.h"
#include "server/responses_client.h"
#include "store/database.h"
#include "store/schema.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

TEST_F(Responses, GoOnFromOneAnother) {
    const Json first = whole(asking(kSum, {{"instructions", "You are a calculator."}}));
    const std::string id = text_at(first, "id");
    const Json next = both(asking("What is 2 + 3?", {{"previous_response_id", id}, {"model", nullptr}}));
    EXPECT_EQ(output_text(next), "2 + 3 = 5");
    EXPECT_EQ(text_at(next, "model"), "ember");
    EXPECT_EQ(text_at(next, "previous_response_id"), id);
    EXPECT_TRUE(at(next, "instructions").is_null());
    const Json third = whole(asking("What is 1 + 1?", {{"previous_response_id", text_at(next, "id")}}));
    // The same as sending all of it; instructions are those of one request alone.
    Json all = Json::array();
    const auto say = [&](const char* role, const std::string& text) {
        all.push(Json::Object{{"role", role}, {"content", text}});
    };
    say("user", kSum);
    all.push(at(first, "output", 0));
    say("user", "What is 2 + 3?");
    EXPECT_EQ(at(whole(asking(all)), "usage", "input_tokens").as_int(), at(next, "usage", "input_tokens").as_int());
    say("assistant", output_text(next));
    say("user", "What is 1 + 1?");
    const Json sent = whole(asking(all));
    EXPECT_EQ(at(sent, "usage", "input_tokens").as_int(), at(third, "usage", "input_tokens").as_int());
    EXPECT_EQ(output_text(sent), output_text(third));
    // Also by reference, with and without its type.
    Json referring = all;
    referring.items()[1] = Json::Object{{"type", "item_reference"}, {"id", text_at(first, "output", 0, "id")}};
    referring.items()[3] = Json::Object{{"id", text_at(next, "output", 0, "id")}};
    EXPECT_EQ(at(whole(asking(referring)), "usage", "input_tokens").as_int(),
              at(third, "usage", "input_tokens").as_int());
}

TEST_F(Responses, AreFoundUntilTheyAreDeletedOrTheirTimeHasCome) {
    const Json answer = whole(asking(kSum));
    const std::string id = text_at(answer, "id");
    EXPECT_EQ(look_up(id).json().dump(), answer.dump());
    const Assembled stream = streamed(asking(kSum));
    EXPECT_EQ(look_up(text_at(stream.last(), "id")).json().dump(), stream.last().dump());
    EXPECT_EQ(look_up(id + "?stream=true").status, 400);
    const int64_t now_ms = unix_milliseconds(), day = 24 * 3'600'000;
    EXPECT_TRUE(store_->responses().get(id, "", now_ms + 29 * day));
    EXPECT_FALSE(store_->responses().get(id, "", now_ms + 31 * day));

    HttpAnswer told = send("POST", id + "/cancel");
    EXPECT_EQ(told.status, 400);
    EXPECT_EQ(text_at(told.json(), "error", "code"), "not_in_background");
    EXPECT_EQ(send("POST", "resp_none/cancel").status, 404);
    EXPECT_EQ(send("POST", id + "/approve").status, 404);

    const Json gone = send("DELETE", id).json();
    EXPECT_EQ(text_at(gone, "id"), id);
    EXPECT_TRUE(at(gone, "deleted").as_bool());
    told = look_up(id);
    EXPECT_EQ(told.status, 404);
    EXPECT_EQ(text_at(told.json(), "error", "code"), "response_not_found");
    EXPECT_EQ(send("DELETE", id).status, 404);
    told = post(kResponses, asking("hi", {{"previous_response_id", id}}));
    EXPECT_EQ(told.status, 404);
    EXPECT_EQ(text_at(told.json(), "error", "code"), "previous_response_not_found");
    EXPECT_EQ(text_at(told.json(), "error", "param"), "previous_response_id");
    // Who wants nothing kept gets an answer that nobody finds.
    const Json passing = whole(asking(kSum, {{"store", false}}));
    EXPECT_FALSE(at(passing, "store").as_bool());
    EXPECT_EQ(look_up(text_at(passing, "id")).status, 404);
}

TEST_F(Responses, GoOnWithinBounds) {
    std::string id;
    for (int i = 0; i < 201; ++i) {
        const std::string next = "resp_long" + std::to_string(i);
        ASSERT_TRUE(store_->responses().put({.id = next, .previous_id = id, .owner = "", .body = Json::object()}));
        id = next;
    }
    HttpAnswer answer = post(kResponses, asking("hi", {{"previous_response_id", id}}));
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(text_at(answer.json(), "error", "code"), "conversation_too_long");
    // References that jump between responses of many items are found at once.
    constexpr int kItems = 20'000;
    for (const char* name : {"resp_one", "resp_two"}) {
        Json output = Json::array();
        for (int i = 0; i < kItems; ++i)
            output.push(Json::Object{{"id", "msg_" + std::string(name + 5) + "_" + std::to_string(i)},
                                     {"type", "message"},
                                     {"role", "assistant"},
                                     {"content", Json::Array{Json::Object{{"text", "a"}}}}});
        ASSERT_TRUE(store_->responses().put(
            {.id = name, .previous_id = "", .owner = "", .body = Json::Object{{"output", std::move(output)}}}));
    }
    const server::ResponseKeeper keeper(store_);
    server::ReferredItems referred(keeper, "");
    const double began = monotonic_seconds();
    for (int i = kItems - 1; i >= 0; --i)
        for (const std::string name : {"one", "two"})
            ASSERT_TRUE(referred.find("msg_" + name + "_" + std::to_string(i))) << i;
    EXPECT_LT(monotonic_seconds() - began, 5);
    // However often a large item is referred to, it is not read for ever.
    const Json item = Json::Object{{"id", "msg_big_0"},
                                   {"type", "message"},
                                   {"role", "assistant"},
                                   {"content", Json::Array{Json::Object{{"text", std::string(20 << 20, 'a')}}}}};
    const Json body = Json::Object{{"output", Json::Array{item}}};
    ASSERT_TRUE(store_->responses().put({.id = "resp_big", .previous_id = "", .owner = "", .body = body}));
    Json references = Json::array();
    for (int i = 0; i < 20; ++i) references.push(Json::Object{{"id", "msg_big_0"}});
    answer = post(kResponses, asking(references));
    EXPECT_EQ(answer.status, 400);
    EXPECT_NE(answer.body.find("more than 128 MiB"), std::string::npos) << answer.body;
    EXPECT_EQ(text_at(answer.json(), "error", "param"), "input[5]");
}

TEST_F(Responses, ListTheItemsTheyWereAskedWith) {
    const Json input = parsed(R"([{"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "one"}, {"type": "input_text", "text": "two"}]},
        {"type": "message", "role": "user", "content": "What is 17 + 25?", "id": "mine"}])");
    const std::string id = text_at(whole(asking(input)), "id");
    const Json all = look_up(id + "/input_items?order=asc").json();
    EXPECT_EQ(text_at(all, "object"), "list");
    ASSERT_EQ(at(all, "data").items().size(), 3u);
    EXPECT_EQ(text_at(all, "data", 0, "type"), "message");
    EXPECT_EQ(text_at(all, "data", 0, "content", 0, "type"), "input_text");
    EXPECT_EQ(text_at(all, "data", 1, "content", 1, "text"), "two");
    EXPECT_EQ(text_at(all, "data", 2, "id"), "mine");
    EXPECT_EQ(text_at(all, "first_id"), text_at(all, "data", 0, "id"));
    EXPECT_FALSE(at(all, "has_more").as_bool());
    const Json page = look_up(id + "/input_items?limit=1").json();  // the latest come first
    EXPECT_EQ(text_at(page, "last_id"), "mine");
    EXPECT_TRUE(at(page, "has_more").as_bool());
    const Json rest = look_up(id + "/input_items?after=mine").json();
    ASSERT_EQ(at(rest, "data").items().size(), 2u);
    EXPECT_EQ(text_at(rest, "data", 0, "content", 0, "text"), "one");
    for (const char* wrong : {"limit=0", "limit=101", "limit=x", "order=up", "after=none"})
        EXPECT_EQ(look_up(id + "/input_items?" + wrong).status, 400) << wrong;
    EXPECT_EQ(look_up("resp_none/input_items").status, 404);
}

TEST(ResponsesAlone, BelongToTheKeyTheyWereMadeFor) {
    const auto kept = open_store("owners");
    const std::string path = temporary_directory() + "/owners.txt";
    const auto start = [&](const std::string& keys) {
        std::ofstream(path) << keys;
        return start_ember_server([&](server::ServerOptions& options) {
            auto access = server::key_file_access(path);
            ASSERT_TRUE(access) << access.error().line();
            options.access = std::move(*access);
            options.store = kept;
        });
    };
    const std::string one = "x-api-key: first-key\r\n", other = "x-api-key: second-key\r\n";
    auto server = start("first-key\nsecond-key\n");
    const Json answer = http_post(server->port(), kResponses, asking(kSum).dump(), one).json();
    const std::string id = text_at(answer, "id"), item = text_at(answer, "output", 0, "id");
    const auto cannot = [&](const std::string& key) {
        const int port = server->port();
        EXPECT_EQ(http_get(port, kResponses + "/" + id, key).status, 404);
        EXPECT_EQ(http_get(port, kResponses + "/" + id + "/input_items", key).status, 404);
        const Json goes_on = asking("hi", {{"previous_response_id", id}});
        EXPECT_EQ(http_post(port, kResponses, goes_on.dump(), key).status, 404);
        EXPECT_EQ(http_post(port, kResponses, asking(Json::Array{Json::Object{{"id", item}}}).dump(), key).status, 400);
        HttpClient client(port);
        client.send("DELETE " + kResponses + "/" + id + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n" + key +
                    "\r\n");
        EXPECT_EQ(client.receive().status, 404);
    };
    cannot(other);
    EXPECT_EQ(http_get(server->port(), kResponses + "/" + id, one).status, 200);
    server = start("second-key\n");
    cannot(other);
    server = start("second-key\nfirst-key\n");
    cannot(other);
    EXPECT_EQ(http_get(server->port(), kResponses + "/" + id, one).status, 200);
}

TEST(ResponsesAlone, AServerWithoutAStoreSaysSo) {
    const auto server = start_ember_server();
    const auto ask = [&](const Json& body) { return http_post(server->port(), kResponses, body.dump()); };
    const Json answer = ask(asking(kSum)).json();
    EXPECT_EQ(output_text(answer), "17 + 25 = 42");
    EXPECT_FALSE(at(answer, "store").as_bool());
    EXPECT_EQ(warnings_of(answer), 0u);
    EXPECT_EQ(warnings_of(ask(asking(kSum, {{"store", true}})).json()), 1u);
    const HttpAnswer refused = ask(asking(kSum, {{"previous_response_id", text_at(answer, "id")}}));
    EXPECT_EQ(refused.status, 404);
    EXPECT_EQ(text_at(refused.json(), "error", "code"), "not_kept");
    EXPECT_NE(refused.body.find("keeps no responses"), std::string::npos);
    EXPECT_EQ(http_get(server->port(), kResponses + "/" + text_at(answer, "id")).status, 404);
}

TEST(ResponsesAlone, AnAnswerOutlivesAStoreThatFails) {
    const auto kept = open_store("broken");
    const auto server = start_ember_server([&](server::ServerOptions& options) { options.store = kept; });
    {
        auto database = store::Database::open(temporary_directory() + "/broken/hearth.db", store::schema());
        ASSERT_TRUE(database) << database.error().line();
        auto changes = (*database)->write();
        ASSERT_TRUE(changes && changes->run("DROP TABLE responses", {}) && changes->commit());
    }
    for (const bool streams : {false, true}) {
        const HttpAnswer answer = http_post(server->port(), kResponses, asking(kSum, {{"stream", streams}}).dump());
        const Json response = streams ? Assembled(answer).last() : answer.json();
        EXPECT_EQ(output_text(response), "17 + 25 = 42");
        EXPECT_EQ(at(response, "store").dump(), "false");
        EXPECT_NE(text_at(response, "warnings", 0).find("could not be kept"), std::string::npos) << answer.body;
    }
}

}  // namespace
}  // namespace hearth::test
