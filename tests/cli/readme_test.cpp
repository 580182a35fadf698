// Does every command of README.md work as shown? Each line of its ```sh blocks runs in a folder of its own, where
// ./hearth is this build's binary and model.gguf a tiny recorded model. The two commands that build are not in such a
// block: they would run this test.
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>

#include "support/shared_data.h"

namespace hearth::test {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = HEARTH_SOURCE_DIR;

std::vector<std::string> shown_commands() {
    std::vector<std::string> commands;
    bool inside = false;
    for (const std::string& line : read_lines(kRoot / "README.md")) {
        if (line == "```sh") {
            inside = true;
        } else if (line == "```") {
            inside = false;
        } else if (inside && !line.empty()) {
            commands.push_back(line);
        }
    }
    return commands;
}

class Readme : public testing::Test {
protected:
    void SetUp() override {
        NEED_SHARED("reference/qwen35/q4_k_m.gguf");
        const char* binary = std::getenv("HEARTH_BINARY");
        ASSERT_TRUE(binary && fs::exists(binary)) << "HEARTH_BINARY names no program";
        folder = fs::path(temporary_directory()) / "read me";  // people's folders have spaces
        fs::remove_all(folder);
        fs::create_directories(folder);
        fs::create_symlink(fs::absolute(binary), folder / "hearth");
        fs::copy_file(shared_path("reference/qwen35/q4_k_m.gguf"), folder / "model.gguf");
        std::ofstream text(folder / "text.txt");
        for (int line = 0; line < 40; ++line) text << "the quick brown fox jumps over the lazy dog " << line << "\n";
    }

    // Exit code of a shell command in the folder; its output lies in out.txt and err.txt there.
    int run(const std::string& command) const {
        const std::string script = "cd '" + folder.string() + "' && { " + command + "\n} >out.txt 2>err.txt </dev/null";
        const int status = std::system(script.c_str());
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

    fs::path folder;
};

TEST_F(Readme, EveryCommandShownWorks) {
    const std::vector<std::string> commands = shown_commands();
    ASSERT_GE(commands.size(), 8u);
    for (const std::string& command : commands) {
        EXPECT_EQ(run(command), 0) << command << "\n" << read_text(folder / "err.txt");
        const bool writes_a_file =
            command.find('>') != std::string::npos || command.find(" synth ") != std::string::npos ||
            command.find(" quantize ") != std::string::npos || command.find(" imatrix ") != std::string::npos;
        if (!writes_a_file) {
            EXPECT_FALSE(read_text(folder / "out.txt").empty()) << command;
        }
        fs::remove(folder / "random.gguf");  // half a gigabyte
    }
}

TEST_F(Readme, EqualSeedsGiveEqualWords) {
    const std::string question = "./hearth run model.gguf --raw --temp 0.8 --seed 7 -n 32 'Once upon a time'";
    ASSERT_EQ(run(question), 0) << read_text(folder / "err.txt");
    const std::string first = read_text(folder / "out.txt");
    ASSERT_EQ(run(question + " --threads 1"), 0);
    EXPECT_EQ(read_text(folder / "out.txt"), first);
}

TEST_F(Readme, ErrorsAreOneLineOnStandardError) {
    EXPECT_EQ(run("./hearth run missing.gguf hello"), 1);
    EXPECT_TRUE(read_text(folder / "out.txt").empty());
    EXPECT_EQ(read_lines(folder / "err.txt").size(), 1u) << read_text(folder / "err.txt");
    EXPECT_EQ(run("./hearth run --no-such-option"), 2);
}

// The commands outside the blocks and the links: what is named must be there.
TEST(ReadmeText, WhatItNamesIsThere) {
    const std::string text = read_text(kRoot / "README.md");
    for (const char* program : {"hearth", "test"}) {
        EXPECT_NE(text.find(std::string("\n    ./") + program), std::string::npos) << program;
        const auto permissions = fs::status(kRoot / program).permissions();
        EXPECT_NE(permissions & fs::perms::owner_exec, fs::perms::none) << program;
    }
    static const std::regex kLink(R"(\]\(([^)#]+)\))");
    int links = 0;
    for (std::sregex_iterator match(text.begin(), text.end(), kLink), end; match != end; ++match, ++links)
        EXPECT_TRUE(fs::exists(kRoot / (*match)[1].str())) << (*match)[1];
    EXPECT_GE(links, 3);
}

}  // namespace
}  // namespace hearth::test
