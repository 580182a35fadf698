// The real binary in a folder of its own: exit codes, one clear line on standard error, data on standard output.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "models/edited_file.h"

namespace hearth::test {

namespace fs = std::filesystem;

struct Ran {
    int exit_code = -1;  // -signal when it was killed
    std::string out, err;
    std::vector<std::string> lines() const {  // of standard error
        std::vector<std::string> found;
        std::istringstream text(err);
        for (std::string line; std::getline(text, line);) found.push_back(line);
        return found;
    }
};

inline std::string quoted(const std::string& word) {
    std::string out = "'";
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

class Command : public testing::Test {
protected:
    void SetUp() override {
        NEED_SHARED("reference/qwen35/dense_r1.gguf");
        const char* program = std::getenv("HEARTH_BINARY");
        ASSERT_TRUE(program && fs::exists(program)) << "HEARTH_BINARY names no program";
        binary = fs::absolute(program);
        folder = fs::path(temporary_directory()) / "command";
        fs::create_directories(folder);
        model = (folder / "model.gguf").string();
        if (!fs::exists(model)) fs::copy_file(shared_path("reference/qwen35/dense_r1.gguf"), model);
    }

    // A shell line in which $H is the program and $M the model. What it keeps stays in the folder.
    Ran shell(const std::string& line, const std::string& in = "") const {
        std::ofstream(folder / "in.txt", std::ios::binary) << in;
        const std::string script =
            "cd " + quoted(folder) +
            "; unset HEARTH_CPU HEARTH_HOME ${!XDG_*}; export HOME=\"$PWD/home\"; H=" + quoted(binary) +
            "; M=" + quoted(model) + "; { " + line + "\n} >out.txt 2>err.txt <in.txt";
        const int status = std::system(("exec bash -c " + quoted(script)).c_str());
        Ran ran{.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
                .out = read_text(folder / "out.txt"),
                .err = read_text(folder / "err.txt")};
        return ran;
    }
    Ran hearth(const std::string& words, const std::string& in = "") const { return shell("\"$H\" " + words, in); }

    // Exit code, and exactly one line that names what matters; nothing on standard output.
    void refused(const std::string& line, int exit_code, const std::vector<std::string>& words,
                 const std::string& in = "") const {
        SCOPED_TRACE(line);
        const Ran ran = shell(line, in);
        EXPECT_EQ(ran.exit_code, exit_code) << ran.err;
        EXPECT_EQ(ran.out, "");
        ASSERT_EQ(ran.lines().size(), 1u) << ran.err;
        EXPECT_TRUE(ran.err.starts_with("hearth: ")) << ran.err;
        EXPECT_LT(ran.err.size(), 1200u);
        for (const std::string& word : words)
            EXPECT_NE(ran.err.find(word), std::string::npos) << "no \"" << word << "\" in: " << ran.err;
    }
    // The model with room for long answers, so that it does not warn of them.
    std::string wide_model() const {
        if (!fs::exists(folder / "wide.gguf")) {
            EditedFile file(model);
            fs::copy_file(file.set_integer("qwen35.context_length", 200000).write("wide.gguf"), folder / "wide.gguf");
        }
        return "wide.gguf";
    }
    // An answer that does not end by itself: what may come is chosen at random, and no end token may.
    std::string endless() const {
        return "run " + wide_model() +
               " hi --raw --seed 1 --temp 5 --top-k 0 --top-p 1 --ctx 100000 --logit-bias 276=-inf --logit-bias "
               "278=-inf";
    }
    std::string write(const std::string& name, const std::string& bytes) const {
        std::ofstream(folder / name, std::ios::binary) << bytes;
        return name;
    }

    fs::path binary, folder;
    std::string model;
};

}  // namespace hearth::test
