// Depthwise convolution over time. State: the last taps - 1 rows of x, oldest first, [taps - 1][channels]. Sums run
// from the oldest tap to the newest, beginning with the bias.
#include <algorithm>
#include <cassert>

#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/ops/rows.h"
#include "backends/recurrent.h"
#include "backends/tensor_access.h"

namespace hearth::cpu {

namespace {
constexpr int64_t kChannels = 512;  // of one work item: taps and rows of a few tokens stay in the first-level cache
constexpr int64_t kMostTaps = 16;

// [channel][tap] to [tap][kChannels]. Four taps are the usual number, and a form that compilers turn into shuffles.
void turn_taps(const float* __restrict from, int64_t stride, int64_t tap_count, int64_t channels,
               float* __restrict to) {
    if (tap_count == 4 && stride == 4) {
        for (int64_t i = 0; i < channels; ++i) {
            to[i] = from[4 * i];
            to[kChannels + i] = from[4 * i + 1];
            to[2 * kChannels + i] = from[4 * i + 2];
            to[3 * kChannels + i] = from[4 * i + 3];
        }
        return;
    }
    for (int64_t i = 0; i < channels; ++i)
        for (int64_t tap = 0; tap < tap_count; ++tap) to[tap * kChannels + i] = from[i * stride + tap];
}
}  // namespace

Tensor CpuOps::causal_conv(Tensor x, Tensor taps, Tensor bias, const StateBuffer& state, const Step& step) {
    return convolve(x, taps, bias, state, step, false);
}
Tensor CpuOps::causal_conv_silu(Tensor x, Tensor taps, Tensor bias, const StateBuffer& state, const Step& step) {
    return convolve(x, taps, bias, state, step, true);
}

Tensor CpuOps::convolve(Tensor x, Tensor taps, Tensor bias, const StateBuffer& state, const Step& step,
                        bool with_silu) {
    const int64_t channels = x.columns(), tap_count = taps.width, past = tap_count - 1;
    assert(x.rows == step.tokens() && taps.rows == channels && (planning() || state.floats == past * channels));
    if (!x.heads_touch() || tap_count > kMostTaps || (bias && !bias.heads_touch())) {
        Tensor y = ReferenceOps::causal_conv(x, taps, bias, state, step);
        return with_silu ? map(Function::silu, y) : y;
    }
    Tensor y = make(x.rows, 1, channels);
    const Scratch temporary = scratch();
    const int64_t room_floats = aligned(4 * (tap_count + past) * kChannels) / 4;
    float* rooms = arena().take(room_floats * threads_);
    if (planning()) return y;

    // Block by block: a thread that goes on to the next sequence finds the taps turned.
    const int64_t blocks = (channels + kChannels - 1) / kChannels, sequences = int64_t(step.sequences.size());
    std::vector<int64_t> turned_channel(size_t(threads_), -1);
    const auto work = [&](int64_t begin, int64_t end, int thread) {
        float *turned = rooms + thread * room_floats, *before = turned + tap_count * kChannels;
        for (int64_t item = begin; item < end; ++item) {
            const SequenceStep& sequence = step.sequences[size_t(item % sequences)];
            if (sequence.tokens == 0) continue;
            const int64_t channel = item / sequences * kChannels, count = std::min(kChannels, channels - channel);
            if (turned_channel[size_t(thread)] != channel)
                turn_taps(taps.data + channel * taps.row_stride, taps.row_stride, tap_count, count, turned);
            turned_channel[size_t(thread)] = channel;
            // A copy of the rows before the step: slots to write may be the slot to read.
            for (int64_t row = 0; row < past; ++row) {
                if (sequence.slot_read < 0)
                    std::fill_n(before + row * kChannels, count, 0.0f);
                else
                    std::copy_n(slot_at(state, sequence.slot_read) + row * channels + channel, count,
                                before + row * kChannels);
            }
            // Input row `t` of the sequence; negative ones lie before the step.
            const auto row_at = [&](int64_t t) -> const float* {
                return t < 0 ? before + (past + t) * kChannels : head_at(x, sequence.first_token + t, 0) + channel;
            };
            for (int64_t t = 0; t < sequence.tokens; ++t) {
                const float* rows[kMostTaps];
                for (int64_t tap = 0; tap < tap_count; ++tap) rows[tap] = row_at(t - past + tap);
                kernels_.convolve(rows, turned, kChannels, tap_count, bias ? bias.data + channel : nullptr, with_silu,
                                  head_at(y, sequence.first_token + t, 0) + channel, count);
            }
            const auto keep = [&](int32_t slot, int64_t after_tokens) {
                for (int64_t row = 0; row < past; ++row)
                    std::copy_n(row_at(after_tokens - past + row), count,
                                slot_at(state, slot) + row * channels + channel);
            };
            for (const SlotSave& save : sequence.saves)
                if (save.after_tokens <= sequence.tokens && save.slot != sequence.slot_write)
                    keep(save.slot, save.after_tokens);
            keep(sequence.slot_write, sequence.tokens);
        }
    };
    run(sequences * blocks, 1, double(x.count()) / 1.5e3, work);
    return y;
}

}  // namespace hearth::cpu
