// Qwen 3.5 from its published form: the numbers, keys and logits of the GGUF file the form was made from.
#include <cmath>
#include <cstring>

#include "files/gguf_writer.h"
#include "huggingface/directory.h"
#include "huggingface/published.h"
#include "models/edited_file.h"
#include "models/family_gates.h"
#include "models/model_run.h"

namespace hearth::test {
namespace {

std::string reference(const std::string& name) {
    return shared_path("reference/qwen35/" + name + ".gguf");
}

// A copy whose decays are numbers that -exp() of some float gives.
std::string with_reachable_decays(const std::string& name) {
    const Original original(reference(name));
    EditedFile edited(reference(name));
    for (const std::string& tensor : edited.tensor_names())
        if (tensor.ends_with(".ssm_a"))
            edited.add_floats(
                tensor,
                original.tensor(tensor).with([](float a) { return float(-std::exp(double(std::log(-a)))); }).values);
    return edited.write(name + "-decays.gguf");
}

struct Form {
    std::string prefix = "model.language_model.";
    bool has_text_part = true, has_fused_experts = false, has_layer_types = false;
};

Published published(const Original& from, const Form& form) {
    Published to;
    from.write_tokenizer(to);
    const bool has_experts = from.checkpoint().metadata().text("general.architecture") == "qwen35moe";
    const int64_t drafting = from.checkpoint().metadata().integer(from.key("nextn_predict_layers")).value_or(0);
    const int64_t layers = from.integer("block_count") - drafting;
    Json text = Json::object();
    text.set("model_type", has_experts ? "qwen3_5_moe_text" : "qwen3_5_text");
    text.set("num_hidden_layers", layers);
    text.set("hidden_size", from.integer("embedding_length"));
    text.set("max_position_embeddings", from.integer("context_length"));
    text.set("num_attention_heads", from.integer("attention.head_count"));
    text.set("num_key_value_heads", from.integer("attention.head_count_kv"));
    const int64_t head_dim = from.integer("attention.key_length");
    text.set("head_dim", head_dim);
    text.set("rms_norm_eps", 1e-6);
    text.set("linear_conv_kernel_dim", from.integer("ssm.conv_kernel"));
    text.set("linear_key_head_dim", from.integer("ssm.state_size"));
    text.set("linear_value_head_dim", from.integer("ssm.state_size"));
    text.set("linear_num_key_heads", from.integer("ssm.group_count"));
    text.set("linear_num_value_heads", from.integer("ssm.time_step_rank"));
    if (drafting) text.set("mtp_num_hidden_layers", drafting);
    const int64_t interval = from.integer("full_attention_interval");
    if (form.has_layer_types) {
        Json kinds = Json::array();
        for (int64_t i = 0; i < layers; ++i) kinds.push((i + 1) % interval ? "linear_attention" : "full_attention");
        text.set("layer_types", kinds);
    } else {
        text.set("full_attention_interval", interval);
    }
    if (has_experts) {
        text.set("num_experts", from.integer("expert_count"));
        text.set("num_experts_per_tok", from.integer("expert_used_count"));
        text.set("moe_intermediate_size", from.integer("expert_feed_forward_length"));
        text.set("shared_expert_intermediate_size", from.integer("expert_shared_feed_forward_length"));
    } else {
        text.set("intermediate_size", from.integer("feed_forward_length"));
    }
    text.set("tie_word_embeddings", !from.has("output.weight"));
    Json rope = Json::object();
    rope.set("rope_theta", from.number("rope.freq_base"));
    rope.set("partial_rotary_factor", double(from.integer("rope.dimension_count")) / double(head_dim));
    rope.set("mrope_interleaved", true);
    const auto sections = *from.checkpoint().metadata().integers(from.key("rope.dimension_sections"));
    Json list = Json::array();
    for (size_t i = 0; i < 3; ++i) list.push(sections[i]);
    rope.set("mrope_section", list);
    const auto scaling = from.checkpoint().metadata().text(from.key("rope.scaling.type"));
    rope.set("rope_type", scaling ? std::string(*scaling) : "default");
    if (scaling) {
        rope.set("factor", from.number("rope.scaling.factor"));
        rope.set("original_max_position_embeddings", from.integer("rope.scaling.original_context_length"));
    }
    text.set("rope_parameters", rope);
    if (form.has_text_part) {
        to.config.set("model_type", has_experts ? "qwen3_5_moe" : "qwen3_5");
        to.config.set("text_config", text);
        to.config.set("vision_config", Json::object());
        to.add("model.visual.merger.norm.weight", {4}, {1, 2, 3, 4});
    } else {
        to.config = text;
    }

    const int64_t key_heads = from.integer("ssm.group_count"), value_heads = from.integer("ssm.time_step_rank");
    const int64_t state = from.integer("ssm.state_size"), keys = 2 * key_heads * state, r = value_heads / key_heads;
    // Published value head j lies in the file as head (j % r) * key_heads + j / r.
    const auto head = [&](int64_t j) { return j % r * key_heads + j / r; };
    const auto value_rows = [&](int64_t row) { return head(row / state) * state + row % state; };
    const auto qkv_rows = [&](int64_t row) { return row < keys ? row : keys + value_rows(row - keys); };
    const auto less_one = [](float w) { return w - 1; };
    const auto put = [&](const std::string& name, const Given& given) { to.add(name, given.shape, given.values); };

    put(form.prefix + "embed_tokens.weight", from.tensor("token_embd.weight"));
    put(form.prefix + "norm.weight", from.tensor("output_norm.weight").with(less_one));
    if (from.has("output.weight")) put("lm_head.weight", from.tensor("output.weight"));
    for (int64_t i = 0; i < layers + drafting; ++i) {
        const std::string blk = fmt::format("blk.{}.", i);
        const std::string at =
            i < layers ? fmt::format("{}layers.{}.", form.prefix, i) : fmt::format("mtp.layers.{}.", i - layers);
        const auto move = [&](const std::string& gguf, const std::string& name, const auto& change) {
            if (from.has(blk + gguf)) put(at + name, change(from.tensor(blk + gguf)));
        };
        const auto same = [](Given given) { return given; };
        const auto norm = [&](const Given& given) { return given.with(less_one); };
        move("attn_norm.weight", "input_layernorm.weight", norm);
        move("post_attention_norm.weight", "post_attention_layernorm.weight", norm);
        move("attn_q.weight", "self_attn.q_proj.weight", same);
        move("attn_k.weight", "self_attn.k_proj.weight", same);
        move("attn_v.weight", "self_attn.v_proj.weight", same);
        move("attn_output.weight", "self_attn.o_proj.weight", same);
        move("attn_q_norm.weight", "self_attn.q_norm.weight", norm);
        move("attn_k_norm.weight", "self_attn.k_norm.weight", norm);
        move("attn_qkv.weight", "linear_attn.in_proj_qkv.weight",
             [&](const Given& w) { return w.rows_from(qkv_rows); });
        move("attn_gate.weight", "linear_attn.in_proj_z.weight",
             [&](const Given& w) { return w.rows_from(value_rows); });
        move("ssm_alpha.weight", "linear_attn.in_proj_a.weight", [&](const Given& w) { return w.rows_from(head); });
        move("ssm_beta.weight", "linear_attn.in_proj_b.weight", [&](const Given& w) { return w.rows_from(head); });
        move("ssm_conv1d.weight", "linear_attn.conv1d.weight", [&](const Given& w) {
            return w.rows_from(qkv_rows).shaped({w.shape[0], 1, w.shape[1]});
        });
        move("ssm_dt.bias", "linear_attn.dt_bias", [&](const Given& w) { return w.rows_from(head); });
        move("ssm_a", "linear_attn.A_log",
             [&](const Given& w) { return w.rows_from(head).with([](float a) { return std::log(-a); }); });
        move("ssm_norm.weight", "linear_attn.norm.weight", same);
        move("ssm_out.weight", "linear_attn.out_proj.weight",
             [&](const Given& w) { return w.columns_from(value_rows); });
        move("ffn_gate.weight", "mlp.gate_proj.weight", same);
        move("ffn_up.weight", "mlp.up_proj.weight", same);
        move("ffn_down.weight", "mlp.down_proj.weight", same);
        move("ffn_gate_inp.weight", "mlp.gate.weight", same);
        move("ffn_gate_inp_shexp.weight", "mlp.shared_expert_gate.weight", [](const Given& w) {
            return w.shaped({1, int64_t(w.values.size())});
        });
        move("ffn_gate_shexp.weight", "mlp.shared_expert.gate_proj.weight", same);
        move("ffn_up_shexp.weight", "mlp.shared_expert.up_proj.weight", same);
        move("ffn_down_shexp.weight", "mlp.shared_expert.down_proj.weight", same);
        move("nextn.eh_proj.weight", "", [&](const Given& w) { return put("mtp.fc.weight", w), w; });
        to.tensors.erase(at);
        if (from.has(blk + "nextn.enorm.weight")) {
            put("mtp.pre_fc_norm_embedding.weight", norm(from.tensor(blk + "nextn.enorm.weight")));
            put("mtp.pre_fc_norm_hidden.weight", norm(from.tensor(blk + "nextn.hnorm.weight")));
            put("mtp.norm.weight", norm(from.tensor(blk + "nextn.shared_head_norm.weight")));
        }
        if (!from.has(blk + "ffn_gate_exps.weight")) continue;
        const Given gate = from.tensor(blk + "ffn_gate_exps.weight"), up = from.tensor(blk + "ffn_up_exps.weight"),
                    down = from.tensor(blk + "ffn_down_exps.weight");
        if (form.has_fused_experts) {
            Given both{{gate.shape[0], 2 * gate.shape[1], gate.shape[2]}, {}};
            for (int64_t e = 0; e < gate.shape[0]; ++e)
                for (const Given& half : {gate.part(e, 1), up.part(e, 1)})
                    both.values.insert(both.values.end(), half.values.begin(), half.values.end());
            put(at + "mlp.experts.gate_up_proj", both);
            put(at + "mlp.experts.down_proj", down);
            continue;
        }
        for (int64_t e = 0; e < gate.shape[0]; ++e) {
            const std::string expert = fmt::format("{}mlp.experts.{}.", at, e);
            put(expert + "gate_proj.weight", gate.part(e, 1).shaped({gate.shape[1], gate.shape[2]}));
            put(expert + "up_proj.weight", up.part(e, 1).shaped({up.shape[1], up.shape[2]}));
            put(expert + "down_proj.weight", down.part(e, 1).shaped({down.shape[1], down.shape[2]}));
        }
    }
    return to;
}

std::vector<float> logits_of(const std::string& path, const std::vector<int32_t>& ids) {
    ModelRun run(path, {});
    EXPECT_TRUE(run.is_ready());
    return run.is_ready() ? run.logits(ids, {512}) : std::vector<float>();
}

class Qwen35Published : public testing::TestWithParam<std::string> {};

TEST_P(Qwen35Published, IsTheModelOfTheGgufFile) {
    NEED_SHARED("reference/qwen35");
    const std::string gguf = with_reachable_decays(GetParam());
    const Original original(gguf);
    const auto ids = read_ids(shared_path("reference/qwen35/" + GetParam() + ".tokens.txt"));
    const auto theirs = logits_of(gguf, ids);
    const std::vector<Form> forms{{},
                                  {.prefix = "model.", .has_text_part = false, .has_layer_types = true},
                                  {.prefix = "model.language_model.", .has_fused_experts = true}};
    int number = 0;
    for (const Form& form : forms) {
        ++number;
        const std::string directory = published(original, form).write(fmt::format("{}-{}", GetParam(), number), number);
        auto opened = huggingface::open_directory(directory);
        ASSERT_TRUE(opened.has_value()) << opened.error().line();
        EXPECT_EQ(opened->notes.size(), form.has_text_part ? 1u : 0u);
        expect_same_model(original.checkpoint(), opened->checkpoint);
        const auto ours = logits_of(directory, ids);
        ASSERT_EQ(ours.size(), theirs.size());
        EXPECT_EQ(std::memcmp(ours.data(), theirs.data(), ours.size() * sizeof(float)), 0);
    }
}

INSTANTIATE_TEST_SUITE_P(Families, Qwen35Published, testing::Values("dense_r1", "dense_r2", "moe", "mtp", "yarn"));

}  // namespace
}  // namespace hearth::test
