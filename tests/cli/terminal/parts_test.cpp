// The parts of a dialogue that need no terminal: commands, settings, history, saved conversations, the window of a
// thought, widths.
#include <filesystem>
#include <fstream>

#include "cli/terminal/chat_commands.h"
#include "cli/terminal/dialogue.h"
#include "cli/terminal/line_editor.h"
#include "cli/terminal/settings.h"
#include "cli/terminal/thought_window.h"
#include "cli/terminal/width.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

using namespace hearth::cli;

TEST(ChatCommands, AreRead) {
    const auto set = read_command("  /set temperature 0.2 \n");
    ASSERT_TRUE(set && set->command);
    EXPECT_EQ(set->command->action, ChatAction::set);
    EXPECT_EQ(set->argument, "temperature 0.2");
    EXPECT_EQ(read_command("/bye")->command->action, ChatAction::exit);
    EXPECT_EQ(read_command("/system be\nbrief")->argument, "be\nbrief");
    EXPECT_EQ(read_command("/nonsense")->command, nullptr);
    for (const char* text : {"", "/", "hello /set", "/etc/passwd", "// comment", "/ help", "/42"})
        EXPECT_FALSE(read_command(text)) << text;
}

TEST(ChatCommands, AreCompleted) {
    EXPECT_EQ(complete_command("/re").words, std::vector<std::string>{"/retry"});
    EXPECT_EQ(complete_command("/s").words,
              (std::vector<std::string>{"/save", "/schema", "/set", "/show", "/stop-thinking", "/system"}));
    EXPECT_EQ(complete_command("/set top").words, (std::vector<std::string>{"top_k", "top_p"}));
    EXPECT_EQ(complete_command("/set top").word, 5u);
    EXPECT_EQ(complete_command("/think ").words, (std::vector<std::string>{"auto", "off", "on"}));
    EXPECT_TRUE(complete_command("hello").words.empty());
    const std::string folder = temporary_directory() + "/completed";
    std::filesystem::create_directories(folder + "/chats");
    std::ofstream(folder + "/chat.json") << "{}";
    EXPECT_EQ(complete_command("/load " + folder + "/cha").words,
              (std::vector<std::string>{folder + "/chat.json", folder + "/chats/"}));
    for (const std::string& name : complete_command("/").words) EXPECT_TRUE(read_command(name)->command) << name;
}

TEST(Settings, AreCheckedAndApplied) {
    Settings settings;
    EXPECT_TRUE(settings.set("temperature", "0.25"));
    EXPECT_TRUE(settings.set("top_k", "7"));
    EXPECT_TRUE(settings.set("seed", "5"));
    EXPECT_TRUE(settings.set("max_tokens", "100"));
    SamplerOptions options;
    settings.apply(options);
    EXPECT_EQ(options.temperature, 0.25f);
    EXPECT_EQ(options.top_k, 7);
    EXPECT_EQ(options.seed, 5u);
    EXPECT_EQ(settings.max_tokens(), 100);
    EXPECT_EQ(settings.line(), "max_tokens 100, seed 5, temperature 0.25, top_k 7");
    for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{{"top_p", "2"},
                                                                                      {"top_p", "x"},
                                                                                      {"top_p", "0.5x"},
                                                                                      {"top_p", ""},
                                                                                      {"top_p", "nan"},
                                                                                      {"top_k", "1.5"},
                                                                                      {"temperature", "-1"},
                                                                                      {"max_tokens", "0"},
                                                                                      {"colour", "1"}})
        EXPECT_FALSE(settings.set(name, value)) << name << " " << value;
    EXPECT_TRUE(settings.set("temp", "default"));
    EXPECT_EQ(settings.line(), "max_tokens 100, seed 5, top_k 7");
}

