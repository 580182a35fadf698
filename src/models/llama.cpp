// Llama 2 and 3, Mistral 7B to Small 3.x, Devstral, Magistral, Mixtral ("llama"), and Ministral 3 ("mistral3"): the
// plain decoder, before each part a norm. Rotation turns neighbouring values: converters reorder the rows of queries
// and keys for that. Ministral 3 is the same network with stretched positions: YaRN, and queries that grow with their
// position so that attention stays sharp over long texts.
#include <cmath>
#include <variant>
#include <vector>

#include "models/blocks.h"
#include "models/decoder.h"
#include "models/experts.h"
#include "models/registry.h"

namespace hearth {

namespace {

struct Positions {
    RopeConfig rope;
    float temperature = 0;  // 0: queries do not grow
    int64_t temperature_period = 1;
};

struct Config {
    Heads heads;
    int64_t intermediate_size;
    ExpertCounts experts;  // Mixtral
    float eps, attention_scale;
    Rope rope;
    float temperature;
    int64_t temperature_period;
};

struct Attention {
    Qkv qkv;
    Weight output;
    Tensor output_bias;
};
struct BiasedMlp {
    Mlp matrices;
    Tensor gate_bias, up_bias, down_bias;  // of some finetunes
};
struct Layer {
    Attention attention;
    std::variant<BiasedMlp, Experts> ffn;
    Tensor attention_norm, ffn_norm;
};

class Llama final : public Model {
public:
    using ReadPositions = Positions (*)(Source& file, int64_t dims, int64_t context_tokens);
    Llama(Source& file, ReadPositions read_positions);
    std::vector<LayerNeeds> needs() const override {
        return {size_t(info_.layers), LayerNeeds{.kv = c.heads.geometry(), .state_floats = {}}};
    }
    Tensor embed(Ops& ops, const Step& step) const override { return ops.embed(step, ends_.embedding); }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor head(Ops& ops, Tensor x) const override { return logits(ops, ends_, x, c.eps); }
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, ends_.norm, c.eps); }

private:
    Tensor attend(Ops& ops, const Attention& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor feed_forward(Ops& ops, const BiasedMlp& w, Tensor x) const;
    Tensor feed_forward(Ops& ops, const Experts& w, Tensor x) const;

    Config c;
    std::vector<Layer> layers_;
    Ends ends_;
};

Tensor Llama::attend(Ops& ops, const Attention& w, Tensor x, const LayerState& state, const Step& step) const {
    auto [q, k, v] = project(ops, w.qkv, x, c.heads);
    q = ops.rope(q, c.rope, step);
    k = ops.rope(k, c.rope, step);
    if (c.temperature != 0) q = ops.position_scale(q, c.temperature, c.temperature_period, 0, step);
    Tensor y = ops.attention(q, k, v, {.scale = c.attention_scale}, *state.kv, step);
    return with_bias(ops, ops.linear(y.joined(), w.output), w.output_bias);
}

Tensor Llama::feed_forward(Ops& ops, const BiasedMlp& w, Tensor x) const {
    auto [gate, up] = ops.linears(x, w.matrices.gate, w.matrices.up);
    Tensor inner = ops.swiglu(with_bias(ops, gate, w.gate_bias), with_bias(ops, up, w.up_bias));
    return with_bias(ops, ops.linear(inner, w.matrices.down), w.down_bias);
}

Tensor Llama::feed_forward(Ops& ops, const Experts& w, Tensor x) const {
    Routing routing = ops.route(ops.linear(x, w.router), {.used = c.experts.used});
    return ops.expert_sum(expert_mlps(ops, w, x, routing), routing);
}

void Llama::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    Tensor h = ops.rms_norm(x, w.attention_norm, c.eps);
    ops.add_to(x, attend(ops, w.attention, h, state, step));
    h = ops.rms_norm(x, w.ffn_norm, c.eps);
    ops.add_to(x, std::visit([&](const auto& ffn) { return feed_forward(ops, ffn, h); }, w.ffn));
}

Positions llama_positions(Source& file, int64_t dims, int64_t context_tokens) {
    return {.rope = read_rope(file, dims, context_tokens)};
}

Positions mistral3_positions(Source& file, int64_t dims, int64_t context_tokens) {
    Positions positions{.rope = read_rope(file, dims, context_tokens)};
    RopeConfig& rope = positions.rope;
    read_yarn(file, rope);
    positions.temperature = float(file.number_or("attention.temperature_scale", 0));
    if (positions.temperature != 0) positions.temperature_period = int64_t(std::max(1.0, rope.original_context));
    return positions;
}

Llama::Llama(Source& file, ReadPositions read_positions) : c{} {
    info_ = read_info(file);
    const int64_t hidden = info_.hidden;
    c.heads = read_heads(file, hidden);
    c.eps = float(file.number("attention.layer_norm_rms_epsilon"));
    const double scale = file.number_or("attention.scale", 0);
    c.attention_scale = scale != 0 ? float(scale) : 1 / std::sqrt(float(c.heads.width));
    c.intermediate_size = uniform_entry(file, "feed_forward_length", 1, 1 << 24);
    c.experts.count = file.integer_or("expert_count", 0, 0, 1 << 16);
    if (c.experts.count > 0) c.experts.used = file.integer("expert_used_count", 1, c.experts.count);
    c.experts.width = c.intermediate_size;

    const int64_t rotated = read_rotated(file, c.heads.width);
    if (rotated != c.heads.width)
        file.problem(
            fmt::format("rope.dimension_count is {}, expected all {} values of a head", rotated, c.heads.width));
    Positions positions = read_positions(file, rotated, info_.context_tokens);
    if (file.has_problems()) return;
    const std::vector<float> divisors = load_divisors(file, "rope_freqs.weight", rotated / 2);
    positions.rope.adjacent = true;
    positions.rope.divisors = divisors;
    if (!file.has_problems()) c.rope = make_rope(positions.rope);
    c.temperature = positions.temperature;
    c.temperature_period = positions.temperature_period;

    ends_ = load_ends(file, info_);
    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        Layer& layer = layers_.emplace_back();
        layer.attention = {.qkv = load_qkv(file, blk, c.heads, hidden),
                           .output = file.weight(blk + "attn_output.weight", hidden, c.heads.query_width()),
                           .output_bias = optional_bias(file, blk + "attn_output.bias", hidden)};
        if (c.experts.count > 0)
            layer.ffn = load_experts(file, blk, c.experts, hidden);
        else
            layer.ffn = BiasedMlp{.matrices = load_mlp(file, blk, "", hidden, c.intermediate_size),
                                  .gate_bias = optional_bias(file, blk + "ffn_gate.bias", c.intermediate_size),
                                  .up_bias = optional_bias(file, blk + "ffn_up.bias", c.intermediate_size),
                                  .down_bias = optional_bias(file, blk + "ffn_down.bias", hidden)};
        layer.attention_norm = file.floats(blk + "attn_norm.weight", hidden);
        layer.ffn_norm = file.floats(blk + "ffn_norm.weight", hidden);
    }
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_llama(Source& source) {
    return std::make_unique<Llama>(source, llama_positions);
}
std::unique_ptr<Model> load_mistral3(Source& source) {
    return std::make_unique<Llama>(source, mistral3_positions);
}

}  // namespace hearth
