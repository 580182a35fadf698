// Conversations on the command line, with the model in the box: thinking, tools, events.
#include "cli/command.h"

namespace hearth::test {
namespace {

class Chat : public Command {
protected:
    void SetUp() override {
        Command::SetUp();
        write("tools.json",
              R"([{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}])");
    }
    // Events of a run, one JSON object a line.
    std::vector<Json> events(const std::string& words, int exit_code = 0) const {
        const Ran ran = hearth("run ember --temp 0 --events " + words);
        EXPECT_EQ(ran.exit_code, exit_code) << ran.err;
        std::vector<Json> found;
        std::istringstream lines(ran.out);
        for (std::string line; std::getline(lines, line);) {
            auto event = Json::parse(line);
            EXPECT_TRUE(event) << line;
            if (event) found.push_back(std::move(*event));
        }
        return found;
    }
    static std::string joined(const std::vector<Json>& events, std::string_view type) {
        std::string text;
        for (const Json& event : events)
            if (event.find("type")->as_string() == type) text += event.find("text")->as_string();
        return text;
    }
};

TEST_F(Chat, ThoughtsAreNoPartOfTheAnswer) {
    const std::string question = "'What is 17 + 25?'";
    const Ran quiet = hearth("run ember --temp 0 " + question);
    EXPECT_EQ(quiet.out, "17 + 25 = 42\n");
    EXPECT_EQ(quiet.err, "");
    const Ran thinks = hearth("run ember --temp 0 --think " + question);
    EXPECT_EQ(thinks.out, quiet.out);
    EXPECT_EQ(thinks.err, "");  // nobody looks
    const Ran told = hearth("run ember --temp 0 --think -v " + question);
    EXPECT_EQ(told.out, quiet.out);
    EXPECT_NE(told.err.find("carry 1"), std::string::npos) << told.err;
    EXPECT_EQ(told.err.find('\x1b'), std::string::npos);
    EXPECT_EQ(hearth("run ember --temp 0 --no-think -v " + question).err.find("carry"), std::string::npos);
}

TEST_F(Chat, EventsSayWhatIsWhat) {
    const auto said = events("--think 'What is 17 + 25?'");
    EXPECT_NE(joined(said, "thinking").find("carry 1"), std::string::npos);
    EXPECT_EQ(joined(said, "answer"), "17 + 25 = 42");
    ASSERT_FALSE(said.empty());
    EXPECT_EQ(said.back().find("type")->as_string(), "finish");
    EXPECT_EQ(said.back().find("reason")->as_string(), "end");
    EXPECT_GT(said.back().find("generated_tokens")->as_int(), 20);
    EXPECT_EQ(joined(events("'What is 17 + 25?'"), "thinking"), "");
    const std::string raw = "--raw -n 4 'The capital of'";
    EXPECT_EQ(joined(events(raw), "answer") + "\n", hearth("run ember --temp 0 " + raw).out);
}

TEST_F(Chat, AThoughtEndsWithItsBudget) {
    const auto all = events("--think 'What is 17 + 25?'"), few = events("--think-budget 5 --think 'What is 17 + 25?'");
    const std::string whole = joined(all, "thinking"), cut = joined(few, "thinking");
    EXPECT_FALSE(cut.empty());
    EXPECT_LT(cut.size(), whole.size() / 2);
    EXPECT_TRUE(whole.starts_with(cut)) << cut;
    EXPECT_FALSE(joined(few, "answer").empty());
    EXPECT_EQ(few.back().find("reason")->as_string(), "end");
    EXPECT_EQ(joined(events("--think-budget 0 'What is 17 + 25?'"), "thinking"), "");
    const Ran short_run = hearth("run ember --temp 0 --think -n 5 'What is 17 + 25?'");
    EXPECT_NE(short_run.err.find("--think-budget"), std::string::npos) << short_run.err;
}

// A question that nobody would call a tool for, and a model that has never seen these tools.
TEST_F(Chat, RequiredCallsAreAlwaysValid) {
    write("home.json",
          R"([{"type": "function", "function": {"name": "set_light", "description": "Light of a room", "parameters": {
            "type": "object", "properties": {"room": {"type": "string", "enum": ["kitchen", "hall"]},
            "level": {"type": "integer", "minimum": 0, "maximum": 100}, "warm": {"type": "boolean"}},
            "required": ["room", "level"]}}}, {"type": "function", "function": {"name": "lock_door",
            "parameters": {"type": "object", "properties": {}}}}])");
    for (const std::string flags : {"--temp 0 --no-think", "--temp 1.5 --seed 1", "--temp 1.5 --seed 2 --think",
                                    "--temp 1.5 --seed 3 --think-budget 3 --think",
                                    // as good as random weights
                                    "--temp 200 --top-k 0 --top-p 1 --min-p 0 --seed 4",
                                    "--temp 200 --top-k 0 --top-p 1 --min-p 0 --seed 5 --no-think"})
        for (const std::string choice : {"required", "set_light"}) {
            const Ran ran = hearth("run ember -n 400 --one-call --tools home.json --tool-choice " + choice + " " +
                                   flags + " 'What is 17 + 25?'");
            SCOPED_TRACE(flags + " " + choice + ": " + ran.out + ran.err);
            ASSERT_EQ(ran.exit_code, 0);
            const auto call = Json::parse(ran.out);
            ASSERT_TRUE(call && call->find("name"));
            const Json& arguments = *call->find("arguments");
            if (call->find("name")->as_string() == "lock_door") {
                EXPECT_EQ(choice, "required");
                EXPECT_EQ(arguments.dump(), "{}");
                continue;
            }
            EXPECT_EQ(call->find("name")->as_string(), "set_light");
            const std::string room = arguments.find("room")->as_string();
            EXPECT_TRUE(room == "kitchen" || room == "hall");
            EXPECT_TRUE(arguments.find("level")->is_integer());
            EXPECT_LE(uint64_t(arguments.find("level")->as_int(-1)), 100u);
        }
    const std::string weather = " --temp 0 --tools tools.json 'What is the weather in Paris?'";
    EXPECT_NE(hearth("run ember --tool-choice none" + weather).out.find("<tool_call>"), std::string::npos);
    refused("\"$H\" run ember hi --tools tools.json --tool-choice nothing", 1, {"no tool nothing"});
    refused("\"$H\" run ember hi --tool-choice required", 1, {"--tools"});
    refused("\"$H\" run ember hi --tools tools.json --tool-choice required --json", 1, {"another form"});
}

