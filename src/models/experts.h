// Routed experts that are SwiGLU feed-forward parts. How experts are chosen and weighted differs between families and
// stays in their files.
#pragma once

#include <algorithm>

#include "models/source.h"
#include "ops/ops.h"

namespace hearth {

struct ExpertCounts {
    int64_t count = 0, used = 0, width = 0;
};

// expert_{count, used_count, feed_forward_length}; without the last, the chosen ones share feed_forward_length.
inline ExpertCounts read_experts(Source& file) {
    ExpertCounts experts;
    experts.count = file.integer("expert_count", 1, 1 << 16);
    experts.used = file.integer("expert_used_count", 1, experts.count);
    const int64_t shared = file.integer_or("feed_forward_length", experts.used, 1, 1 << 24);
    experts.width =
        file.integer_or("expert_feed_forward_length", std::max<int64_t>(1, shared / experts.used), 1, 1 << 24);
    return experts;
}

struct Experts {
    Weight router, gate, up, gate_up, down;  // gate_up: one stack instead of two, gate rows first
};

inline Experts load_experts(Source& file, const std::string& blk, const ExpertCounts& experts, int64_t hidden) {
    const auto [count, used, width] = experts;
    Experts w;
    w.router = file.weight(blk + "ffn_gate_inp.weight", count, hidden);
    if (file.has(blk + "ffn_gate_up_exps.weight")) {
        w.gate_up = file.experts(blk + "ffn_gate_up_exps.weight", count, 2 * width, hidden, used);
    } else {
        w.gate = file.experts(blk + "ffn_gate_exps.weight", count, width, hidden, used);
        w.up = file.experts(blk + "ffn_up_exps.weight", count, width, hidden, used);
    }
    w.down = file.experts(blk + "ffn_down_exps.weight", count, hidden, width, used);
    return w;
}

// What each chosen expert makes of its token, rows (token, rank), not weighted.
inline Tensor expert_mlps(Ops& ops, const Experts& w, Tensor x, const Routing& routing) {
    if (w.gate_up) {
        auto [gate, up] = ops.expert_linear(x, w.gate_up, routing).halves();
        return ops.expert_linear(ops.swiglu(gate, up), w.down, routing);
    }
    Tensor gate = ops.expert_linear(x, w.gate, routing), up = ops.expert_linear(x, w.up, routing);
    return ops.expert_linear(ops.swiglu(gate, up), w.down, routing);
}

}  // namespace hearth
