// Programs that behave and programs that do not: small shell scripts, each in a file of its own.
#include "base/run_program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/os.h"
#include "support/shared_data.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;
using Kind = ProgramEnd::Kind;

class RunProgram : public testing::Test {
protected:
    void SetUp() override {
        folder = fs::path(test::temporary_directory()) / "run program";
        fs::create_directories(folder);
    }
    std::string script(const std::string& name, const std::string& text, const std::string& first = "#!/bin/sh\n") {
        const fs::path path = folder / name;
        std::ofstream(path) << first << text;
        chmod(path.c_str(), 0755);
        return path;
    }
    ProgramEnd ran(const ProgramCall& call) {
        auto end = run_program(call);
        EXPECT_TRUE(end) << end.error().line();
        return end ? *end : ProgramEnd{};
    }
    // Whether a process of that number goes on within a while; what was killed may take a moment to be gone.
    static bool lives_on(const fs::path& file_with_number) {
        pid_t number = 0;
        std::ifstream(file_with_number) >> number;
        EXPECT_GT(number, 0) << file_with_number;
        for (int i = 0; i < 200; ++i) {
            std::string state;
            std::ifstream status("/proc/" + std::to_string(number) + "/stat");
            for (int word = 0; word < 3; ++word) status >> state;
            if (!status || state == "Z" || state == "X") return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        kill(number, SIGKILL);
        return true;
    }
    fs::path folder;
};

TEST_F(RunProgram, TextGoesInAndComesOut) {
    std::string large;
    for (int i = 0; i < 100000; ++i) large += std::to_string(i) + "\n";  // more than pipes hold
    const ProgramEnd end = ran({.words = {"cat"}, .input = large});
    EXPECT_EQ(end.kind, Kind::exited);
    EXPECT_EQ(end.code, 0);
    EXPECT_TRUE(end.output == large);
    EXPECT_EQ(ran({.words = {"cat"}}).output, "");
}

TEST_F(RunProgram, NoShellReadsTheWords) {
    const std::string program = script("words", "for word in \"$@\"; do echo \"[$word]\"; done\n");
    EXPECT_EQ(ran({.words = {program, "$HOME", "a  b", "", "; ls", "`ls`", "*"}}).output,
              "[$HOME]\n[a  b]\n[]\n[; ls]\n[`ls`]\n[*]\n");
}

TEST_F(RunProgram, ItRunsInItsFolder) {
    EXPECT_EQ(ran({.words = {"pwd"}, .directory = folder}).output, fs::canonical(folder).string() + "\n");
    EXPECT_EQ(ran({.words = {"pwd"}}).output, fs::current_path().string() + "\n");
}

TEST_F(RunProgram, HowItEndedIsTold) {
    std::string heard;
    const ProgramEnd failed = ran({.words = {script("fails", "echo one >&2; echo two >&2; exit 3\n")},
                                   .error_tail_bytes = 5,
                                   .on_error_text = [&](std::string_view text) { heard += text; }});
    EXPECT_EQ(failed.kind, Kind::exited);
    EXPECT_EQ(failed.code, 3);
    EXPECT_EQ(failed.error_tail, "\ntwo\n");
    EXPECT_EQ(heard, "one\ntwo\n");
    const ProgramEnd killed = ran({.words = {script("dies", "kill -SEGV $$\n")}});
    EXPECT_EQ(killed.kind, Kind::killed);
    EXPECT_EQ(killed.code, SIGSEGV);
}

TEST_F(RunProgram, WhatCannotStartSaysWhy) {
    const auto why = [](const ProgramCall& call) {
        const auto end = run_program(call);
        return end ? "it ran" : end.error().line();
    };
    EXPECT_EQ(why({.words = {"no-such-program-here"}}), "there is no program no-such-program-here");
    EXPECT_EQ(why({.words = {"/nowhere/x"}}), "there is no program /nowhere/x");
    EXPECT_EQ(why({.words = {"cat"}, .directory = "/nowhere"}), "there is no folder /nowhere to run cat in");
    EXPECT_EQ(why({.words = {}}), "no program is named");
    const std::string odd = script("odd", "", "#!/nowhere/interpreter\n");
    EXPECT_EQ(why({.words = {odd}}), "the interpreter that the first line of " + odd + " names is missing");
    // A shell would read it all the same.
    const std::string bare = script("bare", "", "echo a shell read this\n");
    EXPECT_EQ(why({.words = {bare}}), bare + " is no program and has no #! line");
    chmod(bare.c_str(), 0644);
    EXPECT_NE(why({.words = {bare}}).find("try chmod +x"), std::string::npos);
}

TEST_F(RunProgram, TimeEndsItAndWhatItStarted) {
    const std::string program =
        script("slow", "trap '' TERM\nsh -c 'trap \"\" TERM; sleep 60 & wait' & echo $! >child\necho some; wait\n");
    const double began = monotonic_seconds();
    const ProgramEnd end = ran({.words = {program}, .directory = folder, .timeout_seconds = 0.3});
    EXPECT_EQ(end.kind, Kind::timed_out);
    EXPECT_EQ(end.output, "some\n");
    EXPECT_LT(monotonic_seconds() - began, 10);
    EXPECT_FALSE(lives_on(folder / "child"));
}

TEST_F(RunProgram, WhatItLeavesBehindIsEnded) {
    const std::string program = script("parent", "sleep 60 & echo $! >left\necho done\n");
    const double began = monotonic_seconds();
    const ProgramEnd end = ran({.words = {program}, .directory = folder});
    EXPECT_EQ(end.kind, Kind::exited);
    EXPECT_EQ(end.output, "done\n");
    EXPECT_LT(monotonic_seconds() - began, 10);  // the pipe is open still
    EXPECT_FALSE(lives_on(folder / "left"));
}

TEST_F(RunProgram, ItMayTidyUpWhenAskedToEnd) {
    const std::string program = script("tidy", "trap 'echo gone >tidied; exit 0' TERM\nwhile :; do sleep 0.01; done\n");
    ran({.words = {program}, .directory = folder, .timeout_seconds = 0.3});
    EXPECT_TRUE(fs::exists(folder / "tidied"));
}

TEST_F(RunProgram, OutputHasALimit) {
    const ProgramEnd end = ran({.words = {"yes"}, .output_limit_bytes = 100000});
    EXPECT_EQ(end.kind, Kind::too_long);
    EXPECT_LE(end.output.size(), 100000u + 65536u);
    EXPECT_EQ(ran({.words = {"printf", "12345"}, .output_limit_bytes = 5}).kind, Kind::exited);
    EXPECT_EQ(ran({.words = {"printf", "123456"}, .output_limit_bytes = 5}).kind, Kind::too_long);
}

TEST_F(RunProgram, AnInputThatNobodyReadsIsNoMatter) {
    const std::string large(10 << 20, 'x');
    const ProgramEnd end =
        ran({.words = {script("deaf", "exec <&-\nsleep 0.2\necho heard nothing\n")}, .input = large});
    EXPECT_EQ(end.kind, Kind::exited);
    EXPECT_EQ(end.output, "heard nothing\n");
    EXPECT_EQ(ran({.words = {"true"}, .input = large}).code, 0);
    sigset_t pending;
    sigpending(&pending);
    EXPECT_FALSE(sigismember(&pending, SIGPIPE));
}

TEST_F(RunProgram, ItIsStoppedAtOnce) {
    const double began = monotonic_seconds();
    const ProgramEnd end = ran({.words = {"sleep", "60"}, .timeout_seconds = 60, .is_stopped = [&] {
                                    return monotonic_seconds() - began > 0.1;
                                }});
    EXPECT_EQ(end.kind, Kind::stopped);
    EXPECT_LT(monotonic_seconds() - began, 5);
}

TEST_F(RunProgram, ItGetsThreeFilesAndTheUsualSignals) {
    const std::string mine = script("not-for-others", "");
    const int open_here = open(mine.c_str(), O_RDONLY);  // not marked to be closed
    signal(SIGINT, SIG_IGN);
    const ProgramEnd end = ran({.words = {script("files", "ls -l /proc/$$/fd; kill -INT $$; echo ignored\n")}});
    signal(SIGINT, SIG_DFL);
    close(open_here);
    EXPECT_EQ(end.kind, Kind::killed);
    EXPECT_EQ(end.code, SIGINT);
    // Beside the three there are only the shell's own.
    EXPECT_NE(end.output.find(" 2 -> "), std::string::npos) << end.output;
    EXPECT_EQ(end.output.find("not-for-others"), std::string::npos) << end.output;
}

TEST_F(RunProgram, ASignalHandlerCanEndIt) {
    std::thread other([] {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        kill_running_program();
    });
    const ProgramEnd end = ran({.words = {"sleep", "60"}});
    other.join();
    EXPECT_EQ(end.kind, Kind::killed);
    EXPECT_EQ(end.code, SIGKILL);
    kill_running_program();  // there is none: nobody is harmed
}

}  // namespace
}  // namespace hearth