// What cannot be enforced is said, and the tool may still be called.
TEST_F(Chat, ToolsThatCannotBeBoundAreNamed) {
    write("odd.json", R"([{"name": "odd", "parameters": {"type": "object", "minProperties": 1,
                          "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}}])");
    const Ran ran = hearth("run ember --temp 0 -n 300 --one-call --tools odd.json --tool-choice odd hi");
    EXPECT_NE(ran.err.find("odd may have any arguments: minProperties"), std::string::npos) << ran.err;
}

TEST_F(Chat, CallsAreShown) {
    const std::string words = "--tools tools.json 'What is the weather in Paris?'";
    const auto line = Json::parse(hearth("run ember --temp 0 " + words).out);
    ASSERT_TRUE(line);
    EXPECT_EQ(line->find("name")->as_string(), "get_weather");
    EXPECT_EQ(line->find("arguments")->dump(), R"({"city":"Paris"})");
    const auto said = events(words);
    ASSERT_GE(said.size(), 4u);
    EXPECT_EQ(said[0].find("type")->as_string(), "tool_call");
    EXPECT_EQ(said[0].find("name")->as_string(), "get_weather");
    EXPECT_EQ(said[0].find("id")->as_string(), line->find("id")->as_string());
    EXPECT_EQ(joined(said, "tool_call_arguments"), R"({"city":"Paris"})");
    EXPECT_EQ(said[said.size() - 2].find("type")->as_string(), "tool_call_end");
}

