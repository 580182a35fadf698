// The layer behind Qwen 3.5's last one that predicts one token further (multi-token prediction): a layer with full
// attention whose input is two vectors side by side, the token's embedding and the trunk's hidden row of the token
// before. The one surprise is a second set of names: Ollama's converter keeps those of the original and, unlike the
// rest of its files and everybody else's, stores the norms here centred on zero.
#include "models/drafter.h"
#include "models/qwen35.h"
#include "models/registry.h"

namespace hearth {

namespace {

using namespace qwen35;

struct Names {
    std::string blk, projection, embedding_norm, hidden_norm, output_norm, embedding, output;
    float norm_offset;  // added to norms as they are stored
};

Names usual_names(int64_t block) {
    const std::string blk = fmt::format("blk.{}.", block), nextn = blk + "nextn.";
    return {.blk = blk,
            .projection = nextn + "eh_proj.weight",
            .embedding_norm = nextn + "enorm.weight",
            .hidden_norm = nextn + "hnorm.weight",
            .output_norm = nextn + "shared_head_norm.weight",
            .embedding = nextn + "embed_tokens.weight",
            .output = nextn + "shared_head_head.weight",
            .norm_offset = 0};
}

Names ollama_names() {
    return {.blk = "mtp.layers.0.",
            .projection = "mtp.fc.weight",
            .embedding_norm = "mtp.pre_fc_norm_embedding.weight",
            .hidden_norm = "mtp.pre_fc_norm_hidden.weight",
            .output_norm = "mtp.norm.weight",
            .embedding = "mtp.embed_tokens.weight",
            .output = "mtp.shared_head.head.weight",
            .norm_offset = 1};
}

class Qwen35Drafter final : public Drafter {
public:
    Qwen35Drafter(Source& file, const Model& trunk);
    std::vector<LayerNeeds> needs() const override {
        return {{.kv = KvGeometry{c.num_kv_heads, c.head_dim, c.head_dim}, .state_floats = {}}};
    }
    Tensor embed(Ops& ops, Tensor before, const Step& step) const override {
        Tensor token = ops.rms_norm(ops.embed(step, ends_.embedding), embedding_norm_, c.eps);
        return ops.linear(ops.concat(token, ops.rms_norm(before, hidden_norm_, c.eps)), projection_);
    }
    void layer(int64_t index, Ops& ops, Tensor x, const LayerState& state, const Step& step) const override;
    Tensor hidden(Ops& ops, Tensor x) const override { return ops.rms_norm(x, ends_.norm, c.eps); }
    Tensor head(Ops& ops, Tensor x) const override { return logits(ops, ends_, x, c.eps); }

private:
    Config c{};
    Ends ends_;
    Weight projection_;
    Tensor embedding_norm_, hidden_norm_, mixer_norm_, ffn_norm_;
    FullAttention attention_;
    FeedForward ffn_;
};

void Qwen35Drafter::layer(int64_t, Ops& ops, Tensor x, const LayerState& state, const Step& step) const {
    Scratch scratch = ops.scratch();
    ops.add_to(x, attend(ops, c, attention_, ops.rms_norm(x, mixer_norm_, c.eps), state, step));
    ops.add_to(x, feed_forward(ops, c, ffn_, ops.rms_norm(x, ffn_norm_, c.eps)));
}

Qwen35Drafter::Qwen35Drafter(Source& file, const Model& trunk) {
    const Ends* shared = ends_of(trunk);
    if (!shared) {
        file.problem("the model it is to draft for is of another family");
        return;
    }
    ends_ = *shared;
    c = read_config(file, trunk.info().context_tokens);
    if (file.integer_or("nextn_predict_layers", 1, 0, 1 << 10) > 1)
        file.problem("nextn_predict_layers is more than 1: only one drafting layer can be used");
    const Names names = file.has("mtp.fc.weight") ? ollama_names() : usual_names(trunk.info().layers);
    if (c.hidden_size != trunk.info().hidden)
        file.problem(
            fmt::format("embedding_length is {}, the model to draft for has {}", c.hidden_size, trunk.info().hidden));
    if (file.has_problems()) return;

    file.add_to_floats(names.norm_offset);  // every float that a drafting layer has is a norm
    const int64_t hidden = c.hidden_size, vocabulary = trunk.info().vocabulary;
    projection_ = file.weight(names.projection, hidden, 2 * hidden);
    embedding_norm_ = file.floats(names.embedding_norm, hidden);
    hidden_norm_ = file.floats(names.hidden_norm, hidden);
    mixer_norm_ = file.floats(names.blk + "attn_norm.weight", hidden);
    ffn_norm_ = file.floats(names.blk + "post_attention_norm.weight", hidden);
    attention_ = load_attention(file, names.blk, c);
    ffn_ = load_feed_forward(file, names.blk, c);
    // What it does not bring it has in common with the trunk.
    if (file.has(names.output_norm)) ends_.norm = file.floats(names.output_norm, hidden);
    if (file.has(names.output)) ends_.output = file.weight(names.output, vocabulary, hidden);
    if (!ends_.output && file.has(names.embedding)) ends_.output = ends_.embedding;
    if (file.has(names.embedding))
        ends_.embedding = file.weight(names.embedding, vocabulary, hidden, WeightUse::look_up);
}

}  // namespace

std::unique_ptr<Drafter> load_qwen35_drafter(Source& source, const Model& trunk) {
    return std::make_unique<Qwen35Drafter>(source, trunk);
}

}  // namespace hearth
