// Gemma 3, text, and EmbeddingGemma: five layers that see a window, then one that sees everything. The one surprise:
// EmbeddingGemma has the same layers without a past; every token sees both sides, its window reaches half as far to
// each, and a text must be one pass. Names follow the published config.json.
#include <algorithm>
#include <cmath>
#include <vector>

#include "models/blocks.h"
#include "models/decoder.h"
#include "models/registry.h"
#include "models/rope.h"

namespace hearth {

namespace {

struct Config {
    int64_t hidden_size = 0, intermediate_size = 0;
    int64_t num_heads = 0, num_kv_heads = 0, head_dim = 0;
    float eps = 0, softcap = 0;
    bool is_bidirectional = false;
    Rope local_rope, rope;
    AttentionRule local_rule, rule;
};

struct Layer {
    bool is_sliding = false;
    Weight query, key, value, output;
    Tensor query_norm, key_norm;
    Mlp mlp;
    Tensor norm, post_attention_norm, ffn_norm, post_ffn_norm;
};

class Gemma3 final : public Model {
public:
    explicit Gemma3(Source& file);
    std::vector<LayerNeeds> needs() const override;
    Tensor embed(Ops& ops, const Step& step) const override { return ops.embed(step, token_table_); }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor hidden(Ops& ops, Tensor x) const override;
    Tensor head(Ops& ops, Tensor x) const override;

private:
    Tensor mix(Ops& ops, const Layer& w, Tensor x, const LayerState& state, const Step& step) const;
    void load_layer(Source& file, int64_t index, bool is_sliding);