TEST_F(Chat, AnswersHaveTheFormThatIsAskedFor) {
    write("person.json", R"({"type": "object", "properties": {"name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0}}, "required": ["name", "age"]})");
    const Ran person = hearth("run ember --temp 0 --schema person.json 'Tom is 31 years old.'");
    EXPECT_EQ(person.out, "{\"name\": \"Tom\", \"age\": 31}\n") << person.err;
    // The same in every way it may come.
    for (const std::string flags : {"--think", "--no-think", "--think-budget 3"}) {
        const Ran ran = hearth("run ember --temp 0 --schema person.json " + flags + " 'Tom is 31 years old.'");
        const auto value = Json::parse(ran.out);
        ASSERT_TRUE(value && value->is_object()) << ran.out << ran.err;
        EXPECT_TRUE(value->find("name")->is_string() && value->find("age")) << ran.out;
    }
    EXPECT_EQ(joined(events("--schema person.json 'Tom is 31 years old.'"), "answer") + "\n", person.out);
    EXPECT_TRUE(Json::parse(hearth("run ember --temp 0 --json 'Tell me about Paris.'").out));
    const std::string word = hearth("run ember --temp 0 --regex '(yes|no)' 'Is water wet?'").out;
    EXPECT_TRUE(word == "yes\n" || word == "no\n") << word;
    write("word.gbnf", "root ::= (\"red\" | \"blue\") \"!\"\n");
    const std::string colour = hearth("run ember --temp 0 --gbnf word.gbnf 'Which colour?'").out;
    EXPECT_TRUE(colour == "red!\n" || colour == "blue!\n") << colour;
    // What is cut short says so.
    const Ran cut = hearth("run ember --temp 0 -n 3 --schema person.json 'Tom is 31 years old.'");
    EXPECT_NE(cut.err.find("before it was complete"), std::string::npos) << cut.err;
}

TEST_F(Chat, FormsThatCannotBeKeptAreRefused) {
    write("tags.json", R"({"type": "array", "uniqueItems": true})");
    refused("\"$H\" run ember hi --schema tags.json", 1, {"uniqueItems"});
    refused("\"$H\" run ember hi --schema missing.json", 1, {"missing.json"});
    write("broken.json", "{");
    refused("\"$H\" run ember hi --schema broken.json", 1, {});
    refused("\"$H\" run ember hi --regex '('", 1, {});
    refused("\"$H\" run ember hi --json --regex a", 2, {"--json", "--regex"});
    refused("\"$H\" run $M hi --raw --json", 1, {"--json", "--raw"});
}

TEST_F(Chat, WhatDoesNotFitIsRefusedOrLeftOutAloud) {
    std::string words;
    for (int i = 0; i < 200; ++i) words += "word ";
    refused("\"$H\" run ember --ctx 64 '" + words + "'", 1, {"the context holds 64", "--ctx"});
    refused("\"$H\" run ember --ctx 64 --overflow oldest '" + words + "'", 1, {"--overflow middle"});
    const Ran cut = hearth("run ember --temp 0 --ctx 64 --overflow middle '" + words + "'");
    EXPECT_EQ(cut.exit_code, 0) << cut.err;
    EXPECT_NE(cut.out, "");
    EXPECT_NE(cut.err.find("in the middle of a message were left out"), std::string::npos) << cut.err;
    refused("\"$H\" run ember hi --overflow all", 2, {"--overflow"});
    refused("\"$H\" run $M hi --raw --overflow middle", 1, {"--overflow", "--raw"});
}

TEST_F(Chat, StopStringsEndTheAnswer) {
    EXPECT_EQ(hearth("run ember --temp 0 'What is the capital of France?' --stop ar").out,
              "The capital of France is P\n");
}

TEST_F(Chat, WhatMakesNoSenseIsRefused) {
    for (const std::string flag : {"--think", "--no-think", "--think-budget 5", "--tools tools.json"})
        refused("\"$H\" run $M hi --raw " + flag, 1, {flag.substr(0, flag.find(' ')), "--raw"});
    refused("\"$H\" run ember hi --think --no-think", 2, {"--think", "--no-think"});
    refused("\"$H\" run ember hi --think-budget -1", 2, {"--think-budget"});
    refused("\"$H\" run ember hi --tools missing.json", 1, {"missing.json"});
    for (const char* tools : {"{", "{}", "[{}]", R"([{"name": "f"}, {"name": "f"}])"}) {
        write("wrong.json", tools);
        refused("\"$H\" run ember hi --tools wrong.json", 1, {});
    }
}

}  // namespace
}  // namespace hearth::test
