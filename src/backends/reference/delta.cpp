// The gated delta rule, token by token. Memory: M[value head][value index][key index]; its rows are independent of each
// other.
#include <cmath>

#include "backends/recurrent.h"
#include "backends/reference/reference_ops.h"
#include "backends/tensor_access.h"

namespace hearth {

Tensor ReferenceOps::gated_delta_rule(const DeltaInput& in, const StateBuffer& memory, const Step& step) {
    const int64_t heads = in.v.heads_count, key_width = in.k.width, value_width = in.v.width;
    assert(in.v.rows == step.tokens() && in.q.heads_count == in.k.heads_count && heads % in.k.heads_count == 0);
    assert(in.log_keep.columns() == heads && in.write.columns() == heads);
    assert(planning() || memory.floats == heads * value_width * key_width);
    Tensor y = make(in.v.rows, heads, value_width);
    if (planning()) return y;
    for (const SequenceStep& sequence : step.sequences) {
        if (sequence.tokens == 0) continue;
        float* state = begin_state(memory, sequence);
        save_state(memory, sequence, 0);
        for (int64_t t = 0; t < sequence.tokens; ++t) {
            const int64_t token = sequence.first_token + t;
            for (int64_t head = 0; head < heads; ++head) {
                const float* q = head_at(in.q, token, head % in.k.heads_count);
                const float* k = head_at(in.k, token, head % in.k.heads_count);
                const float* v = head_at(in.v, token, head);
                const float keep = std::exp(value_at(in.log_keep, token, head)),
                            write = value_at(in.write, token, head);
                for (int64_t value = 0; value < value_width; ++value) {
                    float* row = state + (head * value_width + value) * key_width;
                    for (int64_t i = 0; i < key_width; ++i) row[i] *= keep;
                    const float change = float(double(write) * (double(v[value]) - dot(row, k, key_width)));
                    for (int64_t i = 0; i < key_width; ++i) row[i] += change * k[i];
                    head_at(y, token, head)[value] = float(dot(row, q, key_width));
                }
            }
            save_state(memory, sequence, t + 1);
        }
    }
    return y;
}

}  // namespace hearth
