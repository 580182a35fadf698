// LFM 2, dense and with experts: gated short convolutions, and attention in the layers whose number of key heads is not
// zero. The last norm is called embedding_norm.
#include "huggingface/families.h"

namespace hearth::huggingface {

TokenizerChoice translate_lfm2(Translation& to) {
    Config& config = to.config;
    to.experts = config.integer_or("num_experts", 0, 0, 1 << 12);
    to.architecture = to.experts > 0 ? "lfm2moe" : "lfm2";
    leave_out_towers(to);
    write_decoder_keys(to);
    const int64_t heads = config.integer("num_attention_heads", 1, 1 << 16);
    const int64_t kv_heads = config.integer_or("num_key_value_heads", heads, 1, 1 << 16);
    to.set_count("attention.head_count", heads);
    std::vector<int64_t> kv_of_layer(size_t(to.layers), 0);
    const std::vector<std::string> kinds = config.texts("layer_types");
    const std::vector<int64_t> listed = config.integers("full_attn_idxs");
    for (size_t layer = 0; layer < std::min(kinds.size(), kv_of_layer.size()); ++layer)
        if (kinds[layer] == "full_attention") kv_of_layer[layer] = kv_heads;
    if (kinds.empty())
        for (const int64_t layer : listed) {
            if (layer < 0 || layer >= to.layers)
                config.problem(fmt::format("full_attn_idxs has the entry {}", layer));
            else
                kv_of_layer[size_t(layer)] = kv_heads;
        }
    if (kinds.empty() && listed.empty()) config.problem("layer_types is missing");
    to.set_counts("attention.head_count_kv", kv_of_layer);
    // The published width is adjusted by rules that changed over time; the matrix itself has the right one.
    const auto gate = to.tensors.shape("layers.0.feed_forward.w1.weight");
    to.set_count("feed_forward_length",
                 gate && gate->size() == 2 ? gate->front() : config.integer("intermediate_size", 1, 1 << 24));
    if (to.experts > 0) {
        to.set_count("expert_count", to.experts);
        to.set_count("expert_used_count", config.integer("num_experts_per_tok", 1, to.experts));
        to.set_count("expert_feed_forward_length", config.integer("moe_intermediate_size", 1, 1 << 24));
        to.set_count("leading_dense_block_count", config.integer_or("num_dense_layers", 0, 0, 1 << 12));
        to.set_count("expert_gating_func", 2);
    }
    to.set_number("rope.freq_base", read_rope_settings(config, 1e6).base);
    to.set_count("shortconv.l_cache", config.integer("conv_L_cache", 1, 64));
    const int64_t rows = embedding_rows(to);
    to.set_count("vocab_size", rows);
    const Name names[] = {
        {"token_embd.weight", "embed_tokens.weight"},
        {"token_embd_norm.weight", "embedding_norm.weight"},
        {"blk.{}.attn_norm.weight", "layers.{}.operator_norm.weight"},
        {"blk.{}.ffn_norm.weight", "layers.{}.ffn_norm.weight"},
        {"blk.{}.attn_q.weight", "layers.{}.self_attn.q_proj.weight"},
        {"blk.{}.attn_k.weight", "layers.{}.self_attn.k_proj.weight"},
        {"blk.{}.attn_v.weight", "layers.{}.self_attn.v_proj.weight"},
        {"blk.{}.attn_output.weight", "layers.{}.self_attn.out_proj.weight"},
        {"blk.{}.attn_q_norm.weight", "layers.{}.self_attn.q_layernorm.weight"},
        {"blk.{}.attn_k_norm.weight", "layers.{}.self_attn.k_layernorm.weight"},
        {"blk.{}.shortconv.in_proj.weight", "layers.{}.conv.in_proj.weight"},
        {"blk.{}.shortconv.conv.weight", "layers.{}.conv.conv.weight",
         shaped({config.integer("hidden_size", 1, 1 << 20), -1}), true},
        {"blk.{}.shortconv.out_proj.weight", "layers.{}.conv.out_proj.weight"},
        {"blk.{}.ffn_gate.weight", "layers.{}.feed_forward.w1.weight"},
        {"blk.{}.ffn_down.weight", "layers.{}.feed_forward.w2.weight"},
        {"blk.{}.ffn_up.weight", "layers.{}.feed_forward.w3.weight"},
        {"blk.{}.ffn_gate_inp.weight", "layers.{}.feed_forward.gate.weight", {}, true},
        {"blk.{}.exp_probs_b.bias", "layers.{}.feed_forward.expert_bias"},
        {"blk.{}.ffn_gate_exps.weight", "layers.{}.feed_forward.experts.{e}.w1.weight"},
        {"blk.{}.ffn_down_exps.weight", "layers.{}.feed_forward.experts.{e}.w2.weight"},
        {"blk.{}.ffn_up_exps.weight", "layers.{}.feed_forward.experts.{e}.w3.weight"},
    };
    to.add_names(names);
    add_output(to);
    return {.pre = "lfm2", .rows = rows};
}

}  // namespace hearth::huggingface
