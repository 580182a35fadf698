// Mamba-2, token by token. State: S[head][P][N].
#include <cmath>

#include "backends/recurrent.h"
#include "backends/reference/reference_ops.h"
#include "backends/tensor_access.h"

namespace hearth {

Tensor ReferenceOps::mamba(const MambaInput& in, const StateBuffer& state, const Step& step) {
    const int64_t heads = in.u.heads_count, width = in.u.width, groups = in.b.heads_count, n = in.b.width;
    assert(in.u.rows == step.tokens() && heads % groups == 0 && in.c.heads_count == groups && in.c.width == n);
    assert(in.dt.columns() == heads && in.a.columns() == heads && in.d.columns() == heads);
    assert(planning() || state.floats == heads * width * n);
    Tensor y = make(in.u.rows, heads, width);
    if (planning()) return y;
    for (const SequenceStep& sequence : step.sequences) {
        if (sequence.tokens == 0) continue;
        float* memory = begin_state(state, sequence);
        save_state(state, sequence, 0);
        for (int64_t t = 0; t < sequence.tokens; ++t) {
            const int64_t token = sequence.first_token + t;
            for (int64_t head = 0; head < heads; ++head) {
                const float* u = head_at(in.u, token, head);
                const float* b = head_at(in.b, token, head / (heads / groups));
                const float* c = head_at(in.c, token, head / (heads / groups));
                const float dt = value_at(in.dt, token, head), skip = value_at(in.d, 0, head);
                const float keep = std::exp(dt * value_at(in.a, 0, head));
                for (int64_t p = 0; p < width; ++p) {
                    float* row = memory + (head * width + p) * n;
                    const float add = dt * u[p];
                    for (int64_t i = 0; i < n; ++i) row[i] = row[i] * keep + add * b[i];
                    head_at(y, token, head)[p] = float(dot(row, c, n) + double(skip) * double(u[p]));
                }
            }
            save_state(state, sequence, t + 1);
        }
    }
    return y;
}

}  // namespace hearth
