// The table of mixes and the one function that reads it. Exceptions that follow from shapes (rows no multiple of 256,
// tied embeddings, eight experts) come after the table, in the order in which they overrule each other.
#include "library/mixes.h"

#include <algorithm>
#include <cctype>

namespace hearth {
namespace {

using enum DType;
using W = MixWhen;

constexpr MixRule always(DType type) {
    return {{{W::always, type}, {}}};
}
constexpr MixRule when(W condition, DType type) {
    return {{{condition, type}, {}}};
}
constexpr MixRule when(W condition, DType type, W second, DType otherwise) {
    return {{{condition, type}, {second, otherwise}}};
}

// Mixes that leave every matrix but the last at one type.
constexpr Mix uniform(std::string_view name, uint32_t file_type, DType base, DType output) {
    return {.name = name,
            .file_type = file_type,
            .base = base,
            .output = output,
            .value_of_8_experts = q8_0,
            .key_of_8_experts = q8_0,
            .attention_output_of_8_experts = base};
}

constexpr Mix unquantised(std::string_view name, uint32_t file_type, DType type) {
    Mix mix = uniform(name, file_type, type, type);
    mix.is_pure = true;
    return mix;
}

// The old formats of 32 values; with an importance matrix the first layers' down projections get an offset too.
constexpr Mix simple(std::string_view name, uint32_t file_type, DType base, DType with_offset) {
    Mix mix = uniform(name, file_type, base, q6_k);
    mix.down = when(W::imatrix_first_eighth, with_offset);
    return mix;
}

struct Roles {
    MixRule value, attention_output, down, query_key = {}, gate_up = {};
};

constexpr Mix mixed(std::string_view name, uint32_t file_type, DType base, Roles roles,
                    DType attention_output_of_8_experts) {
    Mix mix = uniform(name, file_type, base, q6_k);
    mix.value = roles.value;
    mix.attention_output = roles.attention_output;
    mix.down = roles.down;
    mix.query_key = roles.query_key;
    mix.gate_up = roles.gate_up;
    mix.attention_output_of_8_experts = attention_output_of_8_experts;
    return mix;
}

// Around two bits a weight and below: embedding, values and first down projections are what hurts most.
constexpr Mix tiny(std::string_view name, uint32_t file_type, DType base, DType better, DType attention_output) {
    Mix mix = uniform(name, file_type, base, q5_k);
    mix.embedding = always(better);
    mix.value = when(W::grouped_or_experts, q4_k, W::always, better);
    mix.attention_output = always(attention_output);
    mix.down = when(W::first_eighth, better);
    mix.value_of_8_experts = q4_k;
    mix.key_of_8_experts = q4_k;
    mix.attention_output_of_8_experts = q5_k;
    mix.needs_imatrix = true;
    return mix;
}

constexpr Mix iq3_xxs_mix() {
    Mix mix = mixed("iq3_xxs", 23, iq3_xxs,
                    {.value = when(W::grouped, q4_k, W::plain, iq3_s),
                     .attention_output = always(iq3_s),
                     .down = when(W::plain_first_eighth, q4_k, W::plain, q3_k),
                     .query_key = always(iq2_s)},
                    q5_k);
    mix.output = q5_k;
    mix.embedding = always(iq3_s);
    mix.needs_imatrix = true;
    return mix;
}

constexpr Mix q2_k_s_mix() {
    Mix mix =
        mixed("q2_k_s", 21, q2_k,
              {.value = when(W::grouped, q4_k), .attention_output = {}, .down = when(W::first_eighth, q4_k)}, q2_k);
    mix.needs_imatrix = true;
    return mix;
}

constexpr Mix ternary(std::string_view name, uint32_t file_type, DType base) {
    Mix mix = uniform(name, file_type, base, q6_k);
    mix.embedding = always(q4_k);
    return mix;
}

constexpr Mix mxfp4_experts() {
    Mix mix = uniform("mxfp4_moe", 38, mxfp4, q8_0);
    mix.only_experts = true;
    return mix;
}

constexpr Mix kMixes[] = {
    unquantised("f32", 0, f32),
    unquantised("f16", 1, f16),
    unquantised("bf16", 32, bf16),
    simple("q4_0", 2, q4_0, q4_1),
    simple("q4_1", 3, q4_1, q4_1),
    simple("q5_0", 8, q5_0, q5_1),
    simple("q5_1", 9, q5_1, q5_1),
    uniform("q8_0", 7, q8_0, q8_0),
    mixed("q2_k", 10, q2_k,
          {.value = when(W::grouped, q4_k, W::always, q3_k), .attention_output = always(q3_k), .down = always(q3_k)},
          q5_k),
    q2_k_s_mix(),
    mixed("q3_k_s", 11, q3_k, {}, q5_k),
    mixed("q3_k_m", 12, q3_k,
          {.value = when(W::first_two, q5_k, W::always, q4_k),
           .attention_output = always(q4_k),
           .down = when(W::first_sixteenth, q5_k, W::always, q4_k)},
          q5_k),
    mixed("q3_k_l", 13, q3_k, {.value = always(q5_k), .attention_output = always(q5_k), .down = always(q5_k)}, q3_k),
    mixed("q4_k_s", 14, q4_k,
          {.value = when(W::first_four, q5_k), .attention_output = {}, .down = when(W::first_eighth, q5_k)}, q5_k),
    mixed("q4_k_m", 15, q4_k, {.value = when(W::more, q6_k), .attention_output = {}, .down = when(W::more, q6_k)},
          q5_k),
    mixed("q5_k_s", 16, q5_k, {}, q5_k),
    mixed("q5_k_m", 17, q5_k, {.value = when(W::more, q6_k), .attention_output = {}, .down = when(W::more, q6_k)},
          q5_k),
    uniform("q6_k", 18, q6_k, q6_k),
    mixed("iq4_nl", 25, iq4_nl,
          {.value = when(W::grouped, q5_k), .attention_output = {}, .down = when(W::plain_first_eighth, q5_k)}, q5_k),
    mixed("iq4_xs", 30, iq4_xs,
          {.value = when(W::grouped, q5_k), .attention_output = {}, .down = when(W::plain_first_eighth, q5_k)}, q5_k),
    mixed("iq3_s", 26, iq3_s, {.value = when(W::grouped, q4_k), .attention_output = {}, .down = {}}, q5_k),
    mixed("iq3_m", 27, iq3_s,
          {.value = always(q4_k), .attention_output = always(q4_k), .down = when(W::first_eighth, q4_k)}, q5_k),
    mixed("iq3_xs", 22, iq3_s,
          {.value = when(W::grouped, q4_k),
           .attention_output = {},
           .down = {},
           .query_key = always(iq3_xxs),
           .gate_up = when(W::middle, iq3_xxs)},
          q5_k),
    iq3_xxs_mix(),
    tiny("iq2_m", 29, iq2_s, iq3_s, iq3_s),
    tiny("iq2_s", 28, iq2_xs, iq3_s, iq3_s),
    tiny("iq2_xs", 20, iq2_xs, q2_k, iq2_xs),
    tiny("iq2_xxs", 19, iq2_xxs, q2_k, iq2_xxs),
    tiny("iq1_m", 31, iq1_m, q2_k, iq2_xxs),
    tiny("iq1_s", 24, iq1_s, q2_k, iq2_xxs),
    ternary("tq1_0", 36, tq1_0),
    ternary("tq2_0", 37, tq2_0),
    mxfp4_experts(),
    uniform("nvfp4", 39, nvfp4, q6_k),
    uniform("q1_0", 40, q1_0, q6_k),
    uniform("q2_0", 41, q2_0, q6_k),
};

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != text.npos;
}

bool applies(MixWhen when, int64_t i, int64_t n, const MixFacts& facts) {
    const bool grouped = facts.kv_heads > 0 && facts.heads / facts.kv_heads >= 4;
    switch (when) {
        case W::never:
            return false;
        case W::always:
            return true;
        case W::more:
            return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
        case W::first_eighth:
            return i < n / 8;
        case W::first_sixteenth:
            return i < n / 16;
        case W::middle:
            return i >= n / 8 && i < 7 * n / 8;
        case W::first_two:
            return i < 2;
        case W::first_four:
            return i < 4;
        case W::grouped:
            return grouped;
        case W::grouped_or_experts:
            return grouped || facts.experts >= 4;
        case W::imatrix_first_eighth:
            return facts.has_imatrix && i < n / 8;
        case W::plain_first_eighth:
            return !facts.has_imatrix && i < n / 8;
        case W::plain:
            return !facts.has_imatrix;
    }
    return false;
}

DType decide(const MixRule& rule, DType base, int64_t i, int64_t n, const MixFacts& facts) {
    for (const MixClause& clause : rule)
        if (applies(clause.when, i, n, facts)) return clause.type;
    return base;
}

bool is_quantised(DType type) {
    return info(type).block_elements > 1;
}

// What stands in for a type whose block does not divide the rows.
DType narrower_block(DType type) {
    switch (type) {
        case q2_k:
        case q3_k:
        case tq1_0:
        case tq2_0:
        case q1_0:
        case q2_0:
        case nvfp4:
            return q4_0;
        case q4_k:
            return q5_0;
        case q5_k:
            return q5_1;
        case q6_k:
            return q8_0;
        default:
            return iq4_nl;
    }
}

DType fitting(DType type, int64_t row) {
    if (row % info(type).block_elements == 0) return type;
    const DType narrow = narrower_block(type);
    return row % info(narrow).block_elements == 0 ? narrow : f16;
}

// "blk.17.ffn_down_exps.weight" -> 17; -1 where the name has no layer.
int64_t layer_of(std::string_view name) {
    if (!name.starts_with("blk.")) return -1;
    int64_t layer = -1;
    for (char c : name.substr(4)) {
        if (c < '0' || c > '9' || layer > 1'000'000) break;
        layer = std::max<int64_t>(layer, 0) * 10 + (c - '0');
    }
    return layer;
}

// Walks the tensors in file order, counting matrices of a kind as it goes.
class Chooser {
public:
    Chooser(const Mix& mix, const MixFacts& facts, bool is_tied, int64_t value_count)
        : mix_(mix), facts_(facts), is_tied_(is_tied), value_count_(value_count) {}

