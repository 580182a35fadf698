// BERT and its heirs (bge, MiniLM, e5, XLM-RoBERTa based ones, nomic-embed): every token sees the whole text, norms
// stand behind the residual additions, and there is no output matrix but perhaps a head that scores a pair of texts.
// The surprise: "position" is a row of a table, so a text longer than the table cannot be read at all (nomic turns
// its queries and keys instead).
#include <algorithm>
#include <cmath>
#include <variant>
#include <vector>

#include "models/blocks.h"
#include "models/decoder.h"
#include "models/encoder.h"
#include "models/registry.h"
#include "models/rope.h"

namespace hearth {

namespace {

struct Norm {
    Tensor scale, bias;
};
struct Biased {
    Weight weight;
    Tensor bias;  // may be absent
};
struct Attention {
    Biased qkv;                 // one matrix for all three, or ...
    Biased query, key, value;   // ... one each
    Norm query_norm, key_norm;  // over the whole row; absent in most
    Biased output;
};
struct GeluMlp {
    Biased up, down;
};
// Without a gate and without biases; what a token's experts say is not renormalised.
struct GeluExperts {
    Weight router, up, down;
};
struct Layer {
    Attention attention;
    std::variant<GeluMlp, Mlp, GeluExperts> ffn;
    Norm attention_norm, output_norm;
};

Norm load_norm(Source& file, const std::string& name, int64_t width) {
    return {file.floats(name + ".weight", width), file.floats(name + ".bias", width)};
}

// nomic-bert was trained without biases; all others must have every one.
Biased load_biased(Source& file, const std::string& name, int64_t out, int64_t in) {
    Biased loaded{.weight = file.weight(name + ".weight", out, in), .bias = {}};
    if (file.architecture() != "nomic-bert" || file.has(name + ".bias")) loaded.bias = file.floats(name + ".bias", out);
    return loaded;
}

// Rows of a table of this width; files leave a single row's dimension away.
int64_t rows_of(Source& file, const std::string& name, int64_t width) {
    const StoredTensor* stored = file.checkpoint().find(name);
    return stored && stored->elements() % width == 0 ? std::max<int64_t>(1, stored->elements() / width) : 1;
}

class Bert final : public Encoder {
public:
    explicit Bert(Source& file);
    Tensor embed(Ops& ops, const Step& step) const override;
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor hidden(Ops&, Tensor x) const override { return x; }
    Tensor classify(Ops& ops, Tensor x) const override;

private:
    void load_layer(Source& file, int64_t index);
    void load_classifier(Source& file);
    Tensor norm(Ops& ops, const Norm& w, Tensor x) const { return ops.layer_norm(x, w.scale, w.bias, eps_); }
    Tensor biased(Ops& ops, const Biased& w, Tensor x) const {
        const Tensor y = ops.linear(x, w.weight);
        return w.bias ? ops.add(y, w.bias) : y;
    }
    Tensor attend(Ops& ops, const Attention& w, Tensor x, const LayerState& state, const Step& step) const;
    Tensor feed_forward(Ops& ops, const GeluMlp& w, Tensor x) const {
        return biased(ops, w.down, ops.map(Function::gelu_tanh, biased(ops, w.up, x)));
    }
    Tensor feed_forward(Ops& ops, const Mlp& w, Tensor x) const { return mlp(ops, w, x); }
    Tensor feed_forward(Ops& ops, const GeluExperts& w, Tensor x) const;

