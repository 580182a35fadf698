// LFM2, dense and with experts. Most layers mix tokens by a gated convolution over the last few of them; a few attend
// over the whole past. Surprises: nothing in the convolution goes through an activation, the layers' kind is read from
// the per-layer number of key-value heads (0: convolution), and the final norm is stored as `token_embd_norm`.
#include <cmath>
#include <variant>
#include <vector>

#include "models/blocks.h"
#include "models/registry.h"
#include "models/rope.h"

namespace hearth {

namespace {

struct Config {
    int64_t hidden_size, intermediate_size;
    int64_t num_heads, head_dim, window;
    int64_t conv_kernel;
    int64_t num_experts, num_experts_used, expert_size, num_dense_layers;
    float expert_scale, eps;
    Rope rope;
};

struct ShortConv {
    Weight input, output;
    Tensor taps;
};
struct Attention {
    int64_t num_kv_heads;
    Weight query, key, value, output;
    Tensor query_norm, key_norm;
};
struct Experts {
    Weight router, gate, up, down;
    Tensor choice_bias;
};
struct Layer {
    std::variant<ShortConv, Attention> mixer;
    std::variant<Mlp, Experts> ffn;
    Tensor mixer_norm, ffn_norm;
};

ShortConv load_conv(Source& file, const std::string& blk, const Config& c) {
    return {.input = file.weight(blk + "shortconv.in_proj.weight", 3 * c.hidden_size, c.hidden_size),
            .output = file.weight(blk + "shortconv.out_proj.weight", c.hidden_size, c.hidden_size),
            .taps = file.floats(blk + "shortconv.conv.weight", c.hidden_size, c.conv_kernel)};
}

Attention load_attention(Source& file, const std::string& blk, const Config& c, int64_t num_kv_heads) {
    return {.num_kv_heads = num_kv_heads,
            .query = file.weight(blk + "attn_q.weight", c.num_heads * c.head_dim, c.hidden_size),
            .key = file.weight(blk + "attn_k.weight", num_kv_heads * c.head_dim, c.hidden_size),
            .value = file.weight(blk + "attn_v.weight", num_kv_heads * c.head_dim, c.hidden_size),
            .output = file.weight(blk + "attn_output.weight", c.hidden_size, c.num_heads * c.head_dim),
            .query_norm = file.floats(blk + "attn_q_norm.weight", c.head_dim),
            .key_norm = file.floats(blk + "attn_k_norm.weight", c.head_dim)};
}

Experts load_experts(Source& file, const std::string& blk, const Config& c) {
    const int64_t count = c.num_experts, used = c.num_experts_used;
    return {.router = file.weight(blk + "ffn_gate_inp.weight", count, c.hidden_size),
            .gate = file.experts(blk + "ffn_gate_exps.weight", count, c.expert_size, c.hidden_size, used),
            .up = file.experts(blk + "ffn_up_exps.weight", count, c.expert_size, c.hidden_size, used),
            .down = file.experts(blk + "ffn_down_exps.weight", count, c.hidden_size, c.expert_size, used),
            .choice_bias = file.floats(blk + "exp_probs_b.bias", count)};
}

class Lfm2 final : public Model {
public:
    explicit Lfm2(Source& file);
    std::vector<LayerNeeds> needs() const override;
    Tensor embed(Ops& ops, const Step& step) const override { return ops.embed(step, embedding_); }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, output_norm_, c.eps); }
    Tensor head(Ops& ops, Tensor x) const override {
        return ops.linear(hidden(ops, x), output_ ? output_ : embedding_);
    }
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, output_norm_, c.eps); }

private:
    Tensor mix(Ops& ops, const ShortConv& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor mix(Ops& ops, const Attention& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor feed_forward(Ops& ops, const Mlp& w, Tensor x) const { return mlp(ops, w, x); }
    Tensor feed_forward(Ops& ops, const Experts& w, Tensor x) const;

    Config c;
    std::vector<Layer> layers_;
    Weight embedding_, output_;
    Tensor output_norm_;
};

Tensor Lfm2::mix(Ops& ops, const ShortConv& w, Tensor x, const LayerState& state, const Step& step) const {
    auto [before, after, u] = ops.linear(x, w.input).split<3>({c.hidden_size, c.hidden_size, c.hidden_size});
    Tensor y = ops.causal_conv(ops.multiply(before, u), w.taps, {}, state.recurrent[0], step);
    return ops.linear(ops.multiply(after, y), w.output);
}

Tensor Lfm2::mix(Ops& ops, const Attention& w, Tensor x, const LayerState& state, const Step& step) const {
    auto [query, key, value] = ops.linears(x, w.query, w.key, w.value);
    Tensor q = query.heads(c.num_heads), k = key.heads(w.num_kv_heads), v = value.heads(w.num_kv_heads);
    q = ops.rope(ops.rms_norm(q, w.query_norm, c.eps), c.rope, step);
    k = ops.rope(ops.rms_norm(k, w.key_norm, c.eps), c.rope, step);
    const AttentionRule rule{.scale = 1 / std::sqrt(float(c.head_dim)), .window = c.window};
    return ops.linear(ops.attention(q, k, v, rule, *state.kv, step).joined(), w.output);
}

Tensor Lfm2::feed_forward(Ops& ops, const Experts& w, Tensor x) const {
    Routing routing = ops.route(ops.linear(x, w.router), {.gate = RouteRule::Gate::sigmoid,
                                                          .used = c.num_experts_used,
                                                          .choice_bias = w.choice_bias,
                                                          .scale = c.expert_scale});
    Tensor gate = ops.expert_linear(x, w.gate, routing), up = ops.expert_linear(x, w.up, routing);
    return ops.expert_sum(ops.expert_linear(ops.swiglu(gate, up), w.down, routing), routing);
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
            needs.push_back(
                {.kv = KvGeometry{attention->num_kv_heads, c.head_dim, c.head_dim, c.window}, .state_floats = {}});
        else
            needs.push_back({.kv = {}, .state_floats = {(c.conv_kernel - 1) * c.hidden_size}});
    }
    return needs;
}

