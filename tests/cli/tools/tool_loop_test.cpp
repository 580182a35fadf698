// Calls, results, answer: with a partner that says what a script says.
#include "cli/tools/tool_loop.h"

#include <deque>

#include "cli/tools/fake_desk.h"
#include "support/shared_data.h"

namespace hearth::cli {
namespace {

// Its replies are lists of calls, each once; after the last it has answered.
class ScriptedPartner : public Partner {
public:
    explicit ScriptedPartner(std::deque<std::vector<chat::ReplyCall>> replies) : replies_(std::move(replies)) {
        next();
    }

    const std::vector<chat::ReplyCall>& calls() const override { return calls_; }
    Result<FinishReason> answer_results(const std::vector<std::string>& given) override {
        results.push_back(given);
        next();
        return reason;
    }
    std::vector<std::vector<std::string>> results;
    FinishReason reason = FinishReason::end;

    bool is_chat() const override { return true; }
    Result<FinishReason> answer(const std::string&) override { return reason; }
    Result<FinishReason> answer_again() override { return reason; }
    Json& messages() override { return messages_; }
    void forget() override {}
    void set_system(const std::string&) override {}
    Result<> set_thinking(std::optional<bool>) override { return {}; }
    Settings& settings() override { return settings_; }
    Result<> check_settings() const override { return {}; }
    Result<> set_form(AnswerForm, const std::string&) override { return {}; }
    Result<> change_model(const std::string&) override { return {}; }
    bool is_there() const override { return true; }
    Result<std::string> kept() override { return std::string(); }
    Result<> go_on_with(const std::string&) override { return {}; }
    Result<> forget_kept(const std::string&) override { return {}; }
    std::string description() const override { return ""; }
    std::string context_line() const override { return ""; }

private:
    void next() {
        calls_.clear();
        if (replies_.empty()) return;
        calls_ = replies_.front();
        replies_.pop_front();
    }
    std::deque<std::vector<chat::ReplyCall>> replies_;
    std::vector<chat::ReplyCall> calls_;
    Json messages_ = Json::array();
    Settings settings_;
};

chat::ReplyCall call(const std::string& name, const std::string& arguments) {
    return {.id = name + arguments, .name = name, .arguments = arguments, .is_whole = true};
}

class Loop : public testing::Test {
protected:
    FakeDesk desk;
    ToolRunner runner{{{.tool = "echo", .argv = {"cat"}, .is_allowed = true},
                       {.tool = "ask", .argv = {"cat"}},
                       {.tool = "slow", .argv = {"sleep", "60"}, .is_allowed = true}},
                      desk};
};

TEST_F(Loop, ResultsGoBackUntilThereIsAnAnswer) {
    ScriptedPartner partner({{call("echo", "1"), call("echo", "2")}, {call("echo", "3")}});
    std::vector<std::string> seen;
    const auto end = answer_calls(
        partner,
        {.runner = runner, .on_result = [&](const chat::ReplyCall& done, const ToolResult& result) -> Result<> {
             seen.push_back(done.id + ": " + result.content);
             return {};
         }});
    ASSERT_TRUE(end);
    EXPECT_EQ(*end, ToolLoopEnd::answered);
    EXPECT_EQ(partner.results, (std::vector<std::vector<std::string>>{{"1", "2"}, {"3"}}));
    EXPECT_EQ(seen, (std::vector<std::string>{"echo1: 1", "echo2: 2", "echo3: 3"}));
    EXPECT_EQ(*answer_calls(partner, {.runner = runner}), ToolLoopEnd::answered);  // nothing to do
}

TEST_F(Loop, ItHasAnEnd) {
    std::deque<std::vector<chat::ReplyCall>> replies(3, {call("echo", "1")});
    ScriptedPartner patient(replies), partner(replies);
    EXPECT_EQ(*answer_calls(patient, {.runner = runner, .max_rounds = 3}), ToolLoopEnd::answered);
    const auto end = answer_calls(partner, {.runner = runner, .max_rounds = 2});
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().line(),
              "no answer: the model called tools 2 times in a row; allow more with --max-tool-rounds");
    EXPECT_EQ(partner.results.size(), 2u);
    EXPECT_EQ(partner.calls().size(), 1u);  // to be shown
}

TEST_F(Loop, CallsThatNobodyCarriesOutStay) {
    ScriptedPartner partner({{call("echo", "1"), call("other", "2")}});
    EXPECT_EQ(*answer_calls(partner, {.runner = runner}), ToolLoopEnd::unanswered);
    EXPECT_TRUE(partner.results.empty());
    EXPECT_EQ(partner.calls().size(), 2u);
    // A person plays what has no command.
    std::vector<std::string> played;
    const auto play = [&](const chat::ReplyCall& wanted) {
        played.push_back(wanted.name);
        return std::optional<std::string>("typed");
    };
    EXPECT_EQ(*answer_calls(partner, {.runner = runner, .play = play}), ToolLoopEnd::answered);
    EXPECT_EQ(played, std::vector<std::string>{"other"});
    EXPECT_EQ(partner.results, (std::vector<std::vector<std::string>>{{"1", "typed"}}));
    // As often as they like.
    ScriptedPartner long_talk(std::deque<std::vector<chat::ReplyCall>>(5, {call("other", "1")}));
    EXPECT_EQ(*answer_calls(long_talk, {.runner = runner, .max_rounds = 2, .play = play}), ToolLoopEnd::answered);
    ScriptedPartner dropped({{call("other", "1")}});
    EXPECT_EQ(*answer_calls(dropped, {.runner = runner, .play = [](const auto&) { return std::nullopt; }}),
              ToolLoopEnd::unanswered);
    EXPECT_TRUE(dropped.results.empty());
}

TEST_F(Loop, WhatIsStoppedGivesNoResults) {
    ScriptedPartner asked({{call("echo", "1"), call("ask", "2")}});
    EXPECT_EQ(*answer_calls(asked, {.runner = runner}), ToolLoopEnd::stopped);
    EXPECT_TRUE(asked.results.empty());
    ScriptedPartner refused({{call("ask", "2")}});
    desk.is_attended = false;
    EXPECT_FALSE(answer_calls(refused, {.runner = runner}));
    ScriptedPartner cancelled({{call("echo", "1")}, {call("echo", "2")}});
    cancelled.reason = FinishReason::cancelled;
    EXPECT_EQ(*answer_calls(cancelled, {.runner = runner}), ToolLoopEnd::stopped);
    EXPECT_EQ(cancelled.results.size(), 1u);
    desk.stops_after_questions = 0;
    ScriptedPartner slow({{call("slow", "1")}});
    EXPECT_EQ(*answer_calls(slow, {.runner = runner}), ToolLoopEnd::stopped);
    EXPECT_TRUE(slow.results.empty());
}

}  // namespace
}  // namespace hearth::cli
