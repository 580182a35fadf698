// Publishers of published.h's kind, one a family: the inverse of what each release's names and orders are.
#include "huggingface/publishers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace hearth::test {
namespace {

std::string put_number(std::string text, std::string_view mark, int64_t number) {
    if (const size_t at = text.find(mark); at != std::string::npos)
        text.replace(at, mark.size(), std::to_string(number));
    return text;
}

// Published rows of a head: first the even ones of the file's, then the odd ones.
publish::Change from_pairs(int64_t heads) {
    return [heads](const Given& w) {
        const int64_t width = w.shape[0] / heads;
        return w.rows_from([=](int64_t row) {
            const int64_t i = row % width;
            return row / width * width + (i < width / 2 ? 2 * i : 2 * (i - width / 2) + 1);
        });
    };
}

// [x][a][b] -> [x][b][a]
Given turned(const Given& w) {
    Given out{{w.shape[0], w.shape[2], w.shape[1]}, std::vector<float>(w.values.size())};
    for (int64_t x = 0; x < w.shape[0]; ++x)
        for (int64_t a = 0; a < w.shape[1]; ++a)
            for (int64_t b = 0; b < w.shape[2]; ++b)
                out.values[size_t((x * w.shape[2] + b) * w.shape[1] + a)] =
                    w.values[size_t((x * w.shape[1] + a) * w.shape[2] + b)];
    return out;
}

// Rows of two stacks of equal shape, all of one before all of the other, or by turns.
Given fused(const Given& one, const Given& two, bool by_turns) {
    const bool is_matrix = one.shape.size() == 2;
    const int64_t stack = one.shape[0], rows = one.shape[1], width = is_matrix ? 1 : one.shape[2];
    Given out{one.shape, {}};
    out.shape[1] = 2 * rows;
    for (int64_t x = 0; x < stack; ++x)
        for (int64_t row = 0; row < 2 * rows; ++row) {
            const bool first = by_turns ? row % 2 == 0 : row < rows;
            const int64_t from = x * rows + (by_turns ? row / 2 : row % rows);
            const std::vector<float>& values = first ? one.values : two.values;
            out.values.insert(out.values.end(), values.begin() + from * width, values.begin() + (from + 1) * width);
        }
    return out;
}

}  // namespace

