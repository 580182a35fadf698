#include "server/responses_client.h"

#include <algorithm>

#include "support/shared_data.h"

namespace hearth::test {

Json asking(Json input, Json::Object more) {
    Json body = Json::Object{{"model", "ember"}, {"temperature", 0}, {"input", std::move(input)}};
    for (auto& [name, value] : more) body.set(name, std::move(value));
    return body;
}

std::string output_text(const Json& response) {
    std::string text;
    for (const Json& item : at(response, "output").items())
        if (text_at(item, "type") == "message") text += text_at(item, "content", 0, "text");
    return text;
}

size_t warnings_of(const Json& response) {
    const Json& list = at(response, "warnings");
    return list.is_array() ? list.items().size() : 0;
}

std::shared_ptr<store::Store> open_store(const std::string& name) {
    auto opened = store::Store::open(temporary_directory() + "/" + name);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().line());
    return opened ? std::make_shared<store::Store>(std::move(*opened)) : nullptr;
}

namespace {

// What differs between two answers to the same question: ids, times, and how much was remembered.
std::string comparable(Json response) {
    for (const char* name : {"id", "created_at", "completed_at"}) response.set(name, nullptr);
    Json output = at(response, "output"), usage = at(response, "usage");
    for (Json& item : output.items()) item.set("id", nullptr);
    usage.set("input_tokens_details", nullptr);
    response.set("output", output);
    response.set("usage", usage);
    return response.dump();
}

}  // namespace

Assembled::Assembled(const HttpAnswer& answer) {
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.header("Content-Type"), "text/event-stream");
    EXPECT_TRUE(answer.is_whole);
    for (const std::string& event : answer.events()) take(parsed(event));
    EXPECT_FALSE(is_open_);
    EXPECT_TRUE(last_.is_object());
    EXPECT_EQ(at(last_, "output").dump(), items_.dump());
}

int Assembled::count(const std::string& type) const {
    return int(std::ranges::count(types_, "response." + type));
}

void Assembled::take(const Json& event) {
    SCOPED_TRACE(event.dump());
    EXPECT_TRUE(last_.is_null()) << "an event behind the last";
    EXPECT_EQ(at(event, "sequence_number").as_int(-1), int64_t(types_.size()));
    const std::string type = text_at(event, "type");
    if (types_.empty()) {
        EXPECT_EQ(type, "response.created");
        first_ = at(event, "response");
    }
    if (types_.size() == 1) {
        EXPECT_EQ(type, "response.in_progress");
    }
    types_.push_back(type);
    if (type == "response.completed" || type == "response.incomplete" || type == "response.failed") {
        last_ = at(event, "response");
        EXPECT_EQ("response." + text_at(last_, "status"), type);
        EXPECT_EQ(text_at(last_, "id"), text_at(first_, "id"));
    } else if (type == "response.output_item.added") {
        EXPECT_FALSE(is_open_);
        is_open_ = true;
        item_ = at(event, "item");
        text_.clear();
        EXPECT_EQ(text_at(item_, "status"), "in_progress");
        EXPECT_EQ(at(event, "output_index").as_int(-1), int64_t(items_.items().size()));
    } else if (type == "response.output_item.done") {
        const Json& item = at(event, "item");
        EXPECT_EQ(text_at(item, "id"), text_at(item_, "id"));
        for (const char* list : {"content", "summary"})
            if (const std::string text = text_at(item, list, 0, "text"); !text.empty()) {
                EXPECT_EQ(text, text_);
            }
        if (text_at(item, "type") == "function_call") {
            EXPECT_EQ(text_at(item, "arguments"), text_);
        }
        items_.push(item);
        is_open_ = false;
    } else if (type != "response.created" && type != "response.in_progress") {
        EXPECT_TRUE(is_open_);
        EXPECT_EQ(text_at(event, "item_id"), text_at(item_, "id"));
        EXPECT_EQ(at(event, "output_index").as_int(-1), int64_t(items_.items().size()));
        if (type.ends_with(".delta")) text_ += text_at(event, "delta");
        if (type.ends_with("text.done")) {
            EXPECT_EQ(text_at(event, "text"), text_);
        }
        if (type.ends_with("arguments.done")) {
            EXPECT_EQ(text_at(event, "arguments"), text_);
        }
    }
}

std::shared_ptr<store::Store> Responses::store_;

void Responses::SetUpTestSuite() {
    store_ = open_store("responses");
    server_ = start_ember_server([](server::ServerOptions& options) { options.store = store_; });
}

void Responses::TearDownTestSuite() {
    server_.reset();
    store_.reset();
}

Json Responses::whole(const Json& body) {
    const HttpAnswer answer = post(kResponses, body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json();
}

Assembled Responses::streamed(Json body) {
    body.set("stream", true);
    return Assembled(post(kResponses, body));
}

Json Responses::both(const Json& body) {
    const Json answer = whole(body);
    EXPECT_EQ(comparable(streamed(body).last()), comparable(answer));
    return answer;
}

HttpAnswer Responses::look_up(const std::string& below) {
    return http_get(port(), kResponses + "/" + below);
}

HttpAnswer Responses::send(const std::string& method, const std::string& below) {
    HttpClient client(port());
    client.send(method + " " + kResponses + "/" + below + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n" +
                "\r\n");
    return client.receive();
}

}  // namespace hearth::test
