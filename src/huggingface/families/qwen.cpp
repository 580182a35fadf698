// Qwen 2, Qwen 3 and Qwen 3 with experts, and the embedding and reranking models made of them. Rotation pairs halves,
// as in the files: nothing changes its order.
#include "huggingface/families.h"

namespace hearth::huggingface {

namespace {

TokenizerChoice translate_qwen(Translation& to, const char* architecture) {
    Config& config = to.config;
    to.architecture = architecture;
    leave_out_towers(to);
    write_decoder_keys(to);
    const bool has_experts = config.integer_or("num_experts", 0, 0, 1 << 12) > 0;
    to.set_count("feed_forward_length", config.integer("intermediate_size", 1, 1 << 24));
    write_attention_keys(to);
    if (has_experts) {
        to.experts = config.integer("num_experts", 1, 1 << 12);
        to.set_count("expert_count", to.experts);
        to.set_count("expert_used_count", config.integer("num_experts_per_tok", 1, to.experts));
        to.set_count("expert_feed_forward_length", config.integer("moe_intermediate_size", 1, 1 << 24));
    }
    write_rope(to, read_rope_settings(config, 1e6));
    const Name more[] = {
        {"blk.{}.attn_q_norm.weight", "layers.{}.self_attn.q_norm.weight"},
        {"blk.{}.attn_k_norm.weight", "layers.{}.self_attn.k_norm.weight"},
        {"blk.{}.ffn_gate_inp.weight", "layers.{}.mlp.gate.weight", {}, true},
        {"blk.{}.ffn_gate_exps.weight", "layers.{}.mlp.experts.{e}.gate_proj.weight"},
        {"blk.{}.ffn_up_exps.weight", "layers.{}.mlp.experts.{e}.up_proj.weight"},
        {"blk.{}.ffn_down_exps.weight", "layers.{}.mlp.experts.{e}.down_proj.weight"},
        {"blk.{}.ffn_gate_exps.weight", "layers.{}.mlp.experts.gate_up_proj", rows_part(0, 1, 2)},
        {"blk.{}.ffn_up_exps.weight", "layers.{}.mlp.experts.gate_up_proj", rows_part(1, 1, 2)},
        {"blk.{}.ffn_down_exps.weight", "layers.{}.mlp.experts.down_proj"},
    };
    to.add_names(joined_names(decoder_names(), more));
    add_output(to);
    return {.rows = embedding_rows(to)};
}

}  // namespace

TokenizerChoice translate_qwen2(Translation& to) {
    return translate_qwen(to, "qwen2");
}
TokenizerChoice translate_qwen3(Translation& to) {
    return translate_qwen(to, "qwen3");
}
TokenizerChoice translate_qwen3moe(Translation& to) {
    return translate_qwen(to, "qwen3moe");
}

}  // namespace hearth::huggingface
