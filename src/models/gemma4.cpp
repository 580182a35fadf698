// Gemma 4, text: E2B, E4B, 12B, 26B-A4B, 31B. Sliding-window layers and full-attention layers have heads of different
// width; the last layers of the small models have no keys of their own and read those of the last layers that do; the
// large ones use keys as values in full layers. The one surprise: the attention scale is 1, since queries and keys are
// normalised, and values always are too, without a weight. Names follow the published config.json.
#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "models/blocks.h"
#include "models/decoder.h"
#include "models/drafter.h"
#include "models/registry.h"
#include "models/rope.h"

namespace hearth {

namespace {

// What all layers of one kind have in common.
struct Kind {
    int64_t head_dim = 0, window = 0;  // window 0: all keys
    Rope rope;
};
struct Config {
    int64_t hidden_size = 0;
    float eps = 0;
    Kind sliding, full;

    const Kind& kind(bool is_sliding) const { return is_sliding ? sliding : full; }
};

struct Query {
    int64_t num_heads = 0;
    Weight query, output;
    Tensor query_norm;
};
struct Key {
    Weight key, value;  // no value: the key before its norm
    Tensor key_norm;
};
struct Experts {
    Weight router, gate, up, gate_up, down;  // gate_up: one stack instead of two, gate rows first
    Tensor router_scale, norm, post_norm, post_dense_norm;
};
// Adds what a slice of the second embedding table has to say, behind the feed-forward part.
struct PerLayerInput {
    Weight gate, output;
    Tensor post_norm;
};
struct Norms {
    Tensor attention, post_attention, ffn, post_ffn;
};
struct Layer {
    bool is_sliding = false;
    int64_t kv_layer = -1, num_kv_heads = 0;  // whose keys and values it reads: itself, or one of those before the tail
    Query query;
    std::optional<Key> key;
    Mlp mlp;
    std::optional<Experts> experts;
    std::optional<PerLayerInput> per_layer_input;
    Norms norms;
    float output_scale = 1;
};

KvGeometry geometry(const Config& c, const Layer& layer) {
    const Kind& kind = c.kind(layer.is_sliding);
    return {layer.num_kv_heads, kind.head_dim, kind.head_dim, kind.window};
}

// Keys and values are those of this step, or empty where the layer only reads another one's.
Tensor attend(Ops& ops, const Config& c, const Layer& w, Tensor query, std::array<Tensor, 2> key_and_value,
              const LayerState& state, const Step& step) {
    const Kind& kind = c.kind(w.is_sliding);
    Tensor q = ops.rms_norm(query.heads(w.query.num_heads), w.query.query_norm, c.eps);
    q = ops.rope(q, kind.rope, step);
    const auto [k, v] = key_and_value;
    return ops.linear(ops.attention(q, k, v, {.scale = 1, .window = kind.window}, *state.kv, step).joined(),
                      w.query.output);
}

class Gemma4 final : public Model {
public:
    explicit Gemma4(Source& file);
    std::vector<LayerNeeds> needs() const override;
    Tensor embed(Ops& ops, const Step& step) const override { return ops.embed(step, token_table_); }
    Tensor side_input(Ops& ops, Tensor embeddings, const Step& step) const override;
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, ends_.norm, c.eps); }
    const Weight& token_table() const { return token_table_; }
    Tensor head(Ops& ops, Tensor x) const override;

private:
    void lay_out(Source& file, const std::vector<bool>& is_sliding);
    void load_layer(Source& file, int64_t index, int64_t num_heads, int64_t intermediate_size);
    void load_per_layer_inputs(Source& file);
    Experts load_experts(Source& file, const std::string& blk) const;
    Tensor mix(Ops& ops, const Layer& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor feed_forward(Ops& ops, const Layer& w, Tensor x) const;
    Tensor routed(Ops& ops, const Experts& w, Tensor x) const;
    Tensor per_layer_input(int64_t index, Ops& ops, const LayerState& state, const Step& step) const;

    Config c;
    int64_t num_experts_ = 0, num_experts_used_ = 0, expert_size_ = 0, per_layer_width_ = 0;
    float softcap_ = 0;
    bool keys_are_values_ = false;  // in full layers
    std::vector<Layer> layers_;
    Ends ends_;
    Weight token_table_, per_layer_table_;  // looked up, with the factors the publication gives embeddings
    Weight per_layer_projection_;
    Tensor per_layer_norm_;
};

Tensor Gemma4::side_input(Ops& ops, Tensor embeddings, const Step&) const {
    return per_layer_width_ > 0 ? ops.linear(embeddings, per_layer_projection_) : Tensor();
}

// (rms(projection of the embedding / sqrt(hidden)) + row of the table * sqrt(width)) / sqrt(2). The first root went
// into the norm's eps, the second is the table's scale.
Tensor Gemma4::per_layer_input(int64_t index, Ops& ops, const LayerState& state, const Step& step) const {
    const int64_t begin = index * per_layer_width_;
    const float eps = c.eps * float(c.hidden_size);
    Tensor projected = ops.rms_norm(state.side_input.slice(begin, per_layer_width_), per_layer_norm_, eps);
    Tensor looked_up = ops.embed_part(step, per_layer_table_, begin, per_layer_width_);
    return ops.scale(ops.add(projected, looked_up), float(1 / std::sqrt(2.0)));
}

Tensor Gemma4::mix(Ops& ops, const Layer& w, Tensor x, const LayerState& state, const Step& step) const {
    if (!w.key) return attend(ops, c, w, ops.linear(x, w.query.query), {}, state, step);
    Tensor query, key, value;
    if (w.key->value) {
        auto [first, second, third] = ops.linears(x, w.query.query, w.key->key, w.key->value);
        query = first, key = second, value = third;
    } else {
        auto [first, second] = ops.linears(x, w.query.query, w.key->key);
        query = first, key = value = second;
    }
    Tensor k = ops.rms_norm(key.heads(w.num_kv_heads), w.key->key_norm, c.eps);
    Tensor v = ops.rms_norm(value.heads(w.num_kv_heads), {}, c.eps);
    return attend(ops, c, w, query, {ops.rope(k, c.kind(w.is_sliding).rope, step), v}, state, step);
}

Tensor Gemma4::routed(Ops& ops, const Experts& w, Tensor x) const {
    // The router's scale holds 1 / sqrt(hidden).
    const Tensor scores = ops.linear(ops.rms_norm(x, w.router_scale, c.eps), w.router);
    const Routing routing = ops.route(scores, {.used = num_experts_used_});
    const Tensor z = ops.rms_norm(x, w.norm, c.eps);
    Tensor gate, up;
    if (w.gate_up) {
        auto [first, second] = ops.expert_linear(z, w.gate_up, routing).halves();
        gate = first, up = second;
    } else {
        gate = ops.expert_linear(z, w.gate, routing);
        up = ops.expert_linear(z, w.up, routing);
    }
    return ops.expert_sum(ops.expert_linear(ops.geglu(gate, up), w.down, routing), routing);
}

// The dense part and the experts read the same x; each has norms of its own.
Tensor Gemma4::feed_forward(Ops& ops, const Layer& w, Tensor x) const {
    Tensor dense = gelu_mlp(ops, w.mlp, ops.rms_norm(x, w.norms.ffn, c.eps));
    if (!w.experts) return dense;
    return ops.add(ops.rms_norm(dense, w.experts->post_dense_norm, c.eps),
                   ops.rms_norm(routed(ops, *w.experts, x), w.experts->post_norm, c.eps));
}

void Gemma4::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    Tensor h = ops.rms_norm(x, w.norms.attention, c.eps);
    ops.add_to(x, ops.rms_norm(mix(ops, w, h, state, step), w.norms.post_attention, c.eps));
    ops.add_to(x, ops.rms_norm(feed_forward(ops, w, x), w.norms.post_ffn, c.eps));
    if (w.per_layer_input) {
        Tensor input = per_layer_input(index, ops, state, step);
        h = ops.linear(ops.geglu(ops.linear(x, w.per_layer_input->gate), input), w.per_layer_input->output);
        ops.add_to(x, ops.rms_norm(h, w.per_layer_input->post_norm, c.eps));
    }
    if (w.output_scale != 1) ops.scale_in_place(x, w.output_scale);
}

