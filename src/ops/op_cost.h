// What a call of an op cannot do without, whoever computes it: the bytes of weights, cache and state that it has to
// read and write, and the products it has to form. A backend may do more; never less.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>

#include "ops/kv_bytes.h"
#include "ops/ops.h"

namespace hearth {

enum class OpKind : uint8_t {
    matrix,   // products with stored weights
    cache,    // keys and values
    state,    // what recurrent layers remember
    between,  // everything that only passes numbers on
};

struct OpCost {
    OpKind kind = OpKind::between;
    double bytes = 0;
    double weight_operations = 0;  // multiplications and additions with stored weights: integers, in quantised types
    double float_operations = 0;   // all others

    double operations() const { return weight_operations + float_operations; }
    OpCost& operator+=(const OpCost& other) {
        bytes += other.bytes;
        weight_operations += other.weight_operations;
        float_operations += other.float_operations;
        return *this;
    }
};

namespace op_cost {

inline double bytes_of(const Tensor& x) {
    return double(sizeof(float)) * double(x.count());
}

inline OpCost moved(std::same_as<Tensor> auto... x) {
    return {.bytes = (bytes_of(x) + ... + 0.0)};
}

// `rows` inputs times matrices of a stack, of which `matrices` are read.
inline OpCost product(const Weight& weight, double rows, double matrices) {
    const double size = double(weight.out) * double(weight.in);
    return {.kind = OpKind::matrix,
            .bytes = matrices * double(weight.out) * double(row_bytes(weight.type, weight.in)),
            .weight_operations = 2 * rows * size};
}

inline OpCost look_up(const Weight& table, double rows, double width) {
    return {.bytes = rows * width * double(row_bytes(table.type, table.in)) / double(table.in)};
}

// Keys that a token sees at cache place `at`, of `all` that the sequence has.
inline int64_t keys_seen(const AttentionRule& rule, int64_t at, int64_t all) {
    int64_t keys = rule.causal ? at + 1 : all;
    if (rule.chunk > 0) keys = std::min(keys, at % rule.chunk + (rule.causal ? 1 : all));
    return rule.window > 0 ? std::min(keys, rule.symmetric_window ? 2 * rule.window + 1 : rule.window) : keys;
}

inline OpCost attention(const Tensor& q, const Tensor& k, const AttentionRule& rule, const KvLayer& kv,
                        const Step& step) {
    const KvGeometry& g = kv.geometry;
    const double token_bytes =
        double(g.kv_heads * (kv_row_bytes(kv.type, g.key_width) + kv_row_bytes(kv.type, g.value_width)));
    OpCost cost{.kind = OpKind::cache, .bytes = bytes_of(q)};
    for (const SequenceStep& sequence : step.sequences) {
        const int64_t all = sequence.past + sequence.tokens;
        double seen = 0;
        for (int64_t i = 0; i < sequence.tokens; ++i) seen += double(keys_seen(rule, sequence.past + i, all));
        // A window moves on with the tokens; every key behind its first place is read once.
        const int64_t first = sequence.tokens > 0 ? keys_seen(rule, sequence.past, all) : 0;
        cost.bytes += token_bytes * double(std::min(all, first + sequence.tokens - 1) + (k ? sequence.tokens : 0));
        cost.float_operations += 2 * double(q.heads_count) * double(g.key_width + g.value_width) * seen;
    }
    return cost;
}

// Every sequence's state is read and written once.
inline OpCost recurrent(const StateBuffer& state, const Step& step, double operations) {
    return {.kind = OpKind::state,
            .bytes = 2 * double(sizeof(float)) * double(state.floats) * double(step.sequences.size()),
            .float_operations = operations};
}

inline OpCost delta(const DeltaInput& in, const StateBuffer& memory, const Step& step) {
    // Per number of the memory: decay, two for M k, two for the new pair, two for M q.
    OpCost cost = recurrent(memory, step, 7 * double(in.v.count()) * double(in.k.width));
    cost.bytes += bytes_of(in.q) + bytes_of(in.k) + bytes_of(in.v);
    return cost;
}

inline OpCost mamba(const MambaInput& in, const StateBuffer& state, const Step& step) {
    OpCost cost = recurrent(state, step, 5 * double(in.u.count()) * double(in.b.width));
    cost.bytes += bytes_of(in.u) + bytes_of(in.b) + bytes_of(in.c);
    return cost;
}

inline OpCost convolution(const Tensor& x, const Tensor& taps, const StateBuffer& state, const Step& step) {
    OpCost cost = recurrent(state, step, 2 * double(x.count()) * double(taps.width));
    cost.bytes += bytes_of(x);
    return cost;
}

}  // namespace op_cost

}  // namespace hearth
