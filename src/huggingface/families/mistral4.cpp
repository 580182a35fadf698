// Mistral Small 4: latent attention and experts. kv_b_proj is split, head by head, into what makes keys (transposed, so
// that queries can be brought into the latent space) and what makes values.
#include "huggingface/families.h"

namespace hearth::huggingface {

TokenizerChoice translate_mistral4(Translation& to) {
    Config& config = to.config;
    to.architecture = "mistral4";
    leave_out_towers(to);
    write_decoder_keys(to);
    const int64_t heads = config.integer("num_attention_heads", 1, 1 << 12);
    const int64_t nope = config.integer("qk_nope_head_dim", 1, 1 << 14),
                  rotated = config.integer("qk_rope_head_dim", 1, 1 << 14);
    const int64_t value = config.integer("v_head_dim", 1, 1 << 14), rank = config.integer("kv_lora_rank", 1, 1 << 14);
    to.set_count("feed_forward_length", config.integer("intermediate_size", 1, 1 << 24));
    to.set_count("attention.head_count", heads);
    to.set_count("attention.head_count_kv", 1);
    to.set_count("attention.key_length", rank + rotated);
    to.set_count("attention.value_length", rank);
    to.set_count("attention.key_length_mla", nope + rotated);
    to.set_count("attention.value_length_mla", value);
    if (config.has("q_lora_rank")) to.set_count("attention.q_lora_rank", config.integer("q_lora_rank", 1, 1 << 14));
    to.set_count("attention.kv_lora_rank", rank);
    to.set_count("rope.dimension_count", rotated);
    const RopeSettings rope = read_rope_settings(config, 10000);
    write_rope(to, rope);
    if (rope.type == "yarn") {
        to.set_number("rope.scaling.yarn_beta_fast", config.number_or(rope.prefix + "beta_fast", 32));
        to.set_number("rope.scaling.yarn_beta_slow", config.number_or(rope.prefix + "beta_slow", 1));
        to.set_number("rope.scaling.yarn_log_multiplier", 0.1 * config.number_or(rope.prefix + "mscale_all_dim", 0));
    }
    to.experts = config.integer("n_routed_experts", 1, 1 << 12);
    to.set_count("leading_dense_block_count", config.integer_or("first_k_dense_replace", 0, 0, 1 << 12));
    to.set_count("expert_count", to.experts);
    to.set_count("expert_used_count", config.integer("num_experts_per_tok", 1, to.experts));
    to.set_count("expert_feed_forward_length", config.integer("moe_intermediate_size", 1, 1 << 24));
    to.set_count("expert_shared_count", config.integer_or("n_shared_experts", 1, 0, 1 << 10));
    to.set_number("expert_weights_scale", config.number_or("routed_scaling_factor", 1));
    to.set_flag("expert_weights_norm", config.boolean_or("norm_topk_prob", true));
    const int64_t rows = embedding_rows(to);
    to.set_count("vocab_size", rows);

    const auto rows_of_heads = [=](int64_t first, int64_t count, bool is_transposed) -> Arrange {
        return [=](ValuesPtr from) -> ValuesPtr {
            std::vector<int64_t> order;
            for (int64_t row = 0; row < count; ++row) order.push_back(first + row);
            ValuesPtr part = with_rows(reshaped(std::move(from), {heads, nope + value, -1}), order, nope + value);
            return is_transposed ? transposed(std::move(part)) : part;
        };
    };
    const Name more[] = {
        {"blk.{}.attn_q_a.weight", "layers.{}.self_attn.q_a_proj.weight"},
        {"blk.{}.attn_q_a_norm.weight", "layers.{}.self_attn.q_a_layernorm.weight"},
        {"blk.{}.attn_q_b.weight", "layers.{}.self_attn.q_b_proj.weight"},
        {"blk.{}.attn_kv_a_mqa.weight", "layers.{}.self_attn.kv_a_proj_with_mqa.weight"},
        {"blk.{}.attn_kv_a_norm.weight", "layers.{}.self_attn.kv_a_layernorm.weight"},
        {"blk.{}.attn_k_b.weight", "layers.{}.self_attn.kv_b_proj.weight", rows_of_heads(0, nope, true)},
        {"blk.{}.attn_v_b.weight", "layers.{}.self_attn.kv_b_proj.weight", rows_of_heads(nope, value, false)},
        {"blk.{}.ffn_gate_inp.weight", "layers.{}.mlp.gate.weight", {}, true},
        {"blk.{}.ffn_gate_up_exps.weight", "layers.{}.mlp.experts.gate_up_proj"},
        {"blk.{}.ffn_down_exps.weight", "layers.{}.mlp.experts.down_proj"},
        {"blk.{}.ffn_gate_exps.weight", "layers.{}.mlp.experts.{e}.gate_proj.weight"},
        {"blk.{}.ffn_up_exps.weight", "layers.{}.mlp.experts.{e}.up_proj.weight"},
        {"blk.{}.ffn_down_exps.weight", "layers.{}.mlp.experts.{e}.down_proj.weight"},
        {"blk.{}.ffn_gate_shexp.weight", "layers.{}.mlp.shared_experts.gate_proj.weight"},
        {"blk.{}.ffn_up_shexp.weight", "layers.{}.mlp.shared_experts.up_proj.weight"},
        {"blk.{}.ffn_down_shexp.weight", "layers.{}.mlp.shared_experts.down_proj.weight"},
    };
    to.add_names(joined_names(decoder_names(), more));
    add_output(to);
    return {.rows = rows};
}

}  // namespace hearth::huggingface