Tensor Gemma4::head(Ops& ops, Tensor x) const {
    const Tensor z = logits(ops, ends_, x, c.eps);
    return softcap_ > 0 ? ops.softcap(z, softcap_) : z;
}

std::vector<LayerNeeds> Gemma4::needs() const {
    std::vector<LayerNeeds> needs;
    for (const Layer& layer : layers_) {
        if (layer.kv_layer == int64_t(needs.size()))
            needs.push_back({.kv = geometry(c, layer), .state_floats = {}});
        else
            needs.push_back({.kv = {}, .state_floats = {}, .shares_kv_of = layer.kv_layer});
    }
    return needs;
}

// One entry per layer: whether it only sees a window.
std::vector<bool> read_pattern(Source& file, int64_t layers) {
    const auto listed = file.integers("attention.sliding_window_pattern");
    if (!listed || int64_t(listed->size()) != layers)
        file.problem(fmt::format("attention.sliding_window_pattern has {} entries, expected {}",
                                 listed ? int64_t(listed->size()) : 0, layers));
    std::vector<bool> pattern(size_t(layers), false);
    for (size_t i = 0; listed && i < std::min(pattern.size(), listed->size()); ++i) pattern[i] = (*listed)[i] != 0;
    return pattern;
}

Kind read_kind(Source& file, const std::string& suffix, double default_base, std::span<const float> divisors) {
    Kind kind;
    kind.head_dim = file.integer("attention.key_length" + suffix, 2, 1 << 16);
    if (file.integer("attention.value_length" + suffix, 2, 1 << 16) != kind.head_dim)
        file.problem(fmt::format("attention.value_length{0} differs from attention.key_length{0}", suffix));
    RopeConfig rope{.divisors = divisors};
    rope.dims = file.integer_or("rope.dimension_count" + suffix, kind.head_dim, 2, kind.head_dim);
    rope.base = file.number_or("rope.freq_base" + suffix, default_base);
    if (rope.dims % 2 != 0) file.problem(fmt::format("rope.dimension_count{} is odd", suffix));
    if (rope.base <= 1) file.problem(fmt::format("rope.freq_base{} is {}, expected more than 1", suffix, rope.base));
    if (!divisors.empty() && int64_t(divisors.size()) != rope.dims / 2)
        file.problem(fmt::format("rope_freqs.weight is {}, expected {}", divisors.size(), rope.dims / 2));
    if (!file.has_problems()) kind.rope = make_rope(rope);
    return kind;
}

