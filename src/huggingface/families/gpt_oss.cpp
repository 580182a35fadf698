// gpt-oss. The experts' gate and up rows alternate; they are stored as MXFP4 with neighbouring values in one byte,
// which becomes the files' order of the same codes, or plainly and transposed.
#include <bit>
#include <cstring>

#include "huggingface/families.h"

namespace hearth::huggingface {

namespace {

// Every second row, beginning with `first`, of every expert's matrix.
Arrange every_second_row(int64_t first) {
    return [first](ValuesPtr from) -> ValuesPtr {
        const std::vector<int64_t>& shape = from->shape();
        // Biases are [experts, rows]: there the rows are columns.
        if (shape.size() == 2) {
            std::vector<int64_t> columns;
            for (int64_t column = first; column < shape[1]; column += 2) columns.push_back(column);
            return with_columns(std::move(from), std::move(columns));
        }
        if (shape.size() != 3 || shape[1] % 2 != 0) return nullptr;
        std::vector<int64_t> rows;
        for (int64_t row = first; row < shape[1]; row += 2) rows.push_back(row);
        const int64_t all = shape[1];
        return with_rows(std::move(from), std::move(rows), all);
    };
}

}  // namespace

TokenizerChoice translate_gpt_oss(Translation& to) {
    Config& config = to.config;
    to.architecture = "gpt-oss";
    leave_out_towers(to);
    write_decoder_keys(to);
    write_attention_keys(to);
    to.experts = config.integer("num_local_experts", 1, 1 << 12);
    const int64_t width = config.integer("intermediate_size", 1, 1 << 24);
    to.set_count("feed_forward_length", width);
    const RopeSettings rope = read_rope_settings(config, 150000);
    write_rope(to, rope);
    to.set_count("attention.sliding_window", config.integer_or("sliding_window", 128, 1, 1 << 30));
    to.set_count("expert_count", to.experts);
    to.set_count(
        "expert_used_count",
        config.integer(config.has("num_experts_per_tok") ? "num_experts_per_tok" : "experts_per_token", 1, to.experts));
    to.set_count("expert_feed_forward_length", width);
    const std::vector<std::string> kinds = config.texts("layer_types");
    for (size_t layer = 0; layer < kinds.size(); ++layer)
        if ((kinds[layer] == "sliding_attention") != (layer % 2 == 0)) {
            config.problem("layer_types does not alternate, beginning with sliding_attention");
            break;
        }
    const auto from_columns = [](Arrange then) { return in_order({transposed, std::move(then)}); };
    const Name more[] = {
        {"blk.{}.post_attention_norm.weight", "layers.{}.post_attention_layernorm.weight"},
        {"blk.{}.attn_sinks.weight", "layers.{}.self_attn.sinks"},
        {"blk.{}.ffn_gate_inp.weight", "layers.{}.mlp.router.weight", {}, true},
        {"blk.{}.ffn_gate_inp.bias", "layers.{}.mlp.router.bias"},
        {"blk.{}.ffn_gate_exps.weight", "layers.{}.mlp.experts.gate_up_proj", from_columns(every_second_row(0))},
        {"blk.{}.ffn_up_exps.weight", "layers.{}.mlp.experts.gate_up_proj", from_columns(every_second_row(1))},
        {"blk.{}.ffn_down_exps.weight", "layers.{}.mlp.experts.down_proj", transposed},
        {"blk.{}.ffn_gate_exps.bias", "layers.{}.mlp.experts.gate_up_proj_bias", every_second_row(0), true},
        {"blk.{}.ffn_up_exps.bias", "layers.{}.mlp.experts.gate_up_proj_bias", every_second_row(1), true},
        {"blk.{}.ffn_down_exps.bias", "layers.{}.mlp.experts.down_proj_bias", {}, true},
    };
    std::vector<Name> names = joined_names(decoder_names(), more);
    std::erase_if(names, [](const Name& name) { return name.gguf == "blk.{}.ffn_norm.weight"; });  // see above
    to.add_names(names);
    for (int64_t layer = 0; layer < to.layers; ++layer) {
        const std::string blk = fmt::format("blk.{}.", layer), at = fmt::format("layers.{}.mlp.experts.", layer);
        add_mxfp4(to, blk + "ffn_gate_exps.weight", at + "gate_up_proj", {0, 2});
        add_mxfp4(to, blk + "ffn_up_exps.weight", at + "gate_up_proj", {1, 2});
        add_mxfp4(to, blk + "ffn_down_exps.weight", at + "down_proj", {0, 1});
    }
    add_output(to);
    return {.rows = embedding_rows(to)};
}

}  // namespace hearth::huggingface
