// What people see, on a real terminal: a short chat with the demo model and a page of Markdown in tmux, 80 and 40
// columns wide. The screens stand in tests/data/terminal; HEARTH_RECORD=1 writes them again (recorded with tmux 3.3a).
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <thread>

#include "base/json.h"
#include "cli/terminal/markdown.h"
#include "store/store.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

namespace fs = std::filesystem;

std::string output_of(const std::string& command) {
    std::string out;
    FILE* pipe = popen(command.c_str(), "r");
    if (!pipe) return out;
    char bytes[4096];
    for (size_t count; (count = fread(bytes, 1, sizeof bytes, pipe)) > 0;) out.append(bytes, count);
    pclose(pipe);
    return out;
}

class Screen : public testing::TestWithParam<int> {
protected:
    void SetUp() override {
        if (std::system("command -v tmux >/dev/null 2>&1") != 0) GTEST_SKIP() << "tmux is not installed";
        const char* program = std::getenv("HEARTH_BINARY");
        ASSERT_TRUE(program && fs::exists(program)) << "HEARTH_BINARY names no program";
        binary_ = fs::absolute(program);
        folder_ = fs::path(temporary_directory()) / ("screen" + std::to_string(GetParam()));
        fs::remove_all(folder_);
        fs::create_directories(folder_);
        tmux_ = "tmux -f /dev/null -S " + (folder_ / "socket").string() + " ";
    }
    void TearDown() override {
        if (!tmux_.empty()) std::system((tmux_ + "kill-server 2>/dev/null").c_str());
    }