namespace publish {

const std::vector<Line> kDecoder{
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
    {"blk.{}.attn_norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"blk.{}.attn_q.weight", "model.layers.{}.self_attn.q_proj.weight"},
    {"blk.{}.attn_k.weight", "model.layers.{}.self_attn.k_proj.weight"},
    {"blk.{}.attn_v.weight", "model.layers.{}.self_attn.v_proj.weight"},
    {"blk.{}.attn_q.bias", "model.layers.{}.self_attn.q_proj.bias"},
    {"blk.{}.attn_k.bias", "model.layers.{}.self_attn.k_proj.bias"},
    {"blk.{}.attn_v.bias", "model.layers.{}.self_attn.v_proj.bias"},
    {"blk.{}.attn_q_norm.weight", "model.layers.{}.self_attn.q_norm.weight"},
    {"blk.{}.attn_k_norm.weight", "model.layers.{}.self_attn.k_norm.weight"},
    {"blk.{}.attn_output.weight", "model.layers.{}.self_attn.o_proj.weight"},
    {"blk.{}.attn_output.bias", "model.layers.{}.self_attn.o_proj.bias"},
    {"blk.{}.ffn_norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
    {"blk.{}.ffn_gate.weight", "model.layers.{}.mlp.gate_proj.weight"},
    {"blk.{}.ffn_up.weight", "model.layers.{}.mlp.up_proj.weight"},
    {"blk.{}.ffn_down.weight", "model.layers.{}.mlp.down_proj.weight"},
};

void move_tensors(const Original& from, Published& to, const std::vector<Line>& lines) {
    const int64_t layers = from.integer("block_count");
    for (const Line& line : lines)
        for (int64_t layer = 0; layer < (std::strstr(line.gguf, "{}") ? layers : 1); ++layer) {
            const std::string gguf = put_number(line.gguf, "{}", layer), name = put_number(line.published, "{}", layer);
            if (!from.has(gguf)) continue;
            Given given = from.tensor(gguf);
            if (name.find("{e}") != std::string::npos) {
                for (int64_t e = 0; e < given.shape[0]; ++e) {
                    const Given one = given.part(e, 1).shaped({given.shape[1], given.shape[2]});
                    to.add(put_number(name, "{e}", e), one.shape, one.values);
                }
                continue;
            }
            if (line.change) given = line.change(given);
            to.add(name, given.shape, given.values);
        }
}

Given less_one(const Given& w) {
    return w.with([](float x) { return x - 1; });
}

Json object_of(const std::string& text) {
    auto json = Json::parse(text);
    EXPECT_TRUE(json.has_value()) << text;
    return json ? *json : Json::object();
}

// What nearly all config.json files have.
Published started(const Original& from, const char* model_type) {
    Published to;
    from.write_tokenizer(to);
    Json& config = to.config;
    config.set("model_type", model_type);
    config.set("num_hidden_layers", from.integer("block_count"));
    config.set("hidden_size", from.integer("embedding_length"));
    config.set("max_position_embeddings", from.integer("context_length"));
    config.set("num_attention_heads", from.integer("attention.head_count"));
    const Metadata& file = from.checkpoint().metadata();
    const auto copy = [&](const char* key, const char* name) {
        if (const auto value = file.integer(from.key(key))) config.set(name, *value);
    };
    copy("attention.head_count_kv", "num_key_value_heads");
    copy("attention.key_length", "head_dim");
    copy("feed_forward_length", "intermediate_size");
    config.set("rms_norm_eps", from.number("attention.layer_norm_rms_epsilon"));
    if (const auto base = file.number(from.key("rope.freq_base"))) config.set("rope_theta", *base);
    config.set("tie_word_embeddings", !from.has("output.weight"));
    return to;
}

std::vector<Line> with(std::vector<Line> lines, const std::vector<Line>& changed) {
    for (const Line& line : changed) {
        std::erase_if(lines, [&](const Line& old) { return std::string_view(old.gguf) == line.gguf; });
        lines.push_back(line);
    }
    return lines;
}

Published llama(const Original& from) {
    Published to = started(from, "llama");
    const auto pairs = from_pairs(from.integer("attention.head_count")),
               key_pairs = from_pairs(from.integer("attention.head_count_kv"));
    if (from.has("rope_freqs.weight"))
        to.config.set("rope_scaling",
                      object_of(R"({"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
                                    "original_max_position_embeddings":64})"));
    else if (from.checkpoint().metadata().has(from.key("rope.scaling.factor")))
        to.config.set("rope_scaling",
                      object_of(fmt::format(R"({{"type":"linear","factor":{}}})", from.number("rope.scaling.factor"))));
    move_tensors(from, to,
                 with(kDecoder, {{"blk.{}.attn_q.weight", "model.layers.{}.self_attn.q_proj.weight", pairs},
                                 {"blk.{}.attn_k.weight", "model.layers.{}.self_attn.k_proj.weight", key_pairs}}));
    return to;
}

Published smollm3(const Original& from) {
    Published to = llama(from);
    to.config.set("model_type", "smollm3");
    return to;
}

Published ministral3(const Original& from) {
    Published text = llama(from), to = text;
    text.config.set("model_type", "ministral3");
    text.config.set("rope_parameters", object_of(R"({"rope_type":"yarn","rope_theta":10000.0,"factor":16.0,
        "original_max_position_embeddings":32,"beta_fast":4.0,"beta_slow":1.0,"mscale":1.0,"mscale_all_dim":1.0,
        "llama_4_scaling_beta":0.1})"));
    std::erase_if(text.config.members(), [](const auto& member) { return member.first == "rope_scaling"; });
    to.config = object_of(R"({"model_type":"mistral3"})");
    to.config.set("text_config", text.config);
    return to;
}

Published qwen2(const Original& from) {
    Published to = started(from, "qwen2");
    move_tensors(from, to, kDecoder);
    return to;
}

Published qwen3(const Original& from) {
    Published to = started(from, "qwen3");
    if (from.checkpoint().metadata().has(from.key("rope.scaling.factor")))
        to.config.set("rope_scaling",
                      object_of(R"({"rope_type":"yarn","factor":4.0,"original_max_position_embeddings":128})"));
    move_tensors(from, to, kDecoder);
    return to;
}

Published qwen3moe(const Original& from) {
    Published to = started(from, "qwen3_moe");
    to.config.set("num_experts", from.integer("expert_count"));
    to.config.set("num_experts_per_tok", from.integer("expert_used_count"));
    to.config.set("moe_intermediate_size", from.integer("expert_feed_forward_length"));
    move_tensors(from, to,
                 with(kDecoder, {{"blk.{}.ffn_gate_inp.weight", "model.layers.{}.mlp.gate.weight"},
                                 {"blk.{}.ffn_gate_exps.weight", "model.layers.{}.mlp.experts.{e}.gate_proj.weight"},
                                 {"blk.{}.ffn_up_exps.weight", "model.layers.{}.mlp.experts.{e}.up_proj.weight"},
                                 {"blk.{}.ffn_down_exps.weight", "model.layers.{}.mlp.experts.{e}.down_proj.weight"}}));
    return to;
}

Published phi3(const Original& from) {
    Published to = started(from, "phi3");
    const double head = double(from.integer("embedding_length")) / double(from.integer("attention.head_count"));
    to.config.set("partial_rotary_factor", double(from.integer("rope.dimension_count")) / head);
    to.config.set("original_max_position_embeddings", from.integer("rope.scaling.original_context_length"));
    Json scaling = object_of(R"({"type":"longrope"})");
    for (const char* which : {"long", "short"}) {
        Json list = Json::array();
        for (const float value : from.tensor(fmt::format("rope_factors_{}.weight", which)).values)
            list.push(double(value));
        scaling.set(fmt::format("{}_factor", which), list);
    }
    to.config.set("rope_scaling", scaling);
    move_tensors(from, to,
                 with(kDecoder, {{"blk.{}.attn_qkv.weight", "model.layers.{}.self_attn.qkv_proj.weight"},
                                 {"blk.{}.ffn_up.weight", "model.layers.{}.mlp.gate_up_proj.weight"}}));
    return to;
}

Published lfm2(const Original& from) {
    Published to = started(from, "lfm2");
    to.config.set("conv_L_cache", from.integer("shortconv.l_cache"));
    Json kinds = Json::array();
    const auto heads_of_layer = *from.checkpoint().metadata().integers(from.key("attention.head_count_kv"));
    for (const int64_t heads : heads_of_layer) {
        kinds.push(heads ? "full_attention" : "conv");
        if (heads) to.config.set("num_key_value_heads", heads);
    }
    to.config.set("layer_types", kinds);
    to.config.set("intermediate_size", 7);  // adjusted by rules: the matrices have the last word
    move_tensors(from, to,
                 {{"token_embd.weight", "model.embed_tokens.weight"},
                  {"token_embd_norm.weight", "model.embedding_norm.weight"},
                  {"blk.{}.attn_norm.weight", "model.layers.{}.operator_norm.weight"},
                  {"blk.{}.ffn_norm.weight", "model.layers.{}.ffn_norm.weight"},
                  {"blk.{}.attn_q.weight", "model.layers.{}.self_attn.q_proj.weight"},
                  {"blk.{}.attn_k.weight", "model.layers.{}.self_attn.k_proj.weight"},
                  {"blk.{}.attn_v.weight", "model.layers.{}.self_attn.v_proj.weight"},
                  {"blk.{}.attn_output.weight", "model.layers.{}.self_attn.out_proj.weight"},
                  {"blk.{}.attn_q_norm.weight", "model.layers.{}.self_attn.q_layernorm.weight"},
                  {"blk.{}.attn_k_norm.weight", "model.layers.{}.self_attn.k_layernorm.weight"},
                  {"blk.{}.shortconv.in_proj.weight", "model.layers.{}.conv.in_proj.weight"},
                  {"blk.{}.shortconv.conv.weight", "model.layers.{}.conv.conv.weight",
                   [](const Given& w) {
                       return w.shaped({w.shape[0], 1, w.shape[1]});
                   }},
                  {"blk.{}.shortconv.out_proj.weight", "model.layers.{}.conv.out_proj.weight"},
                  {"blk.{}.ffn_gate.weight", "model.layers.{}.feed_forward.w1.weight"},
                  {"blk.{}.ffn_down.weight", "model.layers.{}.feed_forward.w2.weight"},
                  {"blk.{}.ffn_up.weight", "model.layers.{}.feed_forward.w3.weight"}});
    return to;
}

Published gemma3(const Original& from) {
    Published to = started(from, "gemma3_text");
    const Metadata& file = from.checkpoint().metadata();
    to.config.set("rope_local_base_freq", from.number("rope.freq_base_swa"));
    to.config.set("sliding_window", from.integer("attention.sliding_window"));
    if (const auto period = file.integer(from.key("attention.sliding_window_pattern")))
        to.config.set("sliding_window_pattern", *period);
    if (file.has(from.key("rope.scaling.factor")))
        to.config.set("rope_scaling", object_of(R"({"rope_type":"linear","factor":8.0})"));
    move_tensors(
        from, to,
        with(kDecoder,
             {{"output_norm.weight", "model.norm.weight", less_one},
              {"blk.{}.attn_norm.weight", "model.layers.{}.input_layernorm.weight", less_one},
              {"blk.{}.attn_q_norm.weight", "model.layers.{}.self_attn.q_norm.weight", less_one},
              {"blk.{}.attn_k_norm.weight", "model.layers.{}.self_attn.k_norm.weight", less_one},
              {"blk.{}.post_attention_norm.weight", "model.layers.{}.post_attention_layernorm.weight", less_one},
              {"blk.{}.ffn_norm.weight", "model.layers.{}.pre_feedforward_layernorm.weight", less_one},
              {"blk.{}.post_ffw_norm.weight", "model.layers.{}.post_feedforward_layernorm.weight", less_one}}));
    return to;
}

Published gemma4(const Original& from) {
    Published to = started(from, "gemma4_text");
    const Metadata& file = from.checkpoint().metadata();
    const auto slides = *file.integers(from.key("attention.sliding_window_pattern"));
    Json kinds = Json::array();
    for (const int64_t slide : slides) kinds.push(slide ? "sliding_attention" : "full_attention");
    to.config.set("layer_types", kinds);
    to.config.set("head_dim", from.integer("attention.key_length_swa"));
    to.config.set("global_head_dim", from.integer("attention.key_length"));
    if (const auto heads = file.integers(from.key("attention.head_count_kv"))) {
        to.config.set("attention_k_eq_v", true);
        for (size_t i = 0; i < slides.size(); ++i)
            to.config.set(slides[i] ? "num_key_value_heads" : "num_global_key_value_heads", (*heads)[i]);
    }
    to.config.set("sliding_window", from.integer("attention.sliding_window"));
    to.config.set("num_kv_shared_layers", from.integer("attention.shared_kv_layers"));
    to.config.set("hidden_size_per_layer_input", from.integer("embedding_length_per_layer_input"));
    to.config.set("final_logit_softcapping", from.number("final_logit_softcapping"));
    to.config.set("rope_parameters", object_of(R"({"full_attention":{"rope_type":"proportional","rope_theta":1000000.0,
                  "partial_rotary_factor":0.25},"sliding_attention":{"rope_type":"default","rope_theta":10000.0}})"));
    if (file.has(from.key("expert_count"))) {
        to.config.set("enable_moe_block", true);
        to.config.set("num_experts", from.integer("expert_count"));
        to.config.set("top_k_experts", from.integer("expert_used_count"));
        to.config.set("moe_intermediate_size", from.integer("expert_feed_forward_length"));
    }
    move_tensors(
        from, to,
        with(kDecoder, {{"per_layer_token_embd.weight", "model.embed_tokens_per_layer.weight"},
                        {"per_layer_model_proj.weight", "model.per_layer_model_projection.weight"},
                        {"per_layer_proj_norm.weight", "model.per_layer_projection_norm.weight"},
                        {"blk.{}.post_attention_norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
                        {"blk.{}.ffn_norm.weight", "model.layers.{}.pre_feedforward_layernorm.weight"},
                        {"blk.{}.post_ffw_norm.weight", "model.layers.{}.post_feedforward_layernorm.weight"},
                        {"blk.{}.layer_output_scale.weight", "model.layers.{}.layer_scalar"},
                        {"blk.{}.inp_gate.weight", "model.layers.{}.per_layer_input_gate.weight"},
                        {"blk.{}.proj.weight", "model.layers.{}.per_layer_projection.weight"},
                        {"blk.{}.post_norm.weight", "model.layers.{}.post_per_layer_input_norm.weight"},
                        {"blk.{}.ffn_gate_inp.weight", "model.layers.{}.router.proj.weight"},
                        {"blk.{}.ffn_gate_inp.scale", "model.layers.{}.router.scale"},
                        {"blk.{}.ffn_down_exps.scale", "model.layers.{}.router.per_expert_scale"},
                        {"blk.{}.pre_ffw_norm_2.weight", "model.layers.{}.pre_feedforward_layernorm_2.weight"},
                        {"blk.{}.post_ffw_norm_1.weight", "model.layers.{}.post_feedforward_layernorm_1.weight"},
                        {"blk.{}.post_ffw_norm_2.weight", "model.layers.{}.post_feedforward_layernorm_2.weight"},
                        {"blk.{}.ffn_gate_up_exps.weight", "model.layers.{}.experts.gate_up_proj"},
                        {"blk.{}.ffn_down_exps.weight", "model.layers.{}.experts.down_proj"}}));
    return to;
}

Published gpt_oss(const Original& from) {
    Published to = started(from, "gpt_oss");
    to.config.set("num_local_experts", from.integer("expert_count"));
    to.config.set("num_experts_per_tok", from.integer("expert_used_count"));
    to.config.set("sliding_window", from.integer("attention.sliding_window"));
    to.config.set("rope_scaling",
                  object_of(R"({"rope_type":"yarn","factor":32.0,"original_max_position_embeddings":128})"));
    move_tensors(
        from, to,
        with(kDecoder, {{"blk.{}.post_attention_norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
                        {"blk.{}.attn_sinks.weight", "model.layers.{}.self_attn.sinks"},
                        {"blk.{}.ffn_gate_inp.weight", "model.layers.{}.mlp.router.weight"},
                        {"blk.{}.ffn_gate_inp.bias", "model.layers.{}.mlp.router.bias"},
                        {"blk.{}.ffn_down_exps.weight", "model.layers.{}.mlp.experts.down_proj", turned},
                        {"blk.{}.ffn_down_exps.bias", "model.layers.{}.mlp.experts.down_proj_bias"}}));
    for (int64_t i = 0; i < from.integer("block_count"); ++i) {
        const std::string blk = fmt::format("blk.{}.ffn_", i), at = fmt::format("model.layers.{}.mlp.experts.", i);
        const Given both =
            turned(fused(from.tensor(blk + "gate_exps.weight"), from.tensor(blk + "up_exps.weight"), true));
        const Given bias = fused(from.tensor(blk + "gate_exps.bias"), from.tensor(blk + "up_exps.bias"), true);
        to.add(at + "gate_up_proj", both.shape, both.values);
        to.add(at + "gate_up_proj_bias", bias.shape, bias.values);
    }
    return to;
}

Published llama4(const Original& from) {
    Published to = started(from, "llama4_text");
    to.config.set("intermediate_size_mlp", from.integer("feed_forward_length"));
    to.config.set("intermediate_size", from.integer("expert_feed_forward_length"));
    to.config.set("num_local_experts", from.integer("expert_count"));
    to.config.set("num_experts_per_tok", from.integer("expert_used_count"));
    to.config.set("interleave_moe_layer_step", from.integer("interleave_moe_layer_step"));
    to.config.set("rope_scaling",
                  object_of(R"({"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
                                "original_max_position_embeddings":64})"));
    const std::string at = "model.layers.{}.feed_forward.";
    move_tensors(
        from, to,
        with(kDecoder, {{"blk.{}.ffn_gate.weight", "model.layers.{}.feed_forward.gate_proj.weight"},
                        {"blk.{}.ffn_up.weight", "model.layers.{}.feed_forward.up_proj.weight"},
                        {"blk.{}.ffn_down.weight", "model.layers.{}.feed_forward.down_proj.weight"},
                        {"blk.{}.ffn_gate_shexp.weight", "model.layers.{}.feed_forward.shared_expert.gate_proj.weight"},
                        {"blk.{}.ffn_up_shexp.weight", "model.layers.{}.feed_forward.shared_expert.up_proj.weight"},
                        {"blk.{}.ffn_down_shexp.weight", "model.layers.{}.feed_forward.shared_expert.down_proj.weight"},
                        {"blk.{}.ffn_gate_inp.weight", "model.layers.{}.feed_forward.router.weight"},
                        {"blk.{}.ffn_down_exps.weight", "model.layers.{}.feed_forward.experts.down_proj", turned}}));
    for (int64_t i = 0; i < from.integer("block_count"); ++i) {
        const std::string blk = fmt::format("blk.{}.ffn_", i);
        if (!from.has(blk + "gate_exps.weight")) continue;
        const Given both =
            turned(fused(from.tensor(blk + "gate_exps.weight"), from.tensor(blk + "up_exps.weight"), false));
        to.add(fmt::format("model.layers.{}.feed_forward.experts.gate_up_proj", i), both.shape, both.values);
    }
    return to;
}

Published nemotron(const Original& from) {
    Published to = started(from, "nemotron_h");
    const Metadata& file = from.checkpoint().metadata();
    const auto widths = *file.integers(from.key("feed_forward_length")),
               heads = *file.integers(from.key("attention.head_count_kv"));
    const bool has_experts = file.has(from.key("expert_count"));
    std::string pattern;
    for (size_t i = 0; i < widths.size(); ++i) {
        pattern += widths[i] ? (has_experts ? 'E' : '-') : heads[i] ? '*' : 'M';
        if (heads[i]) to.config.set("num_key_value_heads", heads[i]);
        if (widths[i]) to.config.set(has_experts ? "moe_intermediate_size" : "intermediate_size", widths[i]);
    }
    to.config.set("hybrid_override_pattern", pattern);
    to.config.set("layer_norm_epsilon", 1e-5);
    to.config.set("mamba_num_heads", from.integer("ssm.time_step_rank"));
    to.config.set("mamba_head_dim", from.integer("ssm.inner_size") / from.integer("ssm.time_step_rank"));
    to.config.set("n_groups", from.integer("ssm.group_count"));
    to.config.set("ssm_state_size", from.integer("ssm.state_size"));
    to.config.set("conv_kernel", from.integer("ssm.conv_kernel"));
    if (has_experts) {
        to.config.set("n_routed_experts", from.integer("expert_count"));
        to.config.set("num_experts_per_tok", from.integer("expert_used_count"));
        to.config.set("moe_shared_expert_intermediate_size", from.integer("expert_shared_feed_forward_length"));
        to.config.set("n_shared_experts", 1);
        to.config.set("norm_topk_prob", true);
        to.config.set("routed_scaling_factor", from.number("expert_weights_scale"));
        to.config.set("n_group", 1);
        to.config.set("topk_group", 1);
        if (const auto latent = file.integer(from.key("moe_latent_size"))) to.config.set("moe_latent_size", *latent);
    }
    const auto flat = [](const Given& w) { return w.shaped({int64_t(w.values.size())}); };
    move_tensors(from, to,
                 {{"token_embd.weight", "backbone.embeddings.weight"},
                  {"output_norm.weight", "backbone.norm_f.weight"},
                  {"output.weight", "lm_head.weight"},
                  {"blk.{}.attn_norm.weight", "backbone.layers.{}.norm.weight"},
                  {"blk.{}.ssm_in.weight", "backbone.layers.{}.mixer.in_proj.weight"},
                  {"blk.{}.ssm_conv1d.weight", "backbone.layers.{}.mixer.conv1d.weight",
                   [](const Given& w) {
                       return w.shaped({w.shape[0], 1, w.shape[1]});
                   }},
                  {"blk.{}.ssm_conv1d.bias", "backbone.layers.{}.mixer.conv1d.bias"},
                  {"blk.{}.ssm_dt.bias", "backbone.layers.{}.mixer.dt_bias"},
                  {"blk.{}.ssm_a", "backbone.layers.{}.mixer.A_log",
                   [&](const Given& w) { return flat(w.with([](float a) { return std::log(-a); })); }},
                  {"blk.{}.ssm_d", "backbone.layers.{}.mixer.D", flat},
                  {"blk.{}.ssm_norm.weight", "backbone.layers.{}.mixer.norm.weight", flat},
                  {"blk.{}.ssm_out.weight", "backbone.layers.{}.mixer.out_proj.weight"},
                  {"blk.{}.attn_q.weight", "backbone.layers.{}.mixer.q_proj.weight"},
                  {"blk.{}.attn_k.weight", "backbone.layers.{}.mixer.k_proj.weight"},
                  {"blk.{}.attn_v.weight", "backbone.layers.{}.mixer.v_proj.weight"},
                  {"blk.{}.attn_output.weight", "backbone.layers.{}.mixer.o_proj.weight"},
                  {"blk.{}.ffn_up.weight", "backbone.layers.{}.mixer.up_proj.weight"},
                  {"blk.{}.ffn_down.weight", "backbone.layers.{}.mixer.down_proj.weight"},
                  {"blk.{}.ffn_gate_inp.weight", "backbone.layers.{}.mixer.gate.weight"},
                  {"blk.{}.exp_probs_b.bias", "backbone.layers.{}.mixer.gate.e_score_correction_bias"},
                  {"blk.{}.ffn_latent_down.weight", "backbone.layers.{}.mixer.fc1_latent_proj.weight"},
                  {"blk.{}.ffn_latent_up.weight", "backbone.layers.{}.mixer.fc2_latent_proj.weight"},
                  {"blk.{}.ffn_up_exps.weight", "backbone.layers.{}.mixer.experts.{e}.up_proj.weight"},
                  {"blk.{}.ffn_down_exps.weight", "backbone.layers.{}.mixer.experts.{e}.down_proj.weight"},
                  {"blk.{}.ffn_up_shexp.weight", "backbone.layers.{}.mixer.shared_experts.up_proj.weight"},
                  {"blk.{}.ffn_down_shexp.weight", "backbone.layers.{}.mixer.shared_experts.down_proj.weight"}});
    return to;
}

}  // namespace publish
}  // namespace hearth::test
