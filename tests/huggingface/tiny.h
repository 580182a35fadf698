// The smallest directory that opens, for tests that break it.
#pragma once

#include "huggingface/published.h"

namespace hearth::test {

inline Published tiny_llama() {
    Published tiny;
    tiny.config = *Json::parse(R"({"model_type":"llama","num_hidden_layers":1,"hidden_size":8,"intermediate_size":16,
        "num_attention_heads":2,"num_key_value_heads":1,"max_position_embeddings":64,"rms_norm_eps":1e-5,
        "rope_theta":10000.0,"vocab_size":6,"tie_word_embeddings":true})");
    tiny.tokenizer = *Json::parse(R"({"added_tokens":[{"id":5,"content":"<s>","special":true}],
        "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},
        "model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3,"abc":4},"merges":["a b",["ab","c"]]}})");
    const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
        int64_t count = 1;
        for (const int64_t size : shape) count *= size;
        std::vector<float> values;
        for (int64_t i = 0; i < count; ++i) values.push_back(float(i % 7) - 3);
        tiny.add("model." + name, std::move(shape), values, "BF16");
    };
    add("embed_tokens.weight", {6, 8});
    add("norm.weight", {8});
    add("layers.0.input_layernorm.weight", {8});
    add("layers.0.post_attention_layernorm.weight", {8});
    add("layers.0.self_attn.q_proj.weight", {8, 8});
    add("layers.0.self_attn.k_proj.weight", {4, 8});
    add("layers.0.self_attn.v_proj.weight", {4, 8});
    add("layers.0.self_attn.o_proj.weight", {8, 8});
    add("layers.0.mlp.gate_proj.weight", {16, 8});
    add("layers.0.mlp.up_proj.weight", {16, 8});
    add("layers.0.mlp.down_proj.weight", {8, 16});
    return tiny;
}

}  // namespace hearth::test
