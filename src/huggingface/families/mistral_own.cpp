// Mistral's own layout: params.json, consolidated.safetensors and tekken.json. Its rotation pairs neighbours as the
// files do, so no row changes place; its words for sizes become those of config.json first.
#include "huggingface/families.h"

namespace hearth::huggingface {

Result<Config> read_mistral_params(const std::string& directory) {
    const Config params = TRY(Config::read(directory, "params.json"));
    Json sizes = Json::object();
    const auto rename = [&](const char* own, const char* usual) {
        if (const Json* value = params.find(own)) sizes.set(usual, *value);
    };
    rename("dim", "hidden_size");
    rename("n_layers", "num_hidden_layers");
    rename("head_dim", "head_dim");
    rename("hidden_dim", "intermediate_size");
    rename("n_heads", "num_attention_heads");
    rename("n_kv_heads", "num_key_value_heads");
    rename("norm_eps", "rms_norm_eps");
    rename("rope_theta", "rope_theta");
    rename("tied_embeddings", "tie_word_embeddings");
    rename("max_seq_len", "max_position_embeddings");
    rename("max_position_embeddings", "max_position_embeddings");
    rename("moe", "moe");
    rename("llama_4_scaling", "llama_4_scaling");
    rename("yarn", "yarn");
    return Config(std::move(sizes), "params.json");
}

TokenizerChoice translate_mistral_own(Translation& to) {
    Config& config = to.config;
    const bool has_yarn = config.has("yarn"), has_temperature = config.has("llama_4_scaling");
    // The same network; only the second name has places for what long contexts need.
    to.architecture = has_yarn || has_temperature ? "mistral3" : "llama";
    if (config.has("moe")) config.problem("models with experts are not read from Mistral's own layout");
    leave_out_towers(to);
    write_decoder_keys(to);
    const AttentionSizes sizes = write_attention_keys(to);
    const int64_t rows = embedding_rows(to, "tok_embeddings.weight");
    to.set_count("feed_forward_length", config.integer("intermediate_size", 1, 1 << 24));
    to.set_count("rope.dimension_count", sizes.head_dim);
    to.set_count("vocab_size", rows);
    to.set_number("rope.freq_base", config.number_or("rope_theta", 10000));
    if (has_yarn) {
        const int64_t original = config.integer("yarn.original_max_position_embeddings", 1, int64_t{1} << 31);
        to.set_text("rope.scaling.type", "yarn");
        to.set_number("rope.scaling.factor", config.number("yarn.factor"));
        to.set_count("rope.scaling.original_context_length", original);
        to.set_number("rope.scaling.yarn_beta_fast", config.number_or("yarn.beta", 32));
        to.set_number("rope.scaling.yarn_beta_slow", config.number_or("yarn.alpha", 1));
        // 1: the magnitudes cancel; 0: they are applied.
        to.set_number("rope.scaling.yarn_log_multiplier", config.boolean_or("yarn.apply_scale", false) ? 0 : 1);
    }
    if (has_temperature) {
        to.set_number("attention.temperature_scale", config.number("llama_4_scaling.beta"));
        const int64_t length = config.integer("llama_4_scaling.original_max_position_embeddings", 1, int64_t{1} << 31);
        if (has_yarn && length != config.integer_or("yarn.original_max_position_embeddings", length, 1, INT64_MAX))
            config.problem("llama_4_scaling and yarn begin at different lengths");
        if (!has_yarn) to.set_count("rope.scaling.original_context_length", length);
    }
    const Name names[] = {
        {"token_embd.weight", "tok_embeddings.weight"},
        {"output_norm.weight", "norm.weight"},
        {"output.weight", "output.weight"},
        {"blk.{}.attn_norm.weight", "layers.{}.attention_norm.weight"},
        {"blk.{}.attn_q.weight", "layers.{}.attention.wq.weight"},
        {"blk.{}.attn_k.weight", "layers.{}.attention.wk.weight"},
        {"blk.{}.attn_v.weight", "layers.{}.attention.wv.weight"},
        {"blk.{}.attn_output.weight", "layers.{}.attention.wo.weight"},
        {"blk.{}.ffn_norm.weight", "layers.{}.ffn_norm.weight"},
        {"blk.{}.ffn_gate.weight", "layers.{}.feed_forward.w1.weight"},
        {"blk.{}.ffn_down.weight", "layers.{}.feed_forward.w2.weight"},
        {"blk.{}.ffn_up.weight", "layers.{}.feed_forward.w3.weight"},
    };
    to.add_names(names);
    return {.rows = rows};
}

}  // namespace hearth::huggingface
