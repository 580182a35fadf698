// Directories that are damaged, incomplete or hostile: a clear refusal, never a crash.
#include <gtest/gtest.h>

#include <filesystem>

#include "files/safetensors.h"
#include "huggingface/directory.h"
#include "huggingface/tiny.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

std::string refusal(const std::string& directory) {
    const auto opened = huggingface::open_directory(directory);
    return opened ? "" : opened.error().line();
}

TEST(HuggingfaceDirectory, TheTinyOneOpens) {
    const Published tiny = tiny_llama();
    EXPECT_EQ(refusal(tiny.write("tiny")), "");
    EXPECT_EQ(refusal(tiny.write("tiny-sharded", 3)), "");
    const auto opened = huggingface::open_directory(tiny.write("tiny"));
    const Checkpoint& model = opened->checkpoint;
    EXPECT_EQ(model.metadata().text("general.name"), "tiny");
    EXPECT_EQ(model.metadata().integer("general.file_type"), 32);
    EXPECT_EQ(model.find("blk.0.ffn_up.weight")->type, DType::bf16);
    EXPECT_FALSE(model.find("blk.0.ffn_up.weight")->data.empty()) << "lies in its file as it is needed";
    EXPECT_EQ(model.find("blk.0.attn_norm.weight")->type, DType::f32);
    EXPECT_TRUE(model.find("blk.0.attn_q.weight")->data.empty()) << "its rows change places";
}

// Row r of a published matrix with 2 heads of 4: the files' rows are 0 2 1 3 of each head.
TEST(HuggingfaceDirectory, RowsOfQueriesPairNeighbours) {
    Published tiny = tiny_llama();
    std::vector<float> rows;
    for (int row = 0; row < 8; ++row) rows.insert(rows.end(), 8, float(row));
    tiny.add("model.layers.0.self_attn.q_proj.weight", {8, 8}, rows);
    const auto opened = huggingface::open_directory(tiny.write("pairs"));
    ASSERT_TRUE(opened.has_value()) << opened.error().line();
    const auto bytes = opened->checkpoint.bytes(*opened->checkpoint.find("blk.0.attn_q.weight"));
    const auto* values = reinterpret_cast<const float*>(bytes->view().data());
    const float expected[] = {0, 2, 1, 3, 4, 6, 5, 7};
    for (int row = 0; row < 8; ++row) EXPECT_EQ(values[8 * row], expected[row]);
}

struct BadConfig {
    const char *key, *value, *expected;
};

TEST(HuggingfaceDirectory, ConfigsThatMakeNoSense) {
    const std::vector<BadConfig> cases{
        {"model_type", "\"nosuch\"", "model_type is \"nosuch\""},
        {"model_type", "7", "model_type is missing"},
        {"num_hidden_layers", "null", "num_hidden_layers is missing"},
        {"num_hidden_layers", "0", "num_hidden_layers is 0, expected 1 to"},
        {"num_hidden_layers", "1000000000000", "num_hidden_layers is 1000000000000"},
        {"num_hidden_layers", "\"one\"", "num_hidden_layers is no integer"},
        {"num_hidden_layers", "1.5", "num_hidden_layers is no integer"},
        {"hidden_size", "-8", "hidden_size is -8"},
        {"hidden_size", "1e300", "hidden_size is no integer"},
        {"num_attention_heads", "3", "self_attn.q_proj.weight' is 8 x 8, which does not fit"},
        {"num_attention_heads", "0", "num_attention_heads is 0"},
        {"num_key_value_heads", "2000000", "num_key_value_heads is 2000000"},
        {"num_attention_heads", "{}", "num_attention_heads is no integer"},
        {"max_position_embeddings", "[]", "max_position_embeddings is no integer"},
        {"rms_norm_eps", "\"small\"", "rms_norm_eps is no finite number"},
        {"rms_norm_eps", "1e999", "rms_norm_eps is no finite number"},
        {"rope_theta", "-1", "rope_theta is -1"},
        {"rope_scaling", R"({"rope_type":"mystery","factor":2})", "cannot rotate by"},
        {"rope_scaling", R"({"rope_type":"linear"})", "factor is missing or not positive"},
        {"rope_scaling", R"({"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":1})", "no band"},
        {"tie_word_embeddings", "3", "tie_word_embeddings is neither true nor false"},
    };
    for (const BadConfig& bad : cases) {
        Published tiny = tiny_llama();
        auto value = Json::parse(bad.value);
        tiny.config.set(bad.key, value ? *value : Json(Json::Number{bad.value}));
        EXPECT_NE(refusal(tiny.write("bad-config")).find(bad.expected), std::string::npos)
            << bad.key << " = " << bad.value << ": " << refusal(tiny.write("bad-config"));
    }
}

