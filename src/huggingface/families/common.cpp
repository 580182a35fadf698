// What most decoder families spell alike in config.json and in their tensors' names.
#include "huggingface/families.h"

namespace hearth::huggingface {

int64_t embedding_rows(Translation& to, const char* name) {
    const auto shape = to.tensors.shape(name);
    if (shape && shape->size() == 2 && shape->front() > 0) return shape->front();
    to.config.problem(std::string("tensor ") + name + (to.tensors.has(name) ? " is no matrix" : " is missing"));
    return 0;
}

void write_decoder_keys(Translation& to) {
    Config& config = to.config;
    to.layers = config.integer("num_hidden_layers", 1, 1 << 12);
    to.set_count("block_count", to.layers);
    to.set_count("context_length", config.integer("max_position_embeddings", 1, int64_t{1} << 31));
    to.set_count("embedding_length", config.integer("hidden_size", 1, 1 << 20));
    to.set_number("attention.layer_norm_rms_epsilon",
                  config.number_or(config.has("rms_norm_eps") ? "rms_norm_eps" : "norm_eps", 1e-6));
}

AttentionSizes write_attention_keys(Translation& to) {
    Config& config = to.config;
    AttentionSizes sizes;
    sizes.hidden = config.integer("hidden_size", 1, 1 << 20);
    sizes.heads = config.integer("num_attention_heads", 1, 1 << 16);
    sizes.kv_heads = config.integer_or("num_key_value_heads", sizes.heads, 1, 1 << 16);
    sizes.head_dim = config.integer_or("head_dim", std::max<int64_t>(1, sizes.hidden / sizes.heads), 1, 1 << 16);
    if (sizes.heads % sizes.kv_heads != 0) config.problem("num_attention_heads is no multiple of num_key_value_heads");
    to.set_count("attention.head_count", sizes.heads);
    to.set_count("attention.head_count_kv", sizes.kv_heads);
    if (config.has("head_dim")) {
        to.set_count("attention.key_length", sizes.head_dim);
        to.set_count("attention.value_length", sizes.head_dim);
    }
    return sizes;
}

std::vector<Name> decoder_names(const Arrange& query, const Arrange& key) {
    return {
        {"token_embd.weight", "embed_tokens.weight"},
        {"output_norm.weight", "norm.weight"},
        {"blk.{}.attn_norm.weight", "layers.{}.input_layernorm.weight"},
        {"blk.{}.attn_q.weight", "layers.{}.self_attn.q_proj.weight", query},
        {"blk.{}.attn_k.weight", "layers.{}.self_attn.k_proj.weight", key},
        {"blk.{}.attn_v.weight", "layers.{}.self_attn.v_proj.weight"},
        {"blk.{}.attn_output.weight", "layers.{}.self_attn.o_proj.weight"},
        {"blk.{}.attn_q.bias", "layers.{}.self_attn.q_proj.bias", query},
        {"blk.{}.attn_k.bias", "layers.{}.self_attn.k_proj.bias", key},
        {"blk.{}.attn_v.bias", "layers.{}.self_attn.v_proj.bias"},
        {"blk.{}.attn_output.bias", "layers.{}.self_attn.o_proj.bias"},
        {"blk.{}.ffn_norm.weight", "layers.{}.post_attention_layernorm.weight"},
        {"blk.{}.ffn_gate.weight", "layers.{}.mlp.gate_proj.weight"},
        {"blk.{}.ffn_up.weight", "layers.{}.mlp.up_proj.weight"},
        {"blk.{}.ffn_down.weight", "layers.{}.mlp.down_proj.weight"},
    };
}

std::vector<Name> joined_names(std::vector<Name> first, std::span<const Name> second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

void add_output(Translation& to) {
    if (to.config.boolean_or("tie_word_embeddings", !to.tensors.has("lm_head.weight"))) {
        Config ignored;
        to.tensors.open("lm_head.weight", ignored);  // a copy of the table, where it is stored at all
        return;
    }
    const Name head[] = {{"output.weight", "lm_head.weight"}, {"output.bias", "lm_head.bias"}};
    to.add_names(head, 0, 0);
}

void leave_out_towers(Translation& to) {
    for (const char* tower :
         {"visual.", "vision_tower.", "vision_model.", "vision_encoder.", "vision_projector.",
          "vision_language_adapter.", "multi_modal_projector.", "mlp1.", "patch_merger.", "pre_mm_projector_norm.",
          "embed_vision.", "audio_tower.", "embed_audio.", "sound_encoder.", "sound_projection.", "mtp."})
        to.leave_out(tower);
    to.leave_out_ending("rotary_emb.inv_freq");
    for (const char* scale : {".k_scale", ".v_scale", ".q_scale", ".input_scale", ".activation_scale",
                              ".input_global_scale", ".output_scale", ".qscale_act"})
        to.leave_out_ending(scale);
}

}  // namespace hearth::huggingface
