// Llama, Mistral, Mixtral and their finetunes. The published rotation pairs value j of a head with j + half of it, the
// files' pairs neighbours: rows of q and k change places.
#include "huggingface/families.h"

namespace hearth::huggingface {

TokenizerChoice translate_llama(Translation& to) {
    Config& config = to.config;
    to.architecture = "llama";
    leave_out_towers(to);
    write_decoder_keys(to);
    const int64_t hidden = config.integer("hidden_size", 1, 1 << 20);
    const int64_t heads = config.integer("num_attention_heads", 1, 1 << 16);
    const int64_t kv_heads = config.integer_or("num_key_value_heads", heads, 1, 1 << 16);
    const int64_t head_dim = config.integer_or("head_dim", std::max<int64_t>(1, hidden / heads), 1, 1 << 16);
    const int64_t rows = embedding_rows(to);
    to.set_count("feed_forward_length", config.integer("intermediate_size", 1, 1 << 24));
    to.set_count("attention.head_count", heads);
    to.set_count("attention.head_count_kv", kv_heads);
    if (config.has("head_dim")) {
        to.set_count("attention.key_length", head_dim);
        to.set_count("attention.value_length", head_dim);
    }
    to.set_count("rope.dimension_count", head_dim);
    to.set_count("vocab_size", rows);
    to.experts = config.integer_or("num_local_experts", 0, 0, 1 << 12);
    if (to.experts > 0) {
        to.set_count("expert_count", to.experts);
        to.set_count("expert_used_count", config.integer("num_experts_per_tok", 1, to.experts));
    }
    const RopeSettings rope = read_rope_settings(config, 10000);
    write_rope(to, rope);
    add_llama3_divisors(to, rope, head_dim);

    const Name names[] = {
        {"token_embd.weight", "embed_tokens.weight"},
        {"output_norm.weight", "norm.weight"},
        {"blk.{}.attn_norm.weight", "layers.{}.input_layernorm.weight"},
        {"blk.{}.attn_q.weight", "layers.{}.self_attn.q_proj.weight", neighbouring_pairs(heads)},
        {"blk.{}.attn_k.weight", "layers.{}.self_attn.k_proj.weight", neighbouring_pairs(kv_heads)},
        {"blk.{}.attn_v.weight", "layers.{}.self_attn.v_proj.weight"},
        {"blk.{}.attn_output.weight", "layers.{}.self_attn.o_proj.weight"},
        {"blk.{}.attn_q.bias", "layers.{}.self_attn.q_proj.bias", neighbouring_pairs(heads)},
        {"blk.{}.attn_k.bias", "layers.{}.self_attn.k_proj.bias", neighbouring_pairs(kv_heads)},
        {"blk.{}.attn_v.bias", "layers.{}.self_attn.v_proj.bias"},
        {"blk.{}.attn_output.bias", "layers.{}.self_attn.o_proj.bias"},
        {"blk.{}.ffn_norm.weight", "layers.{}.post_attention_layernorm.weight"},
        {"blk.{}.ffn_gate.weight", "layers.{}.mlp.gate_proj.weight"},
        {"blk.{}.ffn_up.weight", "layers.{}.mlp.up_proj.weight"},
        {"blk.{}.ffn_down.weight", "layers.{}.mlp.down_proj.weight"},
        {"blk.{}.ffn_gate.bias", "layers.{}.mlp.gate_proj.bias"},
        {"blk.{}.ffn_up.bias", "layers.{}.mlp.up_proj.bias"},
        {"blk.{}.ffn_down.bias", "layers.{}.mlp.down_proj.bias"},
        {"blk.{}.ffn_gate_inp.weight", "layers.{}.block_sparse_moe.gate.weight", {}, true},
        {"blk.{}.ffn_gate_exps.weight", "layers.{}.block_sparse_moe.experts.{e}.w1.weight"},
        {"blk.{}.ffn_down_exps.weight", "layers.{}.block_sparse_moe.experts.{e}.w2.weight"},
        {"blk.{}.ffn_up_exps.weight", "layers.{}.block_sparse_moe.experts.{e}.w3.weight"},
    };
    to.add_names(names);
    add_output(to);
    return {.rows = rows};
}

}  // namespace hearth::huggingface
