// Mistral Small 4: latent attention and experts. Keys and values of all heads are linear in one short latent vector,
// and that vector is all the cache holds: queries are carried into its space (attn_k_b), attention runs there with one
// key and value head, and what it returns is carried out again (attn_v_b). Positions live in a few extra values beside
// the latent, shared by all heads.
#include <cmath>
#include <variant>
#include <vector>

#include "models/blocks.h"
#include "models/decoder.h"
#include "models/experts.h"
#include "models/registry.h"

namespace hearth {

namespace {

struct Config {
    int64_t num_heads, query_rank, latent, nope, rotated, value_dim;
    int64_t intermediate_size, dense_layers;
    ExpertCounts experts;
    int64_t shared_width;
    RouteRule route;
    float eps, attention_scale;
    Rope rope;
    float temperature;
    int64_t temperature_period;
};

// Queries come from one matrix, or through a narrow middle with a norm.
struct DirectQuery {
    Weight query;
};
struct NarrowQuery {
    Weight down, up;
    Tensor norm;
};
struct RoutedExperts {
    Experts routed;
    Mlp shared;
};
struct Layer {
    std::variant<NarrowQuery, DirectQuery> query;
    Weight latent_and_rotated;        // one latent, then the rotated part of the key, for all heads
    Weight into_latent, from_latent;  // one matrix per head
    Weight attention_output;
    std::variant<RoutedExperts, Mlp> ffn;
    Tensor latent_norm, attention_norm, ffn_norm;
};

class Mistral4 final : public Model {
public:
    explicit Mistral4(Source& file);
    std::vector<LayerNeeds> needs() const override {
        return {size_t(info_.layers),
                LayerNeeds{.kv = KvGeometry{1, c.latent + c.rotated, c.latent}, .state_floats = {}}};
    }
    Tensor embed(Ops& ops, const Step& step) const override { return ops.embed(step, ends_.embedding); }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor head(Ops& ops, Tensor x) const override { return logits(ops, ends_, x, c.eps); }
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, ends_.norm, c.eps); }

private:
    Tensor query(Ops& ops, const DirectQuery& w, Tensor x) const { return ops.linear(x, w.query); }
    Tensor query(Ops& ops, const NarrowQuery& w, Tensor x) const {
        return ops.linear(ops.rms_norm(ops.linear(x, w.down), w.norm, c.eps), w.up);
    }
    Tensor attend(Ops& ops, const Layer& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor feed_forward(Ops& ops, const Mlp& w, Tensor x) const { return mlp(ops, w, x); }
    Tensor feed_forward(Ops& ops, const RoutedExperts& w, Tensor x) const;

    Config c;
    std::vector<Layer> layers_;
    Ends ends_;
};

Tensor Mistral4::attend(Ops& ops, const Layer& w, Tensor x, const LayerState& state, const Step& step) const {
    const Tensor all_q = std::visit([&](const auto& part) { return query(ops, part, x); }, w.query);
    const auto [q_nope, q_rotated] = all_q.heads(c.num_heads).split<2>({c.nope, c.rotated});
    const auto [latent, k_rotated] = ops.linear(x, w.latent_and_rotated).split<2>({c.latent, c.rotated});

    Tensor v = ops.rms_norm(latent, w.latent_norm, c.eps);
    Tensor k = ops.concat(v, ops.rope(k_rotated, c.rope, step));
    Tensor q = ops.concat(ops.head_linear(q_nope, w.into_latent), ops.rope(q_rotated, c.rope, step));
    if (c.temperature != 0) q = ops.position_scale(q, c.temperature, c.temperature_period, 0, step);
    Tensor y = ops.attention(q, k, v, {.scale = c.attention_scale}, *state.kv, step);
    return ops.linear(ops.head_linear(y, w.from_latent).joined(), w.attention_output);
}

Tensor Mistral4::feed_forward(Ops& ops, const RoutedExperts& w, Tensor x) const {
    Routing routing = ops.route(ops.linear(x, w.routed.router), c.route);
    Tensor y = ops.expert_sum(expert_mlps(ops, w.routed, x, routing), routing);
    return w.shared.gate ? ops.add(y, mlp(ops, w.shared, x)) : y;
}

void Mistral4::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    ops.add_to(x, attend(ops, w, ops.rms_norm(x, w.attention_norm, c.eps), state, step));
    Tensor h = ops.rms_norm(x, w.ffn_norm, c.eps);
    ops.add_to(x, std::visit([&](const auto& ffn) { return feed_forward(ops, ffn, h); }, w.ffn));
}