    void start(const std::string& command) const {
        std::ofstream(folder_ / "start.sh") << "cd " << folder_.string() << "\nunset NO_COLOR HEARTH_CPU\n"
                                            << "export HEARTH_HOME=home TERM=screen-256color LC_ALL=C.UTF-8\n"
                                            << "trap : INT\n"  // Ctrl-C is for the program, not for this shell
                                            << command << "\necho ended with $?\nsleep 600\n";
        std::system((tmux_ + "-u new-session -d -x " + std::to_string(GetParam()) + " -y 60 'sh " +
                     (folder_ / "start.sh").string() + "'")
                        .c_str());
    }
    void keys(const std::string& text) const { std::system((tmux_ + "send-keys -l -- '" + text + "'").c_str()); }
    void key(const std::string& name) const { std::system((tmux_ + "send-keys " + name).c_str()); }
    void paste(const std::string& text) const {
        std::ofstream(folder_ / "paste", std::ios::binary) << text;
        std::system((tmux_ + "load-buffer " + (folder_ / "paste").string()).c_str());
        std::system((tmux_ + "paste-buffer -p").c_str());
    }
    std::string screen() const {
        std::string text = output_of(tmux_ + "-u capture-pane -p");
        return text.substr(0, text.find_last_not_of('\n') + 1) + "\n";
    }
    // Until the screen ends like this; what it shows then.
    std::string wait_for(const std::string& ending) const {
        std::string text;
        for (int i = 0; i < 300; ++i) {
            text = screen();
            std::string compact = text.substr(0, text.find_last_not_of(" \n") + 1);
            if (compact.ends_with(ending)) return text;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        ADD_FAILURE() << "the screen does not end with \"" << ending << "\" but shows\n" << text;
        return text;
    }
    // Without what differs between machines and runs.
    static std::string timeless(std::string text) {
        text.erase(0, text.find("Write a question"));
        text = std::regex_replace(text, std::regex(R"(\d+ tokens\s+read\s+at[^%]*%\s+of\s+4096\s+tokens)"), "(speed)");
        return std::regex_replace(text, std::regex(R"(thought for [0-9.]+ \w+)"), "thought for a moment");
    }
    void expect_golden(const std::string& name, const std::string& text) const {
        const std::string path = data_path("terminal/" + name + "_" + std::to_string(GetParam()) + ".txt");
        if (std::getenv("HEARTH_RECORD")) {
            fs::create_directories(fs::path(path).parent_path());
            std::ofstream(path, std::ios::binary) << text;
        }
        EXPECT_EQ(text, read_text(path));
    }

    fs::path binary_, folder_;
    std::string tmux_;
};

TEST_P(Screen, AChat) {
    start(binary_.string() + " run ember --temp 0");
    wait_for(">>>");
    keys("What is the capital of France?");
    key("Enter");
    wait_for("tokens\n\n>>>");
    keys("/think on");
    key("Enter");
    wait_for("on\n>>>");
    keys("What is 17 + 25?");
    key("Enter");
    wait_for("tokens\n\n>>>");
    keys("/thi");
    key("Tab");
    wait_for("/think");
    keys("off");
    key("Enter");
    wait_for("off\n>>>");
    keys("never mind 日本 👍");
    wait_for("日本 👍");
    key("C-c");
    wait_for("^C\n>>>");
    keys("What is the capital \\");
    key("Enter");
    wait_for("...");
    keys("of Spain?");
    key("Enter");
    wait_for("tokens\n\n>>>");
    paste("What is\n2 + 3?");
    wait_for("2 + 3?");
    key("Enter");
    wait_for("tokens\n\n>>>");
    key("Up");
    wait_for("2 + 3?");
    key("C-c");
    wait_for("^C\n>>>");
    keys("/save talk.json");
    key("Enter");
    wait_for("talk.json\n>>>");
    keys("/nonsense");
    key("Enter");
    wait_for("shows all\n>>>");
    key("C-d");
    const std::string text = wait_for("ended with 0");
    expect_golden("chat", timeless(text));
    const std::string saved = read_text(folder_ / "talk.json");
    EXPECT_NE(saved.find("\"What is\\n2 + 3?\""), std::string::npos) << saved;
    EXPECT_NE(saved.find("\"What is the capital \\nof Spain?\""), std::string::npos) << saved;
    EXPECT_EQ(read_lines(folder_ / "home/history").size(), 8u) << read_text(folder_ / "home/history");
}

TEST_P(Screen, CtrlCStopsTheAnswerAndNotTheProgram) {
    // An answer without an end: the end tokens may not come.
    start(
        binary_.string() +
        " run ember --temp 2 --seed 1 --ctx 100000 --top-k 0 --top-p 1 --logit-bias 4085=-inf --logit-bias 4083=-inf");
    wait_for(">>>");
    keys("Tell me a story");
    key("Enter");
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    keys("typed ahead");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    key("C-c");
    EXPECT_NE(wait_for(">>> typed ahead").find("stopped"), std::string::npos);
    key("C-c");
    wait_for("^C\n>>>");
    keys("/save talk.json");
    key("Enter");
    wait_for("2 messages are in talk.json\n>>>");  // the answer stays
    keys("/exit");
    key("Enter");
    wait_for("ended with 0");
}

TEST_P(Screen, AnInterruptedAnswer) {
    // An answer without an end that is the same on every machine, but for its length.
    std::ofstream(folder_ / "song.gbnf") << "root ::= \"la \"+";
    start(binary_.string() + " run ember --temp 0 --gbnf song.gbnf --logit-bias 4085=-inf --logit-bias 4083=-inf");
    wait_for(">>>");
    const auto interrupt = [&](const std::string& line) {
        keys(line);
        key("Enter");
        std::string seen;
        for (int i = 0; i < 200 && !seen.ends_with("la"); ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            seen = screen();
            seen.erase(seen.find_last_not_of(" \n") + 1);
        }
        EXPECT_TRUE(seen.ends_with("la")) << seen;
        key("C-c");
        wait_for("tokens\n\n>>>");
    };
    interrupt("Sing");
    interrupt("/retry");
    keys("/save talk.json");
    key("Enter");
    wait_for("2 messages are in talk.json\n>>>");
    key("C-d");
    wait_for("ended with 0");
    // With what scrolled away.
    std::string text = timeless(output_of(tmux_ + "-u capture-pane -p -S -"));
    text = text.substr(0, text.find_last_not_of('\n') + 1) + "\n";
    expect_golden("interrupted", std::regex_replace(text, std::regex(R"(la\s[la\s]*)"), "la ...\n"));
}

TEST_P(Screen, FormsAndModelsChangeInTheMiddle) {
    std::ofstream(folder_ / "year.json") << R"({"type":"integer","minimum":1,"maximum":99})";
    start(binary_.string() + " run ember --temp 0");
    wait_for(">>>");
    const auto enter = [&](const std::string& line, const std::string& ending) {
        keys(line);
        key("Enter");
        wait_for(ending);
    };
    enter("/schema year.json", "year.json\n>>>");
    enter("What is 17 + 25?", "tokens\n\n>>>");
    enter("/json on", "on\n>>>");
    enter("What is the capital of France?", "tokens\n\n>>>");
    enter("/json off", "off\n>>>");
    enter("/schema nosuch.json", "path\n>>>");
    enter("/model nosuch.gguf", "path\n>>>");
    enter("/image photo.png", "text\n>>>");
    enter("/model ember", ">>>");
    enter("What is 2 + 3?", "tokens\n\n>>>");
    enter("/save talk.json", "6 messages are in talk.json\n>>>");
    const auto saved = Json::parse(read_text(folder_ / "talk.json"));
    ASSERT_TRUE(saved);
    const auto answer = [&](size_t message) {
        return saved->find("messages")->items()[message].find("content")->as_string();
    };
    const auto number = Json::parse(answer(1));
    EXPECT_TRUE(number && number->is_integer() && number->as_int() >= 1 && number->as_int() <= 99) << answer(1);
    const auto object = Json::parse(answer(3));
    EXPECT_TRUE(object && object->is_object()) << answer(3);
    EXPECT_EQ(answer(5), "2 + 3 = 5");
}

TEST_P(Screen, CommandsOfToolsAreAskedFor) {
    std::ofstream(folder_ / "tools.json") << R"([{"name": "get_weather", "parameters": {"type": "object",
        "properties": {"city": {"type": "string"}}}, "command": {"argv": ["echo", "18 degrees, sunny"]}},
        {"name": "get_time", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
         "command": {"argv": ["sh", "-c", "echo $$ >pid; exec sleep 60"], "allow": "always"}}])";
    const std::string run = binary_.string() + " run ember --temp 0 --tools tools.json ";
    start(run + "\n" + run + "'What is the weather in Rome?'");
    wait_for(">>>");
    keys("What is the weather in Paris?");
    key("Enter");
    EXPECT_NE(wait_for("[a]lways").find("run echo \"18 degrees, sunny\""), std::string::npos);
    keys("y");
    key("Enter");
    EXPECT_NE(wait_for("tokens\n\n>>>").find("It is 18 degrees and sunny in Paris."), std::string::npos);
    keys("What is the weather in Rome?");
    key("Enter");
    wait_for("[a]lways");
    key("C-c");  // neither yes nor no: the turn is over, the dialogue goes on
    wait_for("^C\n\n>>>");
    keys("What time is it in Paris?");
    key("Enter");
    for (int i = 0; i < 200 && !fs::exists(folder_ / "pid"); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    key("C-c");
    wait_for("^C\nhearth: tool get_time was stopped\n\n>>>");
    keys("/save talk.json");
    key("Enter");
    wait_for("9 messages are in talk.json\n>>>");
    const auto saved = Json::parse(read_text(folder_ / "talk.json"));
    ASSERT_TRUE(saved);
    // What was stopped has a result before the next question: templates count them.
    const Json& given_up = saved->find("messages")->items()[6];
    EXPECT_EQ(given_up.find("role")->as_string(), "tool");
    EXPECT_NE(given_up.find("content")->as_string().find("stopped"), std::string::npos);
    key("C-d");
    wait_for("[a]lways");  // without a dialogue, the same question
    keys("a");
    key("Enter");
    EXPECT_NE(wait_for("ended with 0").find("It is 18 degrees and sunny in Rome."), std::string::npos);
}