// Full layers turn only some pairs of a head: the others have a divisor beyond all measure.
Config read_config(Source& file, const std::vector<bool>& is_sliding) {
    Config c;
    c.hidden_size = file.integer("embedding_length", 1, 1 << 20);
    c.eps = float(file.number("attention.layer_norm_rms_epsilon"));
    if (std::ranges::find(is_sliding, true) != is_sliding.end()) {
        c.sliding = read_kind(file, "_swa", 10000, {});
        c.sliding.window = file.integer("attention.sliding_window", 1, int64_t{1} << 40);
    }
    if (std::ranges::find(is_sliding, false) != is_sliding.end()) {
        std::vector<float> divisors(1, 1.0f);
        if (const StoredTensor* stored = file.checkpoint().find("rope_freqs.weight"))
            divisors = file.host_floats("rope_freqs.weight", std::clamp<int64_t>(stored->elements(), 1, 1 << 16));
        else
            file.problem("rope_freqs.weight is missing");
        c.full = read_kind(file, "", 10000, divisors);
    }
    return c;
}

Query load_query(Source& file, const std::string& blk, const Config& c, const Kind& kind, int64_t num_heads) {
    return {.num_heads = num_heads,
            .query = file.weight(blk + "attn_q.weight", num_heads * kind.head_dim, c.hidden_size),
            .output = file.weight(blk + "attn_output.weight", c.hidden_size, num_heads * kind.head_dim),
            .query_norm = file.floats(blk + "attn_q_norm.weight", kind.head_dim)};
}

