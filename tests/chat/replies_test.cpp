// Recorded replies of every family, in every cut: the same thoughts, answer and calls.
#include "chat/replies.h"

#include "chat/family.h"

namespace hearth::chat {
namespace {

using namespace test;

struct Recorded {
    std::string name, text;
    ReplySetup setup;
    Json expected;
};

std::vector<Recorded> recorded() {
    const Json outputs = read_templates("tool_outputs.json");
    const auto tools = tools_of(outputs.find("tools")->dump());
    std::vector<Recorded> all;
    for (const Json& one : outputs.find("cases")->items()) {
        const std::string& name = one.find("template")->as_string();
        const std::string source =
            hearth::test::read_text(hearth::test::shared_path("reference/templates/jinja/" + name + ".jinja"));
        const Family* family = find_family(TemplateFacts{.source = source});
        const Channels channels = family ? family->channels : guess_channels({.source = source});
        // The prompts of these end with an open thought.
        const bool opens = name.starts_with("Qwen3.5") || name.starts_with("NVIDIA") || name == "GLM-4.7-Flash";
        all.push_back({one.find("name")->as_string(), one.find("output")->as_string(),
                       setup_of(channels, tools, opens && one.find("thinking")->as_bool()), one});
    }
    return all;
}

TEST(Replies, RecordedOnesAreReadAsTheyWereMeant) {
    NEED_SHARED("reference/templates/tool_outputs.json");
    int checked = 0;
    for (const Recorded& one : recorded()) {
        SCOPED_TRACE(one.name);
        const Reply reply = reply_of(events_of(one.setup, one.text));
        EXPECT_EQ(stripped(reply.thinking), one.expected.find("reasoning_content")->as_string());
        EXPECT_EQ(stripped(reply.answer), one.expected.find("content")->as_string());
        EXPECT_TRUE(reply.warnings.empty()) << reply.warnings[0];
        const auto& calls = one.expected.find("tool_calls")->items();
        ASSERT_EQ(reply.calls.size(), calls.size()) << shown(reply);
        for (size_t i = 0; i < calls.size(); ++i) {
            EXPECT_EQ(reply.calls[i].name, calls[i].find("name")->as_string());
            EXPECT_TRUE(reply.calls[i].is_whole);
            EXPECT_EQ(reply.calls[i].id.size(), 9u);
            const auto arguments = Json::parse(reply.calls[i].arguments);
            ASSERT_TRUE(arguments) << reply.calls[i].arguments;
            EXPECT_EQ(arguments->dump(), calls[i].find("arguments")->dump());
        }
        ++checked;
    }
    EXPECT_EQ(checked, 34);
}

TEST(Replies, RecordedOnesAreTheSameInEveryCut) {
    NEED_SHARED("reference/templates/tool_outputs.json");
    for (const Recorded& one : recorded()) {
        SCOPED_TRACE(one.name);
        expect_same_in_every_cut(one.setup, one.text);
    }
}

// Cut short anywhere: arguments that were sent are still JSON, and a call that is not whole says so.
TEST(Replies, RecordedOnesCutShortStayValid) {
    NEED_SHARED("reference/templates/tool_outputs.json");
    for (const Recorded& one : recorded())
        for (size_t length = 0; length < one.text.size(); ++length) {
            const std::string text = one.text.substr(0, length);
            SCOPED_TRACE(one.name + ": " + text);
            const Reply reply = reply_of(events_of(one.setup, text));
            for (const ReplyCall& call : reply.calls) {
                const auto arguments = Json::parse(call.arguments);
                ASSERT_TRUE(arguments && arguments->is_object()) << call.arguments;
                if (!call.is_whole) {
                    EXPECT_EQ(reply.warnings.size(), 1u);
                }
            }
        }
}

}  // namespace
}  // namespace hearth::chat
