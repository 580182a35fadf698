// SmolLM3: Llama's layer, but every fourth layer knows no positions. Rotation turns neighbouring values: converters
// reorder the rows of queries and keys for that. The interval stands in no file.
#include <vector>

#include "models/blocks.h"
#include "models/plain_decoder.h"
#include "models/registry.h"

namespace hearth {

namespace {

constexpr int64_t kUnrotatedInterval = 4;

class SmolLm3 final : public PlainDecoder {
public:
    explicit SmolLm3(Source& file);
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;

private:
    struct Layer {
        Attention attention;
        Mlp mlp;
        Tensor ffn_norm;
        bool is_rotated;
    };

    Rope rope_;
    std::vector<Layer> layers_;
};

void SmolLm3::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    auto [q, k, v] = project_normed(ops, w.attention, x);
    if (w.is_rotated) {
        q = ops.rope(q, rope_, step);
        k = ops.rope(k, rope_, step);
    }
    attend(ops, w.attention, {q, k, v}, x, state, step);
    ops.add_to(x, mlp(ops, w.mlp, ops.rms_norm(x, w.ffn_norm, eps_)));
}

SmolLm3::SmolLm3(Source& file) {
    RopeConfig rope = read_sizes(file);
    if (file.has_problems()) return;
    const std::vector<float> divisors = load_divisors(file, "rope_freqs.weight", rope.dims / 2);
    rope.adjacent = true;
    rope.divisors = divisors;
    if (!file.has_problems()) rope_ = make_rope(rope);

    ends_ = load_ends(file, info_);
    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        layers_.push_back({.attention = load_attention(file, blk),
                           .mlp = load_mlp(file, blk, "", info_.hidden, intermediate_size_),
                           .ffn_norm = file.floats(blk + "ffn_norm.weight", info_.hidden),
                           .is_rotated = (i + 1) % kUnrotatedInterval != 0});
    }
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_smollm3(Source& source) {
    return std::make_unique<SmolLm3>(source);
}

}  // namespace hearth