Norms load_norms(Source& file, const std::string& blk, const Config& c) {
    return {.attention = file.floats(blk + "attn_norm.weight", c.hidden_size),
            .post_attention = file.floats(blk + "post_attention_norm.weight", c.hidden_size),
            .ffn = file.floats(blk + "ffn_norm.weight", c.hidden_size),
            .post_ffn = file.floats(blk + "post_ffw_norm.weight", c.hidden_size)};
}

float load_output_scale(Source& file, const std::string& blk) {
    const std::string name = blk + "layer_output_scale.weight";
    const auto values = file.has(name) ? file.host_floats(name, 1) : std::vector<float>();
    return values.empty() ? 1 : values[0];
}

Experts Gemma4::load_experts(Source& file, const std::string& blk) const {
    Experts experts;
    const int64_t count = num_experts_, used = num_experts_used_, hidden = c.hidden_size;
    experts.router = file.bare_weight(blk + "ffn_gate_inp.weight", count, hidden);
    experts.router.scale = float(1 / std::sqrt(double(hidden)));
    experts.router_scale = file.floats(blk + "ffn_gate_inp.scale", hidden);
    if (file.has(blk + "ffn_gate_exps.weight")) {
        experts.gate = file.experts(blk + "ffn_gate_exps.weight", count, expert_size_, hidden, used);
        experts.up = file.experts(blk + "ffn_up_exps.weight", count, expert_size_, hidden, used);
    } else {
        experts.gate_up = file.experts(blk + "ffn_gate_up_exps.weight", count, 2 * expert_size_, hidden, used);
    }
    experts.down = file.experts(blk + "ffn_down_exps.weight", count, hidden, expert_size_, used);
    if (!file.has(blk + "ffn_down_exps.scale"))
        file.problem(fmt::format("{}ffn_down_exps.scale is missing ({})", blk, count));
    experts.norm = file.floats(blk + "pre_ffw_norm_2.weight", hidden);
    experts.post_dense_norm = file.floats(blk + "post_ffw_norm_1.weight", hidden);
    experts.post_norm = file.floats(blk + "post_ffw_norm_2.weight", hidden);
    return experts;
}

void Gemma4::load_layer(Source& file, int64_t index, int64_t num_heads, int64_t intermediate_size) {
    const std::string blk = fmt::format("blk.{}.", index);
    Layer& layer = layers_[size_t(index)];
    const Kind& kind = c.kind(layer.is_sliding);
    layer.query = load_query(file, blk, c, kind, num_heads);
    if (layer.kv_layer == index) {
        Key& key = layer.key.emplace();
        key.key = file.weight(blk + "attn_k.weight", layer.num_kv_heads * kind.head_dim, c.hidden_size);
        key.key_norm = file.floats(blk + "attn_k_norm.weight", kind.head_dim);
        if (layer.is_sliding || !keys_are_values_)
            key.value = file.weight(blk + "attn_v.weight", layer.num_kv_heads * kind.head_dim, c.hidden_size);
    }
    layer.norms = load_norms(file, blk, c);
    layer.mlp = load_mlp(file, blk, "", c.hidden_size, intermediate_size);
    layer.output_scale = load_output_scale(file, blk);
    const auto has_any = [&](std::initializer_list<const char*> names) {
        return std::ranges::any_of(names, [&](const char* name) { return file.has(blk + name); });
    };
    if (num_experts_ > 0 && has_any({"ffn_gate_inp.weight", "ffn_down_exps.weight", "pre_ffw_norm_2.weight"}))
        layer.experts = load_experts(file, blk);
    if (per_layer_width_ > 0)
        layer.per_layer_input = {.gate = file.weight(blk + "inp_gate.weight", per_layer_width_, c.hidden_size),
                                 .output = file.weight(blk + "proj.weight", c.hidden_size, per_layer_width_),
                                 .post_norm = file.floats(blk + "post_norm.weight", c.hidden_size)};
}

void Gemma4::load_per_layer_inputs(Source& file) {
    const int64_t all = per_layer_width_ * info_.layers;
    per_layer_table_ = file.weight("per_layer_token_embd.weight", info_.vocabulary, all, WeightUse::look_up);
    per_layer_table_.scale *= float(std::sqrt(double(per_layer_width_)));
    per_layer_projection_ = file.weight("per_layer_model_proj.weight", all, c.hidden_size);
    per_layer_norm_ = file.floats("per_layer_proj_norm.weight", per_layer_width_);
}

