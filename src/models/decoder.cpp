#include "models/decoder.h"

#include <algorithm>

#include "models/blocks.h"

namespace hearth {

ModelInfo read_info(Source& file) {
    ModelInfo info;
    info.architecture = file.architecture();
    info.name = std::string(file.metadata().text("general.name").value_or(""));
    info.layers = file.integer("block_count", 1, 1 << 14);
    info.hidden = file.integer("embedding_length", 1, 1 << 20);
    info.context_tokens = file.integer("context_length", 1, int64_t{1} << 40);
    info.vocabulary = table_rows(file, "token_embd.weight");
    return info;
}

void count_weights(const Source& file, ModelInfo& info) {
    info.parameters = file.parameters();
    info.bytes_per_token = file.bytes_per_token();
    info.operations_per_token = file.operations_per_token();
}

Ends load_ends(Source& file, const ModelInfo& info, const std::string& norm) {
    Ends ends;
    const bool tied = !file.has("output.weight");
    ends.embedding =
        file.weight("token_embd.weight", info.vocabulary, info.hidden, tied ? WeightUse::both : WeightUse::look_up);
    if (!tied) ends.output = file.weight("output.weight", info.vocabulary, info.hidden);
    ends.norm = file.floats(norm, info.hidden);
    return ends;
}

int64_t uniform_entry(Source& file, std::string_view key, int64_t low, int64_t high) {
    const auto values = file.integers(key);
    if (!values || values->empty()) return file.integer(key, low, high);
    const int64_t value = values->front();
    if (std::ranges::any_of(*values, [&](int64_t other) { return other != value; }))
        file.problem(fmt::format("{}.{} differs between layers", file.architecture(), key));
    if (value < low || value > high)
        file.problem(fmt::format("{}.{} is {}, expected {} to {}", file.architecture(), key, value, low, high));
    return std::clamp(value, low, high);
}

int64_t uniform_entry_or(Source& file, std::string_view key, int64_t otherwise, int64_t low, int64_t high) {
    const auto values = file.integers(key);
    return values && !values->empty() ? uniform_entry(file, key, low, high)
                                      : file.integer_or(key, otherwise, low, high);
}

static void read_head_width(Source& file, int64_t hidden, Heads& heads) {
    heads.width = file.integer_or("attention.key_length", 0, 0, 1 << 16);
    if (heads.width == 0) {
        heads.width = std::max<int64_t>(1, hidden / heads.count);
        if (hidden % heads.count != 0)
            file.problem(fmt::format("embedding_length {} cannot be divided among {} heads", hidden, heads.count));
    }
    if (file.integer_or("attention.value_length", heads.width, 1, 1 << 16) != heads.width)
        file.problem("attention.value_length differs from attention.key_length");
}

Heads read_heads(Source& file, int64_t hidden) {
    Heads heads;
    heads.count = uniform_entry(file, "attention.head_count", 1, 1 << 16);
    heads.kv_count = uniform_entry_or(file, "attention.head_count_kv", heads.count, 1, 1 << 16);
    if (heads.count % heads.kv_count != 0)
        file.problem("attention.head_count is no multiple of attention.head_count_kv");
    read_head_width(file, hidden, heads);
    return heads;
}

Heads read_hybrid_heads(Source& file, int64_t hidden) {
    Heads heads{.count = largest_entry(file, "attention.head_count", 1, 1 << 16)};
    read_head_width(file, hidden, heads);
    return heads;
}

std::vector<int64_t> read_kv_heads(Source& file, int64_t layers, int64_t heads) {
    auto counts = per_layer(file, "attention.head_count_kv", layers, 0, heads);
    for (const int64_t count : counts)
        if (count > 0 && heads % count != 0) {
            file.problem(fmt::format("attention.head_count is {}, no multiple of the {} of attention.head_count_kv",
                                     heads, count));
            break;
        }
    return counts;
}

Tensor optional_bias(Source& file, const std::string& name, int64_t width) {
    return file.has(name) ? file.floats(name, width) : Tensor();
}

Qkv load_qkv(Source& file, const std::string& blk, const Heads& heads, int64_t hidden) {
    Qkv w;
    if (file.has(blk + "attn_qkv.weight")) {
        w.all = file.weight(blk + "attn_qkv.weight", heads.query_width() + 2 * heads.kv_width(), hidden);
        if (const Tensor bias = optional_bias(file, blk + "attn_qkv.bias", heads.query_width() + 2 * heads.kv_width()))
            std::tie(w.query_bias, w.key_bias, w.value_bias) =
                std::tuple_cat(bias.split<3>({heads.query_width(), heads.kv_width(), heads.kv_width()}));
        return w;
    }
    w.query = file.weight(blk + "attn_q.weight", heads.query_width(), hidden);
    w.key = file.weight(blk + "attn_k.weight", heads.kv_width(), hidden);
    w.value = file.weight(blk + "attn_v.weight", heads.kv_width(), hidden);
    w.query_bias = optional_bias(file, blk + "attn_q.bias", heads.query_width());
    w.key_bias = optional_bias(file, blk + "attn_k.bias", heads.kv_width());
    w.value_bias = optional_bias(file, blk + "attn_v.bias", heads.kv_width());
    return w;
}

void require_qkv_biases(Source& file, const std::string& blk) {
    using Names = std::vector<const char*>;
    const bool fused = file.has(blk + "attn_qkv.weight");
    for (const char* name : fused ? Names{"attn_qkv.bias"} : Names{"attn_q.bias", "attn_k.bias", "attn_v.bias"})
        if (!file.has(blk + name)) file.problem(blk + name + " is missing");
}

QueryKeyValue project(Ops& ops, const Qkv& w, Tensor x, const Heads& heads) {
    const auto [query, key, value] =
        w.all ? ops.linear(x, w.all).split<3>({heads.query_width(), heads.kv_width(), heads.kv_width()})
              : ops.linears(x, w.query, w.key, w.value);
    return {with_bias(ops, query, w.query_bias).heads(heads.count),
            with_bias(ops, key, w.key_bias).heads(heads.kv_count),
            with_bias(ops, value, w.value_bias).heads(heads.kv_count)};
}

int64_t read_rotated(Source& file, int64_t head_width) {
    const int64_t rotated = file.integer_or("rope.dimension_count", head_width, 1, head_width);
    if (rotated % 2 != 0) file.problem(fmt::format("rope.dimension_count is {}, expected an even number", rotated));
    return rotated;
}

std::vector<float> load_divisors(Source& file, const std::string& name, int64_t pairs) {
    if (!file.has(name)) return {};
    std::vector<float> divisors = file.host_floats(name, pairs);
    if (!std::ranges::all_of(divisors, [](float divisor) { return divisor > 0; }))
        file.problem(name + " holds a divisor that is not above zero");
    return divisors;
}

}  // namespace hearth
