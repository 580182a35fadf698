// Qwen 3.5, text, dense and with experts, with its drafting layer. Two surprises: norm weights are stored around zero
// (all but the delta layers' own), and value heads lie grouped by their key head, while in the files head h uses key
// head h % num_key_heads.
#include <cmath>

#include "huggingface/families.h"

namespace hearth::huggingface {

namespace {

struct Sizes {
    int64_t key_heads, value_heads, state_size;
    int64_t key_width() const { return key_heads * state_size; }
    int64_t value_width() const { return value_heads * state_size; }

    // In the files' order, which published row each row is, when every value head has `width` rows behind `skipped`
    // ones.
    std::vector<int64_t> order(int64_t skipped, int64_t width) const {
        std::vector<int64_t> rows;
        for (int64_t row = 0; row < skipped; ++row) rows.push_back(row);
        const int64_t sharing = value_heads / key_heads;
        for (int64_t head = 0; head < value_heads; ++head) {
            const int64_t published = head % key_heads * sharing + head / key_heads;
            for (int64_t row = 0; row < width; ++row) rows.push_back(skipped + published * width + row);
        }
        return rows;
    }
    Arrange rows(int64_t skipped, int64_t width) const {
        if (key_heads == value_heads) return {};
        return [order = order(skipped, width)](ValuesPtr from) {
            return with_rows(std::move(from), order, int64_t(order.size()));
        };
    }
    Arrange columns(int64_t width) const {
        if (key_heads == value_heads) return {};
        return [order = order(0, width)](ValuesPtr from) -> ValuesPtr {
            return from->width() == int64_t(order.size()) ? with_columns(std::move(from), order) : nullptr;
        };
    }
};

ValuesPtr negative_exp(ValuesPtr from) {
    return mapped(std::move(from), [](float x) { return float(-std::exp(double(x))); });
}

Arrange after(Arrange first, const Arrange& second) {
    return second ? in_order({std::move(first), second}) : std::move(first);
}

// The parts of a layer that its kind decides about are skipped where they are absent.
std::vector<Name> layer_names(const std::string& at, const Sizes& s) {
    const auto name = [&](const char* gguf, const std::string& published, Arrange arrange = {}, bool f32 = false) {
        return Name{std::string("blk.{}.") + gguf, at + published, std::move(arrange), f32};
    };
    return {
        name("attn_norm.weight", "input_layernorm.weight", plus_one()),
        name("post_attention_norm.weight", "post_attention_layernorm.weight", plus_one()),
        // query and output gate share one matrix, head by head, as in the files
        name("attn_q.weight", "self_attn.q_proj.weight"),
        name("attn_k.weight", "self_attn.k_proj.weight"),
        name("attn_v.weight", "self_attn.v_proj.weight"),
        name("attn_output.weight", "self_attn.o_proj.weight"),
        name("attn_q_norm.weight", "self_attn.q_norm.weight", plus_one()),
        name("attn_k_norm.weight", "self_attn.k_norm.weight", plus_one()),
        name("attn_qkv.weight", "linear_attn.in_proj_qkv.weight", s.rows(2 * s.key_width(), s.state_size)),
        name("attn_gate.weight", "linear_attn.in_proj_z.weight", s.rows(0, s.state_size)),
        name("ssm_alpha.weight", "linear_attn.in_proj_a.weight", s.rows(0, 1)),
        name("ssm_beta.weight", "linear_attn.in_proj_b.weight", s.rows(0, 1)),
        name("ssm_conv1d.weight", "linear_attn.conv1d.weight",
             after(shaped({2 * s.key_width() + s.value_width(), -1}), s.rows(2 * s.key_width(), s.state_size)), true),
        name("ssm_dt.bias", "linear_attn.dt_bias", s.rows(0, 1)),
        name("ssm_a", "linear_attn.A_log", after(negative_exp, s.rows(0, 1))),
        name("ssm_norm.weight", "linear_attn.norm.weight"),
        name("ssm_out.weight", "linear_attn.out_proj.weight", s.columns(s.state_size)),
        name("ffn_gate.weight", "mlp.gate_proj.weight"),
        name("ffn_up.weight", "mlp.up_proj.weight"),
        name("ffn_down.weight", "mlp.down_proj.weight"),
        name("ffn_gate_inp.weight", "mlp.gate.weight", {}, true),
        // experts: one tensor each, or stacks with gate and up in one
        name("ffn_gate_exps.weight", "mlp.experts.{e}.gate_proj.weight"),
        name("ffn_up_exps.weight", "mlp.experts.{e}.up_proj.weight"),
        name("ffn_down_exps.weight", "mlp.experts.{e}.down_proj.weight"),
        name("ffn_gate_exps.weight", "mlp.experts.gate_up_proj", rows_part(0, 1, 2)),
        name("ffn_up_exps.weight", "mlp.experts.gate_up_proj", rows_part(1, 1, 2)),
        name("ffn_down_exps.weight", "mlp.experts.down_proj"),
        name("ffn_gate_inp_shexp.weight", "mlp.shared_expert_gate.weight", shaped({-1})),
        name("ffn_gate_shexp.weight", "mlp.shared_expert.gate_proj.weight"),
        name("ffn_up_shexp.weight", "mlp.shared_expert.up_proj.weight"),
        name("ffn_down_shexp.weight", "mlp.shared_expert.down_proj.weight"),
    };
}

void write_layer_kinds(Translation& to) {
    Config& config = to.config;
    const std::vector<std::string> kinds = config.texts("layer_types");
    if (kinds.empty()) {
        to.set_count("full_attention_interval", config.integer_or("full_attention_interval", 4, 1, 1 << 16));
        return;
    }
    if (int64_t(kinds.size()) < to.layers) config.problem("layer_types is shorter than num_hidden_layers");
    std::vector<bool> recurrent;
    for (const std::string& kind : kinds) recurrent.push_back(kind != "full_attention");
    int64_t interval = 1;
    while (interval <= int64_t(recurrent.size()) && recurrent[size_t(interval - 1)]) ++interval;
    bool is_regular = interval <= int64_t(recurrent.size());
    for (size_t layer = 0; layer < recurrent.size(); ++layer)
        is_regular &= recurrent[layer] == ((int64_t(layer) + 1) % interval != 0);
    if (is_regular)
        to.set_count("full_attention_interval", interval);
    else
        to.set_flags("attention.recurrent_layers", recurrent);
}

}  // namespace

TokenizerChoice translate_qwen35(Translation& to) {
    Config& config = to.config;
    const bool has_experts = config.has("num_experts");
    to.architecture = has_experts ? "qwen35moe" : "qwen35";
    leave_out_towers(to);
    write_decoder_keys(to);
    const int64_t drafting = to.tensors.has("mtp.fc.weight") ? config.integer_or("mtp_num_hidden_layers", 1, 0, 64) : 0;
    if (drafting > 0) {
        to.set_count("block_count", to.layers + drafting);
        to.set_count("nextn_predict_layers", drafting);
    }
    if (has_experts) {
        to.experts = config.integer("num_experts", 1, 1 << 12);
        to.set_count("expert_count", to.experts);
        to.set_count("expert_used_count", config.integer("num_experts_per_tok", 1, to.experts));
        to.set_count("expert_feed_forward_length", config.integer("moe_intermediate_size", 1, 1 << 24));
        to.set_count("expert_shared_feed_forward_length",
                     config.integer("shared_expert_intermediate_size", 1, 1 << 24));
    } else {
        to.set_count("feed_forward_length", config.integer("intermediate_size", 1, 1 << 24));
    }
    to.set_count("attention.head_count", config.integer("num_attention_heads", 1, 1 << 16));
    to.set_count("attention.head_count_kv", config.integer("num_key_value_heads", 1, 1 << 16));
    const int64_t head_dim = config.integer_or("head_dim", 256, 1, 1 << 14);
    to.set_count("attention.key_length", head_dim);
    to.set_count("attention.value_length", head_dim);

    const RopeSettings rope = read_rope_settings(config, 1e7);
    write_rope(to, rope);
    const std::string in_rope = rope.prefix + "partial_rotary_factor";
    const double part = config.number_or(config.has(in_rope) ? in_rope : "partial_rotary_factor", 0.25);
    if (!(part > 0 && part <= 1)) config.problem(fmt::format("partial_rotary_factor is {}", part));
    to.set_count("rope.dimension_count", int64_t(double(head_dim) * (part > 0 && part <= 1 ? part : 1)));
    std::vector<int64_t> sections = config.integers(rope.prefix + "mrope_section");
    if (sections.empty()) sections = {11, 11, 10};
    if (sections.size() > 4) config.problem("mrope_section has more than four entries");
    for (const int64_t section : sections)
        if (section < 0 || section > head_dim) config.problem(fmt::format("mrope_section has the entry {}", section));
    sections.resize(4, 0);
    to.set_counts("rope.dimension_sections", sections);

    Sizes s{};
    s.key_heads = config.integer("linear_num_key_heads", 1, 1 << 12);
    s.value_heads = config.integer("linear_num_value_heads", 1, 1 << 12);
    s.state_size = config.integer("linear_key_head_dim", 1, 1 << 12);
    if (config.integer("linear_value_head_dim", 1, 1 << 12) != s.state_size)
        config.problem("linear_value_head_dim differs from linear_key_head_dim");
    if (s.value_heads % s.key_heads != 0)
        config.problem("linear_num_value_heads is no multiple of linear_num_key_heads");
    to.set_count("ssm.conv_kernel", config.integer("linear_conv_kernel_dim", 1, 64));
    to.set_count("ssm.state_size", s.state_size);
    to.set_count("ssm.group_count", s.key_heads);
    to.set_count("ssm.time_step_rank", s.value_heads);
    to.set_count("ssm.inner_size", s.value_width());
    write_layer_kinds(to);
    const int64_t rows = embedding_rows(to);
    if (!config.problems().empty()) return {.rows = rows};  // the orders below would be made of nonsense

    const Name tables[] = {{"token_embd.weight", "embed_tokens.weight"},
                           {"output_norm.weight", "norm.weight", plus_one()}};
    to.add_names(tables, 0, 0);
    to.add_names(layer_names("layers.{}.", s));
    for (int64_t draft = 0; draft < drafting; ++draft) {
        to.add_names(layer_names(fmt::format("mtp.layers.{}.", draft), s), to.layers + draft, to.layers + draft + 1);
        if (draft > 0) continue;
        const Name heads[] = {
            {"blk.{}.nextn.eh_proj.weight", "mtp.fc.weight"},
            {"blk.{}.nextn.enorm.weight", "mtp.pre_fc_norm_embedding.weight", plus_one()},
            {"blk.{}.nextn.hnorm.weight", "mtp.pre_fc_norm_hidden.weight", plus_one()},
            {"blk.{}.nextn.shared_head_norm.weight", "mtp.norm.weight", plus_one()},
        };
        to.add_names(heads, to.layers, to.layers + 1);
    }
    add_output(to);
    return {.rows = rows};
}

}  // namespace hearth::huggingface