// The tail reads the keys and values of the last layer of its own kind in front of it.
void Gemma4::lay_out(Source& file, const std::vector<bool>& is_sliding) {
    const auto num_kv_heads = per_layer(file, "attention.head_count_kv", info_.layers, 1, 1 << 16);
    const int64_t own = info_.layers - file.integer_or("attention.shared_kv_layers", 0, 0, info_.layers - 1);
    if (file.has_problems()) return;
    int64_t last_sliding = -1, last_full = -1;
    for (int64_t i = 0; i < info_.layers; ++i) {
        const bool sliding = is_sliding[size_t(i)];
        int64_t& last = sliding ? last_sliding : last_full;
        if (i < own) last = i;
        if (last < 0)
            return file.problem(
                fmt::format("attention.shared_kv_layers leaves no layer whose keys layer {} could read", i));
        layers_.emplace_back();
        layers_.back().is_sliding = sliding;
        layers_.back().kv_layer = last;
        layers_.back().num_kv_heads = num_kv_heads[size_t(last)];
    }
}

Gemma4::Gemma4(Source& file) {
    info_ = read_info(file);
    const std::vector<bool> is_sliding = read_pattern(file, info_.layers);
    c = read_config(file, is_sliding);
    const auto num_heads = per_layer(file, "attention.head_count", info_.layers, 1, 1 << 16);
    const auto intermediate_size = per_layer(file, "feed_forward_length", info_.layers, 1, 1 << 24);
    per_layer_width_ = file.integer_or("embedding_length_per_layer_input", 0, 0, 1 << 16);
    softcap_ = float(file.number_or("final_logit_softcapping", 0));
    num_experts_ = file.integer_or("expert_count", 0, 0, 1 << 16);
    if (num_experts_ > 0) {
        num_experts_used_ = file.integer("expert_used_count", 1, num_experts_);
        expert_size_ = file.integer("expert_feed_forward_length", 1, 1 << 24);
    }
    lay_out(file, is_sliding);
    for (size_t i = 0; i < layers_.size(); ++i)
        if (num_heads[i] % layers_[i].num_kv_heads != 0)
            file.problem(fmt::format("attention.head_count of layer {} is no multiple of attention.head_count_kv", i));
    if (file.has_problems()) return;

    ends_ = load_ends(file, info_);
    token_table_ = ends_.embedding;
    token_table_.scale *= float(std::sqrt(double(c.hidden_size)));
    if (per_layer_width_ > 0) load_per_layer_inputs(file);
    keys_are_values_ = std::ranges::none_of(layers_, [&](const Layer& layer) {
        return !layer.is_sliding && file.has(fmt::format("blk.{}.attn_v.weight", layer.kv_layer));
    });
    for (int64_t i = 0; i < info_.layers; ++i) load_layer(file, i, num_heads[size_t(i)], intermediate_size[size_t(i)]);
    count_weights(file, info_);
}

// The drafting model has no keys of its own: its layers read those of the trunk's last layer of the same kind that has
// some. Its token embeddings are the trunk's too; its own table only makes logits.
class Gemma4Drafter final : public Drafter {
public:
    Gemma4Drafter(Source& file, const Model& trunk);
    std::vector<LayerNeeds> needs() const override { return std::vector<LayerNeeds>(layers_.size()); }
    std::vector<int64_t> trunk_layers() const override;
    Tensor embed(Ops& ops, Tensor before, const Step& step) const override {
        return ops.linear(ops.concat(ops.embed(step, token_table_), before), pre_projection_);
    }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor hidden(Ops& ops, Tensor x) const override {
        return ops.linear(ops.rms_norm(x, ends_.norm, c.eps), post_projection_);
    }
    Tensor head(Ops& ops, Tensor x) const override { return logits(ops, ends_, x, c.eps); }

private:
    void lay_out(Source& file, const std::vector<bool>& is_sliding, std::span<const LayerNeeds> trunk);

    Config c;
    std::vector<Layer> layers_;
    Ends ends_;
    Weight token_table_, pre_projection_, post_projection_;
};

