// The program as people meet it: exit codes, one clear line on standard error for whatever went wrong, nothing but data
// on standard output. Runs the real binary in a folder of its own.
#include "cli/command.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <regex>

#include "base/json.h"
#include "base/os.h"
#include "tensor/decode.h"

namespace hearth::test {
namespace {

TEST_F(Command, HelpAndVersionAreData) {
    for (const char* words : {"--help", "run --help", "bench --help", "inspect --help", "inspect logits --help"}) {
        const Ran ran = hearth(words);
        EXPECT_EQ(ran.exit_code, 0) << words;
        EXPECT_EQ(ran.err, "") << words;
        EXPECT_NE(ran.out.find("sage:"), std::string::npos) << words;
    }
    EXPECT_TRUE(hearth("--version").out.starts_with("hearth "));
}

TEST_F(Command, WrongUsageIsTwo) {
    refused("\"$H\"", 2, {"subcommand", "hearth --help"});
    refused("\"$H\" fly", 2, {"no command \"fly\""});
    refused("\"$H\" bench", 2, {"MODEL", "hearth bench --help"});
    refused("\"$H\" inspect", 2, {"subcommand"});
    refused("\"$H\" inspect metadata", 2, {"FILE"});
    refused("\"$H\" run $M hi --no-such-option", 2, {"--no-such-option"});
    refused("\"$H\" run $M hi --kv q3", 2, {"q3", "f16"});
    refused("\"$H\" run $M hi --device toaster", 2, {"toaster"});
    for (const char* words : {"--ctx 0", "--ctx -5", "--ctx many", "--threads 0", "--threads 1.5", "-n 0", "-n -1",
                              "--seed -1", "--seed 99999999999999999999", "--temp hot", "--top-k"})
        refused(std::string("\"$H\" run $M hi ") + words, 2, {});
    refused("\"$H\" bench $M --runs 0", 2, {"--runs"});
    refused("\"$H\" bench $M --depth 0,x", 2, {"--depth"});
    refused("\"$H\" inspect tokens $M --tokenizer-compat none", 2, {"none", "llama.cpp"});
}

TEST_F(Command, FilesThatAreNoModels) {
    const std::string whole = read_text(model);
    write("truncated.gguf", whole.substr(0, whole.size() / 2));
    write("header.gguf", whole.substr(0, 200));
    write("empty.gguf", "");
    write("text.gguf", "once upon a time\n");
    fs::create_directories(folder / "dir.gguf");
    write("locked.gguf", whole);
    for (const std::string command : {"run FILE hi", "bench FILE", "inspect metadata FILE", "inspect tensors FILE",
                                      "inspect tokens FILE", "inspect logits FILE --tokens -"}) {
        const auto with = [&](const std::string& file) {
            std::string line = "\"$H\" " + command;
            return line.replace(line.find("FILE"), 4, file);
        };
        refused(with("./missing.gguf"), 1, {"missing.gguf"}, "1");
        refused(with("./dir.gguf"), 1, {"dir.gguf", "directory"}, "1");
        refused(with("./empty.gguf"), 1, {"empty.gguf is empty"}, "1");
        refused(with("./truncated.gguf"), 1, {"truncated.gguf", "bytes"}, "1");
        refused(with("./header.gguf"), 1, {"header.gguf"}, "1");
        refused(with("./text.gguf"), 1, {"text.gguf is not a GGUF file"}, "1");
    }
    refused("\"$H\" run '' hi", 1, {});
    EditedFile unknown(model);
    fs::copy_file(unknown.set_text("general.architecture", "elephant").write("elephant.gguf"), folder / "elephant.gguf",
                  fs::copy_options::overwrite_existing);
    refused("\"$H\" run elephant.gguf hi", 1, {"\"elephant\"", "this build knows: "});
    EditedFile holes(model);
    holes.drop("blk.0.ffn_up.weight").drop("blk.3.attn_k.weight");
    fs::copy_file(holes.write("holes.gguf"), folder / "holes.gguf", fs::copy_options::overwrite_existing);
    refused("\"$H\" run holes.gguf hi", 1, {"blk.0.ffn_up.weight is missing", "blk.3.attn_k.weight is missing"});
}

TEST_F(Command, RequestsThatCannotBeServed) {
    refused("\"$H\" run $M --ctx 3 hi", 1, {"19 tokens", "holds 3", "--ctx"});
    refused("\"$H\" run $M --ctx 1000000000000 hi", 1, {"1000000000000", "are free", "--ctx"});
    refused("\"$H\" run $M --ctx 1099511627776 hi", 1, {"are free"});
    refused("\"$H\" run $M --raw", 1, {"no prompt"});
    refused("\"$H\" run $M --raw --system x hi", 1, {"--system", "--raw"});
    refused("\"$H\" run $M hi --temp nan", 1, {"temperature"});
    refused("\"$H\" run $M hi --top-p 2", 1, {"top_p"});
    refused("\"$H\" run $M hi --stop ''", 1, {"stop string"});
    for (const char* bias : {"7", "x=1", "7=", "7=much", "=1", "99999999999=1", "7 =1"})
        refused(std::string("\"$H\" run $M hi --logit-bias '") + bias + "'", 1, {bias, "ID=BIAS"});
    refused("\"$H\" run $M hi --logit-bias 288=1", 1, {"288", "0 to 287"});
    refused("HEARTH_CPU=toaster \"$H\" run $M hi", 1, {"toaster", "avx2"});
    refused("\"$H\" bench $M --ctx 5", 1, {"5", "leave --ctx away"});
    EXPECT_NE(shell("HEARTH_CPU=toaster \"$H\" --version").out.find("toaster is not one of this machine"),
              std::string::npos);
}

TEST_F(Command, BenchSuggestsNamesThatAreNear) {
    refused("\"$H\" bench qwen3.5:3b", 1, {"qwen3.5:3b", "qwen3.5:2b"});
    refused("\"$H\" bench qwen35-08b-q4km", 1, {"qwen3.5:0.8b"});
    refused("\"$H\" bench qwen3.5:2b-q9", 1, {"q9"});
    refused("\"$H\" bench qwen3.5:2b --type q9", 1, {"q9"});
    refused("\"$H\" inspect synth gema4 out.gguf", 1, {"gemma4"});
    refused("\"$H\" inspect synth qwen3.5:0.8b --layers 4 /nonexistent/out.gguf", 1, {"/nonexistent"});
}

TEST_F(Command, TokenIdFiles) {
    write("ids.txt", "1 2\n3,\n");
    refused("\"$H\" inspect logits $M --tokens nothing.txt", 1, {"nothing.txt", "No such file"});
    refused("\"$H\" inspect logits $M --tokens .", 1, {});
    for (const char* bad : {"1 x 3", "1 2.5", "1,2", "0x10", "99999999999", ","})
        refused("\"$H\" inspect logits $M --tokens -", 1, {"is no token id"}, bad);
    refused("\"$H\" inspect logits $M --tokens -", 1, {"288", "0 to 287"}, "1 288");
    refused("\"$H\" inspect logits $M --tokens -", 1, {"-4", "0 to 287"}, "1 -4");
    refused("\"$H\" inspect logits $M --tokens -", 1, {"no tokens"}, "");
    refused("\"$H\" inspect logits $M --tokens - --ctx 4", 1, {"5", "4"}, "1 2 3 4 5");
    refused("\"$H\" inspect logits $M --tokens ids.txt --out /nonexistent/x.f32", 1, {"/nonexistent/x.f32"});
    refused("\"$H\" inspect logits $M --tokens ids.txt --out .", 1, {});
    refused("\"$H\" inspect logits $M --tokens ids.txt --out /dev/full", 1, {"/dev/full"});
}

TEST_F(Command, LogitsAreTheRecordedOnes) {
    const std::string reference = shared_path("reference/qwen35/dense_r1");
    const Ran ran =
        hearth("inspect logits $M --tokens " + quoted(reference + ".tokens.txt") + " --greedy 12 --out logits.f32");
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    std::string expected;
    for (const std::string& line : read_lines(reference + ".greedy.txt"))
        if (!line.empty()) expected += line + "\n";
    EXPECT_EQ(ran.out, expected);
    EXPECT_EQ(ran.err, "");
    EXPECT_EQ(fs::file_size(folder / "logits.f32"),
              fs::file_size(reference + ".prompt_logits.f32") + fs::file_size(reference + ".greedy_logits.f32"));
    const std::string whole = read_text(folder / "logits.f32");
    for (const char* words : {"--chunk 1", "--chunk 7 --threads 1", "--chunk 64 --threads 3"}) {
        EXPECT_EQ(hearth("inspect logits $M --tokens " + quoted(reference + ".tokens.txt") +
                         " --greedy 12 --out again.f32 " + words)
                      .exit_code,
                  0);
        EXPECT_TRUE(read_text(folder / "again.f32") == whole) << words;
    }
}

TEST_F(Command, TokensThereAndBack) {
    EXPECT_EQ(hearth("inspect tokens $M", "Hi!").out, "39\n72\n0\n");
    EXPECT_EQ(hearth("inspect tokens $M --json", "Hi!").out, "{\"ids\":[39,72,0]}\n");
    EXPECT_EQ(hearth("inspect tokens $M --decode", "39, 72\n0").out, "Hi!");
    for (const char* bad : {"39 x", "-1", "288", ",", "4.5", "39,,72", "99999999999999999999"})
        refused("\"$H\" inspect tokens $M --decode", 1, {"no id of this vocabulary"}, bad);
}

TEST_F(Command, ABadLineOfManyIsItsOwnAnswer) {
    const std::string in =
        "{\"text\":\"Hi!\"}\n{broken\n\n[1]\n{\"hex\":\"0\"}\n{\"hex\":\"zz\"}\n{\"text\":7}\n"
        "{\"text\":\"a\",\"colour\":1}\n{}\n\xff\xfe\n{\"hex\":\"486921\"}";
    const Ran ran = hearth("inspect tokens $M --jsonl", in);
    EXPECT_EQ(ran.exit_code, 0);
    EXPECT_EQ(ran.err, "");
    std::istringstream lines(ran.out);
    std::vector<Json> answers;
    for (std::string line; std::getline(lines, line);) {
        auto answer = Json::parse(line);
        ASSERT_TRUE(answer.has_value()) << line;
        answers.push_back(*answer);
    }
    ASSERT_EQ(answers.size(), 11u);
    EXPECT_EQ(answers.front().dump(), "{\"ids\":[39,72,0]}");
    EXPECT_EQ(answers.back().dump(), answers.front().dump());
    for (size_t i = 1; i + 1 < answers.size(); ++i) EXPECT_TRUE(answers[i].find("error")) << answers[i].dump();
}

TEST_F(Command, DumpedTensorsAreTheDecodedOnes) {
    for (const std::string name : {"q4_k_m", "q8_0", "dense_r1"}) {
        const std::string path = shared_path("reference/qwen35/" + name + ".gguf");
        const auto checkpoint = open_gguf(path);
        ASSERT_TRUE(checkpoint.has_value());
        for (const std::string tensor : {"token_embd.weight", "blk.0.ffn_down.weight", "output_norm.weight"}) {
            const Ran ran = hearth("inspect tensors " + quoted(path) + " --dump " + tensor + " --out values.f32");
            EXPECT_EQ(ran.exit_code, 0) << ran.err;
            const StoredTensor* stored = checkpoint->find(tensor);
            ASSERT_TRUE(stored);
            std::vector<float> values(size_t(stored->elements()));
            decode(stored->type, stored->data.data(), stored->elements(), values.data());
            const auto dumped = read_floats(folder / "values.f32");
            ASSERT_EQ(dumped.size(), values.size());
            EXPECT_EQ(std::memcmp(dumped.data(), values.data(), values.size() * sizeof(float)), 0) << name << tensor;
        }
    }
    refused("\"$H\" inspect tensors $M --dump nothing --out x.f32", 1, {"nothing", "inspect tensors"});
    refused("\"$H\" inspect tensors $M --dump output_norm.weight", 1, {"--out"});
    refused("\"$H\" inspect tensors $M --dump output_norm.weight --out /nonexistent/x", 1, {"/nonexistent/x"});
    refused("\"$H\" inspect tensors $M --dump output_norm.weight --out /dev/full", 1, {"/dev/full"});
}

TEST_F(Command, InspectSpeaksJson) {
    const auto metadata = Json::parse(hearth("inspect metadata $M --json").out);
    ASSERT_TRUE(metadata.has_value());
    const Json* keys = metadata->find("metadata");
    ASSERT_TRUE(keys && keys->find("qwen35.block_count"));
    EXPECT_EQ(keys->find("qwen35.block_count")->as_int(), 8);
    EXPECT_EQ(keys->find("tokenizer.ggml.tokens")->items().size(), 288u);
    EXPECT_EQ(metadata->find("format")->find("bytes")->as_int(), int64_t(fs::file_size(model)));
    const auto tensors = Json::parse(hearth("inspect tensors $M --json").out);
    ASSERT_TRUE(tensors.has_value());
    EXPECT_EQ(tensors->find("tensors")->items().size(), 108u);
    EXPECT_EQ(tensors->find("tensors")->items()[0].find("name")->as_string(), "token_embd.weight");
}

// Colours, cursor movements, window titles: whatever a file says, it does not steer the terminal.
TEST_F(Command, ControlCharactersOfFilesStayInside) {
    const std::string evil =
        "\x1b]0;gotcha\x07\x1b[2J\r\b\x7f\xC2\x9B"
        "1m\xff";
    EditedFile file(model);
    file.set_text("general.name", evil).set_text("evil." + evil, "value " + evil);
    file.set("evil.list", MetadataValue::texts_of({evil, evil}));
    file.rename("blk.0.ffn_up.weight", "blk." + evil);
    fs::copy_file(file.write("evil.gguf"), folder / "evil.gguf", fs::copy_options::overwrite_existing);
    EditedFile named(model);
    named.set_text("general.name", evil).set_text("tokenizer.chat_template", evil);
    fs::copy_file(named.write("named.gguf"), folder / "named.gguf", fs::copy_options::overwrite_existing);
    EditedFile unknown(model);
    unknown.set_text("general.architecture", evil);
    fs::copy_file(unknown.write("unknown.gguf"), folder / "unknown.gguf", fs::copy_options::overwrite_existing);
    for (const std::string line :
         {"inspect metadata evil.gguf", "inspect tensors evil.gguf", "inspect metadata evil.gguf --json",
          "inspect tensors evil.gguf --json", "run evil.gguf hi", "run named.gguf hi -v -n 1 --temp 0",
          "run unknown.gguf hi", "bench $'\\e[2J' ", "run $M hi --kv $'\\e[2J'", "run $'\\e[2J\\xc2\\x9b' hi"}) {
        const Ran ran = hearth(line);
        EXPECT_FALSE(ran.out.empty() && ran.err.empty()) << line;
        const bool is_json = line.ends_with("--json");
        for (const std::string& text : {ran.out, ran.err})
            for (size_t i = 0; i < text.size(); ++i) {
                const uint8_t byte = uint8_t(text[i]);
                EXPECT_FALSE((byte < 0x20 && byte != '\n') || (byte == 0x7F && !is_json)) << line << " byte " << i;
                const bool is_c1 = byte == 0xC2 && uint8_t(text[i + 1]) < 0xA0;
                EXPECT_FALSE(is_c1 && !is_json) << line << " byte " << i;
            }
    }
}

TEST_F(Command, RunAnswersPipedText) {
    const std::string options = " --seed 5 -n 24 --ctx 256";
    const Ran words = hearth("run $M 'What is it?'" + options);
    EXPECT_EQ(words.exit_code, 0) << words.err;
    EXPECT_FALSE(words.out.empty());
    EXPECT_EQ(words.out.back(), '\n');
    EXPECT_EQ(words.err, "");
    EXPECT_EQ(hearth("run $M" + options, "What is it?").out, words.out);
    EXPECT_EQ(hearth("run $M 'What is it?'" + options, "nobody\n").out,
              hearth("run $M" + options, "What is it?\n\nnobody\n").out);
    EXPECT_EQ(hearth("run $M What is 'it?'" + options + " -v").out, words.out);
    EXPECT_NE(hearth("run $M --raw" + options, "What is it?").out, words.out);
}

// Some containers offer no pseudo-terminals, and `script` needs one.
bool has_terminals() {
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0) return false;
    const char* other_end = grantpt(terminal) == 0 && unlockpt(terminal) == 0 ? ptsname(terminal) : nullptr;
    const bool is_there = other_end && access(other_end, R_OK | W_OK) == 0;
    close(terminal);
    return is_there;
}

// What a model says goes to a file as it is, and to a terminal without what could steer it.
TEST_F(Command, ControlCharactersOfAnswersStayOffTheTerminal) {
    if (!has_terminals()) GTEST_SKIP() << "this system has no pseudo-terminals";
    const std::string escape = hearth("inspect tokens $M", "\x1b").out;
    ASSERT_EQ(escape.find('\n'), escape.size() - 1) << "not one token";
    const std::string words = " hi --raw -n 5 --logit-bias " + escape.substr(0, escape.size() - 1) + "=1000";
    EXPECT_EQ(hearth("run $M" + words).out, "\x1b\x1b\x1b\x1b\x1b\n");
    const Ran shown = shell("NO_COLOR=1 script -qec \"'$H' run '$M' " + words + "\" /dev/null");
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    EXPECT_EQ(shown.out.find('\x1b'), std::string::npos) << shown.out;
    EXPECT_NE(shown.out.find("     \r\n"), std::string::npos) << shown.out;
}

// The slowest kernels, so that reading takes long enough to be told about.
TEST_F(Command, ALongPromptShowsHowFarItIs) {
    if (!has_terminals()) GTEST_SKIP() << "this system has no pseudo-terminals";
    std::string text;
    for (int i = 0; i < 560; ++i) text += "the cat ";
    write("long.txt", text);
    const Ran ran =
        shell("HEARTH_CPU=generic script -qec \"'$H' run ember --threads 1 -n 1 \\\"$(cat long.txt)\\\"\" /dev/null");
    EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
    EXPECT_TRUE(std::regex_search(ran.out, std::regex("reading [0-9]+ tokens at [0-9]+/s [0-9]+ %, [^\r]+ left")))
        << ran.out;
}

TEST_F(Command, ADialogueGoesOnUntilGoodbye) {
    if (!has_terminals()) GTEST_SKIP() << "this system has no pseudo-terminals";
    // One line after the other: what is typed during an answer waits in the next line for its Enter.
    std::string typing = "sleep 1.5;";
    for (const char* line : {"hi", "/clear", "   ", "hi", "and more", "/bye"})
        typing += std::string(" printf '") + line + "\\r'; sleep 1;";
    const Ran ran =
        shell("{ " + typing + " } | HEARTH_HOME=home NO_COLOR=1 script -qec \"'$H' run '$M' -n 5 --seed 1\" /dev/null");
    EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
    std::vector<std::string> read;  // "19 tokens read at ..., 5 written ..."
    std::istringstream lines(ran.out);
    for (std::string line; std::getline(lines, line);)
        if (line.find(" tokens read at ") != std::string::npos) read.push_back(line);
    ASSERT_EQ(read.size(), 3u) << ran.out;
    EXPECT_TRUE(read[0].starts_with("19 tokens read")) << read[0];
    EXPECT_EQ(read[0].find(" remembered"), std::string::npos) << read[0];
    // After /clear the same question is the beginning again, as far as the reply's opening.
    EXPECT_TRUE(read[1].starts_with("10 tokens read")) << read[1];
    EXPECT_NE(read[1].find(" 9 remembered"), std::string::npos) << read[1];
    EXPECT_NE(read[2].find(" 23 remembered"), std::string::npos) << read[2];
}

TEST_F(Command, TheSameSeedGivesTheSameText) {
    const std::string line = "run $M --raw 'Once upon a time' --temp 1.5 -n 60 --top-k 0 --top-p 1 --seed ";
    const std::string first = hearth(line + "3").out;
    EXPECT_GT(first.size(), 20u);
    for (const char* words : {"3", "3 --threads 1", "3 --threads 2", "3 --ctx 300"})
        EXPECT_EQ(hearth(line + words).out, first) << words;
    EXPECT_NE(hearth(line + "4").out, first);
}

TEST_F(Command, AFullDiskIsAnError) {
    for (const char* words : {"run $M hi --raw -n 5 --seed 1", "inspect metadata $M", "inspect tensors $M --json",
                              "inspect tokens $M <<< hi", "inspect logits $M --tokens - --greedy 2 <<< '1 2'"})
        refused("\"$H\" " + std::string(words) + " >/dev/full", 1, {"cannot write", "No space left"});
}

// A reader that leaves early: quietly gone with the signal, or an error where somebody switched the signal off.
TEST_F(Command, AReaderThatLeavesIsNoCrash) {
    const double before = monotonic_seconds();
    const Ran plain = shell("{ \"$H\" " + endless() + "; echo $? >status.txt; } | head -c 1");
    EXPECT_EQ(read_text(folder / "status.txt"), "141\n") << plain.err;
    const Ran ignored = shell("trap '' PIPE; { \"$H\" " + endless() + "; echo $? >status.txt; } | head -c 1");
    EXPECT_EQ(read_text(folder / "status.txt"), "1\n");
    ASSERT_EQ(ignored.lines().size(), 1u) << ignored.err;
    EXPECT_NE(ignored.err.find("Broken pipe"), std::string::npos);
    EXPECT_LT(monotonic_seconds() - before, 10);  // it does not go on writing for nobody
}

TEST_F(Command, InterruptedItSaysSoAndEndsWithinASecond) {
    for (const std::string signal : {"INT", "TERM"}) {
        const Ran ran = shell("\"$H\" " + endless() +
                              " & pid=$!; until [ -s out.txt ]; do sleep 0.02; done; sleep 0.2; "
                              "date +%s%N >before.txt; kill -" +
                              signal + " $pid; wait $pid; status=$?; date +%s%N >after.txt; exit $status");
        EXPECT_EQ(ran.exit_code, 1);
        EXPECT_EQ(ran.err, "hearth: stopped\n");
        EXPECT_EQ(ran.out.back(), '\n');
        const int64_t before = std::stoll(read_text(folder / "before.txt"));
        EXPECT_LT(std::stoll(read_text(folder / "after.txt")) - before, 1'000'000'000);
    }
}

TEST_F(Command, InterruptedLogitsLeaveInGoodOrder) {
    std::string ids;
    for (int i = 0; i < 30000; ++i) ids += std::to_string(i % 256) + "\n";
    write("many.txt", ids);
    const Ran ran = shell("\"$H\" inspect logits " + wide_model() +
                          " --device reference --tokens many.txt --out many.f32 & pid=$!; "
                          "until [ -s many.f32 ]; do sleep 0.02; done; kill -INT $pid; wait $pid");
    EXPECT_EQ(ran.exit_code, 1) << ran.err;
    EXPECT_EQ(ran.err, "hearth: stopped\n");
}

// A real shape, so that what is planned outweighs the program itself: what the process took at most is what was
// announced.
TEST_F(Command, TheMemoryTakenIsTheMemoryPlanned) {
    ASSERT_EQ(hearth("inspect synth qwen3.5:0.8b synth.gguf --type q4_0 --layers 8").exit_code, 0);
    const Ran ran = hearth("bench synth.gguf --prompt 300 --generate 4 --runs 1 --json");
    fs::remove(folder / "synth.gguf");
    ASSERT_EQ(ran.exit_code, 0) << ran.err;
    const auto report = Json::parse(ran.out);
    ASSERT_TRUE(report);
    const double planned = report->find("model")->find("memory_bytes")->as_double();
    const double taken = report->find("model")->find("anonymous_bytes")->as_double();
    EXPECT_GT(planned, 200e6);
    EXPECT_LE(std::abs(taken - planned), std::max(0.02 * planned, 20e6))
        << taken << " taken, " << planned << " planned";
    // The file's pages go as its tensors are re-laid: never are both there. The program's own pages come on top.
    const double peak = report->find("model")->find("peak_bytes")->as_double();
    EXPECT_LE(peak, planned + 40e6) << planned << " planned";
    EXPECT_GE(peak, taken);
}

TEST_F(Command, WeightsMayStayInTheFile) {
    write("ids.txt", "1 2 3 4 5");
    fs::permissions(model, fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read);
    for (const char* out : {"usual.f32", "mapped.f32"}) {
        const Ran ran = hearth("inspect logits $M --tokens ids.txt --out " + std::string(out) +
                               (std::string(out) == "mapped.f32" ? " --mmap" : ""));
        EXPECT_EQ(ran.exit_code, 0) << ran.err;
    }
    EXPECT_EQ(read_text(folder / "usual.f32"), read_text(folder / "mapped.f32"));
    const std::string question = "run $M --raw --seed 1 -n 8 --ctx 64 hi";
    const Ran usual = hearth(question), mapped = hearth(question + " --mmap -v");
    EXPECT_EQ(mapped.exit_code, 0) << mapped.err;
    EXPECT_EQ(usual.out, mapped.out);
    EXPECT_NE(mapped.err.find("of weights stay in the file"), std::string::npos) << mapped.err;

    const Ran measured = hearth("bench $M --mmap --prompt 8 --generate 4 --runs 1 --json");
    ASSERT_EQ(measured.exit_code, 0) << measured.err;
    const auto report = Json::parse(measured.out);
    ASSERT_TRUE(report);
    EXPECT_GT(report->find("model")->find("mapped_bytes")->as_double(), 0);

    refused("\"$H\" run $M --mmap --quant q8_0 hi", 2, {"--mmap", "--quant"});
    refused("\"$H\" run $M --mmap --device reference hi", 1, {"--mmap", "reference"});
    refused("\"$H\" bench qwen3.5:0.8b --mmap=maybe", 2, {"--mmap"});
    fs::permissions(model, fs::perms::owner_write, fs::perm_options::add);
}

TEST_F(Command, BenchReportsWhatWasMeasured) {
    const Ran ran = hearth("bench $M --prompt 20 --generate 200 --depth 0,30 --batch 2 --runs 2 --json");
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_EQ(ran.err, "");
    const auto report = Json::parse(ran.out);
    ASSERT_TRUE(report.has_value());
    EXPECT_FALSE(report->find("model")->find("random_weights")->as_bool());
    const auto& results = report->find("results")->items();
    ASSERT_EQ(results.size(), 4u);
    for (const Json& result : results) {
        const bool is_prefill = result.find("test")->as_string() == "prefill";
        EXPECT_EQ(result.find("tokens")->as_int(), is_prefill ? 20 : 200);
        EXPECT_EQ(result.find("batch")->as_int(), 2);
        EXPECT_EQ(result.find("runs")->items().size(), 2u);
        EXPECT_GT(result.find("tokens_per_second")->as_double(), 0);
    }
    // As many as there are write at the same time, in however short a context.
    EXPECT_EQ(hearth("bench $M --prompt 0 --generate 60 --batch 64 --runs 1").exit_code, 0);
}

// What the operations had to read and write is counted apart from what a model's file and layers say a token needs: the
// two agree but for what passes between the layers.
TEST_F(Command, BenchSaysWhereTheTimeGoes) {
    const std::string command = "bench $M --prompt 20 --generate 6 --depth 30 --runs 2 --profile --sample";
    const Ran ran = hearth(command + " --json");
    ASSERT_EQ(ran.exit_code, 0) << ran.err;
    const auto report = Json::parse(ran.out);
    ASSERT_TRUE(report.has_value());
    for (const char* figure : {"read_gb_per_second", "int8_gops", "f32_gops"})
        EXPECT_TRUE(report->find("machine")->find(figure)) << figure;
    EXPECT_GT(report->find("machine")->find("threads")->as_int(), 0);
    const auto& results = report->find("results")->items();
    ASSERT_EQ(results.size(), 2u);
    for (const Json& result : results) {
        const bool is_prefill = result.find("test")->as_string() == "prefill";
        int64_t passes = 0, choices = 0;
        double bytes = 0, operations = 0;
        for (const Json& op : result.find("profile")->items()) {
            const std::string name = op.find("op")->as_string();
            EXPECT_GE(op.find("seconds")->as_double(), 0) << name;
            if (name == "embed") passes = op.find("calls")->as_int();
            if (name == "choose tokens") choices = op.find("calls")->as_int();
            if (op.find("kind")->as_string() == "between") continue;
            bytes += op.find("bytes")->as_double();
            operations += op.find("operations")->as_double();
            EXPECT_GT(op.find("share_of_roof")->as_double(), 0) << name;
        }
        // The thirty tokens before were read in the first round and stay.
        EXPECT_EQ(passes, is_prefill ? 1 : 7);
        EXPECT_EQ(choices, passes);
        EXPECT_GT(operations, 0);
        if (is_prefill) continue;
        const double needed = report->find("model")->find("bytes_per_token")->as_double();
        EXPECT_GE(bytes / double(passes), needed);
        EXPECT_LE(bytes / double(passes), 1.05 * needed);
    }

    const Ran told = hearth(command);
    for (const char* words : {"GB/s", "Gop/s", "roof %", "linear, one row", "neither matrix, cache nor state"})
        EXPECT_NE(told.out.find(words), std::string::npos) << told.out;
}

}  // namespace
}  // namespace hearth::test
