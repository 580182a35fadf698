// Depthwise convolution over time. State: the last taps - 1 rows of x, oldest first, [taps - 1][channels].
#include "backends/recurrent.h"
#include "backends/reference/reference_ops.h"
#include "backends/tensor_access.h"

namespace hearth {

Tensor ReferenceOps::causal_conv(Tensor x, Tensor taps, Tensor bias, const StateBuffer& state, const Step& step) {
    const int64_t channels = x.columns(), past = taps.width - 1;
    assert(x.rows == step.tokens() && taps.rows == channels && (planning() || state.floats == past * channels));
    Tensor y = make(x.rows, 1, channels);
    if (planning()) return y;
    for (const SequenceStep& sequence : step.sequences) {
        if (sequence.tokens == 0) continue;
        float* rows = begin_state(state, sequence);
        save_state(state, sequence, 0);
        for (int64_t t = 0; t < sequence.tokens; ++t) {
            const int64_t token = sequence.first_token + t;
            for (int64_t channel = 0; channel < channels; ++channel) {
                const float newest = value_at(x, token, channel);
                double sum = 0;
                for (int64_t j = 0; j < past; ++j)
                    sum += double(value_at(taps, channel, j)) * double(rows[j * channels + channel]);
                sum += double(value_at(taps, channel, past)) * double(newest);
                if (bias) sum += double(value_at(bias, 0, channel));
                head_at(y, token, 0)[channel] = float(sum);
                for (int64_t j = 0; j + 1 < past; ++j)
                    rows[j * channels + channel] = rows[(j + 1) * channels + channel];
                if (past > 0) rows[(past - 1) * channels + channel] = newest;
            }
            save_state(state, sequence, t + 1);
        }
    }
    return y;
}

}  // namespace hearth