std::vector<int64_t> Gemma4Drafter::trunk_layers() const {
    std::vector<int64_t> layers;
    for (const Layer& layer : layers_) layers.push_back(layer.kv_layer);
    return layers;
}

void Gemma4Drafter::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    Tensor h = ops.linear(ops.rms_norm(x, w.norms.attention, c.eps), w.query.query);
    ops.add_to(x, ops.rms_norm(attend(ops, c, w, h, {}, state, step), w.norms.post_attention, c.eps));
    h = gelu_mlp(ops, w.mlp, ops.rms_norm(x, w.norms.ffn, c.eps));
    ops.add_to(x, ops.rms_norm(h, w.norms.post_ffn, c.eps));
    if (w.output_scale != 1) ops.scale_in_place(x, w.output_scale);
}

void Gemma4Drafter::lay_out(Source& file, const std::vector<bool>& is_sliding, std::span<const LayerNeeds> trunk) {
    const auto layers = int64_t(is_sliding.size());
    const auto num_heads = per_layer(file, "attention.head_count", layers, 1, 1 << 16);
    const auto num_kv_heads = per_layer(file, "attention.head_count_kv", layers, 1, 1 << 16);
    if (file.has_problems()) return;
    for (int64_t i = 0; i < layers; ++i) {
        Layer& layer = layers_.emplace_back();
        layer.is_sliding = is_sliding[size_t(i)];
        layer.query.num_heads = num_heads[size_t(i)];
        layer.num_kv_heads = num_kv_heads[size_t(i)];
        for (size_t other = 0; other < trunk.size(); ++other)
            if (trunk[other].kv && (trunk[other].kv->window > 0) == layer.is_sliding) layer.kv_layer = int64_t(other);
        if (layer.kv_layer < 0 || *trunk[size_t(layer.kv_layer)].kv != geometry(c, layer))
            file.problem(fmt::format("the keys that layer {} reads are not those of this trunk", i));
        if (layer.query.num_heads % layer.num_kv_heads != 0)
            file.problem(fmt::format("attention.head_count of layer {} is no multiple of attention.head_count_kv", i));
    }
}

Gemma4Drafter::Gemma4Drafter(Source& file, const Model& trunk) {
    const auto* gemma = dynamic_cast<const Gemma4*>(&trunk);
    if (!gemma) {
        file.problem("it only drafts for models of the family gemma4");
        return;
    }
    const ModelInfo info = read_info(file);
    const std::vector<bool> is_sliding = read_pattern(file, info.layers);
    c = read_config(file, is_sliding);
    const auto intermediate_size = per_layer(file, "feed_forward_length", info.layers, 1, 1 << 24);
    const int64_t wide = file.integer("embedding_length_out", 1, 1 << 20);
    if (wide != trunk.info().hidden)
        file.problem(fmt::format("embedding_length_out is {}, this trunk needs {}", wide, trunk.info().hidden));
    if (info.vocabulary != trunk.info().vocabulary)
        file.problem(fmt::format("it has {} tokens, this trunk {}", info.vocabulary, trunk.info().vocabulary));
    lay_out(file, is_sliding, trunk.needs());
    if (file.has_problems()) return;

    token_table_ = gemma->token_table();
    ends_ = load_ends(file, info);
    pre_projection_ = file.weight("nextn.pre_projection.weight", c.hidden_size, 2 * wide);
    post_projection_ = file.weight("nextn.post_projection.weight", wide, c.hidden_size);
    for (int64_t i = 0; i < info.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        Layer& layer = layers_[size_t(i)];
        layer.query = load_query(file, blk, c, c.kind(layer.is_sliding), layer.query.num_heads);
        layer.norms = load_norms(file, blk, c);
        layer.mlp = load_mlp(file, blk, "", c.hidden_size, intermediate_size[size_t(i)]);
        layer.output_scale = load_output_scale(file, blk);
    }
}

}  // namespace

std::unique_ptr<Drafter> load_gemma4_drafter(Source& source, const Model& trunk) {
    return std::make_unique<Gemma4Drafter>(source, trunk);
}

std::unique_ptr<Model> load_gemma4(Source& source) {
    return std::make_unique<Gemma4>(source);
}

}  // namespace hearth
