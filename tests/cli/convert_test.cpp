// `hearth convert`, `--quant` and `--check` as people meet them, on a directory as Hugging Face publishes it.
#include <cmath>
#include <cstring>

#include "cli/command.h"
#include "files/gguf.h"
#include "huggingface/publishers.h"
#include "huggingface/quantisers.h"

namespace hearth::test {
namespace {

class Directories : public Command {
protected:
    void SetUp() override {
        Command::SetUp();
        NEED_SHARED("reference/llama");
        if (HasFatalFailure() || IsSkipped()) return;
        const Original original(shared_path("reference/llama/llama-a.gguf"));
        form = publish::llama(original);
        directory = form.write("directory", 2);
        for (const char* left : {"out.gguf", "out.gguf.part"}) fs::remove(folder / left);
        fs::copy_file(shared_path("reference/llama/llama-a.tokens.txt"), folder / "ids.txt",
                      fs::copy_options::overwrite_existing);
    }
    Ran convert(const std::string& words) const { return shell("\"$H\" convert " + words); }
    std::string logits_of(const std::string& words) const {
        const Ran ran = shell("\"$H\" inspect logits " + words + " --tokens ids.txt --out logits.f32");
        EXPECT_EQ(ran.exit_code, 0) << ran.err;
        return read_text(folder / "logits.f32");
    }
    bool is_left() const { return fs::exists(folder / "out.gguf") || fs::exists(folder / "out.gguf.part"); }

