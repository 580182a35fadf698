// Positions: rotation of pairs, and the temperature that grows with the position. Angles in double.
#include <cmath>

#include "backends/reference/reference_ops.h"
#include "backends/tensor_access.h"

namespace hearth {

Tensor ReferenceOps::rope(Tensor heads, const Rope& rope, const Step& step) {
    const int64_t pairs = int64_t(rope.frequency.size());
    assert(heads.rows == step.tokens() && 2 * pairs <= heads.width);
    assert(rope.axis.empty() || int64_t(rope.axis.size()) == pairs);
    Tensor y = make_like(heads);
    if (planning()) return y;
    for (int64_t token = 0; token < heads.rows; ++token)
        for (int64_t head = 0; head < heads.heads_count; ++head) {
            const float* from = head_at(heads, token, head);
            float* to = head_at(y, token, head);
            std::copy_n(from, heads.width, to);  // what lies behind the pairs passes through
            for (int64_t pair = 0; pair < pairs; ++pair) {
                const size_t axis = rope.axis.empty() ? 0 : rope.axis[size_t(pair)];
                const double angle = double(step.positions[size_t(token)][axis]) * rope.frequency[size_t(pair)];
                const float c = float(std::cos(angle) * double(rope.magnitude));
                const float s = float(std::sin(angle) * double(rope.magnitude));
                const int64_t a = rope.adjacent ? 2 * pair : pair, b = rope.adjacent ? a + 1 : pair + pairs;
                to[a] = from[a] * c - from[b] * s;
                to[b] = from[a] * s + from[b] * c;
            }
        }
    return y;
}

float ReferenceOps::position_factor(float beta, int64_t period, int64_t position) {
    return float(1 + double(beta) * std::log(1 + std::floor(double(position) / double(period))));
}

Tensor ReferenceOps::position_scale(Tensor x, float beta, int64_t period, int64_t shift, const Step& step) {
    assert(x.rows == step.tokens() && period > 0);
    Tensor y = make_like(x);
    if (planning()) return y;
    for (int64_t token = 0; token < x.rows; ++token) {
        const float factor = position_factor(beta, period, step.positions[size_t(token)][0] + shift);
        for (int64_t column = 0; column < x.columns(); ++column)
            value_at(y, token, column) = value_at(x, token, column) * factor;
    }
    return y;
}

}  // namespace hearth
