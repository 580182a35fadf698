// Mistral's own layout, made from recorded GGUF files: params.json, consolidated.safetensors, tekken.json.
#include <cstring>
#include <filesystem>

#include "huggingface/directory.h"
#include "huggingface/publishers.h"
#include "huggingface/quantisers.h"
#include "models/model_run.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

using publish::Line;

const std::vector<Line> kLines{{"token_embd.weight", "tok_embeddings.weight"},
                               {"output_norm.weight", "norm.weight"},
                               {"output.weight", "output.weight"},
                               {"blk.{}.attn_norm.weight", "layers.{}.attention_norm.weight"},
                               {"blk.{}.attn_q.weight", "layers.{}.attention.wq.weight"},
                               {"blk.{}.attn_k.weight", "layers.{}.attention.wk.weight"},
                               {"blk.{}.attn_v.weight", "layers.{}.attention.wv.weight"},
                               {"blk.{}.attn_output.weight", "layers.{}.attention.wo.weight"},
                               {"blk.{}.ffn_norm.weight", "layers.{}.ffn_norm.weight"},
                               {"blk.{}.ffn_gate.weight", "layers.{}.feed_forward.w1.weight"},
                               {"blk.{}.ffn_down.weight", "layers.{}.feed_forward.w2.weight"},
                               {"blk.{}.ffn_up.weight", "layers.{}.feed_forward.w3.weight"}};

std::string base64(const std::string& bytes) {
    static const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (size_t i = 0; i < bytes.size(); i += 3) {
        uint32_t three = 0;
        for (size_t j = 0; j < 3; ++j) three = three << 8 | (i + j < bytes.size() ? uint8_t(bytes[i + j]) : 0);
        for (size_t j = 0; j < 4; ++j) out += i + j > bytes.size() ? '=' : kDigits[three >> (18 - 6 * j) & 63];
    }
    return out;
}

// The bytes that the characters of a byte-level piece stand for.
std::string bytes_of_piece(std::string_view piece) {
    std::map<uint32_t, char> byte_of;
    uint32_t next = 256;
    for (uint32_t b = 0; b < 256; ++b) {
        const bool is_itself = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        byte_of[is_itself ? b : next++] = char(b);
    }
    std::string bytes;
    for (size_t i = 0; i < piece.size(); ++i) {
        uint32_t c = uint8_t(piece[i]);
        if (c >= 0xC0) c = (c & 31) << 6 | (uint8_t(piece[++i]) & 63);
        bytes += byte_of.at(c);
    }
    return bytes;
}

void write_tekken(const std::string& directory, const Checkpoint& from) {
    const auto tokens = *from.metadata().texts("tokenizer.ggml.tokens");
    const auto types = *from.metadata().integers("tokenizer.ggml.token_type");
    Json vocabulary = Json::array(), specials = Json::array();
    int64_t count = 0;
    for (size_t id = 0; id < tokens.size(); ++id) {
        Json entry = Json::object();
        if (types[id] == 3) {
            entry.set("rank", count++);
            entry.set("token_str", std::string(tokens[id]));
            entry.set("is_control", true);
            specials.push(entry);
        } else {
            entry.set("rank", int64_t(id) - count);
            entry.set("token_bytes", base64(bytes_of_piece(tokens[id])));
            vocabulary.push(entry);
        }
    }
    Json extra = Json::object();  // more pieces than this size of model uses
    extra.set("rank", int64_t(tokens.size()) - count);
    extra.set("token_bytes", "AAAA");
    vocabulary.push(extra);
    Json file = Json::object(), config = Json::object();
    config.set("default_vocab_size", int64_t(tokens.size()));
    config.set("default_num_special_tokens", count);
    file.set("config", config);
    file.set("vocab", vocabulary);
    file.set("special_tokens", specials);
    write_text(directory + "/tekken.json", file.dump());
}

Json params_of(const Original& from) {
    Json params = Json::object();
    params.set("dim", from.integer("embedding_length"));
    params.set("n_layers", from.integer("block_count"));
    params.set("head_dim", from.integer("attention.key_length"));
    params.set("hidden_dim", from.integer("feed_forward_length"));
    params.set("n_heads", from.integer("attention.head_count"));
    params.set("n_kv_heads", from.integer("attention.head_count_kv"));
    params.set("norm_eps", from.number("attention.layer_norm_rms_epsilon"));
    params.set("vocab_size", 1);  // the table has the last word
    params.set("rope_theta", from.number("rope.freq_base"));
    params.set("max_seq_len", from.integer("context_length"));
    return params;
}

std::string written(const std::string& name, const Json& params, const Published& form, const Checkpoint& from) {
    const std::string directory = temporary_directory() + "/" + name;
    std::filesystem::create_directories(directory);
    write_text(directory + "/params.json", params.dump(1));
    write_text(directory + "/consolidated.safetensors", safetensors_bytes(form.tensors));
    write_tekken(directory, from);
    return directory;
}

class MistralsOwn : public testing::TestWithParam<std::string> {};

