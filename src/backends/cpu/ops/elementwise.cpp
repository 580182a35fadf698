// One value in, one value out, row by row or head by head.
#include <algorithm>
#include <cassert>
#include <cmath>

#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/ops/rows.h"
#include "backends/tensor_access.h"

namespace hearth::cpu {

namespace {

constexpr double kFloatsPerMicrosecond = 8e3;  // moved, added, multiplied
constexpr double kValuesPerMicrosecond = 2e3;  // through an exponential
constexpr int64_t kChunkFloats = 8 << 10;

double cost(Function f) {
    return f == Function::gelu_erf || f == Function::softplus ? 100
           : f == Function::relu_squared                      ? kFloatsPerMicrosecond
                                                              : kValuesPerMicrosecond;
}

// The longest runs that are contiguous in all tensors: whole rows, or one head of a row.
struct Runs {
    int64_t rows, heads, width;
};
template <class... Tensors>
Runs runs_of(const Tensor& first, const Tensors&... others) {
    if (first.heads_touch() && (others.heads_touch() && ...)) return {first.rows, 1, first.columns()};
    return {first.rows, first.heads_count, first.width};
}
bool same_shape(const Tensor& a, const Tensor& b) {
    return a.rows == b.rows && a.heads_count == b.heads_count && a.width == b.width;
}

}  // namespace

template <class Body>
void CpuOps::each_run(int64_t rows, int64_t heads, int64_t width, double floats_per_microsecond, Body body) {
    const double microseconds = double(rows * heads * width) / floats_per_microsecond;
    run(rows * heads, std::max<int64_t>(1, kChunkFloats / std::max<int64_t>(1, width)), microseconds,
        [&](int64_t begin, int64_t end, int) {
            for (int64_t i = begin; i < end; ++i) body(i / heads, i % heads, width);
        });
}

Tensor CpuOps::map(Function f, Tensor x) {
    Tensor y = make_like(x);
    if (planning()) return y;
    const auto [rows, heads, width] = runs_of(x, y);
    each_run(rows, heads, width, cost(f), [&](int64_t row, int64_t head, int64_t count) {
        kernels_.map(f, head_at(x, row, head), head_at(y, row, head), count);
    });
    return y;
}

// Halves of a head (query and gate share a matrix) are the usual reason for heads that do not touch.
Tensor CpuOps::map_times(Function f, Tensor x, Tensor factor) {
    if (!same_shape(x, factor)) return multiply(map(f, x), factor);
    Tensor y = make_like(x);
    if (planning()) return y;
    const auto [rows, heads, width] = runs_of(x, factor, y);
    each_run(rows, heads, width, cost(f), [&](int64_t row, int64_t head, int64_t count) {
        kernels_.map_times(f, head_at(x, row, head), head_at(factor, row, head), head_at(y, row, head), count);
    });
    return y;
}
Tensor CpuOps::swiglu(Tensor gate, Tensor up) {
    return map_times(Function::silu, gate, up);
}
Tensor CpuOps::geglu(Tensor gate, Tensor up) {
    return map_times(Function::gelu_tanh, gate, up);
}
Tensor CpuOps::gate(Tensor x, Tensor gate) {
    return map_times(Function::sigmoid, gate, x);
}

Tensor CpuOps::scale(Tensor x, float factor) {
    Tensor y = make_like(x);
    if (planning()) return y;
    const auto [rows, heads, width] = runs_of(x, y);
    each_run(rows, heads, width, kFloatsPerMicrosecond, [&](int64_t row, int64_t head, int64_t count) {
        kernels_.multiply_value(head_at(x, row, head), factor, head_at(y, row, head), count);
    });
    return y;
}

Tensor CpuOps::position_scale(Tensor x, float beta, int64_t period, int64_t shift, const Step& step) {
    assert(x.rows == step.tokens() && period > 0);
    Tensor y = make_like(x);
    if (planning()) return y;
    std::vector<float> factors;
    for (const auto& position : step.positions) factors.push_back(position_factor(beta, period, position[0] + shift));
    // Not runs_of: even a dense tensor must be taken row by row, since every row has its factor.
    const bool touch = x.heads_touch();
    const int64_t heads = touch ? 1 : x.heads_count, width = x.columns() / heads;
    each_run(x.rows, heads, width, kFloatsPerMicrosecond, [&](int64_t row, int64_t head, int64_t count) {
        kernels_.multiply_value(head_at(x, row, head), factors[size_t(row)], head_at(y, row, head), count);
    });
    return y;
}

Tensor CpuOps::clamp(Tensor x, float low, float high) {
    Tensor y = make_like(x);
    if (planning()) return y;
    const auto [rows, heads, width] = runs_of(x, y);
    each_run(rows, heads, width, kFloatsPerMicrosecond, [&](int64_t row, int64_t head, int64_t count) {
        kernels_.clamp(head_at(x, row, head), low, high, head_at(y, row, head), count);
    });
    return y;
}

Tensor CpuOps::softcap(Tensor x, float cap) {
    Tensor y = make_like(x);
    if (planning()) return y;
    const auto [rows, heads, width] = runs_of(x, y);
    each_run(rows, heads, width, kValuesPerMicrosecond, [&](int64_t row, int64_t head, int64_t count) {
        kernels_.softcap(head_at(x, row, head), cap, head_at(y, row, head), count);
    });
    return y;
}

// b has a's columns, or one value per head or row, or one head's values for all heads; as many rows as a, or one.
Tensor CpuOps::combine(Tensor a, Tensor b, void (*runs)(const float*, const float*, float*, int64_t),
                       void (*value)(const float*, float, float*, int64_t)) {
    assert(b.rows == a.rows || b.rows == 1);
    Tensor y = make_like(a);
    if (planning()) return y;
    const bool same = b.columns() == a.columns();
    if (same && b.heads_touch() && a.heads_count != b.heads_count) b = b.heads(a.heads_count);
    const auto b_row = [&](int64_t row) { return b.rows == 1 ? 0 : row; };
    if (same && b.heads_count == a.heads_count) {
        const auto [rows, heads, width] = runs_of(a, b, y);
        each_run(rows, heads, width, kFloatsPerMicrosecond, [&](int64_t row, int64_t head, int64_t count) {
            runs(head_at(a, row, head), head_at(b, b_row(row), head), head_at(y, row, head), count);
        });
        return y;
    }
    assert(b.width == 1 || (b.heads_count == 1 && b.width == a.width) || same);
    each_run(a.rows, a.heads_count, a.width, kFloatsPerMicrosecond, [&](int64_t row, int64_t head, int64_t count) {
        const float* from = head_at(a, row, head);
        float* to = head_at(y, row, head);
        if (same)  // b's heads neither touch nor are a's: value by value
            for (int64_t i = 0; i < count; ++i) value(from + i, value_at(b, b_row(row), head * count + i), to + i, 1);
        else if (b.width == 1)
            value(from, *head_at(b, b_row(row), b.heads_count == 1 ? 0 : head), to, count);
        else
            runs(from, head_at(b, b_row(row), 0), to, count);
    });
    return y;
}
Tensor CpuOps::add(Tensor a, Tensor b) {
    return combine(a, b, kernels_.add, kernels_.add_value);
}
Tensor CpuOps::multiply(Tensor a, Tensor b) {
    return combine(a, b, kernels_.multiply, kernels_.multiply_value);
}

void CpuOps::add_to(Tensor sum, Tensor x) {
    assert(sum.rows == x.rows && sum.columns() == x.columns());
    if (planning()) return;
    if (sum.heads_count != x.heads_count) {
        if (!sum.heads_touch() || !x.heads_touch()) return ReferenceOps::add_to(sum, x);
        sum = sum.joined(), x = x.joined();
    }
    const auto [rows, heads, width] = runs_of(sum, x);
    each_run(rows, heads, width, kFloatsPerMicrosecond, [&](int64_t row, int64_t head, int64_t count) {
        kernels_.add(head_at(sum, row, head), head_at(x, row, head), head_at(sum, row, head), count);
    });
}

void CpuOps::scale_in_place(Tensor x, float factor) {
    if (planning()) return;
    const auto [rows, heads, width] = runs_of(x);
    each_run(rows, heads, width, kFloatsPerMicrosecond, [&](int64_t row, int64_t head, int64_t count) {
        kernels_.multiply_value(head_at(x, row, head), factor, head_at(x, row, head), count);
    });
}

Tensor CpuOps::concat(Tensor a, Tensor b) {
    assert(a.rows == b.rows);
    if (a.heads_count != b.heads_count) {
        if (!a.heads_touch() || !b.heads_touch()) return ReferenceOps::concat(a, b);
        a = a.joined(), b = b.joined();
    }
    Tensor y = make(a.rows, a.heads_count, a.width + b.width);
    if (planning()) return y;
    each_run(y.rows, y.heads_count, y.width, kFloatsPerMicrosecond, [&](int64_t row, int64_t head, int64_t) {
        float* to = head_at(y, row, head);
        std::copy_n(head_at(a, row, head), a.width, to);
        std::copy_n(head_at(b, row, head), b.width, to + a.width);
    });
    return y;
}

namespace {
// A vector of parameters is shared by all heads, or has a part for each.
const float* part_for(const Tensor& parameters, const Tensor& x, int64_t head) {
    if (!parameters) return nullptr;
    if (parameters.width == x.width && parameters.heads_count == 1) return parameters.data;
    assert(parameters.columns() == x.columns());
    return &value_at(parameters, 0, head * x.width);
}
}  // namespace

Tensor CpuOps::rms_norm(Tensor x, Tensor scale, float eps) {
    Tensor y = make_like(x);
    if (planning()) return y;
    each_run(x.rows, x.heads_count, x.width, kFloatsPerMicrosecond, [&](int64_t row, int64_t head, int64_t width) {
        kernels_.rms_norm(head_at(x, row, head), part_for(scale, x, head), eps, head_at(y, row, head), width);
    });
    return y;
}

Tensor CpuOps::l2_norm(Tensor x, float eps) {
    Tensor y = make_like(x);
    if (planning()) return y;
    each_run(x.rows, x.heads_count, x.width, kFloatsPerMicrosecond, [&](int64_t row, int64_t head, int64_t width) {
        kernels_.l2_norm(head_at(x, row, head), eps, head_at(y, row, head), width);
    });
    return y;
}

Tensor CpuOps::layer_norm(Tensor x, Tensor scale, Tensor bias, float eps) {
    Tensor y = make_like(x);
    if (planning()) return y;
    each_run(x.rows, x.heads_count, x.width, kFloatsPerMicrosecond, [&](int64_t row, int64_t head, int64_t width) {
        kernels_.layer_norm(head_at(x, row, head), part_for(scale, x, head), part_for(bias, x, head), eps,
                            head_at(y, row, head), width);
    });
    return y;
}

Tensor CpuOps::norm_and_gate(Tensor x, Tensor scale, Tensor gate, float eps) {
    if (!same_shape(x, gate)) return ReferenceOps::norm_and_gate(x, scale, gate, eps);
    Tensor y = make_like(x);
    if (planning()) return y;
    each_run(x.rows, x.heads_count, x.width, kValuesPerMicrosecond, [&](int64_t row, int64_t head, int64_t width) {
        float* to = head_at(y, row, head);
        kernels_.rms_norm(head_at(x, row, head), part_for(scale, x, head), eps, to, width);
        kernels_.map_times(Function::silu, head_at(gate, row, head), to, to, width);
    });
    return y;
}

// x with one row per token is first repeated for each of its experts.
Tensor CpuOps::expert_scale(Tensor x, const Routing& routing) {
    const int64_t used = routing.ids.width, rows = routing.ids.rows * used;
    assert(x.rows == rows || x.rows == routing.ids.rows);
    Tensor y = make(rows, x.heads_count, x.width);
    if (planning()) return y;
    const auto [all_rows, heads, width] = runs_of(y, x);
    each_run(all_rows, heads, width, kFloatsPerMicrosecond, [&](int64_t row, int64_t head, int64_t count) {
        kernels_.multiply_value(head_at(x, x.rows == rows ? row : row / used, head),
                                value_at(routing.weights, row / used, row % used), head_at(y, row, head), count);
    });
    return y;
}

// Tokens are independent. Softmax and comparisons are those of the reference: a choice that differed between kernel
// rows would show in whole logits.
Routing CpuOps::route(Tensor logits, const RouteRule& rule) {
    const int64_t tokens = logits.rows, experts = logits.columns();
    assert(rule.used > 0 && rule.used <= experts);
    Routing routing{make(tokens, 1, rule.used), make(tokens, 1, rule.used), experts};
    if (planning()) return routing;
    constexpr double kExpertsPerMicrosecond = 25, kLooksPerMicrosecond = 500;
    const double microseconds =
        double(tokens * experts) / kExpertsPerMicrosecond + double(tokens * experts * rule.used) / kLooksPerMicrosecond;
    run(tokens, 4, microseconds,
        [&](int64_t begin, int64_t end, int) { route_tokens(logits, rule, routing, begin, end); });
    return routing;
}

Tensor CpuOps::expert_add(Tensor x, Tensor rows_by_expert, const Routing& routing) {
    const int64_t used = routing.ids.width;
    assert(x.rows == routing.ids.rows * used && rows_by_expert.columns() == x.columns());
    if (!x.heads_touch() || !rows_by_expert.heads_touch()) return ReferenceOps::expert_add(x, rows_by_expert, routing);
    Tensor y = make_like(x);
    if (planning()) return y;
    each_run(x.rows, 1, x.columns(), kFloatsPerMicrosecond, [&](int64_t row, int64_t, int64_t count) {
        kernels_.add(head_at(x, row, 0), head_at(rows_by_expert, id_at(routing.ids, row / used, row % used), 0),
                     head_at(y, row, 0), count);
    });
    return y;
}

// A routing without weights sums plainly.
Tensor CpuOps::expert_sum(Tensor y, const Routing& routing) {
    const int64_t used = routing.ids.width;
    assert(y.rows == routing.ids.rows * used);
    Tensor sums = make(routing.ids.rows, y.heads_count, y.width);
    if (planning()) return sums;
    const auto [rows, heads, width] = runs_of(sums, y);
    each_run(rows, heads, width, kFloatsPerMicrosecond / double(used), [&](int64_t token, int64_t head, int64_t count) {
        float* to = head_at(sums, token, head);
        std::fill_n(to, count, 0.0f);
        for (int64_t rank = 0; rank < used; ++rank)
            kernels_.add_scaled(head_at(y, token * used + rank, head),
                                routing.weights ? value_at(routing.weights, token, rank) : 1, to, count);
    });
    return sums;
}

}  // namespace hearth::cpu
