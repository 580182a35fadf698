// Gemma 3, text, and EmbeddingGemma: five sliding-window layers (kind S), then one with full attention (F); the last
// group may be incomplete.
#include "library/shapes/shape.h"

namespace hearth {
namespace {

void build(ModelBuilder& m, const Shape& s) {
    const int64_t query = s.heads * s.head_width, key = s.kv_heads * s.head_width;
    m.key("feed_forward_length", s.feed_forward);
    m.key("attention.key_length", s.head_width);
    m.key("attention.value_length", s.head_width);
    m.key("rope.freq_base", 1e6);
    m.key("rope.freq_base_swa", 1e4);
    m.key("attention.sliding_window", s.window);
    for (const auto& [name, value] : s.more_keys) m.key(name, value);
    for (int64_t layer = 0; layer < s.layers(); ++layer) {
        const std::string b = "blk." + std::to_string(layer) + ".";
        m.norm(b, "attn_norm", s.width);
        m.norm(b, "ffn_norm", s.width);
        m.norm(b, "post_attention_norm", s.width);
        m.norm(b, "post_ffw_norm", s.width);
        m.matrix(b, "attn_q", s.width, query);
        m.matrix(b, "attn_k", s.width, key);
        m.matrix(b, "attn_v", s.width, key);
        m.norm(b, "attn_q_norm", s.head_width);
        m.norm(b, "attn_k_norm", s.head_width);
        m.matrix(b, "attn_output", query, s.width);
        m.gated_feed_forward(b, s.width, s.feed_forward);
    }
}

struct Row {
    const char* size;
    int64_t layers, width, feed_forward, heads, kv_heads, head_width, window, context;
    double rope_scaling = 0;  // of the full layers
};

constexpr Row kRows[] = {
    {"270m", 18, 640, 2048, 4, 1, 256, 512, 32768},         {"1b", 26, 1152, 6912, 4, 1, 256, 512, 32768},
    {"4b", 34, 2560, 10240, 8, 4, 256, 1024, 131072, 8},    {"12b", 48, 3840, 15360, 16, 8, 256, 1024, 131072, 8},
    {"27b", 62, 5376, 21504, 32, 16, 128, 1024, 131072, 8},
};

}  // namespace

std::vector<Shape> gemma3_shapes() {
    std::vector<Shape> shapes;
    for (const Row& row : kRows) {
        ShapeKeys scaling;
        if (row.rope_scaling > 0)
            scaling = {{"rope.scaling.type", "linear"}, {"rope.scaling.factor", row.rope_scaling}};
        shapes.push_back({.name = std::string("gemma3:") + row.size,
                          .architecture = "gemma3",
                          .vocabulary = "gemma3",
                          .kinds = pattern_of_length("SSSSSF", row.layers),
                          .width = row.width,
                          .feed_forward = row.feed_forward,
                          .heads = row.heads,
                          .kv_heads = row.kv_heads,
                          .head_width = row.head_width,
                          .context = row.context,
                          .eps = 1e-6,
                          .is_tied = true,
                          .window = row.window,
                          .more_keys = scaling,
                          .build = build});
    }
    constexpr int64_t kMean = 1;
    shapes.push_back({.name = "embeddinggemma:300m",
                      .architecture = "gemma-embedding",
                      .vocabulary = "embeddinggemma",
                      .purpose = Purpose::embedding,
                      .kinds = pattern_of_length("SSSSSF", 24),
                      .width = 768,
                      .feed_forward = 1152,
                      .heads = 3,
                      .kv_heads = 1,
                      .head_width = 256,
                      .context = 2048,
                      .eps = 1e-6,
                      .is_tied = true,
                      .window = 512,
                      .more_keys = {{"pooling_type", kMean}},
                      .build = build});
    return shapes;
}

}  // namespace hearth
