// Qwen 3.5, text, dense and with experts. Three of four layers carry a fixed-size memory (gated delta rule); the fourth
// attends over the whole past. Names follow the published config.json. The one surprise: query and output gate share
// one matrix, their rows alternate head by head, and value head h uses key head h % num_key_heads.
#include "models/qwen35.h"

#include <cmath>
#include <vector>

#include "models/registry.h"

namespace hearth::qwen35 {

FullAttention load_attention(Source& file, const std::string& blk, const Config& c) {
    return {.query_and_gate = file.weight(blk + "attn_q.weight", 2 * c.num_heads * c.head_dim, c.hidden_size),
            .key = file.weight(blk + "attn_k.weight", c.num_kv_heads * c.head_dim, c.hidden_size),
            .value = file.weight(blk + "attn_v.weight", c.num_kv_heads * c.head_dim, c.hidden_size),
            .output = file.weight(blk + "attn_output.weight", c.hidden_size, c.num_heads * c.head_dim),
            .query_norm = file.floats(blk + "attn_q_norm.weight", c.head_dim),
            .key_norm = file.floats(blk + "attn_k_norm.weight", c.head_dim)};
}

// Experts of a drafting layer in Ollama's dialect are matrices of their own, under the published names.
static Weight load_stack(Source& file, const std::string& blk, const std::string& part, const Config& c, int64_t out,
                         int64_t in) {
    const std::string own = blk + "mlp.experts.", proj = "." + part + "_proj.weight";
    if (!file.has(own + "0" + proj))
        return file.experts(blk + "ffn_" + part + "_exps.weight", c.num_experts, out, in, c.num_experts_used);
    std::vector<std::string> names;
    for (int64_t expert = 0; expert < c.num_experts; ++expert)
        names.push_back(fmt::format("{}{}{}", own, expert, proj));
    return file.experts(names, out, in, c.num_experts_used);
}

static Experts load_experts(Source& file, const std::string& blk, const Config& c) {
    Experts experts;
    experts.router = file.weight(blk + "ffn_gate_inp.weight", c.num_experts, c.hidden_size);
    if (file.has(blk + "ffn_gate_up_exps.weight")) {
        experts.gate_up = load_stack(file, blk, "gate_up", c, 2 * c.expert_size, c.hidden_size);
    } else {
        experts.gate = load_stack(file, blk, "gate", c, c.expert_size, c.hidden_size);
        experts.up = load_stack(file, blk, "up", c, c.expert_size, c.hidden_size);
    }
    experts.down = load_stack(file, blk, "down", c, c.hidden_size, c.expert_size);
    experts.shared_gate = file.weight(blk + "ffn_gate_inp_shexp.weight", 1, c.hidden_size);
    experts.shared = load_mlp(file, blk, "_shexp", c.hidden_size, c.shared_expert_size);
    return experts;
}

FeedForward load_feed_forward(Source& file, const std::string& blk, const Config& c) {
    if (c.num_experts > 0) return load_experts(file, blk, c);
    return load_mlp(file, blk, "", c.hidden_size, c.intermediate_size);
}

Tensor attend(Ops& ops, const Config& c, const FullAttention& w, Tensor x, const LayerState& state, const Step& step) {
    auto [query_and_gate, key, value] = ops.linears(x, w.query_and_gate, w.key, w.value);
    auto [q, gate] = query_and_gate.heads(c.num_heads).halves();
    Tensor k = key.heads(c.num_kv_heads), v = value.heads(c.num_kv_heads);
    q = ops.rope(ops.rms_norm(q, w.query_norm, c.eps), c.rope, step);
    k = ops.rope(ops.rms_norm(k, w.key_norm, c.eps), c.rope, step);
    const AttentionRule rule{.scale = 1 / std::sqrt(float(c.head_dim))};
    Tensor y = ops.attention(q, k, v, rule, *state.kv, step);
    return ops.linear(ops.gate(y, gate).joined(), w.output);
}

static Tensor mix_experts(Ops& ops, const Config& c, const Experts& w, Tensor x) {
    Routing routing = ops.route(ops.linear(x, w.router), {.used = c.num_experts_used});
    Tensor gate, up;
    if (w.gate_up) {
        auto [first, second] = ops.expert_linear(x, w.gate_up, routing).halves();
        gate = first, up = second;
    } else {
        gate = ops.expert_linear(x, w.gate, routing);
        up = ops.expert_linear(x, w.up, routing);
    }
    Tensor routed = ops.expert_sum(ops.expert_linear(ops.swiglu(gate, up), w.down, routing), routing);
    Tensor share = ops.map(Function::sigmoid, ops.linear(x, w.shared_gate));
    return ops.add(routed, ops.multiply(mlp(ops, w.shared, x), share));
}

Tensor feed_forward(Ops& ops, const Config& c, const FeedForward& w, Tensor x) {
    if (const auto* experts = std::get_if<Experts>(&w)) return mix_experts(ops, c, *experts, x);
    return mlp(ops, std::get<Mlp>(w), x);
}

Config read_config(Source& file, int64_t context_tokens) {
    Config c{};
    c.hidden_size = file.integer("embedding_length", 1, 1 << 20);
    c.eps = float(file.number("attention.layer_norm_rms_epsilon"));
    c.num_heads = file.integer("attention.head_count", 1, 1 << 16);
    c.num_kv_heads = largest_entry(file, "attention.head_count_kv", 1, 1 << 16);
    c.head_dim = file.integer("attention.key_length", 1, 1 << 16);
    if (file.integer_or("attention.value_length", c.head_dim, 1, 1 << 16) != c.head_dim)
        file.problem("attention.value_length differs from attention.key_length");
    if (c.num_heads % c.num_kv_heads != 0)
        file.problem("attention.head_count is no multiple of attention.head_count_kv");

    c.conv_kernel = file.integer("ssm.conv_kernel", 1, 64);
    c.state_size = file.integer("ssm.state_size", 1, 1 << 12);
    c.num_key_heads = file.integer("ssm.group_count", 1, 1 << 16);
    c.num_value_heads = file.integer("ssm.time_step_rank", 1, 1 << 16);
    if (c.num_value_heads % c.num_key_heads != 0) file.problem("ssm.time_step_rank is no multiple of ssm.group_count");
    // Ollama's converter says whether it reordered them; all others do.
    if (!file.metadata().boolean(file.architecture() + ".ssm.v_head_reordered").value_or(true) &&
        c.num_value_heads != c.num_key_heads)
        file.problem(
            "ssm.v_head_reordered is false: value heads are grouped by key head, expected one of each in turn");
    if (file.integer("ssm.inner_size", 1, 1 << 24) != c.value_width())
        file.problem("ssm.inner_size is not ssm.time_step_rank x ssm.state_size");

    if (file.architecture() == "qwen35moe") {
        c.num_experts = file.integer("expert_count", 1, 1 << 16);
        c.num_experts_used = file.integer("expert_used_count", 1, c.num_experts);
        c.expert_size = file.integer("expert_feed_forward_length", 1, 1 << 24);
        c.shared_expert_size = file.integer("expert_shared_feed_forward_length", 1, 1 << 24);
    } else {
        c.intermediate_size = file.integer("feed_forward_length", 1, 1 << 24);
    }

    const int64_t rotated = file.integer_or("rope.dimension_count", c.head_dim, 2, c.head_dim);
    if (rotated % 2 != 0) file.problem("rope.dimension_count is odd");
    RopeConfig rope = read_rope(file, rotated, context_tokens);
    auto sections = file.integers("rope.dimension_sections");
    for (const char* other : {"mrope_sections", "rope.mrope_section"})  // Ollama's files, with three entries
        if (!sections) sections = file.integers(other);
    if (sections && sections->size() <= 4) {
        for (size_t i = 0; i < sections->size(); ++i)
            rope.sections[i] = std::clamp<int64_t>((*sections)[i], 0, rotated);
    } else {
        file.problem("rope.dimension_sections is missing or has more than four entries");
    }
    if (!file.has_problems()) c.rope = make_rope(rope);
    return c;
}

}  // namespace hearth::qwen35

