// What most decoder families spell alike in config.json.
#include "huggingface/families.h"

namespace hearth::huggingface {

int64_t embedding_rows(Translation& to, const char* name) {
    const RawTensor* table = to.tensors.raw(name);
    if (table && table->shape.size() == 2 && table->shape[0] > 0) return table->shape[0];
    to.config.problem(std::string("tensor ") + name + (table ? " is no matrix" : " is missing"));
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

void add_output(Translation& to) {
    if (to.config.boolean_or("tie_word_embeddings", !to.tensors.has("lm_head.weight"))) {
        to.tensors.mark_used("lm_head.weight");  // a copy of the table, where it is stored at all
        return;
    }
    const Name head[] = {{"output.weight", "lm_head.weight"}};
    to.add_names(head, 0, 0);
}

void leave_out_towers(Translation& to) {
    for (const char* tower :
         {"visual.", "model.visual.", "vision_tower.", "model.vision_tower.", "vision_model.", "multi_modal_projector.",
          "model.multi_modal_projector.", "embed_vision.", "model.embed_vision.", "audio_tower.", "model.audio_tower.",
          "embed_audio.", "model.embed_audio.", "vision_encoder.", "vision_language_adapter.", "patch_merger.",
          "pre_mm_projector_norm."})
        to.leave_out(tower);
    to.leave_out_ending("rotary_emb.inv_freq");
    for (const char* scale : {".k_scale", ".v_scale", ".q_scale", ".input_scale", ".activation_scale",
                              ".input_global_scale", ".output_scale"})
        to.leave_out_ending(scale);
}

}  // namespace hearth::huggingface
