// Tools with commands: what is read, what the model gets to see, and that every mistake is named.
#include "cli/tools/tool_file.h"

#include <filesystem>
#include <fstream>

#include "support/shared_data.h"

namespace hearth::cli {
namespace {

Result<ToolFile> read(const std::string& text, const std::string& folder = "/tools") {
    auto list = Json::parse(text);
    EXPECT_TRUE(list) << text;
    return read_tools(list ? *list : Json(), folder);
}
Result<ToolFile> with_command(const std::string& command) {
    return read(R"([{"type": "function", "function": {"name": "look"}, "command": )" + command + "}]");
}

TEST(ToolFile, CommandsAreReadAndHiddenFromTheModel) {
    const auto file = read(R"([
        {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}},
         "command": {"argv": ["./bin/weather", "--json", ""], "timeout": 2.5, "allow": "always", "directory": "data/..",
                     "output_limit": 5000}},
        {"type": "function", "function": {"name": "played"}},
        {"name": "bare", "command": {"argv": ["date"]}}])");
    ASSERT_TRUE(file) << file.error().line();
    EXPECT_EQ(file->tools.dump(),
              R"([{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}},)"
              R"({"type":"function","function":{"name":"played"}},{"name":"bare"}])");
    ASSERT_EQ(file->commands.size(), 2u);
    const ToolCommand& weather = file->commands[0];
    EXPECT_EQ(weather.tool, "weather");
    EXPECT_EQ(weather.argv, (std::vector<std::string>{"/tools/bin/weather", "--json", ""}));
    EXPECT_EQ(weather.directory, "/tools/");
    EXPECT_EQ(weather.timeout_seconds, 2.5);
    EXPECT_EQ(weather.output_limit_bytes, 5000);
    EXPECT_TRUE(weather.is_allowed);
    const ToolCommand& bare = file->commands[1];
    EXPECT_EQ(bare.tool, "bare");
    EXPECT_EQ(bare.argv, std::vector<std::string>{"date"});  // looked up in PATH
    EXPECT_EQ(bare.directory, "");
    EXPECT_EQ(bare.timeout_seconds, 30);
    EXPECT_EQ(bare.output_limit_bytes, 1 << 20);
    EXPECT_FALSE(bare.is_allowed);
    const auto whole_path = with_command(R"({"argv": ["/usr/bin/env"], "allow": "ask"})");
    ASSERT_TRUE(whole_path);
    EXPECT_EQ(whole_path->commands[0].argv[0], "/usr/bin/env");
    EXPECT_TRUE(read("null")->commands.empty());
}

TEST(ToolFile, EveryMistakeIsNamedWithItsTool) {
    const std::pair<const char*, const char*> cases[] = {
        {"[]", "is no object"},
        {"\"date\"", "is no object"},
        {"{}", "has no argv"},
        {R"({"argv": "date"})", "has an argv that is no list of words"},
        {R"({"argv": []})", "has an argv that is no list of words"},
        {R"({"argv": ["date", 1]})", "has 1 in its argv"},
        {R"({"argv": [""]})", "names no program"},
        {R"({"argv": ["date", "a\u0000b"]})", "has a zero byte in its argv"},
        {R"({"argv": ["date"], "timeout": 0})", "has the timeout 0"},
        {R"({"argv": ["date"], "timeout": -1})", "has the timeout -1"},
        {R"({"argv": ["date"], "timeout": 1e9})", "has the timeout 1e9"},
        {R"({"argv": ["date"], "timeout": "30"})", "has the timeout \"30\""},
        {R"({"argv": ["date"], "output_limit": 0})", "has the output_limit 0"},
        {R"({"argv": ["date"], "output_limit": 1.5})", "has the output_limit 1.5"},
        {R"({"argv": ["date"], "output_limit": 1e300})", "has the output_limit 1e300"},
        {R"({"argv": ["date"], "output_limit": true})", "has the output_limit true"},
        {R"({"argv": ["date"], "allow": "never"})", "has the allow \"never\""},
        {R"({"argv": ["date"], "allow": true})", "has the allow true"},
        {R"({"argv": ["date"], "directory": ""})", "has a directory that is no path"},
        {R"({"argv": ["date"], "directory": 1})", "has a directory that is no path"},
        {R"({"argv": ["date"], "directory": "a\u0000"})", "has a directory that is no path"},
        {R"({"argv": ["date"], "shell": true})", "has the unknown key shell"}};
    for (const auto& [command, said] : cases) {
        const auto file = with_command(command);
        ASSERT_FALSE(file) << command;
        EXPECT_EQ(file.error().what, std::string("the command of tool look ") + said) << command;
        EXPECT_FALSE(file.error().try_this.empty()) << command;
    }
    const auto inside = read(R"([{"function": {"name": "look", "command": {"argv": ["date"]}}}])");
    ASSERT_FALSE(inside);
    EXPECT_NE(inside.error().what.find("look stands inside its function"), std::string::npos);
    EXPECT_FALSE(read(R"([{"command": {"argv": ["date"]}}])"));
    EXPECT_FALSE(read(R"({"name": "look"})"));
}

TEST(ToolFile, PathsBeginWhereTheFileLies) {
    namespace fs = std::filesystem;
    const fs::path folder = fs::path(test::temporary_directory()) / "tool file";
    fs::create_directories(folder);
    const fs::path path = folder / "tools.json";
    std::ofstream(path) << R"([{"name": "look", "command": {"argv": ["./look"], "directory": "."}}])";
    const auto file = read_tool_file(fs::relative(path));
    ASSERT_TRUE(file) << file.error().line();
    EXPECT_EQ(fs::path(file->commands[0].argv[0]), fs::absolute(folder / "look").lexically_normal());
    EXPECT_TRUE(fs::equivalent(file->commands[0].directory, folder));
    std::ofstream(path) << "[";
    const auto broken = read_tool_file(path);
    ASSERT_FALSE(broken);
    EXPECT_NE(broken.error().what.find("tools.json is "), std::string::npos) << broken.error().what;
    EXPECT_FALSE(read_tool_file(folder / "missing.json"));
}

}  // namespace
}  // namespace hearth::cli
