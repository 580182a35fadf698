// Tools that run: the model in the box calls, a script answers, and the model says what it heard.
#include <thread>

#include "cli/command.h"

namespace hearth::test {
namespace {

class ToolCommands : public Command {
protected:
    void SetUp() override {
        Command::SetUp();
        for (const char* file : {"asked", "pid"}) fs::remove(folder / file);
        script("weather", "cat >>asked; echo '{\"temperature\": 23, \"condition\": \"sunny\"}'");
    }
    void script(const std::string& name, const std::string& text) const {
        write(name, "#!/bin/sh\n" + text + "\n");
        fs::permissions(folder / name, fs::perms::owner_all);
    }
    // A weather tool with this command; none: without.
    std::string tools(const std::string& command) const {
        return write("weather.json",
                     R"([{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}})" +
                         (command.empty() ? "" : ", \"command\": " + command) + "}]");
    }
    static inline const std::string kAllowed = R"({"argv": ["./weather"], "allow": "always"})";
    static inline const std::string kRun = "run ember --temp 0 --tools weather.json ";
    static inline const std::string kQuestion = "'What is the weather in Paris?'";
};

TEST_F(ToolCommands, ACallIsCarriedOutAndAnswered) {
    tools(kAllowed);
    const Ran ran = hearth(kRun + kQuestion);
    EXPECT_EQ(ran.exit_code, 0);
    EXPECT_EQ(ran.out, "It is 23 degrees and sunny in Paris.\n");
    EXPECT_EQ(ran.err, "");
    EXPECT_EQ(read_text(folder / "asked"), "{\"city\":\"Paris\"}\n");
    const Ran told = hearth(kRun + "-v " + kQuestion);
    EXPECT_NE(told.err.find("/weather {\"city\":\"Paris\"}"), std::string::npos) << told.err;
    EXPECT_EQ(told.out, ran.out);
}

// A model that saw the command would read a longer prompt.
TEST_F(ToolCommands, TheCommandIsNoMatterOfTheModel) {
    const auto prompt_tokens = [&](const std::string& command) {
        tools(command);
        const std::string out = hearth(kRun + "--events --tool-choice none -n 1 " + kQuestion).out;
        const size_t at = out.find("\"prompt_tokens\":");
        return at == std::string::npos ? "none in " + out : out.substr(at, out.find(',', at) - at);
    };
    EXPECT_EQ(prompt_tokens(kAllowed), prompt_tokens(""));
}

TEST_F(ToolCommands, NothingRunsUnallowed) {
    tools(R"({"argv": ["./weather"]})");
    const Ran refused = hearth(kRun + kQuestion);
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_EQ(refused.lines().size(), 1u);
    EXPECT_NE(refused.err.find("--allow-tools"), std::string::npos) << refused.err;
    const auto call = Json::parse(refused.out);
    ASSERT_TRUE(call) << refused.out;
    EXPECT_EQ(call->find("name")->as_string(), "get_weather");
    EXPECT_FALSE(fs::exists(folder / "asked"));
    EXPECT_EQ(hearth(kRun + "--allow-tools " + kQuestion).out, "It is 23 degrees and sunny in Paris.\n");
}

TEST_F(ToolCommands, EventsSayWhatTheToolSaid) {
    tools(kAllowed);
    const Ran ran = hearth(kRun + "--events " + kQuestion);
    std::vector<std::string> types;
    std::string id, answer;
    std::istringstream lines(ran.out);
    for (std::string line; std::getline(lines, line);) {
        const auto event = Json::parse(line);
        ASSERT_TRUE(event) << line;
        const std::string type = event->find("type")->as_string();
        if (types.empty() || types.back() != type) types.push_back(type);
        if (type == "tool_call") id = event->find("id")->as_string();
        if (type == "answer") answer += event->find("text")->as_string();
        if (type != "tool_result") continue;
        EXPECT_EQ(event->find("id")->as_string(), id);
        EXPECT_EQ(event->find("name")->as_string(), "get_weather");
        EXPECT_EQ(event->find("text")->as_string(), R"({"temperature":23,"condition":"sunny"})");
    }
    EXPECT_EQ(types, (std::vector<std::string>{"tool_call", "tool_call_arguments", "tool_call_end", "finish",
                                               "tool_result", "answer", "finish"}));
    EXPECT_EQ(answer, "It is 23 degrees and sunny in Paris.");
}

TEST_F(ToolCommands, AFailureIsToldAndTheModelGoesOn) {
    script("weather", "echo no connection >&2; exit 4");
    tools(kAllowed);
    const Ran ran = hearth(kRun + "--events " + kQuestion);
    EXPECT_EQ(ran.exit_code, 0);
    EXPECT_EQ(ran.err, "no connection\nhearth: tool get_weather failed: it ended with exit code 4\n");
    EXPECT_NE(ran.out.find(R"({\"error\":\"it ended with exit code 4: no connection\"})"), std::string::npos)
        << ran.out;
    tools(R"({"argv": ["./missing"], "allow": "always"})");
    const Ran missing = hearth(kRun + kQuestion);
    EXPECT_EQ(missing.exit_code, 0);
    EXPECT_NE(missing.err.find("tool get_weather failed: there is no program"), std::string::npos) << missing.err;
}

// A model that can only call, and never answers.
TEST_F(ToolCommands, RoundsAreCounted) {
    write("now.json", R"([{"name": "now", "parameters": {"type": "object", "properties": {}},
                           "command": {"argv": ["sh", "-c", "echo run >>rounds; echo late"], "allow": "always"}}])");
    std::string mark = hearth("inspect tokens ember --special", "<tool_call>").out;
    while (mark.ends_with('\n')) mark.pop_back();
    const std::string words = "hi --temp 0 --one-call --tools now.json --logit-bias " + mark + "=100 ";
    for (const int most : {1, 3}) {
        fs::remove(folder / "rounds");
        const Ran ran = hearth("run ember " + words + "--max-tool-rounds " + std::to_string(most));
        EXPECT_EQ(ran.exit_code, 1);
        EXPECT_EQ(read_lines(folder / "rounds").size(), size_t(most));
        ASSERT_EQ(ran.lines().size(), 1u) << ran.err;
        EXPECT_NE(ran.err.find("called tools " + std::to_string(most) + " times"), std::string::npos) << ran.err;
        EXPECT_NE(ran.err.find("--max-tool-rounds"), std::string::npos);
        const auto call = Json::parse(ran.out);  // the one that was not carried out
        ASSERT_TRUE(call) << ran.out;
        EXPECT_EQ(call->find("name")->as_string(), "now");
    }
    refused("\"$H\" run ember " + words + "--max-tool-rounds 0", 2, {"--max-tool-rounds"});
    tools(kAllowed);
    EXPECT_EQ(hearth(kRun + "--max-tool-rounds 1 " + kQuestion).exit_code, 0);
}