    static bool is_value(std::string_view name) {
        return name.ends_with(".attn_v.weight") || name.ends_with(".attn_qkv.weight");
    }

    DType choose(const MixTensor& tensor) {
        if (is_quantised(tensor.stored) || is_never_quantised(tensor.name, tensor.shape.size())) return tensor.stored;
        const int64_t row = tensor.shape.back();
        if (mix_.is_pure) return fitting(mix_.base, row);
        if (mix_.only_experts) return fitting(tensor.shape.size() > 2 ? mix_.base : mix_.output, row);
        const bool is_embedding = contains(tensor.name, "token_embd");
        if (tensor.name == "output.weight" || (is_tied_ && is_embedding))
            return row % info(mix_.base).block_elements == 0 ? fitting(mix_.output, row) : fitting(q8_0, row);
        return fitting(by_role(tensor.name, is_embedding), row);
    }

private:
    DType by_role(std::string_view name, bool is_embedding) {
        const bool eight = facts_.experts == 8;
        const int64_t layers = facts_.layers;
        if (is_embedding) return decide(mix_.embedding, mix_.base, 0, layers, facts_);
        if (is_value(name)) {
            DType type = decide(mix_.value, mix_.base, values_++, value_count_, facts_);
            // An 80-layer Llama shares each value head so widely that more bits there cost almost nothing.
            const bool wide = facts_.architecture == "llama" && layers == 80 && facts_.heads != facts_.kv_heads;
            if (wide && (type == q3_k || type == q4_k)) type = q5_k;
            return eight ? mix_.value_of_8_experts : type;
        }
        if (name.ends_with(".attn_k.weight")) {
            return eight ? mix_.key_of_8_experts : decide(mix_.query_key, mix_.base, 0, layers, facts_);
        }
        if (name.ends_with(".attn_q.weight")) return decide(mix_.query_key, mix_.base, 0, layers, facts_);
        if (name.ends_with(".attn_output.weight")) {
            if (eight) return mix_.attention_output_of_8_experts;
            return decide(mix_.attention_output, mix_.base, 0, layers, facts_);
        }
        if (contains(name, "ffn_down")) return decide(mix_.down, mix_.base, number(name, downs_), layers, facts_);
        if (contains(name, "ffn_gate")) return decide(mix_.gate_up, mix_.base, number(name, gates_), layers, facts_);
        if (contains(name, "ffn_up")) return decide(mix_.gate_up, mix_.base, number(name, ups_), layers, facts_);
        return mix_.base;
    }

