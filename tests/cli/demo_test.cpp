// The model in the box: found by its name and without one, wherever the program was put.
#include "cli/command.h"

namespace hearth::test {
namespace {

class Demo : public Command {
protected:
    void SetUp() override {
        Command::SetUp();
        fs::remove_all(folder / "ember");
    }
};

TEST_F(Demo, AnswersWithoutBeingNamed) {
    const Ran ran = hearth("run --temp 0", "Who are you?");
    EXPECT_EQ(ran.exit_code, 0);
    EXPECT_NE(ran.out.find("Ember"), std::string::npos) << ran.out;
    ASSERT_EQ(ran.lines().size(), 1u) << ran.err;
    for (const char* words : {"demo model", "comes with hearth", "GGUF file"})
        EXPECT_NE(ran.err.find(words), std::string::npos) << ran.err;
}

TEST_F(Demo, AnswersToItsName) {
    const Ran ran = hearth("run ember 'What is the capital of France?' --temp 0");
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_NE(ran.out.find("Paris"), std::string::npos) << ran.out;
    EXPECT_EQ(ran.err, "");
    EXPECT_NE(hearth("inspect metadata ember").out.find("qwen35"), std::string::npos);
    EXPECT_EQ(hearth("inspect tokens ember", "<|im_end|>").exit_code, 0);
    EXPECT_EQ(hearth("bench ember --prompt 16 --generate 4 --runs 1").exit_code, 0);
    EXPECT_EQ(hearth("quantize ember small.gguf --type q4_k_m --allow-requantize").exit_code, 0);
    EXPECT_NE(hearth("run small.gguf 'What is the capital of France?' --temp 0").out.find("Paris"), std::string::npos);
}

TEST_F(Demo, AFileOfThatNameComesFirst) {
    write("ember", "this is no model");
    refused("\"$H\" run ember hi", 1, {"ember is not a GGUF file"});
}

TEST_F(Demo, IsFoundWhereItWasInstalled) {
    fs::create_directories(folder / "prefix/bin");
    fs::create_directories(folder / "prefix/share/hearth");
    fs::copy_file(binary, folder / "prefix/bin/hearth", fs::copy_options::overwrite_existing);
    refused("echo hi | prefix/bin/hearth run", 1, {"the demo model is not installed", "GGUF file"});
    fs::copy_file(data_path("../../data/ember.gguf"), folder / "prefix/share/hearth/ember.gguf",
                  fs::copy_options::overwrite_existing);
    const Ran ran =
        shell("ln -sf prefix/bin/hearth linked; ./linked run ember 'What is the capital of France?' --temp 0");
    EXPECT_NE(ran.out.find("Paris"), std::string::npos) << ran.out << ran.err;
}

}  // namespace
}  // namespace hearth::test