    int64_t num_experts_ = 0, num_experts_used_ = 0, moe_every_ = 0;
    std::optional<Rope> rope_;  // absent: learned positions
    std::vector<Layer> layers_;
    Weight embedding_;
    Tensor token_types_, positions_;
    Norm embedding_norm_;
    Biased pooler_, scores_;  // of the classification head
};

// The token's vector, that of the first segment, and that of its place.
Tensor Bert::embed(Ops& ops, const Step& step) const {
    Tensor x = ops.add(ops.embed(step, embedding_), token_types_.row_range(0, 1));
    if (!rope_) {
        std::vector<int32_t> places;
        places.reserve(step.positions.size());
        for (const auto& position : step.positions)
            places.push_back(int32_t(std::clamp<int64_t>(position[0], 0, positions_.rows - 1)));
        x = ops.add(x, ops.select_rows(positions_, places));
    }
    return norm(ops, embedding_norm_, x);
}

Tensor Bert::attend(Ops& ops, const Attention& w, Tensor x, const LayerState& state, const Step& step) const {
    Tensor q, k, v;
    if (w.qkv.weight) {
        auto parts = biased(ops, w.qkv, x).split<3>({hidden_size_, hidden_size_, hidden_size_});
        q = parts[0], k = parts[1], v = parts[2];
    } else {
        auto parts = ops.linears(x, w.query.weight, w.key.weight, w.value.weight);
        q = w.query.bias ? ops.add(parts[0], w.query.bias) : parts[0];
        k = w.key.bias ? ops.add(parts[1], w.key.bias) : parts[1];
        v = w.value.bias ? ops.add(parts[2], w.value.bias) : parts[2];
    }
    if (w.query_norm.scale) q = norm(ops, w.query_norm, q);
    if (w.key_norm.scale) k = norm(ops, w.key_norm, k);
    q = q.heads(num_heads_), k = k.heads(num_heads_), v = v.heads(num_heads_);
    if (rope_) q = ops.rope(q, *rope_, step), k = ops.rope(k, *rope_, step);
    const AttentionRule rule{.scale = 1 / std::sqrt(float(head_dim_)), .causal = false};
    return biased(ops, w.output, ops.attention(q, k, v, rule, *state.kv, step).joined());
}

Tensor Bert::feed_forward(Ops& ops, const GeluExperts& w, Tensor x) const {
    const Routing routing = ops.route(ops.linear(x, w.router), {.used = num_experts_used_, .renormalise = false});
    const Tensor up = ops.map(Function::gelu_tanh, ops.expert_linear(x, w.up, routing));
    return ops.expert_sum(ops.expert_linear(up, w.down, routing), routing);
}

void Bert::layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    const Layer& w = layers_[size_t(index)];
    Scratch scratch = ops.scratch();
    Tensor h = norm(ops, w.attention_norm, ops.add(attend(ops, w.attention, x, state, step), x));
    const Tensor y = std::visit([&](const auto& ffn) { return feed_forward(ops, ffn, h); }, w.ffn);
    ops.scale_in_place(x, 0);  // a norm of a sum takes the place of x
    ops.add_to(x, norm(ops, w.output_norm, ops.add(y, h)));
}

// The first token's row stands for the text: perhaps a dense layer with tanh, then one row per label.
Tensor Bert::classify(Ops& ops, Tensor x) const {
    if (!scores_.weight) return {};
    if (pooler_.weight) x = ops.map(Function::tanh, biased(ops, pooler_, x));
    return biased(ops, scores_, x);
}

void Bert::load_layer(Source& file, int64_t index) {
    const std::string blk = fmt::format("blk.{}.", index);
    Layer& layer = layers_.emplace_back();
    Attention& attention = layer.attention;
    const bool is_nomic = file.architecture() != "bert";  // these are always fused
    if (file.has(blk + "attn_qkv.weight") || (is_nomic && !file.has(blk + "attn_q.weight"))) {
        attention.qkv = load_biased(file, blk + "attn_qkv", 3 * hidden_size_, hidden_size_);
    } else {
        attention.query = load_biased(file, blk + "attn_q", hidden_size_, hidden_size_);
        attention.key = load_biased(file, blk + "attn_k", hidden_size_, hidden_size_);
        attention.value = load_biased(file, blk + "attn_v", hidden_size_, hidden_size_);
    }
    if (file.has(blk + "attn_q_norm.weight")) attention.query_norm = load_norm(file, blk + "attn_q_norm", hidden_size_);
    if (file.has(blk + "attn_k_norm.weight")) attention.key_norm = load_norm(file, blk + "attn_k_norm", hidden_size_);
    attention.output = load_biased(file, blk + "attn_output", hidden_size_, hidden_size_);
    layer.attention_norm = load_norm(file, blk + "attn_output_norm", hidden_size_);
    layer.output_norm = load_norm(file, blk + "layer_output_norm", hidden_size_);

    if (moe_every_ > 0 && index % moe_every_ == 1)
        layer.ffn = GeluExperts{.router = file.weight(blk + "ffn_gate_inp.weight", num_experts_, hidden_size_),
                                .up = file.experts(blk + "ffn_up_exps.weight", num_experts_, intermediate_size_,
                                                   hidden_size_, num_experts_used_),
                                .down = file.experts(blk + "ffn_down_exps.weight", num_experts_, hidden_size_,
                                                     intermediate_size_, num_experts_used_)};
    else if (file.architecture() == "nomic-bert")
        layer.ffn = load_mlp(file, blk, "", hidden_size_, intermediate_size_);
    else
        layer.ffn = GeluMlp{.up = load_biased(file, blk + "ffn_up", intermediate_size_, hidden_size_),
                            .down = load_biased(file, blk + "ffn_down", hidden_size_, intermediate_size_)};
}

void Bert::load_classifier(Source& file) {
    if (!file.has("cls.output.weight")) return;
    if (file.has("cls.weight")) pooler_ = load_biased(file, "cls", hidden_size_, hidden_size_);
    info_.scores = rows_of(file, "cls.output.weight", hidden_size_);
    scores_ = load_biased(file, "cls.output", info_.scores, hidden_size_);
}

Bert::Bert(Source& file) {
    read_sizes(file);
    if (file.architecture() != "bert") {
        if (head_dim_ % 2 != 0) file.problem("heads have an odd number of values, which cannot be turned in pairs");
        const RopeConfig rope = read_rope(file, head_dim_, info_.context_tokens);
        if (!file.has_problems()) rope_ = make_rope(rope);
    }
    if (file.architecture() == "nomic-bert-moe") {
        moe_every_ = file.integer_or("moe_every_n_layers", 2, 2, 1 << 14);
        num_experts_ = file.integer("expert_count", 1, 1 << 16);
        num_experts_used_ = file.integer("expert_used_count", 1, num_experts_);
    }
    info_.vocabulary = table_rows(file, "token_embd.weight");
    if (file.has_problems()) return;

    embedding_ = file.weight("token_embd.weight", info_.vocabulary, hidden_size_, WeightUse::look_up);
    token_types_ = file.floats("token_types.weight", rows_of(file, "token_types.weight", hidden_size_), hidden_size_);
    if (!rope_) positions_ = file.floats("position_embd.weight", info_.context_tokens, hidden_size_);
    embedding_norm_ = load_norm(file, "token_embd_norm", hidden_size_);
    for (int64_t i = 0; i < info_.layers; ++i) load_layer(file, i);
    load_classifier(file);
    count_weights(file, info_);
}

}  // namespace

std::unique_ptr<Model> load_bert(Source& source) {
    return std::make_unique<Bert>(source);
}

}  // namespace hearth
