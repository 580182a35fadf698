// Qwen 2 and 2.5, and what was distilled into them: the plain decoder with biases on queries, keys and values. Those
// biases are large (tens), so scores must stay in float. Rotation turns value j against value j + half.
#include <cmath>
#include <vector>

#include "models/blocks.h"
#include "models/decoder.h"
#include "models/registry.h"

namespace hearth {

namespace {

struct Layer {
    Qkv qkv;
    Weight attention_output;
    Mlp mlp;
    Tensor attention_norm, ffn_norm;
};

class Qwen2 final : public Model {
public:
    explicit Qwen2(Source& file);
    std::vector<LayerNeeds> needs() const override {
        return {size_t(info_.layers), LayerNeeds{.kv = heads_.geometry(), .state_floats = {}}};
    }
    Tensor embed(Ops& ops, const Step& step) const override { return ops.embed(step, ends_.embedding); }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor head(Ops& ops, Tensor x) const override { return with_bias(ops, logits(ops, ends_, x, eps_), output_bias_); }
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, ends_.norm, eps_); }

private:
    Heads heads_;
    float eps_;
    Rope rope_;
    std::vector<Layer> layers_;
    Ends ends_;
    Tensor output_bias_;  // of some finetunes
};

void Qwen2::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    auto [q, k, v] = project(ops, w.qkv, ops.rms_norm(x, w.attention_norm, eps_), heads_);
    q = ops.rope(q, rope_, step);
    k = ops.rope(k, rope_, step);
    Tensor y = ops.attention(q, k, v, {.scale = 1 / std::sqrt(float(heads_.width))}, *state.kv, step);
    ops.add_to(x, ops.linear(y.joined(), w.attention_output));
    ops.add_to(x, mlp(ops, w.mlp, ops.rms_norm(x, w.ffn_norm, eps_)));
}

Qwen2::Qwen2(Source& file) {
    info_ = read_info(file);
    const int64_t hidden = info_.hidden;
    heads_ = read_heads(file, hidden);
    eps_ = float(file.number("attention.layer_norm_rms_epsilon"));
    const int64_t intermediate_size = uniform_entry(file, "feed_forward_length", 1, 1 << 24);
    const RopeConfig rope = read_rope(file, read_rotated(file, heads_.width), info_.context_tokens);
    if (file.has_problems()) return;
    rope_ = make_rope(rope);

    ends_ = load_ends(file, info_);
    output_bias_ = optional_bias(file, "output.bias", info_.vocabulary);
    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        require_qkv_biases(file, blk);
        layers_.push_back({.qkv = load_qkv(file, blk, heads_, hidden),
                           .attention_output = file.weight(blk + "attn_output.weight", hidden, heads_.query_width()),
                           .mlp = load_mlp(file, blk, "", hidden, intermediate_size),
                           .attention_norm = file.floats(blk + "attn_norm.weight", hidden),
                           .ffn_norm = file.floats(blk + "ffn_norm.weight", hidden)});
    }
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_qwen2(Source& source) {
    return std::make_unique<Qwen2>(source);
}

}  // namespace hearth
