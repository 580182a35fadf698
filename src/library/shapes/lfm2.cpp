// LFM2: gated short convolutions (kind C) and a few attention layers (A); dense, or with experts behind the first few
// layers.
#include "library/shapes/shape.h"

namespace hearth {
namespace {

constexpr int64_t kHead = 64, kTaps = 3, kWords = 65536;

void build(ModelBuilder& m, const Shape& s) {
    const int64_t kv_width = s.kv_heads * kHead;
    std::vector<int32_t> kv_heads;
    for (char kind : s.kinds) kv_heads.push_back(int32_t(kind == 'A' ? s.kv_heads : 0));
    m.key("feed_forward_length", s.feed_forward);
    m.key("attention.head_count_kv", kv_heads);
    m.key("rope.freq_base", 1e6);
    m.key("shortconv.l_cache", kTaps);
    m.key("vocab_size", kWords);
    if (s.experts > 0) {
        constexpr int64_t kSigmoid = 2;
        m.key("leading_dense_block_count", s.dense_layers);
        m.key("expert_gating_func", kSigmoid);
    }
    const double stream = 0.2;  // what a layer adds to the small tied embedding it starts from
    for (int64_t layer = 0; layer < s.layers(); ++layer) {
        const std::string b = "blk." + std::to_string(layer) + ".";
        m.norm(b, "attn_norm", s.width);
        m.norm(b, "ffn_norm", s.width);
        if (s.kinds[size_t(layer)] == 'C') {
            m.matrix(b, "shortconv.in_proj", s.width, 3 * s.width);
            m.small(b + "shortconv.conv.weight", {s.width, kTaps}, Fill::around(0.0, 0.6));
            m.matrix(b, "shortconv.out_proj", s.width, s.width, stream);
        } else {
            m.matrix(b, "attn_q", s.width, s.heads * kHead);
            m.matrix(b, "attn_k", s.width, kv_width);
            m.matrix(b, "attn_v", s.width, kv_width);
            m.norm(b, "attn_q_norm", kHead);
            m.norm(b, "attn_k_norm", kHead);
            m.matrix(b, "attn_output", s.heads * kHead, s.width, stream);
        }
        if (s.experts > 0 && layer >= s.dense_layers) {
            m.gated_experts(b, s, 1.5 * stream);
            m.small(b + "exp_probs_b.bias", {s.experts}, Fill::around(0.0, 0.02));
        } else {
            m.gated_feed_forward(b, s.width, s.feed_forward, 1.5 * stream);
        }
    }
}

struct Row {
    const char* size;
    const char* kinds;
    int64_t width, feed_forward, heads;
    int64_t dense_layers = 0, experts = 0, experts_used = 0, expert_width = 0;
};

constexpr Row kRows[] = {
    {"350m", "CCACCACCACACACAC", 1024, 4608, 16},
    {"700m", "CCACCACCACACACAC", 1536, 6912, 24},
    {"1.2b", "CCACCACCACACACAC", 2048, 8192, 32},
    {"2.6b", "CCACCACCCACCCACCCACCCACCACCACC", 2048, 10752, 32},
    {"8b-a1b", "CCACCCACCCACCCACCCACCACC", 2048, 7168, 32, 2, 32, 4, 1792},
};

}  // namespace

std::vector<Shape> lfm2_shapes() {
    std::vector<Shape> shapes;
    for (const Row& row : kRows)
        shapes.push_back({.name = std::string("lfm2:") + row.size,
                          .architecture = row.experts ? "lfm2moe" : "lfm2",
                          .vocabulary = "lfm2",
                          .kinds = row.kinds,
                          .width = row.width,
                          .feed_forward = row.feed_forward,
                          .heads = row.heads,
                          .kv_heads = 8,
                          .context = 128000,
                          .eps = 1e-5,
                          .last_norm = "token_embd_norm",
                          .is_tied = true,
                          .experts = row.experts,
                          .experts_used = row.experts_used,
                          .expert_width = row.expert_width,
                          .dense_layers = row.dense_layers,
                          .build = build});
    return shapes;
}

}  // namespace hearth
