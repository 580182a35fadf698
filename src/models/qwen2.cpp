// Qwen 2 and 2.5, and what was distilled into them: the plain decoder with biases on queries, keys and values. Those
// biases are large (tens), so scores must stay in float. Rotation turns value j against value j + half.
#include <vector>

#include "models/blocks.h"
#include "models/plain_decoder.h"
#include "models/registry.h"

namespace hearth {

namespace {

class Qwen2 final : public PlainDecoder {
public:
    explicit Qwen2(Source& file);
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor head(Ops& ops, Tensor x) const override { return with_bias(ops, logits(ops, ends_, x, eps_), output_bias_); }

private:
    struct Layer {
        Attention attention;
        Mlp mlp;
        Tensor ffn_norm;
    };

    Rope rope_;
    std::vector<Layer> layers_;
    Tensor output_bias_;  // of some finetunes
};

void Qwen2::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    auto [q, k, v] = project_normed(ops, w.attention, x);
    q = ops.rope(q, rope_, step);
    k = ops.rope(k, rope_, step);
    attend(ops, w.attention, {q, k, v}, x, state, step);
    ops.add_to(x, mlp(ops, w.mlp, ops.rms_norm(x, w.ffn_norm, eps_)));
}

Qwen2::Qwen2(Source& file) {
    const RopeConfig rope = read_sizes(file);
    if (file.has_problems()) return;
    rope_ = make_rope(rope);

    ends_ = load_ends(file, info_);
    output_bias_ = optional_bias(file, "output.bias", info_.vocabulary);
    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        require_qkv_biases(file, blk);
        layers_.push_back({.attention = load_attention(file, blk),
                           .mlp = load_mlp(file, blk, "", info_.hidden, intermediate_size_),
                           .ffn_norm = file.floats(blk + "ffn_norm.weight", info_.hidden)});
    }
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_qwen2(Source& source) {
    return std::make_unique<Qwen2>(source);
}

}  // namespace hearth
