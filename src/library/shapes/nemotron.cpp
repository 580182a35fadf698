// Nemotron-H: one mixer per layer: Mamba-2 (M), attention without positions (*), squared-ReLU feed-forward (-) or
// experts (E).
#include "library/shapes/shape.h"

namespace hearth {
namespace {

constexpr int64_t kHead = 128, kState = 128, kGroups = 8, kTaps = 4, kWords = 131072;

void keys(ModelBuilder& m, const Shape& s) {
    std::vector<int32_t> feed_forward, kv_heads;
    for (char kind : s.kinds) {
        feed_forward.push_back(int32_t(kind == '-' ? s.feed_forward : kind == 'E' ? s.expert_width : 0));
        kv_heads.push_back(int32_t(kind == '*' ? s.kv_heads : 0));
    }
    m.key("feed_forward_length", feed_forward);
    m.key("attention.head_count_kv", kv_heads);
    m.key("attention.key_length", kHead);
    m.key("attention.value_length", kHead);
    m.key("attention.layer_norm_epsilon", s.eps);
    m.key("rope.freq_base", 10000.0);
    m.key("rope.dimension_count", s.width / s.heads);
    m.key("rope.scaling.finetuned", false);
    m.key("vocab_size", kWords);
    m.key("ssm.conv_kernel", kTaps);
    m.key("ssm.state_size", kState);
    m.key("ssm.group_count", kGroups);
    m.key("ssm.inner_size", s.mamba_heads * s.mamba_width);
    m.key("ssm.time_step_rank", s.mamba_heads);
    if (s.experts == 0) return;
    m.key("expert_shared_feed_forward_length", s.shared_width);
    m.key("expert_shared_count", int64_t{1});
    m.key("expert_weights_norm", true);
    m.key("expert_weights_scale", 2.5);
    m.key("expert_group_count", int64_t{1});
    m.key("expert_group_used_count", int64_t{1});
}

void mamba(ModelBuilder& m, const std::string& b, const Shape& s) {
    const int64_t inner = s.mamba_heads * s.mamba_width, channels = inner + 2 * kGroups * kState;
    m.matrix(b, "ssm_in", s.width, inner + channels + s.mamba_heads);
    m.matrix(b, "ssm_out", inner, s.width);
    m.small(b + "ssm_conv1d.weight", {channels, kTaps}, Fill::between(-0.6, 0.6));
    m.small(b + "ssm_conv1d.bias", {channels}, Fill::around(0.0, 0.1));
    m.small(b + "ssm_dt.bias", {s.mamba_heads}, Fill::step_bias(1e-3, 1e-1));
    m.small(b + "ssm_a", {s.mamba_heads, 1}, Fill::between(-12.0, -1.0));
    m.small(b + "ssm_d", {s.mamba_heads, 1}, Fill::around(1.0, 0.3));
    m.small(b + "ssm_norm.weight", {kGroups, inner / kGroups}, Fill::around(1.0, 0.1));
}

void attention(ModelBuilder& m, const std::string& b, const Shape& s) {
    constexpr double kGain = 1.5;
    m.matrix(b, "attn_q", s.width, s.heads * kHead, kGain);
    m.matrix(b, "attn_k", s.width, s.kv_heads * kHead, kGain);
    m.matrix(b, "attn_v", s.width, s.kv_heads * kHead, kGain);
    m.matrix(b, "attn_output", s.heads * kHead, s.width, kGain);
}

void experts(ModelBuilder& m, const std::string& b, const Shape& s) {
    m.router(b, s);
    m.small(b + "exp_probs_b.bias", {s.experts}, Fill::around(0.0, 0.02));
    m.expert_matrix(b, "ffn_up_exps", s.width, s.expert_width, s.experts);
    m.expert_matrix(b, "ffn_down_exps", s.expert_width, s.width, s.experts);
    m.matrix(b, "ffn_up_shexp", s.width, s.shared_width);
    m.matrix(b, "ffn_down_shexp", s.shared_width, s.width);
}

void build(ModelBuilder& m, const Shape& s) {
    keys(m, s);
    for (int64_t layer = 0; layer < s.layers(); ++layer) {
        const std::string b = "blk." + std::to_string(layer) + ".";
        m.norm(b, "attn_norm", s.width);
        switch (s.kinds[size_t(layer)]) {
            case 'M':
                mamba(m, b, s);
                break;
            case '*':
                attention(m, b, s);
                break;
            case 'E':
                experts(m, b, s);
                break;
            default:
                m.matrix(b, "ffn_up", s.width, s.feed_forward);
                m.matrix(b, "ffn_down", s.feed_forward, s.width);
        }
    }
}

struct Row {
    const char* name;
    const char* vocabulary;
    const char* kinds;
    int64_t width, heads, kv_heads, feed_forward, mamba_heads, mamba_width;
    int64_t experts = 0, experts_used = 0, expert_width = 0, shared_width = 0;
};

constexpr Row kRows[] = {
    {"nemotron3-nano:4b", "nemotron3", "M-M-M-MM-M-M*-M-M*-M-M-M*-M-M-MM*-MMM-M-M-", 3136, 40, 8, 12544, 96, 80},
    {"nemotron-nano-v2:9b", "nemotron2", "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-", 4480, 40, 8, 15680,
     128, 80},
    {"nemotron-nano-v2:12b", "nemotron2", "M-M-M-M*-M-M-M-M*-M-M-M-M*-M-M-M-M*-M-M-M-M*-M-M-M-M*-M-M-M-M-", 5120, 40, 8,
     20480, 128, 80},
    {"nemotron3-nano:30b-a3b", "nemotron3", "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME", 2688, 32, 2, 0, 64,
     64, 128, 6, 1856, 3712},
};

}  // namespace

std::vector<Shape> nemotron_shapes() {
    std::vector<Shape> shapes;
    for (const Row& row : kRows)
        shapes.push_back({.name = row.name,
                          .architecture = row.experts ? "nemotron_h_moe" : "nemotron_h",
                          .vocabulary = row.vocabulary,
                          .kinds = row.kinds,
                          .width = row.width,
                          .feed_forward = row.feed_forward,
                          .heads = row.heads,
                          .kv_heads = row.kv_heads,
                          .context = 1 << 20,  // what converted files say, whatever was trained
                          .eps = 1e-5,
                          .experts = row.experts,
                          .experts_used = row.experts_used,
                          .expert_width = row.expert_width,
                          .shared_width = row.shared_width,
                          .mamba_heads = row.mamba_heads,
                          .mamba_width = row.mamba_width,
                          .build = build,
                          .starts_anywhere = true});
    return shapes;
}

}  // namespace hearth
