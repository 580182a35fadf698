// Gemma 3, text. Norm weights are stored around zero; sliding layers rotate by a base of their own.
#include "huggingface/families.h"

namespace hearth::huggingface {

TokenizerChoice translate_gemma3(Translation& to) {
    Config& config = to.config;
    // EmbeddingGemma sees in both directions; its last layers stand in modules.json.
    to.architecture = config.boolean_or("use_bidirectional_attention", false) ? "gemma-embedding" : "gemma3";
    leave_out_towers(to);
    write_decoder_keys(to);
    write_attention_keys(to);
    if (!config.has("head_dim")) {
        to.set_count("attention.key_length", 256);
        to.set_count("attention.value_length", 256);
    }
    to.set_count("feed_forward_length", config.integer("intermediate_size", 1, 1 << 24));

    const bool is_by_kind = config.has("rope_parameters.full_attention");
    const std::string full = is_by_kind ? "rope_parameters.full_attention." : "rope_scaling.";
    to.set_number("rope.freq_base", config.number_or(is_by_kind ? full + "rope_theta" : "rope_theta", 1e6));
    to.set_number(
        "rope.freq_base_swa",
        config.number_or(is_by_kind ? "rope_parameters.sliding_attention.rope_theta" : "rope_local_base_freq", 1e4));
    const std::string type = config.text_or(full + "rope_type", config.text_or(full + "type", "default"));
    if (type == "linear") {
        to.set_text("rope.scaling.type", "linear");
        to.set_number("rope.scaling.factor", config.number(full + "factor"));
    } else if (type != "default") {
        config.problem(full + "rope_type is neither default nor linear");
    }
    to.set_count("attention.sliding_window", config.integer_or("sliding_window", 0, 0, 1 << 30));
    const std::vector<std::string> kinds = config.texts("layer_types");
    const bool has_pattern = config.has("sliding_window_pattern") || config.has("_sliding_window_pattern");
    int64_t period = config.integer_or(
        config.has("sliding_window_pattern") ? "sliding_window_pattern" : "_sliding_window_pattern", 6, 1, 1 << 12);
    if (!kinds.empty() && !has_pattern) {
        period = 1;
        while (period < int64_t(kinds.size()) && kinds[size_t(period - 1)] != "full_attention") ++period;
    }
    for (size_t layer = 0; layer < kinds.size(); ++layer)
        if ((kinds[layer] == "full_attention") != ((int64_t(layer) + 1) % period == 0)) {
            config.problem("layer_types has no regular pattern");
            break;
        }
    if (period != 6) to.set_count("attention.sliding_window_pattern", period);
    if (config.has("final_logit_softcapping"))
        to.set_number("final_logit_softcapping", config.number_or("final_logit_softcapping", 0));
    const Name names[] = {
        {"token_embd.weight", "embed_tokens.weight"},
        {"output_norm.weight", "norm.weight", plus_one()},
        {"blk.{}.attn_norm.weight", "layers.{}.input_layernorm.weight", plus_one()},
        {"blk.{}.attn_q.weight", "layers.{}.self_attn.q_proj.weight"},
        {"blk.{}.attn_k.weight", "layers.{}.self_attn.k_proj.weight"},
        {"blk.{}.attn_v.weight", "layers.{}.self_attn.v_proj.weight"},
        {"blk.{}.attn_q_norm.weight", "layers.{}.self_attn.q_norm.weight", plus_one()},
        {"blk.{}.attn_k_norm.weight", "layers.{}.self_attn.k_norm.weight", plus_one()},
        {"blk.{}.attn_output.weight", "layers.{}.self_attn.o_proj.weight"},
        {"blk.{}.post_attention_norm.weight", "layers.{}.post_attention_layernorm.weight", plus_one()},
        {"blk.{}.ffn_norm.weight", "layers.{}.pre_feedforward_layernorm.weight", plus_one()},
        {"blk.{}.ffn_gate.weight", "layers.{}.mlp.gate_proj.weight"},
        {"blk.{}.ffn_up.weight", "layers.{}.mlp.up_proj.weight"},
        {"blk.{}.ffn_down.weight", "layers.{}.mlp.down_proj.weight"},
        {"blk.{}.post_ffw_norm.weight", "layers.{}.post_feedforward_layernorm.weight", plus_one()},
    };
    to.add_names(names);
    add_output(to);
    return {.rows = embedding_rows(to)};
}

}  // namespace hearth::huggingface
