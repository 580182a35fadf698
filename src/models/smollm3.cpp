// SmolLM3: Llama's layer, but every fourth layer knows no positions. Rotation turns neighbouring values: converters
// reorder the rows of queries and keys for that. The interval stands in no file.
#include <cmath>
#include <vector>

#include "models/blocks.h"
#include "models/decoder.h"
#include "models/registry.h"

namespace hearth {

namespace {

constexpr int64_t kUnrotatedInterval = 4;

struct Layer {
    Qkv qkv;
    Weight attention_output;
    Mlp mlp;
    Tensor attention_norm, ffn_norm;
    bool is_rotated;
};

class SmolLm3 final : public Model {
public:
    explicit SmolLm3(Source& file);
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

void SmolLm3::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    auto [q, k, v] = project(ops, w.qkv, ops.rms_norm(x, w.attention_norm, eps_), heads_);
    if (w.is_rotated) {
        q = ops.rope(q, rope_, step);
        k = ops.rope(k, rope_, step);
    }
    Tensor y = ops.attention(q, k, v, {.scale = 1 / std::sqrt(float(heads_.width))}, *state.kv, step);
    ops.add_to(x, ops.linear(y.joined(), w.attention_output));
    ops.add_to(x, mlp(ops, w.mlp, ops.rms_norm(x, w.ffn_norm, eps_)));
}

SmolLm3::SmolLm3(Source& file) {
    info_ = read_info(file);
    const int64_t hidden = info_.hidden;
    heads_ = read_heads(file, hidden);
    eps_ = float(file.number("attention.layer_norm_rms_epsilon"));
    const int64_t intermediate_size = uniform_entry(file, "feed_forward_length", 1, 1 << 24);
    RopeConfig rope = read_rope(file, read_rotated(file, heads_.width), info_.context_tokens);
    if (file.has_problems()) return;
    const std::vector<float> divisors = load_divisors(file, "rope_freqs.weight", rope.dims / 2);
    rope.adjacent = true;
    rope.divisors = divisors;
    if (!file.has_problems()) rope_ = make_rope(rope);

    ends_ = load_ends(file, info_);
    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        layers_.push_back({.qkv = load_qkv(file, blk, heads_, hidden),
                           .attention_output = file.weight(blk + "attn_output.weight", hidden, heads_.query_width()),
                           .mlp = load_mlp(file, blk, "", hidden, intermediate_size),
                           .attention_norm = file.floats(blk + "attn_norm.weight", hidden),
                           .ffn_norm = file.floats(blk + "ffn_norm.weight", hidden),
                           .is_rotated = (i + 1) % kUnrotatedInterval != 0});
    }
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_smollm3(Source& source) {
    return std::make_unique<SmolLm3>(source);
}

}  // namespace hearth
