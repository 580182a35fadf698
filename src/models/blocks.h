// Blocks that several publications define in exactly the same way. No mode flags: what differs stays in its family's
// file.
#pragma once

#include <algorithm>

#include "models/source.h"
#include "ops/ops.h"

namespace hearth {

// SwiGLU feed-forward: down(silu(gate x) * up x).
struct Mlp {
    Weight gate, up, down;
};

inline Mlp load_mlp(Source& file, const std::string& blk, const std::string& suffix, int64_t hidden, int64_t width) {
    return {.gate = file.weight(blk + "ffn_gate" + suffix + ".weight", width, hidden),
            .up = file.weight(blk + "ffn_up" + suffix + ".weight", width, hidden),
            .down = file.weight(blk + "ffn_down" + suffix + ".weight", hidden, width)};
}

inline Tensor mlp(Ops& ops, const Mlp& w, Tensor x) {
    auto [gate, up] = ops.linears(x, w.gate, w.up);
    return ops.linear(ops.swiglu(gate, up), w.down);
}

// The same with GELU: down(gelu(gate x) * up x).
inline Tensor gelu_mlp(Ops& ops, const Mlp& w, Tensor x) {
    auto [gate, up] = ops.linears(x, w.gate, w.up);
    return ops.linear(ops.geglu(gate, up), w.down);
}

// A number for every layer, which files write once or as a list.
inline std::vector<int64_t> per_layer(Source& file, std::string_view key, int64_t layers, int64_t low, int64_t high) {
    const auto listed = file.integers(key);
    if (!listed) return std::vector<int64_t>(size_t(layers), file.integer(key, low, high));
    std::vector<int64_t> values = *listed;
    if (int64_t(values.size()) != layers)
        file.problem(fmt::format("{} has {} entries, expected {}", key, values.size(), layers));
    values.resize(size_t(layers), low);
    for (int64_t& value : values) {
        if (value < low || value > high)
            file.problem(fmt::format("{} has the entry {}, expected {} to {}", key, value, low, high));
        value = std::clamp(value, low, high);
    }
    return values;
}

// A number that some files write once and others per layer, with 0 where it does not apply.
inline int64_t largest_entry(Source& file, std::string_view key, int64_t low, int64_t high) {
    const auto values = file.integers(key);
    if (!values || values->empty()) return file.integer(key, low, high);
    const int64_t value = *std::ranges::max_element(*values);
    if (value < low || value > high) file.problem(fmt::format("{} has the entry {}", key, value));
    return std::clamp(value, low, high);
}

// Rows of a table whose number only the tensor itself tells (the vocabulary).
inline int64_t table_rows(Source& file, const std::string& name) {
    const StoredTensor* table = file.checkpoint().find(name);
    if (!table || table->shape.size() != 2 || table->shape[0] < 1) {
        file.problem(name + (table ? " is no matrix" : " is missing"));
        return 1;
    }
    return table->shape[0];
}

}  // namespace hearth