    Config c;
    std::vector<Layer> layers_;
    Ends ends_;
    Weight token_table_;        // looked up, with the factor the publication gives embeddings
    Weight dense_2_, dense_3_;  // EmbeddingGemma: two matrices behind the last norm, if they were converted
};

Tensor Gemma3::mix(Ops& ops, const Layer& w, Tensor x, const LayerState& state, const Step& step) const {
    const Rope& rope = w.is_sliding ? c.local_rope : c.rope;
    auto [query, key, value] = ops.linears(x, w.query, w.key, w.value);
    Tensor q = ops.rope(ops.rms_norm(query.heads(c.num_heads), w.query_norm, c.eps), rope, step);
    Tensor k = ops.rope(ops.rms_norm(key.heads(c.num_kv_heads), w.key_norm, c.eps), rope, step);
    Tensor v = value.heads(c.num_kv_heads);
    Tensor y = ops.attention(q, k, v, w.is_sliding ? c.local_rule : c.rule, *state.kv, step);
    return ops.linear(y.joined(), w.output);
}

void Gemma3::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    Tensor h = mix(ops, w, ops.rms_norm(x, w.norm, c.eps), state, step);
    ops.add_to(x, ops.rms_norm(h, w.post_attention_norm, c.eps));
    h = gelu_mlp(ops, w.mlp, ops.rms_norm(x, w.ffn_norm, c.eps));
    ops.add_to(x, ops.rms_norm(h, w.post_ffn_norm, c.eps));
}

// The dense matrices are published as coming after the pooling; both are linear, so each token may go through them.
Tensor Gemma3::hidden(Ops& ops, Tensor x) const {
    Tensor y = ops.rms_norm(x, ends_.norm, c.eps);
    return dense_3_ ? ops.linear(ops.linear(y, dense_2_), dense_3_) : y;
}

Tensor Gemma3::head(Ops& ops, Tensor x) const {
    if (!info_.generates) return {};
    const Tensor z = logits(ops, ends_, x, c.eps);
    return c.softcap > 0 ? ops.softcap(z, c.softcap) : z;
}

std::vector<LayerNeeds> Gemma3::needs() const {
    std::vector<LayerNeeds> needs;
    for (const Layer& layer : layers_) {
        // A bidirectional model reads its keys only in the pass that wrote them, from both sides.
        const int64_t window = layer.is_sliding && !c.is_bidirectional ? c.local_rule.window : 0;
        needs.push_back({.kv = KvGeometry{c.num_kv_heads, c.head_dim, c.head_dim, window}, .state_floats = {}});
    }
    return needs;
}

// Without a window every layer sees everything. A list of layers, or the length of the period whose last layer does.
std::vector<bool> sliding_layers(Source& file, int64_t layers, int64_t window) {
    std::vector<bool> is_sliding(size_t(layers), false);
    if (window == 0) return is_sliding;
    constexpr std::string_view kPattern = "attention.sliding_window_pattern";
    if (const auto listed = file.integers(kPattern)) {
        if (int64_t(listed->size()) != layers)
            file.problem(fmt::format("{} has {} entries, expected {}", kPattern, listed->size(), layers));
        for (size_t i = 0; i < std::min(listed->size(), is_sliding.size()); ++i) is_sliding[i] = (*listed)[i] != 0;
        return is_sliding;
    }
    const int64_t period = file.integer_or(kPattern, 6, 1, 1 << 14);
    for (int64_t i = 0; i < layers; ++i) is_sliding[size_t(i)] = (i + 1) % period != 0;
    return is_sliding;
}

Config read_config(Source& file, int64_t layers, int64_t context_tokens, int64_t window) {
    Config c;
    c.hidden_size = file.integer("embedding_length", 1, 1 << 20);
    c.intermediate_size = file.integer("feed_forward_length", 1, 1 << 24);
    c.eps = float(file.number("attention.layer_norm_rms_epsilon"));
    c.num_heads = file.integer("attention.head_count", 1, 1 << 16);
    c.num_kv_heads = file.integer("attention.head_count_kv", 1, 1 << 16);
    c.head_dim = file.integer("attention.key_length", 2, 1 << 16);
    c.softcap = float(file.number_or("final_logit_softcapping", 0));
    c.is_bidirectional = file.architecture() == "gemma-embedding";
    if (file.integer_or("attention.value_length", c.head_dim, 1, 1 << 16) != c.head_dim)
        file.problem("attention.value_length differs from attention.key_length");
    if (c.num_heads % c.num_kv_heads != 0)
        file.problem("attention.head_count is no multiple of attention.head_count_kv");
    if (c.head_dim % 2 != 0) file.problem("attention.key_length is odd");
    if (c.is_bidirectional && window == 1) file.problem("attention.sliding_window is 1, which shows nothing");

    // The 27B model, known by its number of layers alone, divides by the width per head it would have had.
    constexpr int64_t kLayersOf27B = 62;
    const double divisor = layers == kLayersOf27B ? double(c.hidden_size) / double(c.num_heads) : double(c.head_dim);
    c.rule.scale = c.local_rule.scale = float(1 / std::sqrt(divisor));
    c.local_rule.window = c.is_bidirectional ? window / 2 : window;
    c.local_rule.symmetric_window = c.is_bidirectional;
    c.rule.causal = c.local_rule.causal = !c.is_bidirectional;

    // Scaling is a matter of the layers that see far; the others turn as they were trained first.
    const RopeConfig rope = read_rope(file, c.head_dim, context_tokens);
    const RopeConfig local{.dims = c.head_dim, .base = file.number_or("rope.freq_base_swa", 10000)};
    if (local.base <= 1) file.problem(fmt::format("rope.freq_base_swa is {}, expected more than 1", local.base));
    if (file.has_problems()) return c;
    c.rope = make_rope(rope);
    c.local_rope = make_rope(local);
    return c;
}

void Gemma3::load_layer(Source& file, int64_t index, bool is_sliding) {
    const std::string blk = fmt::format("blk.{}.", index);
    const int64_t query_width = c.num_heads * c.head_dim, key_width = c.num_kv_heads * c.head_dim;
    layers_.push_back({.is_sliding = is_sliding,
                       .query = file.weight(blk + "attn_q.weight", query_width, c.hidden_size),
                       .key = file.weight(blk + "attn_k.weight", key_width, c.hidden_size),
                       .value = file.weight(blk + "attn_v.weight", key_width, c.hidden_size),
                       .output = file.weight(blk + "attn_output.weight", c.hidden_size, query_width),
                       .query_norm = file.floats(blk + "attn_q_norm.weight", c.head_dim),
                       .key_norm = file.floats(blk + "attn_k_norm.weight", c.head_dim),
                       .mlp = load_mlp(file, blk, "", c.hidden_size, c.intermediate_size),
                       .norm = file.floats(blk + "attn_norm.weight", c.hidden_size),
                       .post_attention_norm = file.floats(blk + "post_attention_norm.weight", c.hidden_size),
                       .ffn_norm = file.floats(blk + "ffn_norm.weight", c.hidden_size),
                       .post_ffn_norm = file.floats(blk + "post_ffw_norm.weight", c.hidden_size)});
}

Gemma3::Gemma3(Source& file) {
    info_ = read_info(file);
    const int64_t window = file.integer_or("attention.sliding_window", 0, 0, int64_t{1} << 40);
    c = read_config(file, info_.layers, info_.context_tokens, window);
    info_.is_causal = info_.generates = !c.is_bidirectional;
    const std::vector<bool> is_sliding = sliding_layers(file, info_.layers, window);
    if (file.has_problems()) return;

    if (info_.generates) {
        ends_ = load_ends(file, info_);
    } else {
        ends_.embedding = file.weight("token_embd.weight", info_.vocabulary, c.hidden_size, WeightUse::look_up);
        ends_.norm = file.floats("output_norm.weight", c.hidden_size);
    }
    token_table_ = ends_.embedding;
    token_table_.scale *= float(std::sqrt(double(c.hidden_size)));
    if (c.is_bidirectional && (file.has("dense_2.weight") || file.has("dense_3.weight"))) {
        const int64_t width = table_rows(file, "dense_2.weight");
        dense_2_ = file.weight("dense_2.weight", width, c.hidden_size);
        dense_3_ = file.weight("dense_3.weight", c.hidden_size, width);
    }
    for (int64_t i = 0; i < info_.layers; ++i) load_layer(file, i, is_sliding[size_t(i)]);
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_gemma3(Source& source) {
    return std::make_unique<Gemma3>(source);
}

}  // namespace hearth