TEST(HuggingfaceDirectory, AllProblemsComeInOneReport) {
    Published tiny = tiny_llama();
    tiny.config.set("hidden_size", "x");
    tiny.config.set("rms_norm_eps", "x");
    tiny.config.set("intermediate_size", -1);
    const std::string text = refusal(tiny.write("three"));
    for (const char* part : {"hidden_size", "rms_norm_eps", "intermediate_size"})
        EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(HuggingfaceDirectory, TensorsThatDoNotBelong) {
    Published tiny = tiny_llama();
    tiny.add("model.layers.0.self_attn.mystery.weight", {2}, {1, 2});
    EXPECT_NE(refusal(tiny.write("stray")).find("mystery.weight' has no place in a llama model"), std::string::npos);

    tiny = tiny_llama();
    tiny.add_raw("model.layers.0.mlp.up_proj.weight", "I32", {16, 8}, std::string(512, '\0'));
    EXPECT_NE(refusal(tiny.write("integers")).find("has type I32"), std::string::npos);

    tiny = tiny_llama();
    tiny.add("layers.0.mlp.up_proj.weight", {16, 8}, std::vector<float>(128));
    EXPECT_NE(refusal(tiny.write("twice")).find("would be the same"), std::string::npos);

    tiny = tiny_llama();
    tiny.tensors.erase("model.embed_tokens.weight");
    EXPECT_NE(refusal(tiny.write("no-table")).find("embed_tokens.weight is missing"), std::string::npos);
}

TEST(HuggingfaceDirectory, TokenizersThatMakeNoSense) {
    const std::vector<std::pair<const char*, const char*>> cases{
        {"{}", "there is no model.vocab"},
        {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[]}})", "scores"},  // opens: nothing to complain about
        {R"({"model":{"type":"Magic","vocab":{"a":0}}})", "expected BPE, WordPiece or Unigram"},
        {R"({"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}})", "token id -1"},
        {R"({"model":{"type":"BPE","vocab":{"a":999999999},"merges":[]}})", "token id 999999999"},
        {R"({"model":{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}})", "given twice"},
        {R"({"model":{"type":"BPE","vocab":{"a":70},"merges":[]}})",
         "the tokenizer has 71 tokens, the embedding table"},
        {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[3]}})", "no pair"},
        {R"({"model":{"type":"Unigram","vocab":[["a"]]}})", "no pair of text and number"},
        {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Sequence","pretokenizers":[
            {"type":"Split","pattern":{"Regex":"x+"},"behavior":"Isolated","invert":false},
            {"type":"ByteLevel","use_regex":false}]}})",
         "cuts words in a way this build does not know"},
        {"[", "is not valid JSON"},
        {"7", "holds no object"},
    };
    for (const auto& [text, expected] : cases) {
        const std::string directory = tiny_llama().write("bad-tokenizer");
        write_text(directory + "/tokenizer.json", text);
        const std::string line = refusal(directory);
        if (std::string(expected) == "scores")
            EXPECT_EQ(line, "") << text;
        else
            EXPECT_NE(line.find(expected), std::string::npos) << text << ": " << line;
    }
    const std::string directory = tiny_llama().write("no-tokenizer");
    std::filesystem::remove(directory + "/tokenizer.json");
    EXPECT_NE(refusal(directory).find("neither tokenizer.json nor tokenizer.model"), std::string::npos);
    write_text(directory + "/tokenizer.model", "no protocol buffer");
    EXPECT_NE(refusal(directory).find("no SentencePiece model"), std::string::npos);
}

TEST(HuggingfaceDirectory, FilesThatAreMissing) {
    const std::string empty = temporary_directory() + "/empty";
    std::filesystem::create_directories(empty);
    EXPECT_NE(refusal(empty).find("has no config.json"), std::string::npos);
    const std::string directory = tiny_llama().write("no-weights");
    std::filesystem::remove(directory + "/model.safetensors");
    EXPECT_NE(refusal(directory).find("neither model.safetensors nor its index"), std::string::npos);
    write_text(directory + "/pytorch_model.bin", "x");
    EXPECT_NE(refusal(directory).find("PyTorch pickle"), std::string::npos);
}

