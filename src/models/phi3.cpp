// Phi-3, Phi-4 and Phi-4-mini: queries, keys and values in one matrix, gate and up in one (gate first). Rotation turns
// value j against value j + half of the first part of a head. Long contexts bring two tables of divisors; which one
// serves is decided once, by the context a sequence is configured to have, not by how long it is: otherwise what was
// cached with one table would be read with the other.
#include <vector>

#include "models/plain_decoder.h"
#include "models/registry.h"

namespace hearth {

namespace {

class Phi3 final : public PlainDecoder {
public:
    explicit Phi3(Source& file);
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;

private:
    struct Layer {
        Attention attention;
        Weight gate_up, down;
        Tensor ffn_norm;
    };

    Rope rope_;
    std::vector<Layer> layers_;
};

void Phi3::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    auto [q, k, v] = project_normed(ops, w.attention, x);
    q = ops.rope(q, rope_, step);
    k = ops.rope(k, rope_, step);
    // The window that files name is larger than what the models were trained for, or meant for a bug: nobody uses it.
    attend(ops, w.attention, {q, k, v}, x, state, step);
    auto [gate, up] = ops.linear(ops.rms_norm(x, w.ffn_norm, eps_), w.gate_up).halves();
    ops.add_to(x, ops.linear(ops.swiglu(gate, up), w.down));
}

bool is_long(const Source& file, const RopeConfig& rope, int64_t model_context) {
    const int64_t context = file.context_tokens() > 0 ? file.context_tokens() : model_context;
    return double(context) > rope.original_context;
}

// Both tables are checked, one is used. Phi-4 has neither.
std::vector<float> read_divisors(Source& file, const RopeConfig& rope, int64_t model_context) {
    std::vector<float> of_short = load_divisors(file, "rope_factors_short.weight", rope.dims / 2);
    std::vector<float> of_long = load_divisors(file, "rope_factors_long.weight", rope.dims / 2);
    if (of_short.empty() != of_long.empty())
        file.problem(fmt::format("rope_factors_{}.weight is missing", of_short.empty() ? "short" : "long"));
    return is_long(file, rope, model_context) ? of_long : of_short;
}

Phi3::Phi3(Source& file) {
    RopeConfig rope = read_sizes(file);
    if (file.has_problems()) return;
    const std::vector<float> divisors = read_divisors(file, rope, info_.context_tokens);
    rope.divisors = divisors;
    if (!divisors.empty())
        info_.chosen_by_context = is_long(file, rope, info_.context_tokens) ? "long rotation" : "short rotation";
    if (!file.has_problems()) rope_ = make_rope(rope);

    ends_ = load_ends(file, info_);
    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        layers_.push_back({.attention = load_attention(file, blk),
                           .gate_up = file.weight(blk + "ffn_up.weight", 2 * intermediate_size_, info_.hidden),
                           .down = file.weight(blk + "ffn_down.weight", info_.hidden, intermediate_size_),
                           .ffn_norm = file.floats(blk + "ffn_norm.weight", info_.hidden)});
    }
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_phi3(Source& source) {
    return std::make_unique<Phi3>(source);
}

}  // namespace hearth
