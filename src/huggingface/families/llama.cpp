// Llama, Mistral, Mixtral, Ministral 3 and SmolLM 3. The published rotation pairs value j of a head with j + half of
// it, the files' pairs neighbours: rows of q and k change places.
#include "huggingface/families.h"

namespace hearth::huggingface {

namespace {

TokenizerChoice translate_paired(Translation& to, const char* architecture) {
    Config& config = to.config;
    to.architecture = architecture;
    leave_out_towers(to);
    write_decoder_keys(to);
    const AttentionSizes sizes = write_attention_keys(to);
    const int64_t rows = embedding_rows(to);
    to.set_count("feed_forward_length", config.integer("intermediate_size", 1, 1 << 24));
    to.set_count("rope.dimension_count", sizes.head_dim);
    to.set_count("vocab_size", rows);
    to.experts = config.integer_or("num_local_experts", 0, 0, 1 << 12);
    if (to.experts > 0) {
        to.set_count("expert_count", to.experts);
        to.set_count("expert_used_count", config.integer("num_experts_per_tok", 1, to.experts));
    }
    const RopeSettings rope = read_rope_settings(config, 10000);
    write_rope(to, rope);
    add_llama3_divisors(to, rope, sizes.head_dim);

    const Arrange query = neighbouring_pairs(sizes.heads), key = neighbouring_pairs(sizes.kv_heads);
    const Name more[] = {
        {"blk.{}.ffn_gate.bias", "layers.{}.mlp.gate_proj.bias"},
        {"blk.{}.ffn_up.bias", "layers.{}.mlp.up_proj.bias"},
        {"blk.{}.ffn_down.bias", "layers.{}.mlp.down_proj.bias"},
        {"blk.{}.ffn_gate_inp.weight", "layers.{}.block_sparse_moe.gate.weight", {}, true},
        {"blk.{}.ffn_gate_exps.weight", "layers.{}.block_sparse_moe.experts.{e}.w1.weight"},
        {"blk.{}.ffn_down_exps.weight", "layers.{}.block_sparse_moe.experts.{e}.w2.weight"},
        {"blk.{}.ffn_up_exps.weight", "layers.{}.block_sparse_moe.experts.{e}.w3.weight"},
    };
    to.add_names(joined_names(decoder_names(query, key), more));
    add_output(to);
    return {.rows = rows};
}

}  // namespace

TokenizerChoice translate_llama(Translation& to) {
    return translate_paired(to, "llama");
}

TokenizerChoice translate_ministral3(Translation& to) {
    const TokenizerChoice choice = translate_paired(to, "mistral3");
    Config& config = to.config;
    const RopeSettings rope = read_rope_settings(config, 10000);
    if (rope.type == "yarn") {
        to.set_number("rope.scaling.yarn_beta_fast", config.number_or(rope.prefix + "beta_fast", 32));
        to.set_number("rope.scaling.yarn_beta_slow", config.number_or(rope.prefix + "beta_slow", 1));
        to.set_number("rope.scaling.yarn_log_multiplier", config.number_or(rope.prefix + "mscale_all_dim", 0));
    }
    if (config.has(rope.prefix + "llama_4_scaling_beta"))
        to.set_number("attention.temperature_scale", config.number_or(rope.prefix + "llama_4_scaling_beta", 0));
    return choice;
}

// Every fourth layer has no rotation at all; files do not carry that, so other patterns cannot be said in them.
TokenizerChoice translate_smollm3(Translation& to) {
    const std::vector<int64_t> rotated = to.config.integers("no_rope_layers");
    for (size_t layer = 0; layer < rotated.size(); ++layer)
        if ((rotated[layer] != 0) != ((layer + 1) % 4 != 0)) {
            to.config.problem("no_rope_layers is not every fourth layer");
            break;
        }
    return translate_paired(to, "smollm3");
}

}  // namespace hearth::huggingface
