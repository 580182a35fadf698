// What answers tell of the cache when they are asked, and what the server's log says of lines that change all the time.
#include <mutex>

#include "server/ember_server.h"

namespace hearth::test {
namespace {

class CacheReports : public testing::Test {
protected:
    static void SetUpTestSuite() {
        server_ = start_ember_server([](server::ServerOptions& options) {
            options.models = {ember("ember", 2000, 2)};
            options.notice = [](const std::string& line) {
                std::lock_guard lock(mutex_);
                notices_.push_back(line);
            };
        });
    }
    static void TearDownTestSuite() { server_.reset(); }
    void SetUp() override {
        std::lock_guard lock(mutex_);
        notices_.clear();
    }
    static std::vector<std::string> notices() {
        std::lock_guard lock(mutex_);
        return notices_;
    }
    static Json message(const char* role, const std::string& content) {
        return Json::Object{{"role", role}, {"content", content}};
    }
    static Json chat(Json::Array messages, bool wants = true, bool streams = false) {
        Json body = Json::Object{{"messages", std::move(messages)}, {"max_tokens", 4}, {"temperature", 0}};
        if (wants) body.set("cache_report", true);
        if (streams) body.set("stream", true);
        return body;
    }
    static HttpAnswer post(const std::string& path, const Json& body) {
        return http_post(server_->port(), path, body.dump());
    }
    // So that every test has texts of its own.
    static std::string rules(const std::string& name, int lines = 12) {
        std::string text;
        for (int line = 1; line <= lines; ++line)
            text += "Rule " + std::to_string(line) + " of " + name + ": be kind to all who ask.\n";
        return text;
    }