    // Dense models count occurrences (a hybrid's feed-forward layers alone), mixtures of experts take the layer's
    // number.
    int64_t number(std::string_view name, int64_t& counter) {
        const int64_t occurrence = counter++;
        return facts_.experts > 1 ? layer_of(name) : occurrence;
    }

    const Mix& mix_;
    const MixFacts& facts_;
    bool is_tied_;
    int64_t value_count_;
    int64_t values_ = 0, downs_ = 0, gates_ = 0, ups_ = 0;
};

}  // namespace

std::span<const Mix> mixes() {
    return kMixes;
}

Result<Mix> find_mix(std::string_view asked) {
    std::string name(asked);
    for (char& c : name) c = char(std::tolower(static_cast<unsigned char>(c)));
    for (const Mix& mix : kMixes)
        if (mix.name == name) return mix;
    const std::string_view type_name = name.starts_with("pure-") ? std::string_view(name).substr(5) : name;
    if (const DTypeInfo* type = find_dtype(type_name); type && type->is_weight) {
        Mix mix = uniform(type->name, 0, type->type, type->type);
        mix.is_pure = true;
        // The label nearest to it; loaders take each tensor's own type.
        for (const Mix& other : kMixes)
            if (other.base == type->type) mix.file_type = other.file_type;
        return mix;
    }
    std::string known;
    for (const Mix& mix : kMixes) known += fmt::format("{}{}", known.empty() ? "" : " ", mix.name);
    return fail(ErrorKind::bad_request, fmt::format("no weight type or mix is called \"{}\"", asked),
                fmt::format("known mixes: {}; or pure-TYPE for one type in every matrix", known));
}