TEST(History, IsKeptPrivateAndInOrder) {
    const std::string file = temporary_directory() + "/history_test/history";
    std::filesystem::remove_all(temporary_directory() + "/history_test");
    EXPECT_TRUE(read_history(file).empty());
    append_history(file, "first");
    append_history(file, "two\nlines \"quoted\" 日本");
    EXPECT_EQ(read_history(file), (std::vector<std::string>{"first", "two\nlines \"quoted\" 日本"}));
    EXPECT_EQ(std::filesystem::status(file).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    std::ofstream(file, std::ios::app) << "broken {\n42\n\"last\"\n";
    EXPECT_EQ(read_history(file).back(), "last");
    EXPECT_EQ(read_history(file).size(), 3u);
    for (int i = 0; i < 2100; ++i) append_history(file, "line " + std::to_string(i));
    EXPECT_EQ(read_history(file).size(), 1000u);
    EXPECT_EQ(read_lines(file).size(), 1000u);  // the file was cut as well
    EXPECT_EQ(read_history(file).back(), "line 2099");
}

TEST(SavedConversation, IsRead) {
    const auto messages = read_conversation(
        R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"q"},{"role":"assistant","content":"a"}]})");
    ASSERT_TRUE(messages);
    EXPECT_EQ(messages->items().size(), 3u);
    EXPECT_EQ(last_question(*messages), "q");
    Json kept = *messages, cut = *messages;
    cut_last_question(kept, true);
    EXPECT_EQ(kept.items().size(), 2u);
    cut_last_question(cut, false);
    EXPECT_EQ(cut.items().size(), 1u);
    EXPECT_EQ(last_question(cut), "");
    cut_last_question(cut, false);
    EXPECT_EQ(cut.items().size(), 1u);
    for (const char* text :
         {"", "{", "{}", "[1]", R"([{"role":"wizard"}])", R"([{"role":"user","content":5}])", R"({"messages":"x"})"})
        EXPECT_FALSE(read_conversation(text)) << text;
}

// What a terminal shows after these bytes: a screen of a few lines that knows what the window uses.
std::vector<std::string> shown(const std::string& bytes) {
    std::vector<std::string> screen(1);
    size_t row = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
        if (bytes[i] == '\n') {
            if (++row == screen.size()) screen.emplace_back();
        } else if (bytes[i] == '\x1b') {
            const size_t end = bytes.find_first_of("AJm", i);
            if (bytes[end] == 'A') row -= std::stoul(bytes.substr(i + 2));
            if (bytes[end] == 'J') screen.resize(row + 1), screen[row].clear();
            i = end;
        } else if (bytes[i] != '\r') {
            screen[row] += bytes[i];
        }
    }
    return screen;
}

TEST(ThoughtWindow, ShowsTheLastLinesAndFolds) {
    ThoughtWindow window(21, 24);
    std::string bytes = "before\n";
    for (int i = 0; i < 50; ++i) {
        bytes += window.add("word" + std::to_string(i) + " ");
        EXPECT_LE(shown(bytes).size(), 7u);
        for (const std::string& line : shown(bytes)) EXPECT_LE(line.size(), 20u);
    }
    EXPECT_EQ(shown(bytes)[0], "before");
    EXPECT_EQ(shown(bytes)[6], "word48 word49");
    bytes += window.add("\n\nnew");
    EXPECT_EQ(shown(bytes)[6], "word48 word49");  // the new word may still move
    bytes += window.fold("thought");
    EXPECT_EQ(shown(bytes), (std::vector<std::string>{"before", "thought", "", ""}));
    EXPECT_EQ(ThoughtWindow(21, 24).fold("thought"), "");
}

TEST(Width, CountsCells) {
    EXPECT_EQ(text_width("abc"), 3);
    EXPECT_EQ(text_width("日本"), 4);
    EXPECT_EQ(text_width("e\u0301"), 1);
    EXPECT_EQ(text_width("한글"), 4);
    EXPECT_EQ(text_width("\u1112\u1161\u11AB"), 2);  // the same syllable in parts
    EXPECT_EQ(text_width("👍"), 2);
    EXPECT_EQ(text_width("❤\uFE0F"), 2);
    EXPECT_EQ(text_width("❤"), 1);
    EXPECT_EQ(text_width("│─•"), 3);
    EXPECT_EQ(text_width("\x1b[0;1mab\x1b[0m"), 2);
    EXPECT_EQ(text_width("นี่"), 1);
}

}  // namespace
}  // namespace hearth::test