    static std::unique_ptr<server::Server> server_;
    static std::mutex mutex_;
    static std::vector<std::string> notices_;
};
std::unique_ptr<server::Server> CacheReports::server_;
std::mutex CacheReports::mutex_;
std::vector<std::string> CacheReports::notices_;

TEST_F(CacheReports, NameTheFirstTokenThatDiffersAndItsMessage) {
    const std::string system = rules("Anna");
    const auto talk = [&](const std::string& question) {
        return Json::Array{message("system", system), message("user", "Hello"), message("assistant", "Good day."),
                           message("user", "First line.\n" + question)};
    };
    const Json first = post("/v1/chat/completions", chat(talk("How many apples?"))).json();
    EXPECT_EQ(at(first, "cache_report", "cached_tokens").as_int(), 0) << first.dump();
    EXPECT_FALSE(at(post("/v1/chat/completions", chat(talk("x"), false)).json(), "cache_report").is_object());
    const Json answer = post("/v1/chat/completions", chat(talk("How many pears?"))).json();
    const Json& report = at(answer, "cache_report");
    ASSERT_TRUE(report.is_object()) << answer.dump();
    const int64_t cached = at(report, "cached_tokens").as_int();
    EXPECT_GT(cached, 100);
    EXPECT_EQ(at(report, "memory_tokens").as_int(), cached);
    EXPECT_EQ(at(report, "disk_tokens").as_int(), 0);
    EXPECT_EQ(at(report, "prompt_tokens").as_int(), at(answer, "usage", "prompt_tokens").as_int());
    EXPECT_EQ(cached, at(answer, "usage", "prompt_tokens_details", "cached_tokens").as_int());
    const Json& difference = at(report, "difference");
    ASSERT_TRUE(difference.is_object()) << report.dump();
    EXPECT_EQ(at(difference, "message").as_int(), 3);
    EXPECT_EQ(at(difference, "line").as_int(), 2);
    EXPECT_EQ(at(difference, "at").as_int(), at(report, "known_tokens").as_int());
    EXPECT_EQ(text_at(difference, "kept", "text").substr(0, 2), " a") << report.dump();
    EXPECT_EQ(text_at(difference, "prompt", "text").substr(0, 2), " p") << report.dump();
    EXPECT_NE(at(difference, "kept", "token").as_int(), at(difference, "prompt", "token").as_int());
    EXPECT_FALSE(at(difference, "volatile").as_bool());
    // What is known whole differs nowhere.
    const Json again = post("/v1/chat/completions", chat(talk("How many pears?"))).json();
    EXPECT_TRUE(at(again, "cache_report").is_object());
    EXPECT_TRUE(at(again, "cache_report", "difference").is_null()) << again.dump();
    EXPECT_TRUE(notices().empty());
}

TEST_F(CacheReports, ComeWithTheLastChunk) {
    for (const bool has_usage : {false, true}) {
        Json body = chat({message("user", "What is 17 + 25?")}, true, true);
        if (has_usage) body.set("stream_options", Json::Object{{"include_usage", true}});
        const auto events = post("/v1/chat/completions", body).events();
        ASSERT_GT(events.size(), 2u);
        EXPECT_EQ(events.back(), "[DONE]");
        int reports = 0;
        for (const std::string& event : events) reports += event.find("cache_report") != std::string::npos;
        EXPECT_EQ(reports, 1);
        EXPECT_TRUE(at(parsed(events[events.size() - 2]), "cache_report").is_object()) << events[events.size() - 2];
    }
    for (const bool streams : {false, true}) {
        const Json body =
            Json::Object{{"prompt", "One and one"}, {"max_tokens", 3}, {"cache_report", true}, {"stream", streams}};
        const HttpAnswer answer = post("/v1/completions", body);
        const Json last = streams ? parsed(answer.events()[answer.events().size() - 2]) : answer.json();
        EXPECT_TRUE(at(last, "cache_report").is_object()) << last.dump();
        const Json response = Json::Object{
            {"input", "What is 2 + 3?"}, {"cache_report", true}, {"stream", streams}, {"max_output_tokens", 4}};
        const HttpAnswer responded = post("/v1/responses", response);
        const Json whole = streams ? at(parsed(responded.events().back()), "response") : responded.json();
        EXPECT_TRUE(at(whole, "cache_report").is_object()) << whole.dump();
    }
    const Json two =
        post("/v1/completions",
             Json::Object{{"prompt", Json::Array{"One", "Two"}}, {"max_tokens", 2}, {"cache_report", true}})
            .json();
    ASSERT_TRUE(at(two, "cache_report").is_array()) << two.dump();
    EXPECT_EQ(at(two, "cache_report").items().size(), 2u);
    EXPECT_EQ(post("/v1/chat/completions",
                   Json::Object{{"messages", Json::Array{message("user", "x")}}, {"cache_report", "yes"}})
                  .status,
              400);
}

TEST_F(CacheReports, ComeInEveryDialect) {
    const auto last_of = [](const HttpAnswer& answer, const std::string& path) {
        if (!answer.header("Content-Type").starts_with("application/x-ndjson")) {
            const auto events = answer.events();
            return events.size() < 2 ? answer.json() : parsed(events[events.size() - 2]);  // before message_stop
        }
        const size_t before = answer.body.rfind('\n', answer.body.size() - 2);
        EXPECT_EQ(answer.body.substr(0, before).find("cache_report"), std::string::npos) << path;
        return parsed(std::string_view(answer.body).substr(before == std::string::npos ? 0 : before + 1));
    };
    for (const std::string path : {"/v1/messages", "/api/chat", "/api/generate"})
        for (const bool streams : {false, true})
            for (const bool wants : {false, true}) {
                Json body = Json::Object{{"model", "ember"}, {"max_tokens", 3}, {"stream", streams}};
                body.set("messages", Json::Array{message("user", "What is 3 + 4 of " + path + "?")});
                body.set("prompt", "What is 3 + 4 of " + path + "?");
                if (wants) body.set("cache_report", true);
                const HttpAnswer answer = post(path, body);
                ASSERT_EQ(answer.status, 200) << answer.body;
                const Json last = last_of(answer, path);
                ASSERT_TRUE(last.is_object()) << answer.body;
                const Json& report = at(last, "cache_report");
                EXPECT_EQ(report.is_object(), wants) << path << " " << last.dump();
                if (!wants) continue;
                EXPECT_GT(at(report, "prompt_tokens").as_int(), 0);
                EXPECT_EQ(answer.body.find("cache_report is not known"), std::string::npos) << answer.body;
            }
    for (const std::string path : {"/v1/messages", "/api/chat", "/api/generate"}) {
        const Json body = Json::Object{{"model", "ember"},
                                       {"max_tokens", 3},
                                       {"messages", Json::Array{message("user", "x")}},
                                       {"prompt", "x"},
                                       {"cache_report", "yes"}};
        EXPECT_EQ(post(path, body).status, 400) << path;
    }
}

TEST_F(CacheReports, LinesThatChangeAllTheTimeAreTold) {
    const auto ask = [&](int minute) {
        const std::string system =
            rules("Bert", 3) + "It is 12:0" + std::to_string(minute) + " o'clock.\n" + rules("Bert and others", 20);
        return at(post("/v1/chat/completions", chat({message("system", system), message("user", "Hello")})).json(),
                  "cache_report", "difference");
    };
    ask(0);
    for (int minute = 1; minute < 6; ++minute) {
        const Json difference = ask(minute);
        ASSERT_TRUE(difference.is_object());
        EXPECT_EQ(at(difference, "message").as_int(), 0);
        EXPECT_EQ(at(difference, "line").as_int(), 4);
        EXPECT_EQ(at(difference, "times").as_int(), minute) << difference.dump();
        EXPECT_EQ(at(difference, "volatile").as_bool(), minute >= 3);
    }
    const auto told = notices();
    ASSERT_EQ(told.size(), 1u);
    EXPECT_NE(told[0].find("line 4 of messages[0]"), std::string::npos) << told[0];
    EXPECT_NE(told[0].find("this machine"), std::string::npos) << told[0];
    EXPECT_EQ(told[0].find("clock"), std::string::npos) << told[0];
}

// A counter in the first message of a long talk is such a line; other questions to the same system text are not.
TEST_F(CacheReports, QuestionsMayDiffer) {
    const std::string system = rules("Carla"), frame = "\n" + rules("the answer", 6);
    for (int i = 0; i < 5; ++i) {
        const std::string question = "Number " + std::to_string(i) + " please." + frame;
        post("/v1/chat/completions", chat({message("system", system), message("user", question)}));
    }
    EXPECT_TRUE(notices().empty()) << notices()[0];
    for (int i = 0; i < 5; ++i)
        post("/v1/chat/completions", chat({message("user", "Call " + std::to_string(i) + ".\n" + rules("Dora", 8)),
                                           message("assistant", "Yes."), message("user", "Go on.")}));
    ASSERT_EQ(notices().size(), 1u);
    EXPECT_NE(notices()[0].find("line 1 of messages[0]"), std::string::npos) << notices()[0];
}

}  // namespace
}  // namespace hearth::test
