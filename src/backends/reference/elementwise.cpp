// One value in, one value out; and the moving of rows.
#include <cmath>

#include "backends/reference/reference_ops.h"
#include "backends/tensor_access.h"

namespace hearth {

namespace {
float apply(Function f, float x) {
    switch (f) {
        case Function::silu:
            return x / (1 + std::exp(-x));
        case Function::sigmoid:
            return 1 / (1 + std::exp(-x));
        case Function::gelu_tanh:
            return 0.5f * x * (1 + std::tanh(0.797884560802865356f * (x + 0.044715f * x * x * x)));
        case Function::gelu_erf:
            return 0.5f * x * (1 + std::erf(x * 0.707106781186547524f));
        case Function::softplus:
            return x > 20 ? x : std::log1p(std::exp(x));
        case Function::relu_squared:
            return x > 0 ? x * x : 0;
        case Function::tanh:
            return std::tanh(x);
    }
    return x;
}
}  // namespace

template <class F>
Tensor ReferenceOps::each(Tensor x, F f) {
    Tensor y = make_like(x);
    if (planning()) return y;
    for (int64_t row = 0; row < x.rows; ++row)
        for (int64_t head = 0; head < x.heads_count; ++head) {
            const float* from = head_at(x, row, head);
            float* to = head_at(y, row, head);
            for (int64_t i = 0; i < x.width; ++i) to[i] = f(from[i]);
        }
    return y;
}

// b has a's columns; or one value per head (or per row), spread over it; or one head's values, the same for all heads.
// Rows: as many as a, or one for all.
template <class Combine>
Tensor ReferenceOps::combine(Tensor a, Tensor b, Combine combine) {
    Tensor y = make_like(a);
    assert(b.rows == a.rows || b.rows == 1);
    const bool same = b.columns() == a.columns();
    const bool spread = !same && b.width == 1 && (b.heads_count == a.heads_count || b.heads_count == 1);
    assert(same || spread || (b.heads_count == 1 && b.width == a.width));
    if (planning()) return y;
    for (int64_t row = 0; row < a.rows; ++row)
        for (int64_t head = 0; head < a.heads_count; ++head) {
            const int64_t b_row = b.rows == 1 ? 0 : row;
            const float* from = head_at(a, row, head);
            float* to = head_at(y, row, head);
            for (int64_t i = 0; i < a.width; ++i) {
                const int64_t column = same ? head * a.width + i : spread ? (b.heads_count == 1 ? 0 : head) : i;
                to[i] = combine(from[i], value_at(b, b_row, column));
            }
        }
    return y;
}

Tensor ReferenceOps::map(Function f, Tensor x) {
    return each(x, [f](float value) { return apply(f, value); });
}
Tensor ReferenceOps::scale(Tensor x, float factor) {
    return each(x, [factor](float value) { return value * factor; });
}
Tensor ReferenceOps::clamp(Tensor x, float low, float high) {
    return each(x, [low, high](float value) { return std::min(std::max(value, low), high); });
}
Tensor ReferenceOps::softcap(Tensor x, float cap) {
    return each(x, [cap](float value) { return cap * std::tanh(value / cap); });
}
Tensor ReferenceOps::add(Tensor a, Tensor b) {
    return combine(a, b, [](float x, float y) { return x + y; });
}
Tensor ReferenceOps::multiply(Tensor a, Tensor b) {
    return combine(a, b, [](float x, float y) { return x * y; });
}

void ReferenceOps::add_to(Tensor sum, Tensor x) {
    assert(sum.rows == x.rows && sum.columns() == x.columns());
    if (planning()) return;
    for (int64_t row = 0; row < x.rows; ++row)
        for (int64_t column = 0; column < x.columns(); ++column) value_at(sum, row, column) += value_at(x, row, column);
}

void ReferenceOps::scale_in_place(Tensor x, float factor) {
    if (planning()) return;
    for (int64_t row = 0; row < x.rows; ++row)
        for (int64_t column = 0; column < x.columns(); ++column) value_at(x, row, column) *= factor;
}

// Head by head where both have the same heads, else row by row.
Tensor ReferenceOps::concat(Tensor a, Tensor b) {
    assert(a.rows == b.rows);
    const int64_t heads = a.heads_count == b.heads_count ? a.heads_count : 1;
    const int64_t first = a.columns() / heads, second = b.columns() / heads;
    Tensor y = make(a.rows, heads, first + second);
    if (planning()) return y;
    for (int64_t row = 0; row < a.rows; ++row)
        for (int64_t head = 0; head < heads; ++head) {
            float* to = head_at(y, row, head);
            for (int64_t i = 0; i < first; ++i) to[i] = value_at(a, row, head * first + i);
            for (int64_t i = 0; i < second; ++i) to[first + i] = value_at(b, row, head * second + i);
        }
    return y;
}

Tensor ReferenceOps::select_rows(Tensor x, std::span<const int32_t> rows) {
    Tensor y = make(int64_t(rows.size()), x.heads_count, x.width);
    if (planning()) return y;
    for (int64_t row = 0; row < y.rows; ++row) {
        assert(rows[size_t(row)] >= 0 && rows[size_t(row)] < x.rows);
        for (int64_t head = 0; head < x.heads_count; ++head)
            std::copy_n(head_at(x, rows[size_t(row)], head), x.width, head_at(y, row, head));
    }
    return y;
}

Tensor ReferenceOps::pool(Tensor x, Pooling how, const Step& step) {
    Tensor y = make(int64_t(step.sequences.size()), x.heads_count, x.width);
    if (planning()) return y;
    for (int64_t row = 0; row < y.rows; ++row) {
        const SequenceStep& sequence = step.sequences[size_t(row)];
        const int64_t first = sequence.first_token, last = first + sequence.tokens - 1;
        for (int64_t column = 0; column < x.columns(); ++column) {
            double value = 0;
            if (sequence.tokens == 0) {
                // nothing to pool: zeros
            } else if (how == Pooling::mean) {
                for (int64_t token = first; token <= last; ++token) value += double(value_at(x, token, column));
                value /= double(sequence.tokens);
            } else {
                value = double(value_at(x, how == Pooling::first ? first : last, column));
            }
            value_at(y, row, column) = float(value);
        }
    }
    return y;
}

}  // namespace hearth
