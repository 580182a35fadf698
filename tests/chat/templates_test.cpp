// Every recorded conversation in every recorded template, as the model will read it.
#include <algorithm>
#include <map>
#include <set>

#include "chat/chat_template.h"
#include "chat/replies.h"

namespace hearth::chat {
namespace {

using namespace test;

std::tm recorded_time() {
    std::tm time{};
    time.tm_year = 126, time.tm_mon = 2, time.tm_mday = 14, time.tm_hour = 15, time.tm_min = 9, time.tm_sec = 26;
    time.tm_wday = 6, time.tm_yday = 72;
    return time;
}

ChatTemplate recorded_template(const std::string& name, const Json& tokens) {
    auto made = ChatTemplate::make(
        {.usual = hearth::test::read_text(hearth::test::shared_path("reference/templates/jinja/" + name + ".jinja")),
         .special_tokens = tokens.members()});
    EXPECT_TRUE(made) << name << ": " << made.error().what;
    return std::move(*made);
}

Conversation conversation_of(const Json& one) {
    Conversation made;
    made.messages = *one.find("messages");
    if (const Json* tools = one.find("tools")) made.tools = *tools;
    if (const Json* documents = one.find("documents")) made.documents = *documents;
    if (const Json* given = one.find("kwargs")) made.variables = given->members();
    if (const Json* generates = one.find("add_generation_prompt")) made.add_generation_prompt = generates->as_bool();
    made.now = recorded_time();
    return made;
}

bool has_calls(const Json& conversation) {
    for (const Json& message : conversation.find("messages")->items())
        if (const Json* calls = message.find("tool_calls"); calls && calls->is_array()) return true;
    return false;
}

std::vector<std::string> names_called(const Json& conversation) {
    std::vector<std::string> names;
    for (const Json& message : conversation.find("messages")->items())
        if (const Json* calls = message.find("tool_calls"); calls && calls->is_array())
            for (const Json& call : calls->items())
                names.push_back((call.find("function") ? *call.find("function") : call).find("name")->as_string());
    return names;
}

bool has_role(const Json& conversation, std::string_view role) {
    for (const Json& message : conversation.find("messages")->items())
        if (message.find("role")->as_string() == role) return true;
    return false;
}

// Why a conversation is not rendered as it stands: "" when it must be.
std::string reason_to_differ(const std::string& name, const Json& one, const ChatTemplate& made) {
    const Abilities& can = made.abilities();
    static const std::set<std::string> kMedia{"image", "image_after_text", "image_url", "audio", "video"};
    if (kMedia.contains(name))
        return !can.lists ? "reads text only" : name == "image_url" ? "the part is named as it should be" : "";
    if (name == "text_parts" && !can.lists) return "parts are joined";
    if (has_role(one, "developer") && !made.family().has_developer) return "a developer is a system";
    if (has_role(one, "system") && !can.system) return "the system text moves to the user";
    if (name == "tool_call_null_content" || name == "tool_call_no_content_key") return "no content is an empty one";
    if (name == "tool_call_string_args") return "arguments are read";
    if (has_calls(one) && !can.calls) return "calls are written into the content";
    if (made.family().thought_key != ThoughtKey::reasoning_content &&
        (name.starts_with("reasoning_") || name == "tool_call_reasoning"))
        return "thoughts go by another name";
    if (one.find("tools") && made.family().has_tools_in_system) return "tools move to the system message";
    if (name == "two_tool_rounds" && made.family().name == "gemma4") return "a turn must begin";
    return "";
}

TEST(Templates, ConversationsThatTheTemplateUnderstandsStayAsTheyAre) {
    NEED_SHARED("reference/templates/cases.json");
    const Json cases = read_templates("cases.json"), meta = read_templates("meta.json");
    int same = 0;
    std::map<std::string, int> other;
    for (const auto& [name, tokens] : meta.members()) {
        const ChatTemplate made = recorded_template(name, tokens);
        const Json expected = read_templates("expected/" + name + ".json");
        for (const Json& one : cases.items()) {
            const std::string& conversation = one.find("name")->as_string();
            SCOPED_TRACE(name + ", " + conversation);
            const auto rendered = made.render(conversation_of(one));
            const Json* wanted = expected.find(conversation);
            const Json* text = wanted->find("text");
            const bool is_same = text ? rendered && rendered->text == text->as_string() : !rendered;
            if (const std::string reason = reason_to_differ(conversation, one, made); !reason.empty()) {
                if (!is_same) ++other[reason];
                if (reason == "reads text only") {
                    EXPECT_FALSE(rendered);
                }
                // Whatever the template had made of it: what was said and called is there.
                for (const std::string& called : names_called(one)) {
                    if (!rendered) break;
                    EXPECT_NE(rendered->text.find(called), std::string::npos) << called;
                }
                continue;
            }
            EXPECT_TRUE(is_same) << (rendered ? rendered->text : rendered.error().what) << "\n--- wanted\n"
                                 << (text ? text->as_string() : "an error");
            if (!text && !rendered && wanted->find("kind")->as_string() == "raised") {
                EXPECT_EQ(rendered.error().what, wanted->find("error")->as_string());
            }
            same += is_same;
        }
    }
    EXPECT_GE(same, 1450);
    for (const auto& [reason, count] : other) RecordProperty(reason, count);
}

TEST(Templates, PrefilledAnswersAreCutBehindTheirText) {
    NEED_SHARED("reference/templates/cases.json");
    const Json cases = read_templates("cases.json"), meta = read_templates("meta.json");
    int checked = 0;
    for (const auto& [name, tokens] : meta.members()) {
        const ChatTemplate made = recorded_template(name, tokens);
        const Json expected = read_templates("expected/" + name + ".json");
        for (const Json& one : cases.items()) {
            const Json* wanted = expected.find(one.find("name")->as_string())->find("continue_final");
            if (!one.find("prefill") || !wanted || (has_role(one, "system") && !made.abilities().system)) continue;
            Conversation conversation = conversation_of(one);
            conversation.continues_last = true;
            const auto rendered = made.render(conversation);
            ASSERT_TRUE(rendered) << name << rendered.error().what;
            EXPECT_EQ(rendered->text, wanted->as_string()) << name;
            // Nemotron's template opens one before every last answer.
            EXPECT_EQ(rendered->begins == PromptText::Begins::in_thought, name == "NVIDIA-Nemotron-Nano-v2") << name;
            ++checked;
        }
    }
    EXPECT_GE(checked, 60);
}

// Where thoughts begin, and what becomes of the switch, by family.
TEST(Templates, ThinkingIsSwitchedAndSeen) {
    NEED_SHARED("reference/templates/cases.json");
    const Json meta = read_templates("meta.json");
    struct Expected {
        const char *name, *usual, *on,
            *off;  // t: the prompt opens a thought; s: the model will by itself; -: no thought; 0: ended at once
    };
    for (const Expected& expected :
         {Expected{"Qwen3.5-4B", "t", "t", "-"}, Expected{"Qwen3.5-0.8B", "-", "t", "-"},
          Expected{"Qwen-Qwen3-0.6B", "s", "s", "-"}, Expected{"Qwen-QwQ-32B", "-", "t", "-"},
          Expected{"google-gemma-4-31B-it", "-", "s", "-"}, Expected{"google-gemma-4-E2B-E4B-it", "-", "s", "-"},
          Expected{"NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "t", "t", "-"},
          Expected{"NVIDIA-Nemotron-Nano-v2", "t", "t", "-"}, Expected{"GLM-4.6", "s", "s", "-"},
          Expected{"GLM-4.7-Flash", "t", "t", "-"}, Expected{"HuggingFaceTB-SmolLM3-3B", "s", "s", "-"},
          Expected{"openai-gpt-oss-120b", "s", "s", "-0"},
          Expected{"mistralai-Ministral-3-14B-Reasoning-2512", "s", "s", "-0"},
          Expected{"deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "t", "t", "t0"},
          Expected{"Qwen-Qwen2.5-7B-Instruct", "-", "-", "-"}, Expected{"google-gemma-3-it", "-", "-", "-"},
          Expected{"ibm-granite-granite-3.3-2B-Instruct", "-", "s", "-"}}) {
        const ChatTemplate made = recorded_template(expected.name, *meta.find(expected.name));
        for (const auto& [thinking, wanted] :
             {std::pair<std::optional<bool>, const char*>{std::nullopt, expected.usual},
              {true, expected.on},
              {false, expected.off}}) {
            Conversation conversation;
            conversation.messages.push(
                Json::Object{{"role", "user"}, {"content", "a <think> and <|channel>thought\n"}});
            conversation.thinking = thinking;
            conversation.now = recorded_time();
            const auto rendered = made.render(conversation);
            ASSERT_TRUE(rendered) << expected.name << ": " << rendered.error().what;
            std::string seen = rendered->begins == PromptText::Begins::in_thought ? "t" : rendered->thinks ? "s" : "-";
            if (rendered->ends_thought) seen += "0";
            EXPECT_EQ(seen, wanted) << expected.name << (thinking ? *thinking ? " on" : " off" : " usual")
                                    << rendered->text;
        }
    }
}

TEST(Templates, ForeignIdsBecomeThoseThatMistralTakes) {
    NEED_SHARED("reference/templates/cases.json");
    const Json meta = read_templates("meta.json");
    for (const std::string name : {"mistralai-Mistral-Nemo-Instruct-2407", "Mistral-Small-3.2-24B-Instruct-2506"}) {
        const ChatTemplate made = recorded_template(name, *meta.find(name));
        Conversation conversation;
        conversation.messages = *Json::parse(R"([
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": "", "tool_calls": [
                {"id": "call_one", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}},
                {"id": "abcdefghi", "type": "function", "function": {"name": "g", "arguments": {}}}]},
            {"role": "tool", "tool_call_id": "call_one", "content": "1"},
            {"role": "tool", "tool_call_id": "abcdefghi", "content": "2"}])");
        const auto rendered = made.render(conversation);
        ASSERT_TRUE(rendered) << name << ": " << rendered.error().what;
        EXPECT_EQ(rendered->text.find("call_one"), std::string::npos);
        const size_t first = rendered->text.find("call00001");
        EXPECT_NE(first, std::string::npos) << rendered->text;
        EXPECT_NE(rendered->text.find("call00001", first + 1), std::string::npos) << rendered->text;
        EXPECT_NE(rendered->text.find("abcdefghi"), std::string::npos);
    }
}

