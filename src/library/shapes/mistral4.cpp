// Mistral Small 4: attention through one short latent vector, and experts in every layer (kind A). What one layer's
// matrices are for stands at the top of models/mistral4.cpp.
#include "library/shapes/shape.h"

namespace hearth {
namespace {

constexpr int64_t kQueryRank = 1024, kLatent = 256, kNope = 64, kRotated = 64, kValue = 128;

void keys(ModelBuilder& m, const Shape& s) {
    m.key("feed_forward_length", s.feed_forward);
    m.key("attention.key_length", kLatent + kRotated);
    m.key("attention.value_length", kLatent);
    m.key("attention.key_length_mla", kNope + kRotated);
    m.key("attention.value_length_mla", kValue);
    m.key("attention.q_lora_rank", kQueryRank);
    m.key("attention.kv_lora_rank", kLatent);
    m.key("rope.dimension_count", kRotated);
    m.key("rope.freq_base", s.rope_base);
    m.key("rope.scaling.type", "yarn");
    m.key("rope.scaling.factor", 128.0);
    m.key("rope.scaling.original_context_length", int64_t{8192});
    m.key("rope.scaling.yarn_beta_fast", 32.0);
    m.key("rope.scaling.yarn_beta_slow", 1.0);
    m.key("rope.scaling.yarn_log_multiplier", 0.1);
    m.key("leading_dense_block_count", int64_t{0});
    m.key("expert_shared_count", int64_t{1});
    m.key("expert_weights_norm", true);
    m.key("expert_weights_scale", 1.0);
}

void build(ModelBuilder& m, const Shape& s) {
    keys(m, s);
    for (int64_t layer = 0; layer < s.layers(); ++layer) {
        const std::string b = "blk." + std::to_string(layer) + ".";
        m.norm(b, "attn_norm", s.width);
        m.norm(b, "ffn_norm", s.width);
        m.matrix(b, "attn_q_a", s.width, kQueryRank);
        m.norm(b, "attn_q_a_norm", kQueryRank);
        m.matrix(b, "attn_q_b", kQueryRank, s.heads * (kNope + kRotated));
        m.matrix(b, "attn_kv_a_mqa", s.width, kLatent + kRotated);
        m.norm(b, "attn_kv_a_norm", kLatent);
        m.expert_matrix(b, "attn_k_b", kNope, kLatent, s.heads);
        m.expert_matrix(b, "attn_v_b", kLatent, kValue, s.heads);
        m.matrix(b, "attn_output", s.heads * kValue, s.width);
        m.router(b, s);
        m.expert_matrix(b, "ffn_gate_up_exps", s.width, 2 * s.expert_width, s.experts);
        m.expert_matrix(b, "ffn_down_exps", s.expert_width, s.width, s.experts);
        m.gated_feed_forward(b, s.width, s.shared_width, 1.0, "_shexp");
    }
}

}  // namespace

std::vector<Shape> mistral4_shapes() {
    return {{.name = "mistral-small4:119b",
             .architecture = "mistral4",
             .vocabulary = "mistral",
             .kinds = repeated("A", 36),
             .width = 4096,
             .feed_forward = 12288,
             .heads = 32,
             .kv_heads = 1,
             .context = 1 << 20,
             .eps = 1e-6,
             .rope_base = 1e4,
             .experts = 128,
             .experts_used = 4,
             .expert_width = 2048,
             .shared_width = 2048,
             .build = build}};
}

}  // namespace hearth
