// gpt-oss: experts in every layer, biases on every product, a sink per head (an extra logit that takes probability and
// gives nothing), and a short window on every second layer, the first included. The surprises: the norm before the
// experts is called post_attention_norm, and the experts' gate is x sigmoid(1.702 x), clamped above, times up + 1.
#include <cmath>
#include <limits>
#include <vector>

#include "models/decoder.h"
#include "models/experts.h"
#include "models/registry.h"

namespace hearth {

namespace {

constexpr float kGateSlope = 1.702f, kLimit = 7;

struct Config {
    Heads heads;
    ExpertCounts experts;
    float eps;
    int64_t window;
    std::vector<bool> has_window;  // per layer
    Rope rope;
};

struct Layer {
    Qkv qkv;
    Weight attention_output;
    Tensor attention_output_bias, sinks;
    Weight router, gate, up, down;                      // but the router: one matrix per expert
    Tensor router_bias, gate_bias, up_bias, down_bias;  // but the router's: [experts, width]
    Tensor attention_norm, ffn_norm;
};

class GptOss final : public Model {
public:
    explicit GptOss(Source& file);
    std::vector<LayerNeeds> needs() const override;
    Tensor embed(Ops& ops, const Step& step) const override { return ops.embed(step, ends_.embedding); }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor head(Ops& ops, Tensor x) const override { return logits(ops, ends_, x, c.eps); }
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, ends_.norm, c.eps); }

private:
    Tensor attend(Ops& ops, const Layer& w, int64_t window, Tensor x, const LayerState& state, const Step& step) const;
    Tensor feed_forward(Ops& ops, const Layer& w, Tensor x) const;
    int64_t window_of(int64_t layer) const { return c.has_window[size_t(layer)] ? c.window : 0; }

    Config c;
    std::vector<Layer> layers_;
    Ends ends_;
};

Tensor GptOss::attend(Ops& ops, const Layer& w, int64_t window, Tensor x, const LayerState& state,
                      const Step& step) const {
    auto [q, k, v] = project(ops, w.qkv, x, c.heads);
    q = ops.rope(q, c.rope, step);
    k = ops.rope(k, c.rope, step);
    const AttentionRule rule{.scale = 1 / std::sqrt(float(c.heads.width)), .window = window, .sinks = w.sinks};
    Tensor y = ops.attention(q, k, v, rule, *state.kv, step);
    return ops.add(ops.linear(y.joined(), w.attention_output), w.attention_output_bias);
}

Tensor GptOss::feed_forward(Ops& ops, const Layer& w, Tensor x) const {
    const RouteRule rule{.gate = RouteRule::Gate::softmax_of_chosen, .used = c.experts.used};
    Routing routing = ops.route(ops.add(ops.linear(x, w.router), w.router_bias), rule);
    Tensor gate = ops.expert_add(ops.expert_linear(x, w.gate, routing), w.gate_bias, routing);
    Tensor up = ops.expert_add(ops.expert_linear(x, w.up, routing), w.up_bias, routing);
    gate = ops.clamp(gate, -std::numeric_limits<float>::max(), kLimit);
    up = ops.clamp(up, -kLimit, kLimit);
    Tensor gated = ops.gate(gate, ops.scale(gate, kGateSlope));
    Tensor inner = ops.multiply(gated, up);
    ops.add_to(inner, gated);  // gated * (up + 1)
    Tensor y = ops.expert_add(ops.expert_linear(inner, w.down, routing), w.down_bias, routing);
    return ops.expert_sum(y, routing);
}

void GptOss::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    ops.add_to(x, attend(ops, w, window_of(index), ops.rms_norm(x, w.attention_norm, c.eps), state, step));
    ops.add_to(x, feed_forward(ops, w, ops.rms_norm(x, w.ffn_norm, c.eps)));
}

std::vector<LayerNeeds> GptOss::needs() const {
    std::vector<LayerNeeds> needs;
    for (int64_t i = 0; i < info_.layers; ++i)
        needs.push_back({.kv = c.heads.geometry(window_of(i)), .state_floats = {}});
    return needs;
}

// attention.sliding_window_pattern: the period, whose last layer sees everything, or a list with a flag per layer.
std::vector<bool> windowed_layers(Source& file, int64_t layers) {
    std::vector<bool> windowed;
    if (const auto listed = file.integers("attention.sliding_window_pattern")) {
        if (int64_t(listed->size()) < layers) {
            file.problem("attention.sliding_window_pattern is shorter than the model");
            return windowed;
        }
        for (int64_t i = 0; i < layers; ++i) windowed.push_back((*listed)[size_t(i)] != 0);
        return windowed;
    }
    const int64_t period = file.integer_or("attention.sliding_window_pattern", 2, 1, 1 << 14);
    for (int64_t i = 0; i < layers; ++i) windowed.push_back(i % period < period - 1);
    return windowed;
}

GptOss::GptOss(Source& file) : c{} {
    info_ = read_info(file);
    const int64_t hidden = info_.hidden;
    c.heads = read_heads(file, hidden);
    c.experts = read_experts(file);
    c.eps = float(file.number("attention.layer_norm_rms_epsilon"));
    c.window = file.integer("attention.sliding_window", 1, int64_t{1} << 40);
    c.has_window = windowed_layers(file, info_.layers);
    const RopeConfig rope = read_rope(file, read_rotated(file, c.heads.width), info_.context_tokens);
    if (file.has_problems()) return;
    c.rope = make_rope(rope);

    ends_ = load_ends(file, info_);
    const auto [count, used, width] = c.experts;
    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        require_qkv_biases(file, blk);
        layers_.push_back({.qkv = load_qkv(file, blk, c.heads, hidden),
                           .attention_output = file.weight(blk + "attn_output.weight", hidden, c.heads.query_width()),
                           .attention_output_bias = file.floats(blk + "attn_output.bias", hidden),
                           .sinks = file.floats(blk + "attn_sinks.weight", c.heads.count),
                           .router = file.weight(blk + "ffn_gate_inp.weight", count, hidden),
                           .gate = file.experts(blk + "ffn_gate_exps.weight", count, width, hidden, used),
                           .up = file.experts(blk + "ffn_up_exps.weight", count, width, hidden, used),
                           .down = file.experts(blk + "ffn_down_exps.weight", count, hidden, width, used),
                           .router_bias = file.floats(blk + "ffn_gate_inp.bias", count),
                           .gate_bias = file.floats(blk + "ffn_gate_exps.bias", count, width),
                           .up_bias = file.floats(blk + "ffn_up_exps.bias", count, width),
                           .down_bias = file.floats(blk + "ffn_down_exps.bias", count, hidden),
                           .attention_norm = file.floats(blk + "attn_norm.weight", hidden),
                           .ffn_norm = file.floats(blk + "post_attention_norm.weight", hidden)});
    }
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_gpt_oss(Source& source) {
    return std::make_unique<GptOss>(source);
}

}  // namespace hearth
