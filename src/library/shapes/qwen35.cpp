// Qwen 3.5: Gated DeltaNet layers (kind D) with a full-attention layer (A) after every three; dense or mixture of
// experts.
#include <cmath>

#include "library/shapes/shape.h"

namespace hearth {
namespace {

constexpr int64_t kHead = 256, kState = 128, kGroups = 16, kTaps = 4;

void delta_net(ModelBuilder& m, const std::string& b, const Shape& s) {
    const int64_t values = s.value_heads * kState, channels = 2 * kGroups * kState + values;
    m.matrix(b, "attn_qkv", s.width, channels);
    m.matrix(b, "attn_gate", s.width, values);
    m.matrix(b, "ssm_out", values, s.width);
    m.matrix(b, "ssm_beta", s.width, s.value_heads);
    m.matrix(b, "ssm_alpha", s.width, s.value_heads);
    m.norm(b, "ssm_norm", kState);
    m.small(b + "ssm_conv1d.weight", {channels, kTaps}, Fill::around(0.0, 0.5));
    m.small(b + "ssm_dt.bias", {s.value_heads}, Fill::between(-4.0, 1.0));
    m.small(b + "ssm_a", {s.value_heads}, Fill::decay(0.02, 4.0));
}

void attention(ModelBuilder& m, const std::string& b, const Shape& s) {
    m.matrix(b, "attn_q", s.width, 2 * s.heads * kHead);  // a query and an output gate for every head
    m.matrix(b, "attn_k", s.width, s.kv_heads * kHead);
    m.matrix(b, "attn_v", s.width, s.kv_heads * kHead);
    m.matrix(b, "attn_output", s.heads * kHead, s.width);
    m.norm(b, "attn_q_norm", kHead);
    m.norm(b, "attn_k_norm", kHead);
}

void build(ModelBuilder& m, const Shape& s) {
    if (s.experts > 0)
        m.key("expert_shared_feed_forward_length", s.shared_width);
    else
        m.key("feed_forward_length", s.feed_forward);
    m.key("attention.key_length", kHead);
    m.key("attention.value_length", kHead);
    m.key("rope.freq_base", 1e7);
    m.key("rope.dimension_count", int64_t{64});
    m.key("rope.dimension_sections", std::vector<int32_t>{11, 11, 10, 0});
    m.key("ssm.conv_kernel", kTaps);
    m.key("ssm.state_size", kState);
    m.key("ssm.group_count", kGroups);
    m.key("ssm.time_step_rank", s.value_heads);
    m.key("ssm.inner_size", s.value_heads * kState);
    m.key("full_attention_interval", int64_t{4});
    const std::string kinds = s.kinds + std::string(size_t(s.drafting_layers), 'A');
    for (int64_t layer = 0; layer < int64_t(kinds.size()); ++layer) {
        const std::string b = "blk." + std::to_string(layer) + ".";
        m.norm(b, "attn_norm", s.width);
        m.norm(b, "post_attention_norm", s.width);
        if (kinds[size_t(layer)] == 'D')
            delta_net(m, b, s);
        else
            attention(m, b, s);
        if (s.experts > 0) {
            m.gated_experts(b, s);
            m.small(b + "ffn_gate_inp_shexp.weight", {s.width}, Fill::around(0.0, 2.0 / std::sqrt(double(s.width))));
            m.gated_feed_forward(b, s.width, s.shared_width, 1.0, "_shexp");
        } else {
            m.gated_feed_forward(b, s.width, s.feed_forward);
        }
        if (layer >= s.layers()) {  // drafts the token after next
            m.key("nextn_predict_layers", s.drafting_layers);
            m.matrix(b + "nextn.", "eh_proj", 2 * s.width, s.width);
            for (const char* name : {"enorm", "hnorm", "shared_head_norm"}) m.norm(b + "nextn.", name, s.width);
        }
    }
}

struct Row {
    const char* size;
    int64_t width, layers, feed_forward, heads, kv_heads, value_heads;
    bool is_tied;
    int64_t experts = 0, experts_used = 0, expert_width = 0;
};

constexpr Row kRows[] = {
    {"0.8b", 1024, 24, 3584, 8, 2, 16, true},
    {"2b", 2048, 24, 6144, 8, 2, 16, true},
    {"4b", 2560, 32, 9216, 16, 4, 32, true},
    {"9b", 4096, 32, 12288, 16, 4, 32, false},
    {"27b", 5120, 64, 17408, 24, 4, 48, false},
    {"35b-a3b", 2048, 40, 0, 16, 2, 32, false, 256, 8, 512},
    {"122b-a10b", 3072, 48, 0, 32, 2, 64, false, 256, 8, 1024},
    {"397b-a17b", 4096, 60, 0, 32, 2, 64, false, 512, 10, 1024},
};

}  // namespace

std::vector<Shape> qwen35_shapes() {
    std::vector<Shape> shapes;
    for (const Row& row : kRows)
        shapes.push_back({.name = std::string("qwen3.5:") + row.size,
                          .architecture = row.experts ? "qwen35moe" : "qwen35",
                          .vocabulary = "qwen3.5",
                          .kinds = repeated("DDDA", row.layers / 4),
                          .width = row.width,
                          .feed_forward = row.feed_forward,
                          .heads = row.heads,
                          .kv_heads = row.kv_heads,
                          .context = 262144,
                          .eps = 1e-6,
                          .is_tied = row.is_tied,
                          .experts = row.experts,
                          .experts_used = row.experts_used,
                          .expert_width = row.expert_width,
                          .shared_width = row.expert_width,
                          .value_heads = row.value_heads,
                          .build = build,
                          .can_draft = true});
    return shapes;
}

}  // namespace hearth
