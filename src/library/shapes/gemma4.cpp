// Gemma 4: sliding-window layers (kind S) and full-attention layers (F) of different head width. The last layers of E2B
// and E4B share keys and values with earlier ones, and a slice of a second embedding table goes into every layer; the
// larger models have fewer key heads in F layers and use the keys as values there. Their drafters have four layers that
// read the keys and values of the model they guess for.
#include <algorithm>
#include <cmath>

#include "library/shapes/shape.h"

namespace hearth {
namespace {

constexpr int64_t kHeadSliding = 256, kHeadFull = 512, kWords = 262144;

int64_t head_width(char kind) {
    return kind == 'F' ? kHeadFull : kHeadSliding;
}

// Layers with keys and values of their own; a model cut short keeps the proportion, in whole periods of the pattern.
int64_t layers_with_own_kv(const Shape& s) {
    if (s.layers_with_own_kv == 0) return s.layers();
    const int64_t period = int64_t(s.kinds.find('F')) + 1, divisor = s.full_layers * period;
    const int64_t periods = (s.layers_with_own_kv * s.layers() + divisor - 1) / divisor;
    return std::min(s.layers(), period * periods);
}

void keys(ModelBuilder& m, const Shape& s, int64_t own) {
    std::vector<int32_t> feed_forward, kv_heads;
    std::vector<bool> is_sliding;
    for (int64_t layer = 0; layer < s.layers(); ++layer) {
        const bool sliding = s.kinds[size_t(layer)] == 'S';
        feed_forward.push_back(int32_t(s.feed_forward * (s.has_wide_tail && layer >= own ? 2 : 1)));
        kv_heads.push_back(int32_t(sliding ? s.kv_heads : s.kv_heads_full));
        is_sliding.push_back(sliding);
    }
    m.key("feed_forward_length", s.has_wide_tail ? ShapeValue(feed_forward) : ShapeValue(s.feed_forward));
    m.key("attention.head_count_kv", s.kv_heads != s.kv_heads_full ? ShapeValue(kv_heads) : ShapeValue(s.kv_heads));
    m.key("attention.key_length", kHeadFull);
    m.key("attention.value_length", kHeadFull);
    m.key("attention.key_length_swa", kHeadSliding);
    m.key("attention.value_length_swa", kHeadSliding);
    m.key("attention.sliding_window", s.window);
    m.key("attention.sliding_window_pattern", is_sliding);
    m.key("attention.shared_kv_layers", s.layers() - own);
    m.key("embedding_length_per_layer_input", s.per_layer_width);
    m.key("rope.freq_base", 1e6);
    m.key("rope.freq_base_swa", 1e4);
    m.key("rope.dimension_count", kHeadFull);
    m.key("rope.dimension_count_swa", kHeadSliding);
}

// A quarter of the pairs rotates.
void divisors(ModelBuilder& m) {
    std::vector<float> divisors(256, 1e30f);
    std::fill_n(divisors.begin(), 64, 1.0f);
    m.small("rope_freqs.weight", {256}, Fill::listed(divisors));
}

void norms_and_query(ModelBuilder& m, const std::string& b, const Shape& s, int64_t head) {
    m.norm(b, "attn_norm", s.width);
    m.norm(b, "ffn_norm", s.width);
    m.norm(b, "post_attention_norm", s.width, 2.0);
    m.norm(b, "post_ffw_norm", s.width, 2.0);
    m.norm(b, "attn_q_norm", head, 0.5);
    m.matrix(b, "attn_q", s.width, s.heads * head);
    m.matrix(b, "attn_output", s.heads * head, s.width);
}

void experts(ModelBuilder& m, const std::string& b, const Shape& s) {
    m.small(b + "ffn_gate_inp.weight", {s.experts, s.width}, Fill::around(0.0, 1.0));
    m.small(b + "ffn_gate_inp.scale", {s.width}, Fill::around(1.0, 0.2));
    m.small(b + "ffn_down_exps.scale", {s.experts}, Fill::between(0.6, 1.4));
    for (const char* name : {"pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"}) m.norm(b, name, s.width);
    m.expert_matrix(b, "ffn_gate_up_exps", s.width, 2 * s.expert_width, s.experts);
    m.expert_matrix(b, "ffn_down_exps", s.expert_width, s.width, s.experts);
}

void build(ModelBuilder& m, const Shape& s) {
    const int64_t own = layers_with_own_kv(s), layers = s.layers();
    keys(m, s, own);
    m.key("final_logit_softcapping", 30.0);
    if (s.per_layer_width > 0) {
        m.matrix("", "per_layer_token_embd", s.per_layer_width * layers, kWords, std::sqrt(double(layers)));
        m.matrix("", "per_layer_model_proj", s.width, s.per_layer_width * layers, std::sqrt(double(s.width)));
        m.norm("", "per_layer_proj_norm", s.per_layer_width);
    }
    divisors(m);
    for (int64_t layer = 0; layer < layers; ++layer) {
        const char kind = s.kinds[size_t(layer)];
        const std::string b = "blk." + std::to_string(layer) + ".";
        const int64_t head = head_width(kind);
        const int64_t key = (kind == 'F' ? s.kv_heads_full : s.kv_heads) * head;
        norms_and_query(m, b, s, head);
        if (layer < own) {
            m.norm(b, "attn_k_norm", head, 0.5);
            m.matrix(b, "attn_k", s.width, key);
            if (kind == 'S' || s.kv_heads == s.kv_heads_full) m.matrix(b, "attn_v", s.width, key);
        }
        m.gated_feed_forward(b, s.width, s.feed_forward * (s.has_wide_tail && layer >= own ? 2 : 1));
        m.small(b + "layer_output_scale.weight", {1}, Fill::between(0.6, 1.0));
        if (s.experts > 0) experts(m, b, s);
        if (s.per_layer_width > 0) {
            m.matrix(b, "inp_gate", s.width, s.per_layer_width);
            m.matrix(b, "proj", s.per_layer_width, s.width);
            m.norm(b, "post_norm", s.width, 2.0);
        }
    }
}

void build_drafter(ModelBuilder& m, const Shape& s) {
    keys(m, s, 0);
    m.key("embedding_length_out", s.trunk_width);
    m.key("nextn_predict_layers", s.layers());
    m.matrix("nextn.", "pre_projection", 2 * s.trunk_width, s.width);
    m.matrix("nextn.", "post_projection", s.width, s.trunk_width);
    divisors(m);
    for (int64_t layer = 0; layer < s.layers(); ++layer) {
        const std::string b = "blk." + std::to_string(layer) + ".";
        norms_and_query(m, b, s, head_width(s.kinds[size_t(layer)]));
        m.gated_feed_forward(b, s.width, s.feed_forward);
        m.small(b + "layer_output_scale.weight", {1}, Fill::between(0.6, 1.0));
    }
}

struct Row {
    const char* size;
    int64_t width;
    const char* pattern;
    int64_t periods, feed_forward, heads, kv_heads, kv_heads_full, window, context;
    int64_t layers_with_own_kv = 0, per_layer_width = 0;
    bool has_wide_tail = false;
    int64_t experts = 0, experts_used = 0, expert_width = 0;
    int64_t drafter_width = 0, drafter_feed_forward = 0;
};

constexpr Row kRows[] = {
    {"e2b", 1536, "SSSSF", 7, 6144, 8, 1, 1, 512, 131072, 15, 256, true, 0, 0, 0, 256, 2048},
    {"e4b", 2560, "SSSSSF", 7, 10240, 8, 2, 2, 512, 131072, 24, 256, false, 0, 0, 0, 256, 2048},
    {"12b", 3840, "SSSSSF", 8, 15360, 16, 8, 1, 1024, 262144, 0, 0, false, 0, 0, 0, 1024, 8192},
    {"26b-a4b", 2816, "SSSSSF", 5, 2112, 16, 8, 2, 1024, 262144, 0, 0, false, 128, 8, 704, 1024, 8192},
    {"31b", 5376, "SSSSSF", 10, 21504, 32, 16, 4, 1024, 262144, 0, 0, false, 0, 0, 0, 1024, 8192},
};

Shape drafter_of(const Row& row) {
    const std::string trunk = std::string("gemma4:") + row.size;
    constexpr int64_t kNarrow = 256;  // those of the two smallest models have half as many heads
    return {.name = trunk + "-drafter",
            .architecture = "gemma4-assistant",
            .vocabulary = "gemma4",
            .purpose = Purpose::drafting,
            .kinds = "SSSF",
            .width = row.drafter_width,
            .feed_forward = row.drafter_feed_forward,
            .heads = row.drafter_width == kNarrow ? row.heads / 2 : row.heads,
            .kv_heads = row.kv_heads,
            .context = row.context,
            .eps = 1e-6,
            .is_tied = true,
            .kv_heads_full = row.kv_heads_full,
            .window = row.window,
            .drafts_for = trunk,
            .trunk_width = row.width,
            .build = build_drafter};
}

}  // namespace

std::vector<Shape> gemma4_shapes() {
    std::vector<Shape> shapes;
    for (const Row& row : kRows)
        shapes.push_back({.name = std::string("gemma4:") + row.size,
                          .architecture = "gemma4",
                          .vocabulary = "gemma4",
                          .kinds = repeated(row.pattern, row.periods),
                          .width = row.width,
                          .feed_forward = row.feed_forward,
                          .heads = row.heads,
                          .kv_heads = row.kv_heads,
                          .context = row.context,
                          .eps = 1e-6,
                          .is_tied = true,
                          .experts = row.experts,
                          .experts_used = row.experts_used,
                          .expert_width = row.expert_width,
                          .kv_heads_full = row.kv_heads_full,
                          .window = row.window,
                          .layers_with_own_kv = row.layers_with_own_kv,
                          .per_layer_width = row.per_layer_width,
                          .has_wide_tail = row.has_wide_tail,
                          .build = build});
    for (const Row& row : kRows) shapes.push_back(drafter_of(row));
    return shapes;
}

}  // namespace hearth
