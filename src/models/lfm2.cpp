// LFM2, dense and with experts. Most layers mix tokens by a gated convolution over the last few of them; a few attend
// over the whole past. Surprises: nothing in the convolution goes through an activation, the layers' kind is read from
// the per-layer number of key-value heads (0: convolution), and the final norm is stored as `token_embd_norm`.
#include <cmath>
#include <variant>
#include <vector>

#include "models/blocks.h"
#include "models/decoder.h"
#include "models/experts.h"
#include "models/registry.h"
#include "models/rope.h"

namespace hearth {

namespace {

struct Config {
    int64_t hidden_size, intermediate_size, window, conv_kernel;
    ExpertCounts experts;
    int64_t num_dense_layers;  // before those with experts
    float expert_scale, eps;
    Rope rope;
};

struct ShortConv {
    Weight input, output;
    Tensor taps;
};
struct Attention {
    Heads heads;
    Qkv qkv;
    Weight output;
    Tensor query_norm, key_norm;
};
struct BiasedExperts {
    Experts experts;
    Tensor choice_bias;
};
struct Layer {
    std::variant<ShortConv, Attention> mixer;
    std::variant<Mlp, BiasedExperts> ffn;
    Tensor mixer_norm, ffn_norm;
};

ShortConv load_conv(Source& file, const std::string& blk, const Config& c) {
    return {.input = file.weight(blk + "shortconv.in_proj.weight", 3 * c.hidden_size, c.hidden_size),
            .output = file.weight(blk + "shortconv.out_proj.weight", c.hidden_size, c.hidden_size),
            .taps = file.floats(blk + "shortconv.conv.weight", c.hidden_size, c.conv_kernel)};
}

Attention load_attention(Source& file, const std::string& blk, const Config& c, const Heads& heads) {
    return {.heads = heads,
            .qkv = load_qkv(file, blk, heads, c.hidden_size),
            .output = file.weight(blk + "attn_output.weight", c.hidden_size, heads.query_width()),
            .query_norm = file.floats(blk + "attn_q_norm.weight", heads.width),
            .key_norm = file.floats(blk + "attn_k_norm.weight", heads.width)};
}

class Lfm2 final : public Model {
public:
    explicit Lfm2(Source& file);
    std::vector<LayerNeeds> needs() const override;
    Tensor embed(Ops& ops, const Step& step) const override { return ops.embed(step, ends_.embedding); }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, ends_.norm, c.eps); }
    Tensor head(Ops& ops, Tensor x) const override { return logits(ops, ends_, x, c.eps); }

private:
    Tensor mix(Ops& ops, const ShortConv& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor mix(Ops& ops, const Attention& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor feed_forward(Ops& ops, const Mlp& w, Tensor x) const { return mlp(ops, w, x); }
    Tensor feed_forward(Ops& ops, const BiasedExperts& w, Tensor x) const;

    Config c;
    std::vector<Layer> layers_;
    Ends ends_;
};

Tensor Lfm2::mix(Ops& ops, const ShortConv& w, Tensor x, const LayerState& state, const Step& step) const {
    auto [before, after, u] = ops.linear(x, w.input).split<3>({c.hidden_size, c.hidden_size, c.hidden_size});
    Tensor y = ops.causal_conv(ops.multiply(before, u), w.taps, {}, state.recurrent[0], step);
    return ops.linear(ops.multiply(after, y), w.output);
}

Tensor Lfm2::mix(Ops& ops, const Attention& w, Tensor x, const LayerState& state, const Step& step) const {
    auto [q, k, v] = project(ops, w.qkv, x, w.heads);
    q = ops.rope(ops.rms_norm(q, w.query_norm, c.eps), c.rope, step);
    k = ops.rope(ops.rms_norm(k, w.key_norm, c.eps), c.rope, step);
    const AttentionRule rule{.scale = 1 / std::sqrt(float(w.heads.width)), .window = c.window};
    return ops.linear(ops.attention(q, k, v, rule, *state.kv, step).joined(), w.output);
}

Tensor Lfm2::feed_forward(Ops& ops, const BiasedExperts& w, Tensor x) const {
    Routing routing = ops.route(ops.linear(x, w.experts.router), {.gate = RouteRule::Gate::sigmoid,
                                                                  .used = c.experts.used,
                                                                  .choice_bias = w.choice_bias,
                                                                  .scale = c.expert_scale});
    return ops.expert_sum(expert_mlps(ops, w.experts, x, routing), routing);
}

void Lfm2::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    Tensor h = ops.rms_norm(x, w.mixer_norm, c.eps);
    ops.add_to(x, std::visit([&](const auto& mixer) { return mix(ops, mixer, h, state, step); }, w.mixer));
    h = ops.rms_norm(x, w.ffn_norm, c.eps);
    ops.add_to(x, std::visit([&](const auto& ffn) { return feed_forward(ops, ffn, h); }, w.ffn));
}

std::vector<LayerNeeds> Lfm2::needs() const {
    std::vector<LayerNeeds> needs;
    for (const Layer& layer : layers_) {
        if (const auto* attention = std::get_if<Attention>(&layer.mixer))
            needs.push_back({.kv = attention->heads.geometry(c.window), .state_floats = {}});
        else
            needs.push_back({.kv = {}, .state_floats = {(c.conv_kernel - 1) * c.hidden_size}});
    }
    return needs;
}

void read_mixture(Source& file, Config& c, int64_t layers) {
    c.experts = read_experts(file);
    c.num_dense_layers = file.integer_or("leading_dense_block_count", 0, 0, layers);
    c.expert_scale = float(file.number_or("expert_weights_scale", 1));
    if (c.expert_scale == 0) c.expert_scale = 1;  // "no scale" in files of older converters
    constexpr int64_t kSigmoid = 2;
    if (file.integer_or("expert_gating_func", kSigmoid, 0, 100) != kSigmoid)
        file.problem("expert_gating_func is not 2 (sigmoid)");
}

Lfm2::Lfm2(Source& file) : c{} {
    info_ = read_info(file);
    c.hidden_size = info_.hidden;
    c.eps = float(file.number("attention.layer_norm_rms_epsilon"));
    const Heads heads = read_hybrid_heads(file, c.hidden_size);
    const auto kv_heads = read_kv_heads(file, info_.layers, heads.count);
    c.window = file.integer_or("attention.sliding_window", 0, 0, int64_t{1} << 40);
    c.conv_kernel = file.integer("shortconv.l_cache", 2, 64);
    if (!file.metadata().boolean(file.architecture() + ".attention.causal").value_or(true))
        file.problem("attention.causal is false: the bidirectional form of this family is not built in");
    c.num_dense_layers = info_.layers;
    if (file.architecture() == "lfm2moe") read_mixture(file, c, info_.layers);
    if (c.num_dense_layers > 0) c.intermediate_size = largest_entry(file, "feed_forward_length", 1, 1 << 24);
    const int64_t rotated = read_rotated(file, heads.width);
    const RopeConfig rope = read_rope(file, rotated, info_.context_tokens);
    if (file.has_problems()) return;
    c.rope = make_rope(rope);

    ends_ = load_ends(file, info_, file.has("output_norm.weight") ? "output_norm.weight" : "token_embd_norm.weight");
    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        Layer& layer = layers_.emplace_back();
        Heads own = heads;
        own.kv_count = kv_heads[size_t(i)];
        if (own.kv_count > 0)
            layer.mixer = load_attention(file, blk, c, own);
        else
            layer.mixer = load_conv(file, blk, c);
        if (i < c.num_dense_layers)
            layer.ffn = load_mlp(file, blk, "", c.hidden_size, c.intermediate_size);
        else
            layer.ffn = BiasedExperts{load_experts(file, blk, c.experts, c.hidden_size),
                                      file.floats(blk + "exp_probs_b.bias", c.experts.count)};
        layer.mixer_norm = file.floats(blk + "attn_norm.weight", c.hidden_size);
        layer.ffn_norm = file.floats(blk + "ffn_norm.weight", c.hidden_size);
    }
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_lfm2(Source& source) {
    return std::make_unique<Lfm2>(source);
}

}  // namespace hearth
