// BERT and XLM-RoBERTa encoders, with or without a classification head, and Nomic's BERT. How a text's vector is made
// of its tokens' stands in modules.json (sentence_transformers.cpp); a classification head says so itself.
#include <algorithm>

#include "huggingface/families.h"

namespace hearth::huggingface {

namespace {

void write_encoder_keys(Translation& to, int64_t context, std::string_view hidden, std::string_view heads) {
    Config& config = to.config;
    to.set_count("context_length", context);
    to.set_count("embedding_length", config.integer(hidden, 1, 1 << 20));
    to.set_count("block_count", to.layers);
    const int64_t count = config.integer(heads, 1, 1 << 16);
    to.set_count("attention.head_count", count);
    to.set_count("attention.head_count_kv", count);
    const std::string eps = config.has("layer_norm_eps") ? "layer_norm_eps" : "layer_norm_epsilon";
    to.set_number("attention.layer_norm_epsilon", config.number_or(eps, 1e-12));
    to.set_flag("attention.causal", false);
    to.metadata.set("tokenizer.ggml.token_type_count",
                    MetadataValue::of(uint32_t(config.integer_or("type_vocab_size", 2, 1, 1 << 16))));
}

void add_both(std::vector<Name>& names, const std::string& gguf, const std::string& published) {
    for (const char* part : {".weight", ".bias"}) names.push_back({gguf + part, published + part});
}

bool is_classifier(const Config& config) {
    for (const std::string& name : Config(config).texts("architectures"))
        if (name.ends_with("ForSequenceClassification")) return true;
    return false;
}

}  // namespace

TokenizerChoice translate_bert(Translation& to) {
    Config& config = to.config;
    to.architecture = "bert";
    to.layers = config.integer("num_hidden_layers", 1, 1 << 12);
    // XLM-RoBERTa begins to count places behind the padding's number; the rows in front are never used.
    const bool is_roberta = config.text_or("model_type", "") == "xlm-roberta";
    const int64_t skipped = is_roberta ? config.integer_or("pad_token_id", 1, 0, 1 << 16) + 1 : 0;
    const int64_t places = config.integer("max_position_embeddings", 1, int64_t{1} << 31);
    if (places <= skipped) config.problem(fmt::format("max_position_embeddings is {}", places));
    write_encoder_keys(to, std::max<int64_t>(1, places - skipped), "hidden_size", "num_attention_heads");
    to.set_count("feed_forward_length", config.integer("intermediate_size", 1, 1 << 24));
    const std::string positions = config.text_or("position_embedding_type", "absolute");
    if (positions != "absolute") config.problem("position_embedding_type is not absolute");
    to.metadata.set("tokenizer.ggml.add_sep_token", MetadataValue::of(is_roberta));

    const bool is_ranking = is_classifier(config);
    if (is_ranking) to.set_count("pooling_type", 4);
    const Arrange used_rows = [skipped, places](ValuesPtr from) -> ValuesPtr {
        if (skipped == 0) return from;
        std::vector<int64_t> rows;
        for (int64_t row = skipped; row < places; ++row) rows.push_back(row);
        return with_rows(std::move(from), std::move(rows), places);
    };
    std::vector<Name> names{
        {"token_embd.weight", "embeddings.word_embeddings.weight"},
        {"token_types.weight", "embeddings.token_type_embeddings.weight", {}, true},
        {"position_embd.weight", "embeddings.position_embeddings.weight", used_rows, true},
    };
    add_both(names, "token_embd_norm", "embeddings.LayerNorm");
    const std::string layer = "encoder.layer.{}.";
    add_both(names, "blk.{}.attn_q", layer + "attention.self.query");
    add_both(names, "blk.{}.attn_k", layer + "attention.self.key");
    add_both(names, "blk.{}.attn_v", layer + "attention.self.value");
    add_both(names, "blk.{}.attn_output", layer + "attention.output.dense");
    add_both(names, "blk.{}.attn_output_norm", layer + "attention.output.LayerNorm");
    add_both(names, "blk.{}.ffn_up", layer + "intermediate.dense");
    add_both(names, "blk.{}.ffn_down", layer + "output.dense");
    add_both(names, "blk.{}.layer_output_norm", layer + "output.LayerNorm");
    if (is_ranking && to.tensors.has("classifier.out_proj.weight")) {
        add_both(names, "cls", "classifier.dense");
        add_both(names, "cls.output", "classifier.out_proj");
    } else if (is_ranking) {
        // BERT puts its pooler, a dense layer with tanh, in front of the scores.
        add_both(names, "cls", "pooler.dense");
        add_both(names, "cls.output", "classifier");
    }
    to.add_names(names);
    to.leave_out("pooler.");  // no part of the vectors
    to.leave_out("cls.");     // the head of the training
    to.leave_out("lm_head.");
    to.leave_out_ending("embeddings.position_ids");
    return {.may_be_words = true, .rows = embedding_rows(to, "embeddings.word_embeddings.weight")};
}

TokenizerChoice translate_nomic_bert(Translation& to) {
    Config& config = to.config;
    to.architecture = "nomic-bert";
    to.layers = config.integer("n_layer", 1, 1 << 12);
    // Beyond the trained places the rotation would have to be stretched as the text grows.
    const int64_t places = config.integer("n_positions", 1, int64_t{1} << 31);
    const int64_t trained = config.integer_or("max_trained_positions", 2048, 1, int64_t{1} << 31);
    write_encoder_keys(to, std::min(places, trained), "n_embd", "n_head");
    to.set_count("feed_forward_length", config.integer("n_inner", 1, 1 << 24));
    to.set_number("rope.freq_base", config.number_or("rotary_emb_base", 1000));
    to.metadata.set("tokenizer.ggml.add_sep_token", MetadataValue::of(false));
    if (config.has("num_experts") && config.integer_or("num_experts", 0, 0, 1 << 12) > 0)
        config.problem("this Nomic model has experts, whose directory form is not read; use a GGUF file of it");
    std::vector<Name> names{
        {"token_embd.weight", "embeddings.word_embeddings.weight"},
        {"token_types.weight", "embeddings.token_type_embeddings.weight", {}, true},
        {"blk.{}.attn_qkv.weight", "encoder.layers.{}.attn.Wqkv.weight"},
        {"blk.{}.attn_output.weight", "encoder.layers.{}.attn.out_proj.weight"},
        {"blk.{}.ffn_up.weight", "encoder.layers.{}.mlp.fc11.weight"},
        {"blk.{}.ffn_gate.weight", "encoder.layers.{}.mlp.fc12.weight"},
        {"blk.{}.ffn_down.weight", "encoder.layers.{}.mlp.fc2.weight"},
    };
    add_both(names, "token_embd_norm", "emb_ln");
    add_both(names, "blk.{}.attn_output_norm", "encoder.layers.{}.norm1");
    add_both(names, "blk.{}.layer_output_norm", "encoder.layers.{}.norm2");
    to.add_names(names);
    return {.may_be_words = true, .rows = embedding_rows(to, "embeddings.word_embeddings.weight")};
}

}  // namespace hearth::huggingface
