// Replies that break their format, by much or by little: nothing is lost, and what can be understood is.
#include "chat/family.h"
#include "chat/replies.h"

namespace hearth::chat {
namespace {

using namespace test;

const char* const kTools = R"([
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {
        "city": {"type": "string"}, "days": {"type": "integer"}, "note": {"type": ["string", "null"]},
        "kind": {"enum": ["a", "b"]}, "any": {}, "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}}}},
    {"name": "now"}])";

ReplySetup setup(std::string_view family, bool begins_in_thought = false) {
    return setup_of(find_family(family)->channels, tools_of(kTools), begins_in_thought);
}

std::string read(const ReplySetup& setup, const std::string& text) {
    expect_same_in_every_cut(setup, text, 5);
    Reply reply = reply_of(events_of(setup, text));
    for (ReplyCall& call : reply.calls) {
        const auto arguments = Json::parse(call.arguments);
        EXPECT_TRUE(arguments && arguments->is_object()) << call.arguments;
        EXPECT_EQ(call.id.size(), 9u);
        call.id = "id";
    }
    return shown(reply);
}
std::string read(std::string_view family, const std::string& text) {
    return read(setup(family), text);
}

const std::string kNope = "\nwarning: the model calls \"nope\", which is none of the tools";
const std::string kNoSense = "\nwarning: the model wrote a call that makes no sense";
const std::string kEnded = "\nwarning: the reply ended inside a call";

TEST(Malformed, CallsOfUnknownToolsAreText) {
    for (const std::string text :
         {"<tool_call>\n{\"name\": \"nope\", \"arguments\": {}}\n</tool_call>",
          "<tool_call>\n<function=nope>\n</function>\n</tool_call>", "<tool_call>nope\n</tool_call>"})
        EXPECT_EQ(read("qwen3.5", text), "[][" + text + "]" + kNope);
    EXPECT_EQ(read("gemma4", "<|tool_call>call:nope{a:1}<tool_call|>"),
              "[][<|tool_call>call:nope{a:1}<tool_call|>]" + kNope);
    EXPECT_EQ(read("mistral-small", "Hm.\n[TOOL_CALLS]nope[ARGS]{}"), "[][Hm.\n[TOOL_CALLS]nope[ARGS]{}]" + kNope);
    EXPECT_EQ(read("lfm2", "<|tool_call_start|>[nope(a=1)]<|tool_call_end|>"),
              "[][<|tool_call_start|>[nope(a=1)]<|tool_call_end|>]" + kNope);
    EXPECT_EQ(read("llama3", "{\"name\": \"nope\", \"parameters\": {}}"),
              "[][{\"name\": \"nope\", \"parameters\": {}}]" + kNope);
    EXPECT_EQ(read("gpt-oss", "<|channel|>commentary to=functions.nope<|message|>{}"),
              "[][<|channel|>commentary to=functions.nope<|message|>{}]" + kNope);
    // The known one in the same list still counts.
    EXPECT_EQ(read("nemotron2", "<TOOLCALL>[{\"name\": \"now\"}, {\"name\": \"nope\"}]</TOOLCALL>"),
              "[][, {\"name\": \"nope\"}]</TOOLCALL>]\nid now({})" + kNope);
}

TEST(Malformed, WithoutToolsEverythingIsText) {
    for (const std::string_view family :
         {"qwen3.5", "llama3", "gemma4", "mistral-small", "lfm2", "phi4-mini", "deepseek"}) {
        const ReplySetup none = setup_of(find_family(family)->channels, std::make_shared<Tools>());
        for (const std::string text :
             {"<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>", "{\"name\": \"now\"}",
              "<|tool_call>call:now{}<tool_call|>", "[TOOL_CALLS]now[ARGS]{}", "functools[{}]",
              "<function=now>\n</function>", "<|python_tag|>now()"})
            EXPECT_EQ(read(none, text), "[][" + text + "]") << family;
    }
}

TEST(Malformed, JsonAnswersOfLlamaAreAnswers) {
    for (const std::string text :
         {"{\"title\": \"x\"}", "{}", "{ \"a\": [1, 2", "{\"name\": 7}", "{{", "  {\"type\": \"x\"} y"})
        EXPECT_EQ(read("llama3", text), "[][" + text + "]");
    EXPECT_EQ(read("llama3", "{\"type\": \"function\", \"name\": \"now\", \"parameters\": {}}"), "[][]\nid now({})");
    EXPECT_EQ(read("llama3", "{\"parameters\": {\"city\": \"X\"}, \"name\": \"weather\"}"),
              "[][]\nid weather({\"city\":\"X\"})");
    EXPECT_EQ(read("llama3", "<|python_tag|>weather.call(city=\"X\", days=2)"),
              "[][]\nid weather({\"city\":\"X\",\"days\":2})");
    EXPECT_EQ(read("llama3", "<|python_tag|>{\"name\": \"now\", \"parameters\": {}}"), "[][]\nid now({})");
    EXPECT_EQ(read("llama3", "<|python_tag|>x = 1"), "[][<|python_tag|>x = 1]" + kNoSense);
}

TEST(Malformed, SmallSlipsAreUnderstood) {
    const auto call = [](const std::string& json) { return "<tool_call>" + json + "</tool_call>"; };
    const auto city = [](const std::string& json) { return "[][]\nid weather({\"city\":" + json + "})"; };
    const std::string begin = "{\"name\": \"weather\", \"arguments\": {\"city\": ";
    EXPECT_EQ(read("qwen3", call(begin + "\"a\\d\"}}")), city("\"a\\\\d\""));
    EXPECT_EQ(read("qwen3", call(begin + "'it\\'s \"x\"'}}")), city("\"it's \\\"x\\\"\""));
    EXPECT_EQ(read("qwen3", call(begin + "True,},}")), city("true"));
    EXPECT_EQ(read("qwen3", call(begin + "\"a\nb\tc\x01\"}}")), city("\"a\\nb\\tc\\u0001\""));
    EXPECT_EQ(read("qwen3", call(begin + "\"\\ud83d\\ude00 \\ud83d \\ude00\"}}")),
              city("\"\\ud83d\\ude00 \\ufffd \\ufffd\""));
    EXPECT_EQ(read("qwen3", call(begin + "\"</tool_call>\"}}")), city("\"</tool_call>\""));
    EXPECT_EQ(read("qwen3", call("{\"arguments\": \"{\\\"city\\\": \\\"X\\\"}\", \"name\": \"weather\"}")),
              city("\"X\""));
    EXPECT_EQ(
        read("qwen3",
             call("{\"type\": \"function\", \"function\": {\"name\": \"weather\", \"arguments\": {\"city\": \"X\"}}}")),
        city("\"X\""));
    EXPECT_EQ(read("qwen3", call("[{\"name\": \"now\"}, {\"name\": \"now\", \"arguments\": null}]")),
              "[][]\nid now({})\nid now({})");
    EXPECT_EQ(read("qwen3", "<tool_call>{\"name\": \"now\"}</tool_call></tool_call>"), "[][</tool_call>]\nid now({})");
    EXPECT_EQ(read("qwen3", "<tool_call>{\"name\": \"now\"}\nDone."), "[][Done.]\nid now({})");
    EXPECT_EQ(read("qwen3", begin.substr(0, 0) + "<tool_call>" + begin + "\"X\"}"),
              city("\"X\""));  // a bracket is missing
    // The forms of others between the same marks.
    EXPECT_EQ(read("qwen3.5", call(begin + "\"X\"}}")), city("\"X\""));
    EXPECT_EQ(read("qwen3", call("weather\n<arg_key>city</arg_key>\n<arg_value>X</arg_value>\n")), city("\"X\""));
    EXPECT_EQ(
        read("qwen3.5", "Sure.\n<function=weather>\n<parameter=city>\nX\n</parameter>\n</function>\n</tool_call>"),
        "[][Sure.]\nid weather({\"city\":\"X\"})");
    EXPECT_EQ(read("phi4-mini", "functools[{\"name\": \"now\", \"arguments\": {}}]"), "[][]\nid now({})");
    EXPECT_EQ(read("lfm2", "<|tool_call_start|>weather('X', 3, note=None, any={'a': (1, True)})<|tool_call_end|>"),
              "[][]\nid weather({\"city\":\"X\",\"days\":3,\"note\":null,\"any\":{\"a\":[1,true]}})");
    EXPECT_EQ(read("gemma4",
                   "<|tool_call>call:weather{city:Bern am See,days:-2,any:{<|\"|>k<|\"|>:[]},note:null}<tool_call|>"),
              "[][]\nid weather({\"city\":\"Bern am See\",\"days\":-2,\"any\":{\"k\":[]},\"note\":null})");
    EXPECT_EQ(
        read("deepseek",
             "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{\"city\": \"X\"}\n"
             "```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<"
             "｜tool▁call▁end｜>"
             "<｜tool▁calls▁end｜>"),
        "[][]\nid weather({\"city\":\"X\"})\nid now({})");
}

// Where marks are spelled out, a text of arguments may read like one.
TEST(Malformed, ListsOfMistralMayHoldItsMarks) {
    EXPECT_EQ(read("mistral-small", R"([TOOL_CALLS][{"name": "weather", "arguments": {"city": "[ARGS]x[CALL_ID]"}}])"),
              "[][]\nid weather({\"city\":\"[ARGS]x[CALL_ID]\"})");
}

TEST(Malformed, XmlTextsBecomeWhatTheSchemaSays) {
    const auto value = [](const std::string& key, const std::string& text) {
        const std::string prefix = "[][]\nid weather({\"" + key + "\":";
        const std::string got = read("qwen3.5", "<tool_call>\n<function=weather>\n<parameter=" + key + ">\n" + text +
                                                    "\n</parameter>\n</function>\n</tool_call>");
        EXPECT_TRUE(got.starts_with(prefix) && got.ends_with("})")) << got;
        return got.substr(std::min(got.size(), prefix.size()), got.size() - prefix.size() - 2);
    };
    EXPECT_EQ(value("city", "12"), "\"12\"");
    EXPECT_EQ(value("city", "null"), "\"null\"");
    EXPECT_EQ(value("city", "\n x \n"), "\"\\n x \\n\"");
    EXPECT_EQ(value("city", ""), "\"\"");
    // In a string of JSON a mark is text, unless that cannot be JSON.
    EXPECT_EQ(value("any", R"({"a": "x</parameter>\"y"})"), R"({"a": "x</parameter>\"y"})");
    EXPECT_EQ(value("any", R"("x</parameter>")"), R"("x</parameter>")");
    EXPECT_EQ(value("any", R"(["x)"), R"("[\"x")");
    EXPECT_EQ(value("city", "a</parameter"), "\"a</parameter\"");
    EXPECT_EQ(value("note", "None"), "null");
    EXPECT_EQ(value("note", "12"), "\"12\"");
    EXPECT_EQ(value("days", "12"), "12");
    EXPECT_EQ(value("days", "many"), "\"many\"");
    EXPECT_EQ(value("kind", "1"), "\"1\"");
    EXPECT_EQ(value("either", "7"), "7");
    EXPECT_EQ(value("either", "x"), "\"x\"");
    EXPECT_EQ(value("any", "{'a': True, 'b': [None]}"), "{\"a\":true,\"b\":[null]}");
    EXPECT_EQ(value("any", "{\"a\": 1}"), "{\"a\": 1}");
    EXPECT_EQ(value("any", "True"), "true");
    EXPECT_EQ(value("any", "{broken"), "\"{broken\"");
}

TEST(Malformed, BrokenCallsAreClosedAndTheRestIsText) {
    EXPECT_EQ(read("qwen3", "<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": oops}}</tool_call> bye"),
              "[][}}</tool_call> bye]\nid weather({\"city\":null}) broken" + kNoSense);
    EXPECT_EQ(read("qwen3", "<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": \"St"),
              "[][]\nid weather({\"city\":\"St\"}) broken" + kEnded);
    EXPECT_EQ(read("qwen3", "<tool_call>{\"name\": \"wea"), "[][<tool_call>{\"name\": \"wea]" + kEnded);
    EXPECT_EQ(read("qwen3.5", "<tool_call>\n<function=weather>\n<parameter=days>\n1"),
              "[][]\nid weather({\"days\":1}) broken" + kEnded);
    EXPECT_EQ(read("qwen3.5", "<tool_call>\n<function=weather>\nwhat?"), "[][what?]\nid weather({}) broken" + kNoSense);
    EXPECT_EQ(read("qwen3.5", "<tool_call>"), "[][<tool_call>]" + kEnded);
    EXPECT_EQ(read("qwen3.5", "a <tool_cal"), "[][a <tool_cal]");
    EXPECT_EQ(read("lfm2", "<|tool_call_start|>[weather(city='X', "),
              "[][]\nid weather({\"city\":\"X\"}) broken" + kEnded);
    EXPECT_EQ(read("gemma4", "<|tool_call>call:weather{city:<|\"|>X"),
              "[][]\nid weather({\"city\":\"X\"}) broken" + kEnded);
    EXPECT_EQ(read("gemma4", "<|tool_call>call:weather{city"), "[][]\nid weather({\"city\":null}) broken" + kEnded);
    EXPECT_EQ(read("mistral-small", "[TOOL_CALLS]weather[ARGS]"), "[][]\nid weather({}) broken" + kEnded);
    EXPECT_EQ(read("mistral-small", "[TOOL_CALLS]weather{\"city\": 1}[TOOL_CALLS]x y"),
              "[][[TOOL_CALLS]x y]\nid weather({\"city\":1})" + kEnded);
    EXPECT_EQ(read("gpt-oss", "<|channel|>commentary to=functions.weather<|message|>{\"city\": <|end|>"),
              "[][]\nid weather({\"city\":null}) broken\nwarning: a message ended inside a call");
}

TEST(Malformed, ThoughtsAreKeptApart) {
    EXPECT_EQ(read(setup("qwen3.5", true), "  a\n\nb \n</think>\n\n c\n"), "[a\n\nb][c\n]");
    EXPECT_EQ(read(setup("qwen3.5", true), "never closed"), "[never closed][]");
    EXPECT_EQ(read(setup("qwen3.5", true), "</think>"), "[][]");
    EXPECT_EQ(read("qwen3.5", "a </think> b"), "[][a </think> b]");
    EXPECT_EQ(read("qwen3", "\n<think>\n\n</think>\n\nHi"), "[][Hi]");
    EXPECT_EQ(read("qwen3", "<think>a</think>b<think>c</think>d"), "[a\n\nc][bd]");
    EXPECT_EQ(read("qwen3", " Hi \n"), "[][ Hi \n]");
    EXPECT_EQ(read("qwen3", "  \n"), "[][  \n]");
    EXPECT_EQ(read("gemma4", "Hi <|channel>thought\n<channel|>"), "[][Hi ]");
    EXPECT_EQ(read("gemma4", "Hi<channel|> there"), "[][Hi there]");
    EXPECT_EQ(read("gemma4", "<|channel>a very long line that is certainly no name of a channel<channel|>x"),
              "[a very long line that is certainly no name of a channel][x]");
    EXPECT_EQ(read("granite3", "<think>a</think> <response> b </response>"), "[a][b ]");
}

TEST(Malformed, HarmonyWithoutItsHeaders) {
    EXPECT_EQ(read("gpt-oss", "Hello"), "[][Hello]\nwarning: the model wrote text outside of a message");
    EXPECT_EQ(read("gpt-oss", "<|channel|>final<|message|>a<|end|> b"),
              "[][a\n\nb]\nwarning: the model wrote text outside of a message");
    EXPECT_EQ(read("gpt-oss", "<|channel|>analysis<|message|>a<|channel|>final<|message|>b"), "[a][b]");
    EXPECT_EQ(read("gpt-oss", "<|channel|>final<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b"),
              "[][a\n\nb]");
    EXPECT_EQ(read("gpt-oss", "<|channel|>anal"), "[][]\nwarning: the reply ended inside the header of a message");
    EXPECT_EQ(read("gpt-oss", "<|channel|>analysis to=functions.now<|message|>{}<|end|>"), "[][]\nid now({})");
    EXPECT_EQ(read("gpt-oss", " to=functions.now<|channel|>commentary json<|message|>{} "), "[][]\nid now({})");
    EXPECT_EQ(read("gpt-oss", "<|channel|>" + std::string(600, 'x')).substr(0, 20), "[][<|channel|>xxxxxx");
}

TEST(Malformed, BytesThatAreNoText) {
    EXPECT_EQ(read("qwen3", "a\xff\xe4\xbd\xa0\xe4\xbd"), "[][a\xEF\xBF\xBD\xe4\xbd\xa0\xEF\xBF\xBD]");
    EXPECT_EQ(read("qwen3", "<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": \"\xc3\"}}</tool_call>"),
              "[][]\nid weather({\"city\":\"\xEF\xBF\xBD\"})");
}

TEST(Malformed, NothingIsTooDeepOrTooLong) {
    std::string deep = "<tool_call>{\"name\": \"weather\", \"arguments\": {\"any\": ";
    for (int i = 0; i < 5000; ++i) deep += "[";
    const Reply reply = reply_of(events_of(setup("qwen3"), deep));
    ASSERT_EQ(reply.calls.size(), 1u);
    EXPECT_FALSE(reply.calls[0].is_whole);
    EXPECT_TRUE(Json::parse(reply.calls[0].arguments));
    EXPECT_GT(reply.answer.size(), 4000u);
    for (const std::string_view family :
         {"qwen3.5", "gemma4", "mistral-small", "lfm2", "deepseek", "llama3", "gpt-oss"})
        for (const std::string part : {"<tool_call>", "<|tool_call>x", "[TOOL_CALLS]", "<|tool_call_start|>[", "<",
                                       "\n", "{", "<|start|>", "<｜tool▁calls▁begin｜>", "<function=", "<|channel|>"}) {
            std::string text;
            for (int i = 0; i < 20000; ++i) text += part;
            const Reply long_reply = reply_of(events_of(setup(family), text));
            EXPECT_TRUE(long_reply.calls.empty());
        }
}

// Random marks and pieces of text, in every family.
TEST(Malformed, RandomRepliesAreTheSameInEveryCut) {
    const std::vector<std::string> pieces = {"{\"name\": \"weather\", \"arguments\": ",
                                             "{\"name\": \"now\"}",
                                             "{",
                                             "}",
                                             "[",
                                             "]",
                                             "(",
                                             ")",
                                             ",",
                                             ":",
                                             "\"",
                                             "'",
                                             "\\",
                                             "\\u12",
                                             "name",
                                             "weather",
                                             "now",
                                             "city",
                                             "days",
                                             "x",
                                             " ",
                                             "\n",
                                             "1",
                                             "True",
                                             "\xe4\xbd\xa0",
                                             "\xff",
                                             "=",
                                             ">",
                                             "call:",
                                             "to=functions.",
                                             "analysis",
                                             "final",
                                             "<",
                                             "<|",
                                             "</",
                                             "thought\n",
                                             "\n</param",
                                             "weather(city=",
                                             "json"};
    Rng random(3);
    for (const Family* family : families()) {
        std::vector<std::string> all = pieces;
        for (const std::string& mark : family->channels.texts)
            for (int i = 0; i < 3 && !mark.empty(); ++i) all.push_back(mark);
        for (int round = 0; round < 60; ++round) {
            std::string text;
            for (uint64_t n = random.below(14); n > 0; --n) text += all[random.below(all.size())];
            const ReplySetup made = setup(family->name, random.below(2));
            expect_same_in_every_cut(made, text, 2);
            const Reply reply = reply_of(events_of(made, text));
            for (const ReplyCall& call : reply.calls) {
                const auto arguments = Json::parse(call.arguments);
                ASSERT_TRUE(arguments && arguments->is_object()) << family->name << ": " << text << "\n"
                                                                 << call.arguments;
            }
        }
    }
}

}  // namespace
}  // namespace hearth::chat