TEST_P(Screen, DialoguesAreKeptAndGoOn) {
    const auto enter = [&](const std::string& line, const std::string& ending) {
        keys(line);
        key("Enter");
        return wait_for(ending);
    };
    int terminals = 0;
    const auto leave = [&] {
        key("C-d");
        wait_for("ended with 0");
        std::system((tmux_ + "kill-server 2>/dev/null").c_str());
        // The one that ends may not have let go of its socket.
        tmux_ = "tmux -f /dev/null -S " + (folder_ / ("socket" + std::to_string(++terminals))).string() + " ";
    };
    start(binary_.string() + " run ember --temp 0");
    wait_for(">>>");
    enter("What is 17 + 25?", "tokens\n\n>>>");
    enter("/set top_k 7", "7\n>>>");
    enter("/think on", "on\n>>>");
    enter("What is the capital of France?", "tokens\n\n>>>");
    leave();
    start(binary_.string() + " run --temp 0 --continue");
    EXPECT_NE(wait_for(">>>").find("4 messages"), std::string::npos);
    EXPECT_NE(enter("/show", ">>>").find("top_k 7"), std::string::npos);
    enter("/think off", "off\n>>>");
    enter("What is 2 + 3?", "tokens\n\n>>>");
    enter("/save talk.json", "6 messages are in talk.json\n>>>");
    enter("/clear", "clear\n>>>");
    enter("What is 4 + 5?", "tokens\n\n>>>");
    const std::string listed = enter("/chats", ">>>");
    const size_t first = listed.find("just now  What is 4"), second = listed.find("just now  What is 17");
    ASSERT_LT(first, second) << listed;
    ASSERT_NE(second, std::string::npos) << listed;
    const std::string line = listed.substr(listed.rfind('\n', second) + 1);
    enter("/load " + line.substr(0, line.find(' ')), "is 17 + 25?\n>>>");
    enter("/save again.json", "6 messages are in again.json\n>>>");
    enter("/forget all", "not kept any more\n>>>");
    enter("/chats", "no conversation is kept yet\n>>>");
    leave();
    EXPECT_EQ(read_text(folder_ / "talk.json"), read_text(folder_ / "again.json"));
    start(binary_.string() + " run ember --temp 0 --no-save");
    wait_for(">>>");
    enter("What is 17 + 25?", "tokens\n\n>>>");
    enter("/chats", "no conversation is kept yet\n>>>");
    leave();
    // What another program forgets does not come back from here; the next dialogue is kept again.
    start(binary_.string() + " run ember --temp 0");
    wait_for(">>>");
    enter("What is 17 + 25?", "tokens\n\n>>>");
    {
        auto store = store::Store::open((folder_ / "home").string());
        ASSERT_TRUE(store && store->conversations().remove_all());
    }
    EXPECT_NE(enter("What is 2 + 3?", "file\n\n>>>").find("forgot"), std::string::npos);
    enter("/chats", "no conversation is kept yet\n>>>");
    enter("/clear", "clear\n>>>");
    enter("What is 4 + 5?", "tokens\n\n>>>");
    EXPECT_NE(enter("/chats", ">>>").find("What is 4 + 5?"), std::string::npos);
    leave();
}

TEST_P(Screen, APageOfMarkdown) {
    const std::string source = read_text(data_path("terminal/page.md"));
    cli::Markdown markdown(GetParam());
    std::string bytes = markdown.feed(source);
    bytes += markdown.finish();
    std::ofstream(folder_ / "page", std::ios::binary) << bytes;
    start("cat page");
    std::string text = wait_for("ended with 0");
    expect_golden("page", text);
}

INSTANTIATE_TEST_SUITE_P(Columns, Screen, testing::Values(80, 40));

}  // namespace
}  // namespace hearth::test
