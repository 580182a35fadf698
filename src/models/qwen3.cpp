// Qwen 3, dense and with experts, and the text side of Qwen3-VL. Each head's query and key are normalised before they
// are rotated, and a head's width is a number of its own, not a share of the hidden size. Rotation turns value j
// against value j + half; Qwen3-VL follows three positions at once (time, row, column), which are the same for text.
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
    Heads heads;
    int64_t intermediate_size;
    ExpertCounts experts;  // count 0: dense
    float eps, routed_scale;
    Rope rope;
};

struct Layer {
    Qkv qkv;
    Weight attention_output;
    Tensor query_norm, key_norm;
    std::variant<Mlp, Experts> ffn;
    Tensor attention_norm, ffn_norm;
};

class Qwen3 final : public Model {
public:
    explicit Qwen3(Source& file);
    std::vector<LayerNeeds> needs() const override {
        return {size_t(info_.layers), LayerNeeds{.kv = c.heads.geometry(), .state_floats = {}}};
    }
    Tensor embed(Ops& ops, const Step& step) const override { return ops.embed(step, ends_.embedding); }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor head(Ops& ops, Tensor x) const override { return logits(ops, ends_, x, c.eps); }
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, ends_.norm, c.eps); }
    Tensor classify(Ops& ops, Tensor x) const override {
        return labels_ ? ops.linear(hidden(ops, x), labels_) : Tensor();
    }

private:
    Tensor attend(Ops& ops, const Layer& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor feed_forward(Ops& ops, const Mlp& w, Tensor x) const { return mlp(ops, w, x); }
    Tensor feed_forward(Ops& ops, const Experts& w, Tensor x) const;

    Config c;
    std::vector<Layer> layers_;
    Ends ends_;
    Weight labels_;  // of the reranker: the output matrix's rows of "yes" and "no", so the scores are shares of one
};

Tensor Qwen3::attend(Ops& ops, const Layer& w, Tensor x, const LayerState& state, const Step& step) const {
    auto [q, k, v] = project(ops, w.qkv, x, c.heads);
    q = ops.rope(ops.rms_norm(q, w.query_norm, c.eps), c.rope, step);
    k = ops.rope(ops.rms_norm(k, w.key_norm, c.eps), c.rope, step);
    Tensor y = ops.attention(q, k, v, {.scale = 1 / std::sqrt(float(c.heads.width))}, *state.kv, step);
    return ops.linear(y.joined(), w.attention_output);
}

Tensor Qwen3::feed_forward(Ops& ops, const Experts& w, Tensor x) const {
    const RouteRule rule{.used = c.experts.used, .scale = c.routed_scale};
    Routing routing = ops.route(ops.linear(x, w.router), rule);
    return ops.expert_sum(expert_mlps(ops, w, x, routing), routing);
}

void Qwen3::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    ops.add_to(x, attend(ops, w, ops.rms_norm(x, w.attention_norm, c.eps), state, step));
    Tensor h = ops.rms_norm(x, w.ffn_norm, c.eps);
    ops.add_to(x, std::visit([&](const auto& ffn) { return feed_forward(ops, ffn, h); }, w.ffn));
}

// Without the sections of Qwen3-VL there is one position.
void read_sections(Source& file, RopeConfig& rope) {
    const auto sections = file.integers("rope.dimension_sections");
    if (!sections || sections->size() < 3 || sections->size() > 4) {
        file.problem("rope.dimension_sections is missing or has not three or four entries");
        return;
    }
    for (size_t i = 0; i < sections->size(); ++i) rope.sections[i] = std::clamp<int64_t>((*sections)[i], 0, rope.dims);
}

Qwen3::Qwen3(Source& file) : c{} {
    info_ = read_info(file);
    const int64_t hidden = info_.hidden;
    c.heads = read_heads(file, hidden);
    c.eps = float(file.number("attention.layer_norm_rms_epsilon"));
    if (file.architecture() == "qwen3moe" || file.architecture() == "qwen3vlmoe") {
        c.experts = read_experts(file);
        const double scale = file.number_or("expert_weights_scale", 0);
        c.routed_scale = scale != 0 ? float(scale) : 1;
    } else {
        c.intermediate_size = uniform_entry(file, "feed_forward_length", 1, 1 << 24);
    }
    RopeConfig rope = read_rope(file, read_rotated(file, c.heads.width), info_.context_tokens);
    if (file.architecture().starts_with("qwen3vl")) read_sections(file, rope);
    if (file.has_problems()) return;
    c.rope = make_rope(rope);

    ends_ = load_ends(file, info_);
    if (file.has("cls.output.weight")) {
        info_.scores = table_rows(file, "cls.output.weight");
        info_.has_softmax_scores = true;
        labels_ = file.weight("cls.output.weight", info_.scores, hidden);
    }
    for (int64_t i = 0; i < info_.layers; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        Layer& layer = layers_.emplace_back();
        layer.qkv = load_qkv(file, blk, c.heads, hidden);
        layer.attention_output = file.weight(blk + "attn_output.weight", hidden, c.heads.query_width());
        layer.query_norm = file.floats(blk + "attn_q_norm.weight", c.heads.width);
        layer.key_norm = file.floats(blk + "attn_k_norm.weight", c.heads.width);
        if (c.experts.count > 0)
            layer.ffn = load_experts(file, blk, c.experts, hidden);
        else
            layer.ffn = load_mlp(file, blk, "", hidden, c.intermediate_size);
        layer.attention_norm = file.floats(blk + "attn_norm.weight", hidden);
        layer.ffn_norm = file.floats(blk + "ffn_norm.weight", hidden);
    }
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_qwen3(Source& source) {
    return std::make_unique<Qwen3>(source);
}

}  // namespace hearth