TEST_P(MistralsOwn, OpensAsTheModelItCameFrom) {
    NEED_SHARED("reference/mistral");
    const std::string gguf = shared_path("reference/mistral/" + GetParam() + ".gguf");
    const Original original(gguf);
    Published form;
    publish::move_tensors(original, form, kLines);
    form.add("vision_encoder.ln_pre.weight", {2}, {1, 2});
    Json params = params_of(original);
    if (GetParam() == "ministral3") {
        params.set("yarn",
                   publish::object_of(R"({"original_max_position_embeddings":32,"factor":16.0,"apply_scale":false,
                                                  "beta":4,"alpha":1})"));
        params.set("llama_4_scaling", publish::object_of(R"({"original_max_position_embeddings":32,"beta":0.1})"));
        params.set("tied_embeddings", true);
    }
    const std::string directory = written("own-" + GetParam(), params, form, original.checkpoint());
    const auto opened = huggingface::open_directory(directory);
    ASSERT_TRUE(opened.has_value()) << opened.error().line();
    expect_same_model(original.checkpoint(), opened->checkpoint, {"ggml.scores", "ggml.merges"});

    // The recorded merges are among ours, in their order; ours know every way to a piece.
    const auto recorded = *original.checkpoint().metadata().texts("tokenizer.ggml.merges"),
               made = *opened->checkpoint.metadata().texts("tokenizer.ggml.merges");
    size_t at = 0;
    for (const std::string_view merge : made)
        if (at < recorded.size() && merge == recorded[at]) ++at;
    EXPECT_EQ(at, recorded.size());

    const auto ids = read_ids(shared_path("reference/mistral/" + GetParam() + ".tokens.txt"));
    ModelRun theirs(gguf, {}), ours(directory, {});
    ASSERT_TRUE(theirs.is_ready() && ours.is_ready());
    const auto one = theirs.logits(ids, {512}), two = ours.logits(ids, {512});
    ASSERT_EQ(one.size(), two.size());
    EXPECT_EQ(std::memcmp(one.data(), two.data(), one.size() * sizeof(float)), 0);
}

INSTANTIATE_TEST_SUITE_P(Files, MistralsOwn, testing::Values("mistral_small", "ministral3"));

TEST(MistralsOwnLayout, InFp8ReadsAsItsNumbers) {
    NEED_SHARED("reference/mistral");
    const Original original(shared_path("reference/mistral/mistral_small.gguf"));
    Published form;
    publish::move_tensors(original, form, kLines);
    const Quantiser quantiser = bytes_with_scales("F8_E4M3", ".qscale_weight", {.is_flat = true}, "BF16");
    const Twins twins = quantised_twins(form, [&](const std::string& name) {
        return name.find(".attention.w") != std::string::npos || name.find("feed_forward") != std::string::npos
                   ? &quantiser
                   : nullptr;
    });
    Published quantised = twins.quantised;
    quantised.add("layers.0.attention.wq.qscale_act", {}, {1});
    const Json params = params_of(original);
    const auto ours = huggingface::open_directory(written("own-fp8", params, quantised, original.checkpoint()));
    const auto plain = huggingface::open_directory(written("own-plain", params, twins.plain, original.checkpoint()));
    ASSERT_TRUE(ours.has_value()) << ours.error().line();
    ASSERT_TRUE(plain.has_value()) << plain.error().line();
    for (const StoredTensor& tensor : plain->checkpoint.tensors()) {
        const StoredTensor* other = ours->checkpoint.find(tensor.name);
        ASSERT_TRUE(other && other->type == tensor.type && other->shape == tensor.shape) << tensor.name;
        const auto one = plain->checkpoint.bytes(tensor), two = ours->checkpoint.bytes(*other);
        ASSERT_TRUE(one && two);
        EXPECT_TRUE(std::ranges::equal(one->view(), two->view())) << tensor.name;
    }
}

TEST(MistralsOwnLayout, WhatGoesWrongIsNamed) {
    NEED_SHARED("reference/mistral");
    const Original original(shared_path("reference/mistral/mistral_small.gguf"));
    Published form;
    publish::move_tensors(original, form, kLines);
    const auto refusal = [](const std::string& directory) {
        const auto opened = huggingface::open_directory(directory);
        return opened ? std::string() : opened.error().line();
    };
    Json params = params_of(original);
    params.set("moe", publish::object_of(R"({"num_experts":8})"));
    params.set("n_heads", "many");
    const std::string line = refusal(written("own-moe", params, form, original.checkpoint()));
    EXPECT_NE(line.find("experts are not read"), std::string::npos) << line;
    EXPECT_NE(line.find("num_attention_heads is no integer"), std::string::npos) << line;

    const std::string directory = written("own-bad", params_of(original), form, original.checkpoint());
    const std::vector<std::pair<std::string, std::string>> cases{
        {"[]", "holds no object"},
        {"{}", "no config and vocab"},
        {R"({"config":{"default_num_special_tokens":-4,"default_vocab_size":384},"vocab":[]})",
         "special_tokens makes no"},
        {R"({"config":{"default_num_special_tokens":5,"default_vocab_size":384},"vocab":[]})", "rank 0 is missing"},
        {R"({"config":{"default_num_special_tokens":5,"default_vocab_size":384},"vocab":[7]})", "without rank"},
        {R"({"config":{"default_num_special_tokens":5,"default_vocab_size":384},"vocab":[],"special_tokens":[{"rank":9}]})",
         "special_tokens has an entry"}};
    for (const auto& [text, expected] : cases) {
        write_text(directory + "/tekken.json", text);
        EXPECT_NE(refusal(directory).find(expected), std::string::npos) << text << ": " << refusal(directory);
    }
    std::filesystem::remove(directory + "/consolidated.safetensors");
    EXPECT_NE(refusal(directory).find("neither consolidated.safetensors nor its index"), std::string::npos);
}

}  // namespace
}  // namespace hearth::test