TEST_F(ToolCommands, ToolsWithoutACommandAreShown) {
    tools("");
    const auto call = Json::parse(hearth(kRun + kQuestion).out);
    ASSERT_TRUE(call);
    EXPECT_EQ(call->find("arguments")->dump(), R"({"city":"Paris"})");
    refused("\"$H\" " + kRun + "--allow-tools hi", 1, {"weather.json", "no tool", "--allow-tools"});
}

TEST_F(ToolCommands, MistakesInTheFileAreNamed) {
    tools(R"({"argv": ["./weather"], "shell": true})");
    refused("\"$H\" " + kRun + "hi", 1, {"get_weather", "unknown key shell"});
    refused("\"$H\" run ember hi --allow-tools", 1, {"--tools"});
    refused("\"$H\" run $M hi --raw --allow-tools", 1, {"--allow-tools", "--raw"});
}

// Ctrl-C, and again: neither leaves the tool behind.
TEST_F(ToolCommands, InterruptsEndTheToolToo) {
    tools(kAllowed);
    for (const bool twice : {false, true}) {
        SCOPED_TRACE(twice);
        fs::remove(folder / "pid");
        script("weather", std::string(twice ? "trap '' TERM; " : "") + "echo $$ >pid; while :; do sleep 0.05; done");
        const Ran ran = shell("\"$H\" " + kRun + kQuestion + " & hearth=$!\n" +
                              "for i in $(seq 400); do [ -s pid ] && break; sleep 0.05; done\n" +
                              "kill -INT $hearth; " + (twice ? "sleep 0.1; kill -INT $hearth; " : "") + "wait $hearth");
        EXPECT_EQ(ran.exit_code, twice ? 130 : 1) << ran.err;
        EXPECT_EQ(ran.out, "");
        if (!twice) {
            EXPECT_EQ(ran.err, "hearth: tool get_weather was stopped\n");
        }
        pid_t tool = 0;
        std::ifstream(folder / "pid") >> tool;
        ASSERT_GT(tool, 0);
        bool is_gone = false;
        for (int i = 0; i < 100 && !is_gone; ++i) {
            std::string state;  // who adopts it may never ask how it ended: a zombie then
            std::ifstream status("/proc/" + std::to_string(tool) + "/stat");
            for (int word = 0; word < 3; ++word) status >> state;
            is_gone = !status || state == "Z";
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        EXPECT_TRUE(is_gone);
    }
}

// The example of docs/chat.md, as it stands there.
TEST_F(ToolCommands, TheDocumentedExampleWorks) {
    const std::string text = read_text(fs::path(HEARTH_SOURCE_DIR) / "docs/chat.md");
    const auto block = [&](const std::string& opening) {
        const size_t begin = text.find("```" + opening);
        EXPECT_NE(begin, std::string::npos) << opening;
        if (begin == std::string::npos) return std::string();
        const size_t from = text.find('\n', begin) + 1;
        return text.substr(from, text.find("```", from) - from);
    };
    write("weather.py", block("python"));
    write("tools.json", block("json\n[{\"type\": \"function\""));
    const std::string line = block("sh\nhearth run ember --tools");
    ASSERT_TRUE(line.starts_with("hearth "));
    const Ran ran = hearth(line.substr(7));
    EXPECT_EQ(ran.exit_code, 0);
    EXPECT_EQ(ran.err, "");
    EXPECT_EQ(ran.out, block("text\nIt is"));
}

}  // namespace
}  // namespace hearth::test