void read_experts(Source& file, Config& c, int64_t layers) {
    c.num_experts = file.integer("expert_count", 1, 1 << 16);
    c.num_experts_used = file.integer("expert_used_count", 1, c.num_experts);
    c.expert_size = file.integer("expert_feed_forward_length", 1, 1 << 24);
    c.num_dense_layers = file.integer_or("leading_dense_block_count", 0, 0, layers);
    constexpr int64_t kSigmoid = 2;
    if (file.integer_or("expert_gating_func", kSigmoid, 0, 100) != kSigmoid)
        file.problem("expert_gating_func is not 2 (sigmoid)");
}

Lfm2::Lfm2(Source& file) : c{} {
    info_.layers = file.integer("block_count", 1, 1 << 14);
    info_.context_tokens = file.integer("context_length", 1, int64_t{1} << 40);
    info_.architecture = file.architecture();
    info_.name = std::string(file.metadata().text("general.name").value_or(""));
    info_.hidden = c.hidden_size = file.integer("embedding_length", 1, 1 << 20);
    info_.vocabulary = table_rows(file, "token_embd.weight");
    c.eps = float(file.number("attention.layer_norm_rms_epsilon"));
    c.num_heads = largest_entry(file, "attention.head_count", 1, 1 << 16);
    c.head_dim = file.integer_or("attention.key_length", std::max<int64_t>(1, c.hidden_size / c.num_heads), 1, 1 << 16);
    if (file.integer_or("attention.value_length", c.head_dim, 1, 1 << 16) != c.head_dim)
        file.problem("attention.value_length differs from attention.key_length");
    c.window = file.integer_or("attention.sliding_window", 0, 0, int64_t{1} << 40);
    c.conv_kernel = file.integer("shortconv.l_cache", 2, 64);
    if (!file.metadata().boolean(file.architecture() + ".attention.causal").value_or(true))
        file.problem("attention.causal is false: the bidirectional form of this family is not built in");
    const auto kv_heads = entries(file, "attention.head_count_kv", info_.layers, c.num_heads);
    for (const int64_t count : kv_heads)
        if (count > 0 && c.num_heads % count != 0)
            file.problem(fmt::format("attention.head_count is {}, no multiple of the {} of attention.head_count_kv",
                                     c.num_heads, count));
    c.num_dense_layers = info_.layers;
    if (file.architecture() == "lfm2moe") read_experts(file, c, info_.layers);
    if (c.num_dense_layers > 0) c.intermediate_size = largest_entry(file, "feed_forward_length", 1, 1 << 24);
    c.expert_scale = float(file.number_or("expert_weights_scale", 1));
    if (c.expert_scale == 0) c.expert_scale = 1;  // "no scale" in files of older converters
    const int64_t rotated = file.integer_or("rope.dimension_count", c.head_dim, 2, c.head_dim);
    if (rotated % 2 != 0) file.problem("rope.dimension_count is odd");
    const RopeConfig rope = read_rope(file, rotated, info_.context_tokens);
    if (file.has_problems()) return;
    c.rope = make_rope(rope);

    const bool tied = !file.has("output.weight");
    embedding_ =
        file.weight("token_embd.weight", info_.vocabulary, c.hidden_size, tied ? WeightUse::both : WeightUse::look_up);
    if (!tied) output_ = file.weight("output.weight", info_.vocabulary, c.hidden_size);
    const char* final_norm = file.has("output_norm.weight") ? "output_norm.weight" : "token_embd_norm.weight";
    output_norm_ = file.floats(final_norm, c.hidden_size);

    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        Layer& layer = layers_.emplace_back();
        if (kv_heads[size_t(i)] > 0)
            layer.mixer = load_attention(file, blk, c, kv_heads[size_t(i)]);
        else
            layer.mixer = load_conv(file, blk, c);
        if (i < c.num_dense_layers)
            layer.ffn = load_mlp(file, blk, "", c.hidden_size, c.intermediate_size);
        else
            layer.ffn = load_experts(file, blk, c);
        layer.mixer_norm = file.floats(blk + "attn_norm.weight", c.hidden_size);
        layer.ffn_norm = file.floats(blk + "ffn_norm.weight", c.hidden_size);
    }
    info_.parameters = file.parameters();
    info_.bytes_per_token = file.bytes_per_token();
    info_.operations_per_token = file.operations_per_token();
}

}  // namespace

std::unique_ptr<Model> load_lfm2(Source& source) {
    return std::make_unique<Lfm2>(source);
}

}  // namespace hearth
