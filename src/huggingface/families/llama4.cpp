// Llama 4, text. Rotation pairs neighbours as published, so nothing is reordered; the experts' stacks are published
// transposed, gate and up side by side.
#include "huggingface/families.h"

namespace hearth::huggingface {

TokenizerChoice translate_llama4(Translation& to) {
    Config& config = to.config;
    to.architecture = "llama4";
    leave_out_towers(to);
    write_decoder_keys(to);
    const AttentionSizes sizes = write_attention_keys(to);
    to.set_count("feed_forward_length", config.integer("intermediate_size_mlp", 1, 1 << 24));
    to.set_count("rope.dimension_count", sizes.head_dim);
    const RopeSettings rope = read_rope_settings(config, 500000);
    write_rope(to, rope);
    add_llama3_divisors(to, rope, sizes.head_dim);
    to.experts = config.integer("num_local_experts", 1, 1 << 12);
    to.set_count("expert_count", to.experts);
    to.set_count("expert_used_count", config.integer("num_experts_per_tok", 1, to.experts));
    to.set_count("expert_feed_forward_length", config.integer("intermediate_size", 1, 1 << 24));
    to.set_count("interleave_moe_layer_step", config.integer_or("interleave_moe_layer_step", 1, 1, 1 << 12));
    const int64_t rows = embedding_rows(to);
    to.set_count("vocab_size", rows);
    const auto half = [](int64_t which) { return in_order({transposed, rows_part(which, 1, 2)}); };
    const Name more[] = {
        {"blk.{}.ffn_gate.weight", "layers.{}.feed_forward.gate_proj.weight"},
        {"blk.{}.ffn_up.weight", "layers.{}.feed_forward.up_proj.weight"},
        {"blk.{}.ffn_down.weight", "layers.{}.feed_forward.down_proj.weight"},
        {"blk.{}.ffn_gate_shexp.weight", "layers.{}.feed_forward.shared_expert.gate_proj.weight"},
        {"blk.{}.ffn_up_shexp.weight", "layers.{}.feed_forward.shared_expert.up_proj.weight"},
        {"blk.{}.ffn_down_shexp.weight", "layers.{}.feed_forward.shared_expert.down_proj.weight"},
        {"blk.{}.ffn_gate_inp.weight", "layers.{}.feed_forward.router.weight", {}, true},
        {"blk.{}.ffn_gate_exps.weight", "layers.{}.feed_forward.experts.gate_up_proj", half(0)},
        {"blk.{}.ffn_up_exps.weight", "layers.{}.feed_forward.experts.gate_up_proj", half(1)},
        {"blk.{}.ffn_down_exps.weight", "layers.{}.feed_forward.experts.down_proj", transposed},
    };
    to.add_names(joined_names(decoder_names(), more));
    add_output(to);
    return {.pre = "llama4", .rows = rows};
}

}  // namespace hearth::huggingface