// Calls that we write ourselves hold marks; what people wrote beside them does not.
TEST(Templates, WrittenCallsHaveRealMarks) {
    NEED_SHARED("reference/templates/cases.json");
    const Json meta = read_templates("meta.json");
    const std::string name = "LFM2-8B-A1B";
    const ChatTemplate made = recorded_template(name, *meta.find(name));
    Conversation conversation;
    conversation.messages = *Json::parse(R"([
        {"role": "user", "content": "\ue000A\ue001 <|tool_call_start|>"},
        {"role": "assistant", "content": "Hm.", "tool_calls": [
            {"id": "1", "function": {"name": "f", "arguments": {"a": "<|tool_call_end|>", "b": [1]}}}, {"id": "2", "function": {"name": "g"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "r"}])");
    const auto rendered = made.render(conversation);
    ASSERT_TRUE(rendered) << rendered.error().what;
    const std::string wanted =
        "Hm.\n<|tool_call_start|>[f(a=\"<|tool_call_end|>\", b=[1]), g()]<|tool_call_end|><|im_end|>";
    const size_t at = rendered->text.find(wanted);
    ASSERT_NE(at, std::string::npos) << rendered->text;
    EXPECT_NE(rendered->text.find("\ue000A\ue001 <|tool_call_start|>"), std::string::npos);
    const auto is_input = [&](size_t place) {
        return std::ranges::any_of(rendered->input,
                                   [&](const InputSpan& span) { return span.begin <= place && place < span.end; });
    };
    EXPECT_TRUE(is_input(at));
    EXPECT_FALSE(is_input(at + 4));
    EXPECT_TRUE(is_input(at + 4 + 19));
    EXPECT_TRUE(is_input(rendered->text.find("<|tool_call_end|>\", b")));
    EXPECT_FALSE(is_input(rendered->text.find("<|tool_call_end|><|im_end|>")));
    EXPECT_TRUE(is_input(rendered->text.find(" <|tool_call_start|>") + 1));
}

TEST(Templates, BadConversationsAreRefusedByMessage) {
    const auto made = ChatTemplate::make({.usual = "{% for m in messages %}{{ m.content }}{% endfor %}"});
    ASSERT_TRUE(made);
    const auto refused = [&](const char* messages, const char* word) {
        Conversation conversation;
        conversation.messages = *Json::parse(messages);
        const auto rendered = made->render(conversation);
        ASSERT_FALSE(rendered) << messages;
        EXPECT_NE(rendered.error().what.find(word), std::string::npos) << rendered.error().what;
    };
    refused("7", "no list");
    refused("[7]", "message 0 is no object");
    refused(R"([{"role": "user", "content": "a"}, {"content": "b"}])", "message 1 has no role");
    refused(R"([{"role": "user", "content": 7}])", "neither text");
    refused(R"([{"role": "user", "content": [7]}])", "part of content");
    refused(R"([{"role": "assistant", "tool_calls": {}}])", "no list");
    refused(R"([{"role": "assistant", "tool_calls": [7]}])", "without a name");
    refused(R"([{"role": "user", "content": [{"type": "image_url"}]}])", "reads text only");
}

}  // namespace
}  // namespace hearth::chat
