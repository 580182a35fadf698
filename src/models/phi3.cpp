// Phi-3, Phi-4 and Phi-4-mini: queries, keys and values in one matrix, gate and up in one (gate first). Rotation turns
// value j against value j + half of the first part of a head. Long contexts bring two tables of divisors; which one
// serves is decided once, by the context a sequence is configured to have, not by how long it is: otherwise what was
// cached with one table would be read with the other.
#include <cmath>
#include <vector>

#include "models/decoder.h"
#include "models/registry.h"

namespace hearth {

namespace {

struct Layer {
    Qkv qkv;
    Weight attention_output, gate_up, down;
    Tensor attention_norm, ffn_norm;
};

class Phi3 final : public Model {
public:
    explicit Phi3(Source& file);
    std::vector<LayerNeeds> needs() const override {
        return {size_t(info_.layers), LayerNeeds{.kv = heads_.geometry(), .state_floats = {}}};
    }
    Tensor embed(Ops& ops, const Step& step) const override { return ops.embed(step, ends_.embedding); }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor head(Ops& ops, Tensor x) const override { return logits(ops, ends_, x, eps_); }
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, ends_.norm, eps_); }

private:
    Heads heads_;
    float eps_;
    Rope rope_;
    std::vector<Layer> layers_;
    Ends ends_;
};

void Phi3::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    auto [q, k, v] = project(ops, w.qkv, ops.rms_norm(x, w.attention_norm, eps_), heads_);
    q = ops.rope(q, rope_, step);
    k = ops.rope(k, rope_, step);
    // The window that files name is larger than what the models were trained for, or meant for a bug: nobody uses it.
    Tensor y = ops.attention(q, k, v, {.scale = 1 / std::sqrt(float(heads_.width))}, *state.kv, step);
    ops.add_to(x, ops.linear(y.joined(), w.attention_output));
    auto [gate, up] = ops.linear(ops.rms_norm(x, w.ffn_norm, eps_), w.gate_up).halves();
    ops.add_to(x, ops.linear(ops.swiglu(gate, up), w.down));
}

// Both tables are checked, one is used. Phi-4 has neither.
std::vector<float> read_divisors(Source& file, const RopeConfig& rope, int64_t model_context) {
    std::vector<float> of_short = load_divisors(file, "rope_factors_short.weight", rope.dims / 2);
    std::vector<float> of_long = load_divisors(file, "rope_factors_long.weight", rope.dims / 2);
    if (of_short.empty() != of_long.empty())
        file.problem(fmt::format("rope_factors_{}.weight is missing", of_short.empty() ? "short" : "long"));
    const int64_t context = file.context_tokens() > 0 ? file.context_tokens() : model_context;
    return double(context) > rope.original_context ? of_long : of_short;
}

Phi3::Phi3(Source& file) {
    info_ = read_info(file);
    const int64_t hidden = info_.hidden;
    heads_ = read_heads(file, hidden);
    eps_ = float(file.number("attention.layer_norm_rms_epsilon"));
    const int64_t intermediate_size = uniform_entry(file, "feed_forward_length", 1, 1 << 24);
    RopeConfig rope = read_rope(file, read_rotated(file, heads_.width), info_.context_tokens);
    if (file.has_problems()) return;
    const std::vector<float> divisors = read_divisors(file, rope, info_.context_tokens);
    rope.divisors = divisors;
    if (!file.has_problems()) rope_ = make_rope(rope);

    ends_ = load_ends(file, info_);
    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        layers_.push_back({.qkv = load_qkv(file, blk, heads_, hidden),
                           .attention_output = file.weight(blk + "attn_output.weight", hidden, heads_.query_width()),
                           .gate_up = file.weight(blk + "ffn_up.weight", 2 * intermediate_size, hidden),
                           .down = file.weight(blk + "ffn_down.weight", hidden, intermediate_size),
                           .attention_norm = file.floats(blk + "attn_norm.weight", hidden),
                           .ffn_norm = file.floats(blk + "ffn_norm.weight", hidden)});
    }
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_phi3(Source& source) {
    return std::make_unique<Phi3>(source);
}

}  // namespace hearth