namespace hearth {

namespace {

using namespace qwen35;

struct DeltaNet {
    Weight qkv, gate, alpha, beta, output;
    Tensor conv_taps, dt_bias, decay, norm;
};
struct Layer {
    std::variant<DeltaNet, FullAttention> mixer;
    FeedForward ffn;
    Tensor mixer_norm, ffn_norm;
};

DeltaNet load_delta_net(Source& file, const std::string& blk, const Config& c) {
    const std::string dt =
        file.has(blk + "ssm_dt.bias") ? "ssm_dt.bias" : "ssm_dt";  // Ollama's files leave the suffix away
    return {.qkv = file.weight(blk + "attn_qkv.weight", c.conv_width(), c.hidden_size),
            .gate = file.weight(blk + "attn_gate.weight", c.value_width(), c.hidden_size),
            .alpha = file.weight(blk + "ssm_alpha.weight", c.num_value_heads, c.hidden_size),
            .beta = file.weight(blk + "ssm_beta.weight", c.num_value_heads, c.hidden_size),
            .output = file.weight(blk + "ssm_out.weight", c.hidden_size, c.value_width()),
            .conv_taps = file.floats(blk + "ssm_conv1d.weight", c.conv_width(), c.conv_kernel),
            .dt_bias = file.floats(blk + dt, c.num_value_heads),
            .decay = file.floats(blk + "ssm_a", c.num_value_heads),
            .norm = file.floats(blk + "ssm_norm.weight", c.state_size)};
}

class Qwen35 final : public Model {
public:
    explicit Qwen35(Source& file);
    std::vector<LayerNeeds> needs() const override;
    Tensor embed(Ops& ops, const Step& step) const override { return ops.embed(step, ends_.embedding); }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, ends_.norm, c.eps); }
    Tensor head(Ops& ops, Tensor x) const override { return logits(ops, ends_, x, c.eps); }

private:
    Tensor mix(Ops& ops, const DeltaNet& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor mix(Ops& ops, const FullAttention& w, Tensor x, const LayerState& state, const Step& step) const {
        return attend(ops, c, w, x, state, step);
    }

    friend const Ends* qwen35::ends_of(const Model& model);

    Config c;
    std::vector<Layer> layers_;
    Ends ends_;
};

Tensor Qwen35::mix(Ops& ops, const DeltaNet& w, Tensor x, const LayerState& state, const Step& step) const {
    auto [qkv, gate, alpha, beta] = ops.linears(x, w.qkv, w.gate, w.alpha, w.beta);
    Tensor mixed = ops.causal_conv_silu(qkv, w.conv_taps, {}, state.recurrent[0], step);
    auto [q, k, v] = mixed.split<3>({c.key_width(), c.key_width(), c.value_width()});

    // Log of the share of old memory each head keeps. decay holds -exp(A_log), so this is never positive.
    Tensor log_keep = ops.multiply(ops.map(Function::softplus, ops.add(alpha, w.dt_bias)), w.decay);
    Tensor write = ops.map(Function::sigmoid, beta);  // how strongly the new value is written

    constexpr float kNormEps = 1e-6f;
    const float q_scale = 1 / std::sqrt(float(c.state_size));
    Tensor y = ops.gated_delta_rule({.q = ops.scale(ops.l2_norm(q.heads(c.num_key_heads), kNormEps), q_scale),
                                     .k = ops.l2_norm(k.heads(c.num_key_heads), kNormEps),
                                     .v = v.heads(c.num_value_heads),
                                     .log_keep = log_keep,
                                     .write = write},
                                    state.recurrent[1], step);
    y = ops.norm_and_gate(y, w.norm, gate.heads(c.num_value_heads), c.eps);
    return ops.linear(y.joined(), w.output);
}

void Qwen35::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    Tensor h = ops.rms_norm(x, w.mixer_norm, c.eps);
    ops.add_to(x, std::visit([&](const auto& mixer) { return mix(ops, mixer, h, state, step); }, w.mixer));
    h = ops.rms_norm(x, w.ffn_norm, c.eps);
    ops.add_to(x, feed_forward(ops, c, w.ffn, h));
}