    Published form;
    std::string directory;
};

TEST_F(Directories, BecomeOneFileThatIsTheSameModel) {
    const Ran ran = convert(test::quoted(directory) + " out.gguf");
    ASSERT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_EQ(ran.out, "");
    EXPECT_NE(ran.err.find("as stored"), std::string::npos) << ran.err;
    EXPECT_FALSE(fs::exists(folder / "out.gguf.part"));
    const std::string whole = logits_of(test::quoted(directory));
    EXPECT_FALSE(whole.empty());
    EXPECT_TRUE(whole == logits_of("out.gguf"));
}

TEST_F(Directories, QuantisedWhileLoadingAreWhatConvertWrites) {
    ASSERT_EQ(convert(test::quoted(directory) + " out.gguf --type q8_0").exit_code, 0);
    const auto file = open_gguf((folder / "out.gguf").string());
    ASSERT_TRUE(file.has_value());
    EXPECT_EQ(file->find("blk.0.ffn_up.weight")->type, DType::q8_0);
    const std::string whole = logits_of(test::quoted(directory)),
                      loaded = logits_of(test::quoted(directory) + " --quant q8_0");
    EXPECT_TRUE(loaded == logits_of("out.gguf"));
    EXPECT_FALSE(loaded == whole);
    const Ran ran = shell("\"$H\" run " + test::quoted(directory) + " --quant q4_0 --raw -n 2 --ctx 64 the");
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    refused("\"$H\" run " + test::quoted(directory) + " --quant q9 --raw -n 2 the", 1, {"q9", "known mixes"});
}

// Published in 8 bits: convert takes it to any type, and the model stays what the numbers say.
TEST_F(Directories, StoredInFp8GoTheUsualWay) {
    const Quantiser quantiser = bytes_with_scales("F8_E4M3", "_scale_inv", {64, 64});
    Twins twins = quantised_twins(
        form, [&](const std::string& name) { return name.ends_with("_proj.weight") ? &quantiser : nullptr; });
    twins.quantised.config.set("quantization_config",
                               *Json::parse(R"({"quant_method":"fp8","weight_block_size":[64,64]})"));
    const std::string fp8 = twins.quantised.write("directory-fp8", 1), plain = twins.plain.write("directory-plain", 1);
    const Ran ran = convert(test::quoted(fp8) + " out.gguf");
    ASSERT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_NE(ran.err.find("note: "), std::string::npos) << ran.err;
    const std::string expected = logits_of(test::quoted(plain));
    EXPECT_TRUE(logits_of("out.gguf") == expected);
    EXPECT_TRUE(logits_of(test::quoted(fp8)) == expected);
    EXPECT_TRUE(logits_of(test::quoted(fp8) + " --quant q8_0") == logits_of(test::quoted(plain) + " --quant q8_0"));
    ASSERT_EQ(convert(test::quoted(fp8) + " out.gguf --type q4_0").exit_code, 0);
    EXPECT_EQ(open_gguf((folder / "out.gguf").string())->find("blk.0.ffn_up.weight")->type, DType::q4_0);
}

// What lies in the directory as it is used stays there; what has to be made is packed.
TEST_F(Directories, StayMappedWhereTheyHoldWhatIsUsed) {
    const std::string words = test::quoted(directory);
    EXPECT_TRUE(logits_of(words) == logits_of(words + " --mmap"));
    const Ran ran = shell("\"$H\" run " + words + " --mmap --raw -v -n 2 --ctx 64 the");
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_NE(ran.err.find("of weights stay in the file"), std::string::npos) << ran.err;

    const Quantiser quantiser = bytes_with_scales("F8_E4M3", "_scale_inv", {64, 64});
    Twins twins = quantised_twins(form, [&](const std::string& name) {
        return name.ends_with(".weight") && name.find("norm") == std::string::npos ? &quantiser : nullptr;
    });
    twins.quantised.config.set("quantization_config",
                               *Json::parse(R"({"quant_method":"fp8","weight_block_size":[64,64]})"));
    refused("\"$H\" run " + test::quoted(twins.quantised.write("directory-fp8-all", 1)) + " --mmap --raw -n 2 the", 1,
            {"no weight of this model lies in a file", "--mmap"});
}

TEST_F(Directories, AreHeldAgainstTextsLikeFiles) {
    ASSERT_EQ(convert(test::quoted(directory) + " out.gguf").exit_code, 0);
    write("text.txt", "the river was calm and the night was long, and nobody came to the shore until the morning");
    const Ran ours = shell("\"$H\" perplexity " + test::quoted(directory) + " text.txt --ctx 16 --json"),
              theirs = shell("\"$H\" perplexity out.gguf text.txt --ctx 16 --json");
    EXPECT_EQ(ours.exit_code, 0) << ours.err;
    EXPECT_EQ(ours.out.substr(ours.out.find("perplexity\":")), theirs.out.substr(theirs.out.find("perplexity\":")));
    const Ran smaller =
        shell("\"$H\" perplexity " + test::quoted(directory) + " text.txt --ctx 16 --json --quant q4_0");
    EXPECT_EQ(smaller.exit_code, 0) << smaller.err;
    EXPECT_NE(smaller.out, ours.out);
}

TEST_F(Directories, RefusalsAreOneLine) {
    const std::string convert_it = "\"$H\" convert " + test::quoted(directory);
    refused(convert_it + " out.gguf --type q9", 1, {"known mixes"});
    refused(convert_it + " /no/such/folder/out.gguf", 1, {"/no/such/folder"});
    refused("\"$H\" convert \"$M\" out.gguf", 1, {"is no directory", "hearth quantize"});
    refused("\"$H\" convert . out.gguf", 1, {"no config.json"});
    EXPECT_EQ(convert(test::quoted(directory)).exit_code, 2);
    Published bits = form;
    bits.config.set("quantization_config", *Json::parse(R"({"quant_method":"bitsandbytes"})"));
    refused("\"$H\" convert " + test::quoted(bits.write("directory-bits")) + " out.gguf", 1,
            {"bitsandbytes", "GGUF file"});
    EXPECT_FALSE(is_left());
}

TEST_F(Directories, OneWeightThatIsNoNumberIsNamed) {
    Published broken = form;
    const std::string name = "model.layers.1.mlp.down_proj.weight";
    PublishedTensor& tensor = broken.tensors.at(name);
    const float nan = std::nanf("");
    const size_t row = 3, column = 5;
    std::memcpy(tensor.bytes.data() + (row * size_t(tensor.shape[1]) + column) * sizeof nan, &nan, sizeof nan);
    const std::string path = broken.write("directory-nan");
    refused("\"$H\" run " + test::quoted(path) + " --check --raw -n 2 the", 1,
            {"blk.1.ffn_down.weight has 1 (the first in row 3, column 5)", "1 of "});
    EXPECT_EQ(shell("\"$H\" run " + test::quoted(directory) + " --check --raw -n 2 --ctx 64 the").exit_code, 0);
    // Types made by a search see it too, and nothing is left of the file.
    const Ran ran = convert(test::quoted(path) + " out.gguf --type q8_0");
    EXPECT_EQ(ran.exit_code, 1) << ran.err;
    EXPECT_NE(ran.err.find("blk.1.ffn_down.weight"), std::string::npos) << ran.err;
    EXPECT_FALSE(is_left());
}

// A Llama of one layer as large as asked for, whose weights are a hole in its file.
std::string write_hollow(const std::string& name, int64_t hidden, int64_t width) {
    Published hollow;
    hollow.config = *Json::parse(R"({"model_type":"llama","num_hidden_layers":1,"num_attention_heads":2,
        "num_key_value_heads":2,"max_position_embeddings":64,"rms_norm_eps":1e-5,"tie_word_embeddings":true})");
    hollow.config.set("hidden_size", hidden);
    hollow.config.set("intermediate_size", width);
    hollow.tokenizer = *Json::parse(R"({"added_tokens":[{"id":1,"content":"<s>","special":true}],
        "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},
        "model":{"type":"BPE","vocab":{"a":0},"merges":[]}})");
    const std::string directory = hollow.write(name);
    std::string header = "{";
    int64_t at = 0;
    const auto add = [&](const std::string& tensor, int64_t rows, int64_t columns) {
        const int64_t end = at + 2 * rows * columns;
        header += fmt::format("{}\"model.{}.weight\":{{\"dtype\":\"BF16\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                              at ? "," : "", tensor,
                              rows == 1 ? std::to_string(columns) : fmt::format("{},{}", rows, columns), at, end);
        at = end;
    };
    add("embed_tokens", 2, hidden);
    for (const char* norm : {"norm", "layers.0.input_layernorm", "layers.0.post_attention_layernorm"})
        add(norm, 1, hidden);
    for (const char* part : {"q", "k", "v", "o"}) add(fmt::format("layers.0.self_attn.{}_proj", part), hidden, hidden);
    add("layers.0.mlp.gate_proj", width, hidden);
    add("layers.0.mlp.up_proj", width, hidden);
    add("layers.0.mlp.down_proj", hidden, width);
    header += "}";
    const uint64_t length = header.size();
    const std::string file = directory + "/model.safetensors";
    write_text(file, std::string(reinterpret_cast<const char*>(&length), 8) + header);
    fs::resize_file(file, 8 + header.size() + uint64_t(at));
    return directory;
}

