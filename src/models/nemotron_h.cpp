// Nemotron-H: Nemotron Nano v2 and Nemotron 3 Nano, dense and with experts. Every block is one norm, one mixer and one
// addition; the mixer is Mamba-2, attention, a feed-forward with squared ReLU, or experts. The surprises: attention
// knows no positions at all (the Mamba blocks order the tokens), Mamba's output is gated before it is normalised, and
// no key says of which kind a block is: two lists of lengths do.
#include <cmath>
#include <variant>
#include <vector>

#include "models/blocks.h"
#include "models/decoder.h"
#include "models/registry.h"

namespace hearth {

namespace {

struct Config {
    int64_t hidden_size;
    int64_t mamba_heads, inner_size, num_groups, state_size, conv_kernel;  // of the Mamba blocks
    int64_t num_experts, num_experts_used, shared_expert_size;
    int64_t latent_size;  // what the routed experts read and write: the hidden size, or less behind two projections
    int64_t num_expert_groups, num_expert_groups_used;
    bool renormalise;
    float expert_scale, eps;

    bool has_latent() const { return latent_size != hidden_size; }
    int64_t group_width() const { return num_groups * state_size; }  // of all B; of all C as well
    int64_t conv_width() const { return inner_size + 2 * group_width(); }
};

struct Linear {
    Weight weight;
    Tensor bias;  // optional
};
struct Mamba {
    Weight input, output;
    Tensor conv_taps, conv_bias, dt_bias, decay, skip, norm;
};
struct Attention {
    Heads heads;
    Qkv qkv;
    Linear output;
};
struct FeedForward {
    Linear up, down;
};
struct Experts {
    Weight router, up, down, latent_down, latent_up;
    Tensor choice_bias;
    FeedForward shared;
};
struct Block {
    std::variant<Mamba, Attention, FeedForward, Experts> mixer;
    Tensor norm;
};

Linear load_linear(Source& file, const std::string& stem, int64_t out, int64_t in) {
    return {.weight = file.weight(stem + ".weight", out, in), .bias = optional_bias(file, stem + ".bias", out)};
}

// Rows of a small tensor seen as the heads of one row: one part for each head or group.
Tensor load_parts(Source& file, const std::string& name, int64_t parts, int64_t width) {
    const Tensor rows = file.floats(name, parts, width);
    return rows ? Tensor::dense(rows.data, 1, parts, width) : rows;
}

Mamba load_mamba(Source& file, const std::string& blk, const Config& c) {
    return {.input = file.weight(blk + "ssm_in.weight", c.inner_size + c.conv_width() + c.mamba_heads, c.hidden_size),
            .output = file.weight(blk + "ssm_out.weight", c.hidden_size, c.inner_size),
            .conv_taps = file.floats(blk + "ssm_conv1d.weight", c.conv_width(), c.conv_kernel),
            .conv_bias = file.floats(blk + "ssm_conv1d.bias", c.conv_width()),
            .dt_bias = file.floats(blk + "ssm_dt.bias", c.mamba_heads),
            .decay = load_parts(file, blk + "ssm_a", c.mamba_heads, 1),
            .skip = load_parts(file, blk + "ssm_d", c.mamba_heads, 1),
            .norm = load_parts(file, blk + "ssm_norm.weight", c.num_groups, c.inner_size / c.num_groups)};
}

Attention load_attention(Source& file, const std::string& blk, const Config& c, const Heads& heads) {
    return {.heads = heads,
            .qkv = load_qkv(file, blk, heads, c.hidden_size),
            .output = load_linear(file, blk + "attn_output", c.hidden_size, heads.query_width())};
}

FeedForward load_feed_forward(Source& file, const std::string& blk, const std::string& suffix, const Config& c,
                              int64_t width) {
    return {.up = load_linear(file, blk + "ffn_up" + suffix, width, c.hidden_size),
            .down = load_linear(file, blk + "ffn_down" + suffix, c.hidden_size, width)};
}

Experts load_experts(Source& file, const std::string& blk, const Config& c, int64_t width) {
    const int64_t count = c.num_experts, used = c.num_experts_used;
    Experts w;
    w.router = file.weight(blk + "ffn_gate_inp.weight", count, c.hidden_size);
    w.choice_bias = file.floats(blk + "exp_probs_b.bias", count);
    if (c.has_latent()) {
        w.latent_down = file.weight(blk + "ffn_latent_down.weight", c.latent_size, c.hidden_size);
        w.latent_up = file.weight(blk + "ffn_latent_up.weight", c.hidden_size, c.latent_size);
    }
    w.up = file.experts(blk + "ffn_up_exps.weight", count, width, c.latent_size, used);
    w.down = file.experts(blk + "ffn_down_exps.weight", count, c.latent_size, width, used);
    w.shared = load_feed_forward(file, blk, "_shexp", c, c.shared_expert_size);
    return w;
}

Tensor linear(Ops& ops, const Linear& w, Tensor x) {
    return with_bias(ops, ops.linear(x, w.weight), w.bias);
}

class NemotronH final : public Model {
public:
    explicit NemotronH(Source& file);
    std::vector<LayerNeeds> needs() const override;
    Tensor embed(Ops& ops, const Step& step) const override { return ops.embed(step, ends_.embedding); }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, ends_.norm, c.eps); }
    Tensor head(Ops& ops, Tensor x) const override { return logits(ops, ends_, x, c.eps); }

private:
    Tensor mix(Ops& ops, const Mamba& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor mix(Ops& ops, const Attention& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor mix(Ops& ops, const Experts& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor mix(Ops& ops, const FeedForward& w, Tensor x, const LayerState&, const Step&) const {
        return linear(ops, w.down, ops.map(Function::relu_squared, linear(ops, w.up, x)));
    }

    Config c;
    std::vector<Block> blocks_;
    Ends ends_;
};

Tensor NemotronH::mix(Ops& ops, const Mamba& w, Tensor x, const LayerState& state, const Step& step) const {
    auto [gate, conv, dt] = ops.linear(x, w.input).split<3>({c.inner_size, c.conv_width(), c.mamba_heads});
    Tensor mixed = ops.causal_conv_silu(conv, w.conv_taps, w.conv_bias, state.recurrent[0], step);
    auto [u, b, read] = mixed.split<3>({c.inner_size, c.group_width(), c.group_width()});
    Tensor y = ops.mamba({.u = u.heads(c.mamba_heads),
                          .b = b.heads(c.num_groups),
                          .c = read.heads(c.num_groups),
                          .dt = ops.map(Function::softplus, ops.add(dt, w.dt_bias)),
                          .a = w.decay,
                          .d = w.skip},
                         state.recurrent[1], step);
    y = ops.swiglu(gate, y.joined());  // the gate first, then the norm, group by group
    return ops.linear(ops.rms_norm(y.heads(c.num_groups), w.norm, c.eps).joined(), w.output);
}

Tensor NemotronH::mix(Ops& ops, const Attention& w, Tensor x, const LayerState& state, const Step& step) const {
    const auto [q, k, v] = project(ops, w.qkv, x, w.heads);
    const AttentionRule rule{.scale = 1 / std::sqrt(float(w.heads.width))};
    Tensor y = ops.attention(q, k, v, rule, *state.kv, step);
    return linear(ops, w.output, y.joined());
}

Tensor NemotronH::mix(Ops& ops, const Experts& w, Tensor x, const LayerState& state, const Step& step) const {
    Routing routing = ops.route(ops.linear(x, w.router), {.gate = RouteRule::Gate::sigmoid,
                                                          .used = c.num_experts_used,
                                                          .choice_bias = w.choice_bias,
                                                          .renormalise = c.renormalise,
                                                          .scale = c.expert_scale,
                                                          .groups = c.num_expert_groups,
                                                          .groups_used = c.num_expert_groups_used});
    // The router and the shared expert see the block's input; only the routed experts live in the latent space.
    Tensor h = c.has_latent() ? ops.linear(x, w.latent_down) : x;
    h = ops.map(Function::relu_squared, ops.expert_linear(h, w.up, routing));
    Tensor routed = ops.expert_sum(ops.expert_linear(h, w.down, routing), routing);
    if (c.has_latent()) routed = ops.linear(routed, w.latent_up);
    return ops.add(routed, mix(ops, w.shared, x, state, step));
}

void NemotronH::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Block& w = blocks_[size_t(index)];
    Scratch scratch = ops.scratch();
    Tensor h = ops.rms_norm(x, w.norm, c.eps);
    ops.add_to(x, std::visit([&](const auto& mixer) { return mix(ops, mixer, h, state, step); }, w.mixer));
}

std::vector<LayerNeeds> NemotronH::needs() const {
    std::vector<LayerNeeds> needs;
    for (const Block& block : blocks_) {
        if (const auto* attention = std::get_if<Attention>(&block.mixer))
            needs.push_back({.kv = attention->heads.geometry(), .state_floats = {}});
        else if (std::holds_alternative<Mamba>(block.mixer))
            needs.push_back(
                {.kv = {}, .state_floats = {(c.conv_kernel - 1) * c.conv_width(), c.inner_size * c.state_size}});
        else
            needs.push_back({});
    }
    return needs;
}

void read_mamba(Source& file, Config& c) {
    c.conv_kernel = file.integer("ssm.conv_kernel", 2, 64);
    c.state_size = file.integer("ssm.state_size", 1, 1 << 12);
    c.num_groups = file.integer("ssm.group_count", 1, 1 << 16);
    c.inner_size = file.integer("ssm.inner_size", 1, 1 << 24);
    c.mamba_heads = file.integer("ssm.time_step_rank", 1, 1 << 16);
    if (c.inner_size % c.mamba_heads != 0) file.problem("ssm.inner_size is no multiple of ssm.time_step_rank");
    if (c.inner_size % c.num_groups != 0) file.problem("ssm.inner_size is no multiple of ssm.group_count");
    if (c.mamba_heads % c.num_groups != 0) file.problem("ssm.time_step_rank is no multiple of ssm.group_count");
}

void read_experts(Source& file, Config& c) {
    c.num_experts = file.integer("expert_count", 1, 1 << 16);
    c.num_experts_used = file.integer("expert_used_count", 1, c.num_experts);
    c.shared_expert_size = file.integer("expert_shared_feed_forward_length", 1, 1 << 24);
    c.latent_size = file.integer_or("moe_latent_size", c.hidden_size, 1, 1 << 20);
    c.renormalise = file.metadata().boolean(file.architecture() + ".expert_weights_norm").value_or(false);
    c.expert_scale = float(file.number_or("expert_weights_scale", 1));
    if (c.expert_scale == 0) c.expert_scale = 1;  // "no scale" in files of older converters
    c.num_expert_groups = file.integer_or("expert_group_count", 1, 1, c.num_experts);
    c.num_expert_groups_used = file.integer_or("expert_group_used_count", 1, 1, c.num_expert_groups);
    if (c.num_experts % c.num_expert_groups != 0)
        file.problem("expert_count is no multiple of expert_group_count");
    else if (c.num_experts_used > c.num_experts / c.num_expert_groups * c.num_expert_groups_used)
        file.problem("expert_used_count is more than the experts of expert_group_used_count groups");
}

NemotronH::NemotronH(Source& file) : c{} {
    info_ = read_info(file);
    c.hidden_size = info_.hidden;
    c.eps = float(file.number("attention.layer_norm_rms_epsilon"));
    const Heads heads = read_hybrid_heads(file, c.hidden_size);
    const auto feed_forward = per_layer(file, "feed_forward_length", info_.layers, 0, 1 << 24);
    const auto kv_heads = read_kv_heads(file, info_.layers, heads.count);
    read_mamba(file, c);
    if (file.architecture() == "nemotron_h_moe") read_experts(file, c);
    if (file.has_problems()) return;

    ends_ = load_ends(file, info_);
    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        const int64_t width = feed_forward[size_t(i)];
        Heads own = heads;
        own.kv_count = kv_heads[size_t(i)];
        Block& block = blocks_.emplace_back();
        if (width > 0 && c.num_experts > 0)
            block.mixer = load_experts(file, blk, c, width);
        else if (width > 0)
            block.mixer = load_feed_forward(file, blk, "", c, width);
        else if (own.kv_count > 0)
            block.mixer = load_attention(file, blk, c, own);
        else
            block.mixer = load_mamba(file, blk, c);
        block.norm = file.floats(blk + "attn_norm.weight", c.hidden_size);
    }
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_nemotron_h(Source& source) {
    return std::make_unique<NemotronH>(source);
}

}  // namespace hearth
