// Nemotron-H, Nano v2 and Nemotron 3 Nano, dense and with experts: blocks of one mixer each, named by the letters of
// hybrid_override_pattern. The files say the kinds by which of two lists has a zero.
#include <cmath>

#include "huggingface/families.h"

namespace hearth::huggingface {

TokenizerChoice translate_nemotron_h(Translation& to) {
    Config& config = to.config;
    const bool has_experts = config.integer_or("n_routed_experts", 0, 0, 1 << 12) > 0;
    to.architecture = has_experts ? "nemotron_h_moe" : "nemotron_h";
    leave_out_towers(to);
    const std::string pattern = config.text_or("hybrid_override_pattern", "");
    if (pattern.empty() || pattern.size() > 4096) config.problem("hybrid_override_pattern is missing or absurd");
    to.layers = int64_t(std::min<size_t>(pattern.size(), 4096));
    to.set_count("block_count", to.layers);
    to.set_count("context_length", 1 << 20);  // no position takes part in anything
    const int64_t hidden = config.integer("hidden_size", 1, 1 << 20);
    to.set_count("embedding_length", hidden);
    const int64_t heads = config.integer("num_attention_heads", 1, 1 << 16);
    const int64_t kv_heads = config.integer_or("num_key_value_heads", heads, 1, 1 << 16);
    const int64_t width = config.integer_or("intermediate_size", 0, 0, 1 << 24);
    const int64_t expert_width = config.integer_or("moe_intermediate_size", 0, 0, 1 << 24);
    std::vector<int64_t> widths, kv_of_block;
    for (const char kind : pattern.substr(0, size_t(to.layers))) {
        if (std::string_view("M*-E").find(kind) == std::string_view::npos)
            config.problem(
                fmt::format("hybrid_override_pattern has the letter '{}'", kind >= ' ' && kind < 127 ? kind : '?'));
        widths.push_back(kind == '-' ? width : kind == 'E' ? expert_width : 0);
        kv_of_block.push_back(kind == '*' ? kv_heads : 0);
    }
    to.set_counts("feed_forward_length", widths);
    to.set_count("attention.head_count", heads);
    to.set_counts("attention.head_count_kv", kv_of_block);
    const int64_t head_dim = config.integer_or(config.has("head_dim") ? "head_dim" : "attention_head_dim",
                                               std::max<int64_t>(1, hidden / heads), 1, 1 << 16);
    to.set_count("attention.key_length", head_dim);
    to.set_count("attention.value_length", head_dim);
    const double eps = config.number_or(config.has("layer_norm_epsilon") ? "layer_norm_epsilon" : "norm_eps", 1e-5);
    to.set_number("attention.layer_norm_rms_epsilon", eps);
    to.set_number("attention.layer_norm_epsilon", eps);
    // Written because other readers insist on them; there is no rotation in this family.
    to.set_number("rope.freq_base", config.number_or("rope_theta", 10000));
    to.set_count("rope.dimension_count", std::max<int64_t>(1, hidden / heads));
    to.set_flag("rope.scaling.finetuned", false);
    const int64_t rows = embedding_rows(to, "embeddings.weight");
    to.set_count("vocab_size", rows);

    const int64_t mamba_heads = config.integer("mamba_num_heads", 1, 1 << 16);
    const int64_t inner = mamba_heads * config.integer("mamba_head_dim", 1, 1 << 16);
    const int64_t groups = config.integer("n_groups", 1, 1 << 16), state = config.integer("ssm_state_size", 1, 1 << 16);
    to.set_count("ssm.conv_kernel", config.integer("conv_kernel", 1, 64));
    to.set_count("ssm.state_size", state);
    to.set_count("ssm.group_count", groups);
    to.set_count("ssm.inner_size", inner);
    to.set_count("ssm.time_step_rank", mamba_heads);
    if (has_experts) {
        to.experts = config.integer("n_routed_experts", 1, 1 << 12);
        to.set_count("expert_count", to.experts);
        to.set_count("expert_used_count", config.integer("num_experts_per_tok", 1, to.experts));
        to.set_count("expert_feed_forward_length", config.integer("moe_intermediate_size", 1, 1 << 24));
        to.set_count("expert_shared_feed_forward_length",
                     config.integer("moe_shared_expert_intermediate_size", 1, 1 << 24));
        to.set_count("expert_shared_count", config.integer_or("n_shared_experts", 1, 0, 1 << 10));
        to.set_flag("expert_weights_norm", config.boolean_or("norm_topk_prob", true));
        to.set_number("expert_weights_scale", config.number_or("routed_scaling_factor", 1));
        to.set_count("expert_group_count", config.integer_or("n_group", 1, 1, 1 << 10));
        to.set_count("expert_group_used_count", config.integer_or("topk_group", 1, 1, 1 << 10));
        if (config.has("moe_latent_size"))
            to.set_count("moe_latent_size", config.integer_or("moe_latent_size", 1, 1, 1 << 20));
    }
    const Arrange decay = [](ValuesPtr from) {
        return reshaped(mapped(std::move(from), [](float x) { return float(-std::exp(double(x))); }), {-1, 1});
    };
    const Name names[] = {
        {"token_embd.weight", "embeddings.weight"},
        {"output_norm.weight", "norm_f.weight"},
        {"blk.{}.attn_norm.weight", "layers.{}.norm.weight"},
        {"blk.{}.ssm_in.weight", "layers.{}.mixer.in_proj.weight"},
        {"blk.{}.ssm_conv1d.weight", "layers.{}.mixer.conv1d.weight", shaped({inner + 2 * groups * state, -1}), true},
        {"blk.{}.ssm_conv1d.bias", "layers.{}.mixer.conv1d.bias"},
        {"blk.{}.ssm_dt.bias", "layers.{}.mixer.dt_bias"},
        {"blk.{}.ssm_a", "layers.{}.mixer.A_log", decay, true},
        {"blk.{}.ssm_d", "layers.{}.mixer.D", shaped({-1, 1}), true},
        {"blk.{}.ssm_norm.weight", "layers.{}.mixer.norm.weight", shaped({groups, -1}), true},
        {"blk.{}.ssm_out.weight", "layers.{}.mixer.out_proj.weight"},
        {"blk.{}.attn_q.weight", "layers.{}.mixer.q_proj.weight"},
        {"blk.{}.attn_k.weight", "layers.{}.mixer.k_proj.weight"},
        {"blk.{}.attn_v.weight", "layers.{}.mixer.v_proj.weight"},
        {"blk.{}.attn_output.weight", "layers.{}.mixer.o_proj.weight"},
        {"blk.{}.ffn_up.weight", "layers.{}.mixer.up_proj.weight"},
        {"blk.{}.ffn_down.weight", "layers.{}.mixer.down_proj.weight"},
        {"blk.{}.ffn_gate_inp.weight", "layers.{}.mixer.gate.weight", {}, true},
        {"blk.{}.exp_probs_b.bias", "layers.{}.mixer.gate.e_score_correction_bias"},
        {"blk.{}.ffn_up_exps.weight", "layers.{}.mixer.experts.{e}.up_proj.weight"},
        {"blk.{}.ffn_down_exps.weight", "layers.{}.mixer.experts.{e}.down_proj.weight"},
        {"blk.{}.ffn_latent_down.weight", "layers.{}.mixer.fc1_latent_proj.weight"},
        {"blk.{}.ffn_latent_up.weight", "layers.{}.mixer.fc2_latent_proj.weight"},
        {"blk.{}.ffn_up_shexp.weight", "layers.{}.mixer.shared_experts.up_proj.weight"},
        {"blk.{}.ffn_down_shexp.weight", "layers.{}.mixer.shared_experts.down_proj.weight"},
    };
    to.add_names(names);
    add_output(to);
    return {.pre = "pixtral", .rows = rows};
}

}  // namespace hearth::huggingface