TEST_F(Directories, TooLittleRoomIsSaidBeforeAnythingIsWritten) {
    const int64_t free = int64_t(fs::space(folder).available), hidden = 32768;
    const int64_t width = (free / (2 * hidden) / 64 + 1) * 64;  // three such matrices
    if (width > 1 << 24) GTEST_SKIP() << "this disk has more room than a model can need";
    std::error_code failed;
    std::string path;
    try {
        path = write_hollow("directory-vast", hidden, width);
    } catch (const fs::filesystem_error& error) {
        GTEST_SKIP() << "this file system has no files of that size: " << error.what();
    }
    refused("\"$H\" convert " + test::quoted(path) + " out.gguf", 1, {"out.gguf needs", "are free", "another disk"});
    EXPECT_FALSE(is_left());
    fs::remove_all(path, failed);
}

TEST_F(Directories, InterruptedConvertLeavesNothing) {
    const std::string path = write_hollow("directory-large", 4096, 1 << 18);
    for (const char* signal : {"INT", "TERM"}) {
        const Ran ran = shell(std::string("timeout --foreground -s ") + signal + " 0.5 \"$H\" convert " +
                              test::quoted(path) + " out.gguf --type q6_k --threads 1");
        EXPECT_NE(ran.exit_code, 0) << "it was over before the signal came";
        EXPECT_NE(ran.err.find("cancelled"), std::string::npos) << ran.err;
        EXPECT_FALSE(is_left()) << signal;
    }
    shell("timeout -s KILL 0.5 \"$H\" convert " + test::quoted(path) + " out.gguf --type q6_k --threads 1");
    EXPECT_FALSE(fs::exists(folder / "out.gguf"));
    EXPECT_EQ(convert(test::quoted(directory) + " out.gguf").exit_code, 0);
    EXPECT_FALSE(fs::exists(folder / "out.gguf.part"));
    fs::remove_all(path);
}

}  // namespace
}  // namespace hearth::test