bool is_never_quantised(std::string_view name, size_t dimensions) {
    if (dimensions < 2 || !name.ends_with("weight")) return true;
    if (name == "position_embd.weight" || name == "token_types.weight") return true;
    for (std::string_view part : {"_norm.weight",
                                  "ffn_gate_inp.weight",
                                  "ssm_conv1d",
                                  "shortconv.conv.weight",
                                  "altup",
                                  "laurel",
                                  "per_layer_model_proj",
                                  "attn_rel_b.weight",
                                  ".position_embd",
                                  ".patch_embd",
                                  ".patch_merger",
                                  ".rel_pos",
                                  "indexer.k_proj.weight",
                                  "indexer.q_proj.weight",
                                  "time_mix_first",
                                  "time_mix_w0",
                                  "time_mix_w1",
                                  "time_mix_w2",
                                  "time_mix_v0",
                                  "time_mix_v1",
                                  "time_mix_v2",
                                  "time_mix_a0",
                                  "time_mix_a1",
                                  "time_mix_a2",
                                  "time_mix_g1",
                                  "time_mix_g2",
                                  "time_mix_decay_w1",
                                  "time_mix_decay_w2",
                                  "time_mix_lerp_fused"})
        if (contains(name, part)) return true;
    return false;
}

Result<std::vector<DType>> choose_types(const Mix& mix, std::span<const MixTensor> tensors, const MixFacts& facts) {
    bool is_tied = true;
    int64_t value_count = 0;
    for (const MixTensor& tensor : tensors) {
        is_tied &= tensor.name != "output.weight";
        value_count += Chooser::is_value(tensor.name);
        if (tensor.shape.empty() || tensor.shape.back() <= 0)
            return fail(ErrorKind::bad_file, fmt::format("{} has no elements in its rows", tensor.name),
                        "the model's tensor table is damaged: fetch the file again");
    }
    Chooser chooser(mix, facts, is_tied, value_count);
    std::vector<DType> types;
    types.reserve(tensors.size());
    for (const MixTensor& tensor : tensors) types.push_back(chooser.choose(tensor));
    return types;
}

}  // namespace hearth