TEST(SafetensorsIndex, ThatDoesNotFitItsFiles) {
    const std::vector<std::pair<const char*, const char*>> cases{
        {"{", "not valid JSON"},
        {"{}", "has no weight_map"},
        {R"({"weight_map":{"a":"../../etc/passwd"}})", "in no file of this directory"},
        {R"({"weight_map":{"a":7}})", "in no file of this directory"},
        {R"({"weight_map":{"a":"gone.safetensors"}})", "file 'gone.safetensors' is missing"},
        {R"({"weight_map":{"a":"one.safetensors","c":"one.safetensors"}})", "tensor 'c' is not in one.safetensors"},
        {R"({"weight_map":{"a":"one.safetensors"}})", "tensor 'b' lies in a file but is not listed"},
        {R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})", "there"},
    };
    const std::string directory = temporary_directory() + "/index";
    std::filesystem::create_directories(directory);
    write_text(directory + "/one.safetensors", safetensors_bytes({{"a", {"U8", {2}, "xy"}}, {"b", {"U8", {1}, "z"}}}));
    for (const auto& [text, expected] : cases) {
        write_text(directory + "/model.safetensors.index.json", text);
        const auto opened = open_safetensors_directory(directory);
        if (std::string(expected) == "there")
            EXPECT_FALSE(opened.has_value());
        else if (!opened)
            EXPECT_NE(opened.error().line().find(expected), std::string::npos) << opened.error().line();
        else
            ADD_FAILURE() << text;
    }
    write_text(directory + "/two.safetensors", safetensors_bytes({{"a", {"U8", {1}, "x"}}}));
    const auto both = open_safetensors({directory + "/one.safetensors", directory + "/two.safetensors"});
    ASSERT_FALSE(both.has_value());
    EXPECT_NE(both.error().line().find("tensor 'a' is in"), std::string::npos);
}

std::string opened_header(const std::string& header, const std::string& data, std::optional<uint64_t> length = {}) {
    const std::string path = temporary_directory() + "/header.safetensors";
    const uint64_t size = length.value_or(header.size());
    write_text(path, std::string(reinterpret_cast<const char*>(&size), 8) + header + data);
    const auto opened = open_safetensors({path});
    return opened ? "" : opened.error().line();
}

TEST(SafetensorsHeader, WhatIsGoodOpens) {
    EXPECT_EQ(opened_header("{}", ""), "");
    EXPECT_EQ(opened_header("{}   ", ""), "");
    EXPECT_EQ(opened_header(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},
                               "b":{"data_offsets":[0,1],"shape":[],"dtype":"I8"}})",
                            "xyz"),
              "");
    EXPECT_EQ(opened_header(R"({"e":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}})", ""), "");
    EXPECT_EQ(opened_header(R"({"n":{"dtype":"F4","shape":[2,2],"data_offsets":[0,2]}})", "xy"), "");
    EXPECT_EQ(opened_header(R"({"\u0061\"b":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})", "x"), "");
}

TEST(SafetensorsHeader, WhatIsBadIsNamed) {
    struct Bad {
        const char *header, *data, *expected;
    };
    const std::vector<Bad> cases{
        {"[]", "", "no \"{\""},
        {" {}", "", "no \"{\""},
        {"{", "x", "claims a header"},
        {"{\"a\"", "", "no \":\""},
        {"{\"a\":7}", "", "no description in braces"},
        {"{\"a\":{", "", "no description in braces"},
        {"{\"a\":{},}", "", "no name"},
        {"{} x", "", "something behind"},
        {"{\"a\":{}}", "", "has no dtype"},
        {R"({"a":{"dtype":7}})", "", "has no dtype"},
        {R"({"a":{"dtype":"F7"}})", "", "unknown dtype 'F7'"},
        {R"({"a":{"dtype":"U8"}})", "", "has no shape"},
        {R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}})", "", "something else than sizes"},
        {R"({"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,0]}})", "", "something else than sizes"},
        {R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", "x", "9 dimensions"},
        {R"({"a":{"dtype":"U8","shape":[1]}})", "x", "no two data_offsets"},
        {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", "x", "no range"},
        {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,2]}})", "x", "ends at byte 2"},
        {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}})", "x", "has 1 bytes, its shape and type need 2"},
        {R"({"a":{"dtype":"F64","shape":[4611686018427387904,4],"data_offsets":[0,1]}})", "x", "no file can hold"},
        {R"({"a":{"dtype":"F64","shape":[9223372036854775807],"data_offsets":[0,1]}})", "x", "no file can hold"},
        {R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", "x", "no file can hold"},
        {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "xy", "last 1 bytes belong to no tensor"},
        {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", "xy", "in front of tensor 'a'"},
        {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
         "xy", "overlaps"},
        {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
         "xy", "is there twice"},
        {R"({"__metadata__":{},"__metadata__":{}})", "", "__metadata__ is there twice"},
    };
    for (const Bad& bad : cases) {
        const std::string line =
            opened_header(bad.header, bad.data, bad.header[1] ? std::nullopt : std::optional<uint64_t>(9));
        EXPECT_NE(line.find(bad.expected), std::string::npos) << bad.header << ": " << line;
    }
    EXPECT_NE(opened_header("{}", "", 1ull << 63).find("claims a header"), std::string::npos);
    EXPECT_NE(opened_header("{}", "", 100).find("claims a header"), std::string::npos);
    const std::string path = temporary_directory() + "/short.safetensors";
    write_text(path, "1234567");
    EXPECT_NE(open_safetensors({path}).error().line().find("has only 7 bytes"), std::string::npos);
    write_text(path, "version https://git-lfs.github.com/spec/v1\n");
    EXPECT_NE(open_safetensors({path}).error().line().find("Git LFS"), std::string::npos);
}

}  // namespace
}  // namespace hearth::test
