// Phi 3, 3.5, Phi-4 and Phi-4-mini: q, k and v in one matrix, gate and up in another, as in the files. Long contexts
// are reached by two tables of rotary divisors and a magnitude that both share.
#include <cmath>

#include "huggingface/families.h"

namespace hearth::huggingface {

namespace {

ValuesPtr divisors(Translation& to, const std::string& key, int64_t pairs) {
    std::vector<float> values;
    for (const double value : to.config.numbers(key)) values.push_back(float(value));
    if (int64_t(values.size()) == pairs) return constant(std::move(values));
    to.config.problem(fmt::format("{} has {} entries, expected {}", key, values.size(), pairs));
    return nullptr;
}

}  // namespace

TokenizerChoice translate_phi3(Translation& to) {
    Config& config = to.config;
    to.architecture = "phi3";
    leave_out_towers(to);
    write_decoder_keys(to);
    const AttentionSizes sizes = write_attention_keys(to);
    to.set_count("feed_forward_length", config.integer("intermediate_size", 1, 1 << 24));
    const double part =
        config.number_or("partial_rotary_factor", config.number_or("rope_parameters.partial_rotary_factor", 1));
    if (!(part > 0 && part <= 1)) config.problem(fmt::format("partial_rotary_factor is {}", part));
    const int64_t rotated = int64_t(double(sizes.head_dim) * (part > 0 && part <= 1 ? part : 1));
    to.set_count("rope.dimension_count", rotated);
    const RopeSettings rope = read_rope_settings(config, 10000);
    to.set_number("rope.freq_base", rope.base);
    const double context = double(config.integer("max_position_embeddings", 1, int64_t{1} << 31));
    const double original = rope.original_context > 1 ? rope.original_context : context;
    to.set_count("rope.scaling.original_context_length", int64_t(original));
    to.set_count("attention.sliding_window", config.integer_or("sliding_window", 0, 0, int64_t{1} << 31));
    if (rope.type == "longrope" || rope.type == "su" || rope.type == "yarn") {
        const double scale = context / original;
        const double magnitude = scale <= 1            ? 1
                                 : rope.type == "yarn" ? 0.1 * std::log(scale) + 1
                                                       : std::sqrt(1 + std::log(scale) / std::log(original));
        to.set_number("rope.scaling.attn_factor", magnitude);
        to.add("rope_factors_long.weight", divisors(to, rope.prefix + "long_factor", rotated / 2));
        to.add("rope_factors_short.weight", divisors(to, rope.prefix + "short_factor", rotated / 2));
    } else if (!rope.type.empty()) {
        config.problem("rope type " + rope.type.substr(0, 40) + " is unknown for this family");
    }
    const Name more[] = {
        {"blk.{}.attn_qkv.weight", "layers.{}.self_attn.qkv_proj.weight"},
        {"blk.{}.ffn_up.weight", "layers.{}.mlp.gate_up_proj.weight"},
    };
    to.add_names(joined_names(decoder_names(), more));
    add_output(to);
    return {.rows = embedding_rows(to)};
}

}  // namespace hearth::huggingface
