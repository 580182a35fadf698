// ModernBERT (gte-modernbert, granite-embedding r2): reads both ways like BERT, but is built like a decoder: norms
// before each part, RoPE, gated feed-forward parts. Two of three layers look only at their neighbourhood and turn with
// a base of their own. The one surprise: the first layer has no attention norm, since the embeddings were just
// normalised.
#include <cmath>
#include <vector>

#include "models/blocks.h"
#include "models/decoder.h"
#include "models/encoder.h"
#include "models/registry.h"
#include "models/rope.h"

namespace hearth {

namespace {

struct Layer {
    bool is_global = true;
    Tensor attention_norm, ffn_norm;  // without biases; the first layer has no attention_norm
    Weight qkv, output;
    Weight gate_and_up, down;  // one matrix, gate rows first
};

class ModernBert final : public Encoder {
public:
    explicit ModernBert(Source& file);
    Tensor embed(Ops& ops, const Step& step) const override {
        return norm(ops, ops.embed(step, embedding_), embedding_norm_);
    }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor hidden(Ops& ops, Tensor x) const override { return norm(ops, x, output_norm_); }

private:
    void load_layer(Source& file, int64_t index, int64_t pattern);
    Tensor norm(Ops& ops, Tensor x, Tensor scale) const { return ops.layer_norm(x, scale, {}, eps_); }
    Tensor attend(Ops& ops, const Layer& w, Tensor x, const LayerState& state, const Step& step) const;

    int64_t window_ = 0;
    bool is_silu_ = false;
    Rope global_rope_, local_rope_;
    std::vector<Layer> layers_;
    Weight embedding_;
    Tensor embedding_norm_, output_norm_;
};

Tensor ModernBert::attend(Ops& ops, const Layer& w, Tensor x, const LayerState& state, const Step& step) const {
    auto [query, key, value] = ops.linear(x, w.qkv).split<3>({hidden_size_, hidden_size_, hidden_size_});
    const Rope& rope = w.is_global ? global_rope_ : local_rope_;
    const Tensor q = ops.rope(query.heads(num_heads_), rope, step), k = ops.rope(key.heads(num_heads_), rope, step);
    AttentionRule rule{.scale = 1 / std::sqrt(float(head_dim_)), .causal = false};
    if (!w.is_global) rule.window = window_ / 2, rule.symmetric_window = true;  // so many on either side
    return ops.linear(ops.attention(q, k, value.heads(num_heads_), rule, *state.kv, step).joined(), w.output);
}

void ModernBert::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    ops.add_to(x, attend(ops, w, w.attention_norm ? norm(ops, x, w.attention_norm) : x, state, step));
    auto [gate, up] = ops.linear(norm(ops, x, w.ffn_norm), w.gate_and_up).halves();
    ops.add_to(x, ops.linear(is_silu_ ? ops.swiglu(gate, up) : ops.geglu(gate, up), w.down));
}

void ModernBert::load_layer(Source& file, int64_t index, int64_t pattern) {
    const std::string blk = fmt::format("blk.{}.", index);
    Layer& layer = layers_.emplace_back();
    layer.is_global = window_ == 0 || index % pattern == 0;
    if (index > 0) layer.attention_norm = file.floats(blk + "attn_norm.weight", hidden_size_);
    layer.qkv = file.weight(blk + "attn_qkv.weight", 3 * hidden_size_, hidden_size_);
    layer.output = file.weight(blk + "attn_output.weight", hidden_size_, hidden_size_);
    layer.ffn_norm = file.floats(blk + "ffn_norm.weight", hidden_size_);
    layer.gate_and_up = file.weight(blk + "ffn_up.weight", 2 * intermediate_size_, hidden_size_);
    layer.down = file.weight(blk + "ffn_down.weight", hidden_size_, intermediate_size_);
}

ModernBert::ModernBert(Source& file) {
    read_sizes(file);
    if (head_dim_ % 2 != 0) file.problem("heads have an odd number of values, which cannot be turned in pairs");
    window_ = file.integer_or("attention.sliding_window", 0, 0, 1 << 24);
    const int64_t pattern = file.integer_or("attention.sliding_window_pattern", 3, 1, 1 << 14);
    const std::string activation = file.text_or("hidden_activation", "gelu");
    is_silu_ = activation == "silu";
    if (!is_silu_ && activation != "gelu") file.problem("hidden_activation is neither gelu nor silu");
    RopeConfig rope = read_rope(file, head_dim_, info_.context_tokens);
    RopeConfig local = rope;
    local.base = file.number_or("rope.freq_base_swa", 10000);
    info_.vocabulary = table_rows(file, "token_embd.weight");
    if (file.has_problems()) return;
    global_rope_ = make_rope(rope), local_rope_ = make_rope(local);

    embedding_ = file.weight("token_embd.weight", info_.vocabulary, hidden_size_, WeightUse::look_up);
    embedding_norm_ = file.floats("token_embd_norm.weight", hidden_size_);
    output_norm_ = file.floats("output_norm.weight", hidden_size_);
    for (int64_t i = 0; i < info_.layers; ++i) load_layer(file, i, pattern);
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_modern_bert(Source& source) {
    return std::make_unique<ModernBert>(source);
}

}  // namespace hearth