std::vector<LayerNeeds> Qwen35::needs() const {
    std::vector<LayerNeeds> needs;
    for (const Layer& layer : layers_) {
        if (std::holds_alternative<FullAttention>(layer.mixer))
            needs.push_back({.kv = KvGeometry{c.num_kv_heads, c.head_dim, c.head_dim}, .state_floats = {}});
        else
            needs.push_back({.kv = {},
                             .state_floats = {(c.conv_kernel - 1) * c.conv_width(),
                                              c.num_value_heads * c.state_size * c.state_size}});
    }
    return needs;
}

// Which layers carry a memory: listed in the file, or all but every interval-th.
std::vector<bool> recurrent_layers(Source& file, int64_t layers) {
    std::vector<bool> recurrent;
    const auto listed = file.integers("attention.recurrent_layers");
    if (listed && int64_t(listed->size()) < layers)
        file.problem("attention.recurrent_layers is shorter than the model");
    const int64_t interval = file.integer_or("full_attention_interval", 4, 1, 1 << 20);
    for (int64_t i = 0; i < layers; ++i)
        recurrent.push_back(listed && i < int64_t(listed->size()) ? (*listed)[size_t(i)] != 0
                                                                  : (i + 1) % interval != 0);
    return recurrent;
}

Qwen35::Qwen35(Source& file) {
    info_ = read_info(file);
    info_.layers -= file.integer_or("nextn_predict_layers", 0, 0, 1 << 10);
    if (info_.layers < 1) file.problem("nextn_predict_layers leaves no layer of block_count");
    c = read_config(file, info_.context_tokens);
    if (file.has_problems()) return;

    ends_ = load_ends(file, info_);
    const std::vector<bool> recurrent = recurrent_layers(file, info_.layers);
    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        Layer& layer = layers_.emplace_back();
        if (recurrent[size_t(i)])
            layer.mixer = load_delta_net(file, blk, c);
        else
            layer.mixer = load_attention(file, blk, c);
        layer.ffn = load_feed_forward(file, blk, c);
        layer.mixer_norm = file.floats(blk + "attn_norm.weight", c.hidden_size);
        layer.ffn_norm = file.floats(blk + "post_attention_norm.weight", c.hidden_size);
    }
    count_weights(file, info_);
}

}  // namespace

const Ends* qwen35::ends_of(const Model& model) {
    const auto* trunk = dynamic_cast<const Qwen35*>(&model);
    return trunk ? &trunk->ends_ : nullptr;
}

std::unique_ptr<Model> load_qwen35(Source& source) {
    return std::make_unique<Qwen35>(source);
}

}  // namespace hearth
