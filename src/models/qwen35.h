// Parts of Qwen 3.5 (qwen35.cpp) that the layer behind it, which drafts (qwen35_drafter.cpp), is made of as well.
#pragma once

#include <string>
#include <variant>

#include "models/blocks.h"
#include "models/decoder.h"
#include "models/rope.h"

namespace hearth::qwen35 {

struct Config {
    int64_t hidden_size, intermediate_size;
    int64_t num_heads, num_kv_heads, head_dim;
    int64_t num_key_heads, num_value_heads, state_size, conv_kernel;  // of the delta layers
    int64_t num_experts, num_experts_used, expert_size, shared_expert_size;
    float eps;
    Rope rope;

    int64_t key_width() const { return num_key_heads * state_size; }
    int64_t value_width() const { return num_value_heads * state_size; }
    int64_t conv_width() const { return 2 * key_width() + value_width(); }
};

struct FullAttention {
    Weight query_and_gate, key, value, output;
    Tensor query_norm, key_norm;
};
struct Experts {
    Weight router, gate, up, gate_up, down;  // gate_up: one stack instead of two, gate rows first
    Weight shared_gate;                      // one row: how much of the shared expert is added
    Mlp shared;
};
using FeedForward = std::variant<Mlp, Experts>;

Config read_config(Source& file, int64_t context_tokens);
// `blk` is what stands before the names of a layer's tensors.
FullAttention load_attention(Source& file, const std::string& blk, const Config& c);
FeedForward load_feed_forward(Source& file, const std::string& blk, const Config& c);

Tensor attend(Ops& ops, const Config& c, const FullAttention& w, Tensor x, const LayerState& state, const Step& step);
Tensor feed_forward(Ops& ops, const Config& c, const FeedForward& w, Tensor x);

const Ends* ends_of(const Model& model);  // null: another family's model

}  // namespace hearth::qwen35