// Files of this family store 0.1 times the published multiplier. The scale of the scores takes back what the multiplier
// takes from the rotation's magnitude, so that it holds whatever the multiplier is.
void read_positions(Source& file, int64_t context_tokens, Config& c) {
    RopeConfig rope = read_rope(file, c.rotated, context_tokens);
    read_yarn(file, rope);
    rope.log_multiplier *= 10;
    rope.adjacent = true;
    c.temperature = float(file.number_or("attention.temperature_scale", 0));
    c.temperature_period = file.integer_or("attention.temperature_length",
                                           int64_t(std::max(1.0, rope.original_context)), 1, int64_t{1} << 40);
    if (file.has_problems()) return;
    c.rope = make_rope(rope);
    const bool stretched = rope.scaling == "yarn" && rope.factor > 1;
    const double magnitude =
        double(c.rope.magnitude) * (stretched ? 1 + 0.1 * rope.log_multiplier * std::log(rope.factor) : 1);
    c.attention_scale = float(magnitude * magnitude / std::sqrt(double(c.nope + c.rotated)));
}

Config read_config(Source& file, int64_t context_tokens) {
    Config c{};
    c.eps = float(file.number("attention.layer_norm_rms_epsilon"));
    c.num_heads = uniform_entry(file, "attention.head_count", 1, 1 << 16);
    if (uniform_entry_or(file, "attention.head_count_kv", 1, 1, 1 << 16) != 1)
        file.problem("attention.head_count_kv is not 1: the file does not hold latent attention");
    c.query_rank = file.integer_or("attention.q_lora_rank", 0, 0, 1 << 16);
    c.latent = file.integer("attention.kv_lora_rank", 1, 1 << 16);
    c.rotated = file.integer("rope.dimension_count", 2, 1 << 16);
    const int64_t key_dim = file.integer("attention.key_length_mla", 1, 1 << 16);
    c.nope = key_dim - c.rotated;
    c.value_dim = file.integer("attention.value_length_mla", 1, 1 << 16);
    if (c.rotated % 2 != 0) file.problem("rope.dimension_count is odd");
    if (c.nope < 1) file.problem("attention.key_length_mla leaves nothing beside rope.dimension_count");

    c.intermediate_size = uniform_entry_or(file, "feed_forward_length", 1, 1, 1 << 24);
    c.dense_layers = file.integer_or("leading_dense_block_count", 0, 0, 1 << 14);
    c.experts = read_experts(file);
    c.shared_width = file.integer_or("expert_shared_count", 0, 0, 1 << 10) * c.experts.width;
    const double scale = file.number_or("expert_weights_scale", 0);
    c.route = {.gate = file.integer_or("expert_gating_func", 1, 1, 2) == 2 ? RouteRule::Gate::sigmoid
                                                                           : RouteRule::Gate::softmax,
               .used = c.experts.used,
               .renormalise = file.flag_or("expert_weights_norm", false),
               .scale = scale != 0 ? float(scale) : 1};
    if (file.integer_or("expert_group_count", 1, 0, 1 << 16) > 1)
        file.problem("expert_group_count is above 1, which no published model of this family has");
    read_positions(file, context_tokens, c);
    return c;
}

Mistral4::Mistral4(Source& file) : c{} {
    info_ = read_info(file);
    c = read_config(file, info_.context_tokens);
    if (file.has_problems()) return;

    const int64_t hidden = info_.hidden, query_width = c.num_heads * (c.nope + c.rotated);
    ends_ = load_ends(file, info_);
    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        Layer& layer = layers_.emplace_back();
        if (c.query_rank > 0)
            layer.query = NarrowQuery{.down = file.weight(blk + "attn_q_a.weight", c.query_rank, hidden),
                                      .up = file.weight(blk + "attn_q_b.weight", query_width, c.query_rank),
                                      .norm = file.floats(blk + "attn_q_a_norm.weight", c.query_rank)};
        else
            layer.query = DirectQuery{file.weight(blk + "attn_q.weight", query_width, hidden)};
        layer.latent_and_rotated = file.weight(blk + "attn_kv_a_mqa.weight", c.latent + c.rotated, hidden);
        layer.latent_norm = file.floats(blk + "attn_kv_a_norm.weight", c.latent);
        layer.into_latent = file.experts(blk + "attn_k_b.weight", c.num_heads, c.latent, c.nope, c.num_heads);
        layer.from_latent = file.experts(blk + "attn_v_b.weight", c.num_heads, c.value_dim, c.latent, c.num_heads);
        layer.attention_output = file.weight(blk + "attn_output.weight", hidden, c.num_heads * c.value_dim);
        if (i < c.dense_layers) {
            layer.ffn = load_mlp(file, blk, "", hidden, c.intermediate_size);
        } else {
            RoutedExperts experts{.routed = load_experts(file, blk, c.experts, hidden), .shared = {}};
            if (c.shared_width > 0) experts.shared = load_mlp(file, blk, "_shexp", hidden, c.shared_width);
            layer.ffn = std::move(experts);
        }
        layer.attention_norm = file.floats(blk + "attn_norm.weight", hidden);
        layer.ffn_norm = file.floats(blk + "ffn_norm.weight", hidden);
    }
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_mistral4(Source& source) {
    return std::make_unique<Mistral4>(source);
}

}  // namespace hearth
