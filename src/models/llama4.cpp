// Llama 4, text. Three of four layers rotate neighbouring values, then normalise queries and keys (in that order, and
// without weights), and see only their own chunk of 8192 positions; the fourth knows no positions, sees everything, and
// sharpens its queries as texts grow. Experts are weighted before they work: the one chosen gets sigmoid(logit) times
// the token. Their outputs are then summed plainly, beside a shared expert.
#include <cmath>
#include <variant>
#include <vector>

#include "models/blocks.h"
#include "models/decoder.h"
#include "models/experts.h"
#include "models/registry.h"

namespace hearth {

namespace {

constexpr int64_t kFullInterval = 4;  // every fourth layer; stands in no file
constexpr int64_t kChunk = 8192;      // positions; stands in no file
constexpr float kTemperature = 0.1f;  // of the layers without positions
constexpr int64_t kTemperaturePeriod = 8192;
constexpr int64_t kUnnormalisedExperts = 128;  // Maverick alone has so many, and no norms of queries and keys

struct Config {
    Heads heads;
    int64_t intermediate_size;
    ExpertCounts experts;
    float eps;
    int64_t chunk;  // 0: all layers rotate and see everything
    bool has_head_norms;
    Rope rope;
};

struct RoutedExperts {
    Experts routed;
    Mlp shared;
};
struct Layer {
    Qkv qkv;
    Weight attention_output;
    std::variant<Mlp, RoutedExperts> ffn;
    Tensor attention_norm, ffn_norm;
};

class Llama4 final : public Model {
public:
    explicit Llama4(Source& file);
    std::vector<LayerNeeds> needs() const override;
    Tensor embed(Ops& ops, const Step& step) const override { return ops.embed(step, ends_.embedding); }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor head(Ops& ops, Tensor x) const override { return logits(ops, ends_, x, c.eps); }
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, ends_.norm, c.eps); }

private:
    bool is_rotated(int64_t layer) const { return c.chunk == 0 || (layer + 1) % kFullInterval != 0; }
    Tensor attend_chunk(Ops& ops, const Layer& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor attend_all(Ops& ops, const Layer& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor feed_forward(Ops& ops, const Mlp& w, Tensor x) const { return mlp(ops, w, x); }
    Tensor feed_forward(Ops& ops, const RoutedExperts& w, Tensor x) const;
    float attention_scale() const { return 1 / std::sqrt(float(c.heads.width)); }

    Config c;
    std::vector<Layer> layers_;
    Ends ends_;
};

Tensor Llama4::attend_chunk(Ops& ops, const Layer& w, Tensor x, const LayerState& state, const Step& step) const {
    auto [q, k, v] = project(ops, w.qkv, x, c.heads);
    q = ops.rope(q, c.rope, step);
    k = ops.rope(k, c.rope, step);
    if (c.has_head_norms) {
        q = ops.rms_norm(q, {}, c.eps);
        k = ops.rms_norm(k, {}, c.eps);
    }
    Tensor y = ops.attention(q, k, v, {.scale = attention_scale(), .chunk = c.chunk}, *state.kv, step);
    return ops.linear(y.joined(), w.attention_output);
}

Tensor Llama4::attend_all(Ops& ops, const Layer& w, Tensor x, const LayerState& state, const Step& step) const {
    auto [q, k, v] = project(ops, w.qkv, x, c.heads);
    q = ops.position_scale(q, kTemperature, kTemperaturePeriod, 1, step);
    Tensor y = ops.attention(q, k, v, {.scale = attention_scale()}, *state.kv, step);
    return ops.linear(y.joined(), w.attention_output);
}

Tensor Llama4::feed_forward(Ops& ops, const RoutedExperts& w, Tensor x) const {
    const RouteRule rule{.gate = RouteRule::Gate::sigmoid, .used = c.experts.used, .renormalise = false};
    Routing routing = ops.route(ops.linear(x, w.routed.router), rule);
    Tensor y = expert_mlps(ops, w.routed, ops.expert_scale(x, routing), routing);
    routing.weights = {};  // they went into the input
    return ops.add(ops.expert_sum(y, routing), mlp(ops, w.shared, x));
}

void Llama4::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    Tensor h = ops.rms_norm(x, w.attention_norm, c.eps);
    ops.add_to(x, is_rotated(index) ? attend_chunk(ops, w, h, state, step) : attend_all(ops, w, h, state, step));
    h = ops.rms_norm(x, w.ffn_norm, c.eps);
    ops.add_to(x, std::visit([&](const auto& ffn) { return feed_forward(ops, ffn, h); }, w.ffn));
}

// No query looks further back than its chunk is long.
std::vector<LayerNeeds> Llama4::needs() const {
    std::vector<LayerNeeds> needs;
    for (int64_t i = 0; i < info_.layers; ++i)
        needs.push_back({.kv = c.heads.geometry(is_rotated(i) ? c.chunk : 0), .state_floats = {}});
    return needs;
}

Llama4::Llama4(Source& file) : c{} {
    info_ = read_info(file);
    const int64_t hidden = info_.hidden;
    c.heads = read_heads(file, hidden);
    c.intermediate_size = uniform_entry(file, "feed_forward_length", 1, 1 << 24);
    c.experts = read_experts(file);
    c.eps = float(file.number("attention.layer_norm_rms_epsilon"));
    // The key stands in files without chunks only, and is 0 there.
    c.chunk = file.integer_or("attention.sliding_window", kChunk, 0, int64_t{1} << 40) == 0 ? 0 : kChunk;
    c.has_head_norms = c.experts.count != kUnnormalisedExperts;
    const int64_t moe_interval = file.integer("interleave_moe_layer_step", 1, 1 << 14);
    RopeConfig rope = read_rope(file, read_rotated(file, c.heads.width), info_.context_tokens);
    if (file.has_problems()) return;
    const std::vector<float> divisors = load_divisors(file, "rope_freqs.weight", rope.dims / 2);
    rope.adjacent = true;
    rope.divisors = divisors;
    if (!file.has_problems()) c.rope = make_rope(rope);

    ends_ = load_ends(file, info_);
    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        Layer& layer = layers_.emplace_back();
        layer.qkv = load_qkv(file, blk, c.heads, hidden);
        layer.attention_output = file.weight(blk + "attn_output.weight", hidden, c.heads.query_width());
        if ((i + 1) % moe_interval == 0)
            layer.ffn = RoutedExperts{.routed = load_experts(file, blk, c.experts, hidden),
                                      .shared = load_mlp(file, blk, "_shexp", hidden, c.experts.width)};
        else
            layer.ffn = load_mlp(file, blk, "", hidden, c.intermediate_size);
        layer.attention_norm = file.floats(blk + "attn_norm.weight", hidden);
        layer.ffn_norm = file.floats(blk + "ffn_norm.weight", hidden);
    }
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_llama4(Source& source) {
    return std::make_unique<Llama4>(source);
}

}  // namespace hearth
