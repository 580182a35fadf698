// Conversations that are too long: what each policy leaves out, and that it always says so.
#include "chat/overflow.h"

#include <gtest/gtest.h>

namespace hearth::chat {
namespace {

Json message(const std::string& role, const std::string& text) {
    return Json(Json::Object{{"role", role}, {"content", text}});
}
// A system text and turns of a question of `words` letters and an answer of four.
Json conversation(int turns, size_t words = 6) {
    Json messages = Json::array();
    messages.push(message("system", "sys!"));
    for (int turn = 0; turn < turns; ++turn) {
        messages.push(message("user", std::string(1, char('a' + turn)) + std::string(words - 1, '.')));
        if (turn + 1 < turns) messages.push(message("assistant", "yes."));
    }
    return messages;
}
// Tokens: letters, and two per message.
Result<int64_t> count(const Json& messages) {
    int64_t tokens = 0;
    for (const Json& one : messages.items()) tokens += 2 + int64_t(one.find("content")->as_string().size());
    return tokens;
}
Result<std::string> no_summary(const Json&) {
    return fail(ErrorKind::bad_request, "nobody asked for a summary");
}
// First letters of all messages.
std::string shown(const Json& messages) {
    std::string letters;
    for (const Json& one : messages.items()) letters += one.find("content")->as_string()[0];
    return letters;
}

TEST(Overflow, WhatFitsStaysAsItIs) {
    for (const Overflow policy : {Overflow::refuse, Overflow::oldest, Overflow::middle, Overflow::summarise}) {
        ConversationFitter fitter(policy, 1000);
        const Json messages = conversation(5);
        EXPECT_EQ(fitter.fit(messages, count, no_summary)->dump(), messages.dump());
        EXPECT_EQ(fitter.notice(), "");
    }
    ConversationFitter refuse(Overflow::refuse, 10);
    EXPECT_EQ(refuse.fit(conversation(5), count, no_summary)->dump(), conversation(5).dump());
}

TEST(Overflow, OldTurnsAreLeftOutWholeAndStayLeftOut) {
    // A turn of 14 tokens, the last question 8, the system text 6.
    ConversationFitter fitter(Overflow::oldest, 60);
    EXPECT_EQ(shown(*fitter.fit(conversation(4), count, no_summary)), "saybycyd");
    EXPECT_EQ(shown(*fitter.fit(conversation(5), count, no_summary)), "scydye");  // three quarters of 60
    EXPECT_EQ(fitter.notice(), "the model does not see 2 earlier turns of this conversation");
    EXPECT_EQ(shown(*fitter.fit(conversation(6), count, no_summary)), "scydyeyf");
    EXPECT_NE(fitter.notice(), "");                                           // told each time
    EXPECT_EQ(shown(*fitter.fit(conversation(1), count, no_summary)), "sa");  // a new conversation
    EXPECT_EQ(fitter.notice(), "");
    const auto too_long = fitter.fit(conversation(3, 100), count, no_summary);
    ASSERT_FALSE(too_long);
    EXPECT_NE(too_long.error().what.find("108 tokens, 60 fit"), std::string::npos) << too_long.error().what;
}

TEST(Overflow, TheMiddleGoesFirstOfTurnsThenOfTheMessage) {
    ConversationFitter fitter(Overflow::middle, 60);
    EXPECT_EQ(shown(*fitter.fit(conversation(5), count, no_summary)), "saydye");
    EXPECT_NE(fitter.notice().find("2 earlier turns"), std::string::npos);
    ConversationFitter cutting(Overflow::middle, 400);
    Json messages = conversation(2);
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "é";
    messages.push(message("user", "<" + text + ">"));
    const auto cut = cutting.fit(messages, count, no_summary);
    ASSERT_TRUE(cut) << cut.error().what;
    EXPECT_LE(*count(*cut), 400);
    EXPECT_GT(*count(*cut), 300);
    const std::string& left = cut->items().back().find("content")->as_string();
    EXPECT_TRUE(left.starts_with("<éé") && left.ends_with("éé>"));
    EXPECT_NE(left.find("characters left out"), std::string::npos);
    EXPECT_NE(cutting.notice().find("in the middle of a message"), std::string::npos);
    EXPECT_EQ(Json::parse(cut->dump())->dump(), cut->dump());  // no character was cut
}

TEST(Overflow, SummariesGrowWithWhatTheyCover) {
    ConversationFitter fitter(Overflow::summarise, 120);
    std::vector<std::string> asked;
    const auto summarise = [&](const Json& messages) -> Result<std::string> {
        asked.push_back(shown(messages));
        return "S" + std::to_string(asked.size());
    };
    ASSERT_TRUE(fitter.fit(conversation(5), count, summarise));
    EXPECT_TRUE(asked.empty());
    auto first = fitter.fit(conversation(9), count, summarise);
    ASSERT_TRUE(first) << first.error().what;
    Json fitted = std::move(*first);
    ASSERT_EQ(asked, (std::vector<std::string>{"saybycydyey"}));
    EXPECT_EQ(shown(fitted), "sfygyhyi");
    EXPECT_EQ(fitted.items()[0].find("content")->as_string(), "sys!\n\nWhat was said before, summed up:\nS1");
    EXPECT_NE(fitter.notice().find("5 earlier turns of this conversation, but a summary"), std::string::npos);
    // The next one is told of the first.
    auto second = fitter.fit(conversation(14), count, summarise);
    ASSERT_TRUE(second) << second.error().what;
    fitted = std::move(*second);
    ASSERT_EQ(asked.size(), 2u);
    EXPECT_TRUE(asked[1].starts_with("sfy"));
    EXPECT_NE(fitted.items()[0].find("content")->as_string().find("S2"), std::string::npos);
    // Where it fails, turns are left out all the same, and both are said.
    ConversationFitter failing(Overflow::summarise, 60);
    EXPECT_EQ(shown(*failing.fit(conversation(5), count, no_summary)), "sdye");
    EXPECT_NE(failing.notice().find("could not be summed up (nobody asked"), std::string::npos);
}

}  // namespace
}  // namespace hearth::chat
