// Gemma 4, text, dense and with experts. Norm weights are used as they are. Sliding and full layers differ in head
// size, key heads and rotation; widths of the feed-forward layers are taken from the matrices, since some are doubled.
#include "huggingface/families.h"

namespace hearth::huggingface {

TokenizerChoice translate_gemma4(Translation& to) {
    Config& config = to.config;
    to.architecture = "gemma4";
    leave_out_towers(to);
    write_decoder_keys(to);
    std::vector<std::string> kinds = config.texts("layer_types");
    if (kinds.empty())
        for (int64_t i = 0; i < to.layers; ++i) kinds.push_back((i + 1) % 6 ? "sliding_attention" : "full_attention");
    if (int64_t(kinds.size()) < to.layers) config.problem("layer_types is shorter than num_hidden_layers");
    kinds.resize(size_t(to.layers), "full_attention");

    const int64_t kv = config.integer("num_key_value_heads", 1, 1 << 12);
    const bool shares = config.boolean_or("attention_k_eq_v", false);
    const int64_t full_kv = shares ? config.integer_or("num_global_key_value_heads", kv, 1, 1 << 12) : kv;
    const int64_t dim = config.integer_or("head_dim", 256, 1, 1 << 14);
    const int64_t full_dim = config.integer_or("global_head_dim", 512, 1, 1 << 14);
    std::vector<int64_t> widths, kv_of_layer;
    std::vector<bool> slides;
    for (int64_t i = 0; i < to.layers; ++i) {
        const auto gate = to.tensors.shape(fmt::format("layers.{}.mlp.gate_proj.weight", i));
        widths.push_back(gate && gate->size() == 2 ? gate->front() : config.integer("intermediate_size", 1, 1 << 24));
        slides.push_back(kinds[size_t(i)] == "sliding_attention");
        kv_of_layer.push_back(slides.back() ? kv : full_kv);
    }
    const auto is_uniform = [](const std::vector<int64_t>& list) {
        for (const int64_t one : list)
            if (one != list[0]) return false;
        return true;
    };
    if (is_uniform(widths))
        to.set_count("feed_forward_length", widths[0]);
    else
        to.set_counts("feed_forward_length", widths);
    to.set_count("attention.head_count", config.integer("num_attention_heads", 1, 1 << 12));
    if (is_uniform(kv_of_layer))
        to.set_count("attention.head_count_kv", kv_of_layer[0]);
    else
        to.set_counts("attention.head_count_kv", kv_of_layer);
    to.set_count("attention.key_length", full_dim);
    to.set_count("attention.value_length", full_dim);
    to.set_count("attention.key_length_swa", dim);
    to.set_count("attention.value_length_swa", dim);
    to.set_count("attention.sliding_window", config.integer("sliding_window", 1, 1 << 30));
    to.set_flags("attention.sliding_window_pattern", slides);
    to.set_count("attention.shared_kv_layers", config.integer_or("num_kv_shared_layers", 0, 0, to.layers));
    to.set_count("embedding_length_per_layer_input", config.integer_or("hidden_size_per_layer_input", 0, 0, 1 << 16));
    const std::string full = "rope_parameters.full_attention.";
    to.set_number("rope.freq_base", config.number_or(full + "rope_theta", 1e6));
    to.set_number("rope.freq_base_swa", config.number_or("rope_parameters.sliding_attention.rope_theta", 1e4));
    to.set_count("rope.dimension_count", full_dim);
    to.set_count("rope.dimension_count_swa", dim);
    if (config.has("final_logit_softcapping"))
        to.set_number("final_logit_softcapping", config.number_or("final_logit_softcapping", 0));
    if (config.boolean_or("enable_moe_block", false)) {
        to.experts = config.integer("num_experts", 1, 1 << 12);
        to.set_count("expert_count", to.experts);
        to.set_count("expert_used_count", config.integer("top_k_experts", 1, to.experts));
        to.set_count("expert_feed_forward_length", config.integer("moe_intermediate_size", 1, 1 << 24));
    }
    // Full layers rotate only the first pairs of a head: the others' divisor makes their angle nothing.
    const double part = config.number_or(full + "partial_rotary_factor", 0.25);
    std::vector<float> divisors(size_t(full_dim / 2), 1e30f);
    for (int64_t pair = 0; pair < full_dim / 2 && pair < int64_t(double(full_dim) * part / 2); ++pair)
        divisors[size_t(pair)] = 1;
    to.add("rope_freqs.weight", constant(std::move(divisors)));

    const Name names[] = {
        {"token_embd.weight", "embed_tokens.weight"},
        {"per_layer_token_embd.weight", "embed_tokens_per_layer.weight"},
        {"per_layer_model_proj.weight", "per_layer_model_projection.weight"},
        {"per_layer_proj_norm.weight", "per_layer_projection_norm.weight"},
        {"output_norm.weight", "norm.weight"},
        {"blk.{}.attn_norm.weight", "layers.{}.input_layernorm.weight"},
        {"blk.{}.attn_q.weight", "layers.{}.self_attn.q_proj.weight"},
        {"blk.{}.attn_k.weight", "layers.{}.self_attn.k_proj.weight"},
        {"blk.{}.attn_v.weight", "layers.{}.self_attn.v_proj.weight"},
        {"blk.{}.attn_q_norm.weight", "layers.{}.self_attn.q_norm.weight"},
        {"blk.{}.attn_k_norm.weight", "layers.{}.self_attn.k_norm.weight"},
        {"blk.{}.attn_output.weight", "layers.{}.self_attn.o_proj.weight"},
        {"blk.{}.post_attention_norm.weight", "layers.{}.post_attention_layernorm.weight"},
        {"blk.{}.ffn_norm.weight", "layers.{}.pre_feedforward_layernorm.weight"},
        {"blk.{}.ffn_gate.weight", "layers.{}.mlp.gate_proj.weight"},
        {"blk.{}.ffn_up.weight", "layers.{}.mlp.up_proj.weight"},
        {"blk.{}.ffn_down.weight", "layers.{}.mlp.down_proj.weight"},
        {"blk.{}.post_ffw_norm.weight", "layers.{}.post_feedforward_layernorm.weight"},
        {"blk.{}.layer_output_scale.weight", "layers.{}.layer_scalar", shaped({-1})},
        {"blk.{}.inp_gate.weight", "layers.{}.per_layer_input_gate.weight"},
        {"blk.{}.proj.weight", "layers.{}.per_layer_projection.weight"},
        {"blk.{}.post_norm.weight", "layers.{}.post_per_layer_input_norm.weight"},
        {"blk.{}.ffn_gate_inp.weight", "layers.{}.router.proj.weight", {}, true},
        {"blk.{}.ffn_gate_inp.scale", "layers.{}.router.scale"},
        {"blk.{}.ffn_down_exps.scale", "layers.{}.router.per_expert_scale"},
        {"blk.{}.pre_ffw_norm_2.weight", "layers.{}.pre_feedforward_layernorm_2.weight"},
        {"blk.{}.post_ffw_norm_1.weight", "layers.{}.post_feedforward_layernorm_1.weight"},
        {"blk.{}.post_ffw_norm_2.weight", "layers.{}.post_feedforward_layernorm_2.weight"},
        {"blk.{}.ffn_gate_up_exps.weight", "layers.{}.experts.gate_up_proj"},
        {"blk.{}.ffn_down_exps.weight", "layers.{}.experts.down_proj"},
    };
    to.add_names(names);
    add_output(to);
    return {.keeps_merges = true, .rows = embedding_rows(to)};
}

}  // namespace hearth::huggingface
