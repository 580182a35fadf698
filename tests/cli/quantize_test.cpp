// `hearth quantize` as people meet it: every command of its page works, refusals are one line, and an interrupt leaves
// nothing.
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "base/rng.h"
#include "files/gguf.h"
#include "files/gguf_writer.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

namespace fs = std::filesystem;

class Quantize : public testing::Test {
protected:
    void SetUp() override {
        NEED_SHARED("reference/qwen35/q4_k_m.gguf");
        const char* program = std::getenv("HEARTH_BINARY");
        ASSERT_TRUE(program && fs::exists(program)) << "HEARTH_BINARY names no program";
        folder = fs::path(temporary_directory()) / "quantize";
        fs::remove_all(folder);
        fs::create_directories(folder);
        fs::create_symlink(fs::absolute(program), folder / "hearth");
        fs::create_symlink(fs::absolute(shared_path("reference/qwen35/q4_k_m.gguf")), folder / "small.gguf");
    }

    // Exit code; what was said lies in out.txt and err.txt.
    int run(const std::string& command) const {
        const std::string script =
            "cd '" + folder.string() + "' && PATH=\"$PWD:$PATH\" && { " + command + "\n} >out.txt 2>err.txt </dev/null";
        const int status = std::system(("exec bash -c '" + escaped(script) + "'").c_str());
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    std::string said() const { return read_text(folder / "err.txt"); }
    bool exists(const std::string& name) const { return fs::exists(folder / name); }

    static std::string escaped(const std::string& text) {
        std::string out;
        for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
        return out;
    }

    fs::path folder;
};

TEST_F(Quantize, EveryCommandOfItsPageWorks) {
    ASSERT_EQ(run("hearth quantize small.gguf model-bf16.gguf --type bf16 --allow-requantize"), 0) << said();
    bool is_command = false;
    int commands = 0;
    for (const std::string& line : read_lines(fs::path(HEARTH_SOURCE_DIR) / "docs/quantising.md")) {
        if (line.starts_with("```")) {
            is_command = line == "```sh";
        } else if (is_command) {
            EXPECT_EQ(run(line), 0) << line << "\n" << said();
            ++commands;
        }
    }
    EXPECT_GE(commands, 3);
    EXPECT_TRUE(open_gguf((folder / "model-q4_k_m.gguf").string()));
    EXPECT_LE(fs::file_size(folder / "model-1.2G.gguf"), 1'200'000'000u);
}

TEST_F(Quantize, ADryRunWritesNothing) {
    ASSERT_EQ(run("hearth quantize small.gguf out.gguf --type q8_0 --allow-requantize --dry-run"), 0) << said();
    EXPECT_FALSE(exists("out.gguf") || exists("out.gguf.part"));
    const std::string table = read_text(folder / "out.txt");
    EXPECT_NE(table.find("blk.0.ffn_up.weight\tq4_k\tq8_0\t"), std::string::npos) << table;
}

TEST_F(Quantize, RefusalsAreOneLine) {
    for (const auto& [words, part] : std::vector<std::pair<std::string, std::string>>{
             {"small.gguf out.gguf --type q8_0", "--allow-requantize"},
             {"small.gguf out.gguf --type q9", "known mixes"},
             {"small.gguf out.gguf --keep attn", "REGEX=TYPE"},
             {"small.gguf out.gguf --type hq4 --size big", "no size"},
             {"nothing.gguf out.gguf", "nothing.gguf"},
             {"small.gguf out.gguf --imatrix small.gguf", "small.gguf"},
             {"small.gguf /no/such/folder/out.gguf --type q8_0 --allow-requantize", "/no/such/folder"},
             {"small.gguf small.gguf --type q8_0 --allow-requantize", "the file that is read"}}) {
        EXPECT_EQ(run("hearth quantize " + words), 1) << words;
        const std::string line = said();
        EXPECT_NE(line.find(part), std::string::npos) << line;
        EXPECT_NE(line.find("hearth: "), std::string::npos) << line;
        EXPECT_FALSE(exists("out.gguf") || exists("out.gguf.part")) << words;
    }
    EXPECT_EQ(run("hearth quantize small.gguf"), 2);
    EXPECT_EQ(run("hearth quantize small.gguf out.gguf --threads 0"), 2);
}

// Enough work for some seconds of a search that is slow by nature.
void write_large(const fs::path& path) {
    GgufWriter writer(path.string());
    writer.set_text("general.architecture", "llama");
    writer.declare("blk.0.ffn_up.weight", DType::f32, {16384, 1024});
    ASSERT_TRUE(writer.start());
    Rng rng(1);
    std::vector<float> row(1024);
    for (int i = 0; i < 16384; ++i) {
        for (float& v : row) v = float(rng.uniform() - 0.5);
        ASSERT_TRUE(writer.write(std::as_bytes(std::span(row))));
    }
    ASSERT_TRUE(writer.finish());
}

TEST_F(Quantize, InterruptedItLeavesNothing) {
    write_large(folder / "large.gguf");
    for (const char* signal : {"INT", "TERM"}) {
        const int code = run(std::string("timeout --foreground -s ") + signal +
                             " 0.4 hearth quantize large.gguf out.gguf --type pure-iq3_s --threads 1");
        EXPECT_NE(code, 0) << "it was over before the signal came";
        EXPECT_NE(said().find("cancelled"), std::string::npos) << said();
        EXPECT_FALSE(exists("out.gguf") || exists("out.gguf.part"));
    }
    // Killed outright it leaves the unfinished name, never the final one, and the next run is not disturbed.
    run("timeout -s KILL 0.4 hearth quantize large.gguf out.gguf --type pure-iq3_s --threads 1");
    EXPECT_FALSE(exists("out.gguf"));
    EXPECT_EQ(run("hearth quantize large.gguf out.gguf --type q8_0"), 0) << said();
    EXPECT_TRUE(exists("out.gguf") && !exists("out.gguf.part"));
}

}  // namespace
}  // namespace hearth::test
