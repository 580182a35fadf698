// Kernels over runs of floats, for the ops that go row by row. What a run computes does not depend on where it lies.
#pragma once

#include <cstdint>

#include "backends/cpu/isa.h"
#include "ops/ops.h"

namespace hearth::cpu {

struct RowKernels {
    void (*map)(Function f, const float* x, float* y, int64_t count);
    // f(x) * factor for silu, sigmoid and gelu_tanh
    void (*map_times)(Function f, const float* x, const float* factor, float* y, int64_t count);
    void (*add)(const float* a, const float* b, float* y, int64_t count);
    void (*multiply)(const float* a, const float* b, float* y, int64_t count);
    void (*add_value)(const float* x, float value, float* y, int64_t count);
    void (*multiply_value)(const float* x, float value, float* y, int64_t count);
    void (*add_scaled)(const float* x, float factor, float* y, int64_t count);  // y += x * factor
    void (*clamp)(const float* x, float low, float high, float* y, int64_t count);
    void (*softcap)(const float* x, float cap, float* y, int64_t count);
    void (*rms_norm)(const float* x, const float* scale, float eps, float* y, int64_t width);
    void (*l2_norm)(const float* x, float eps, float* y, int64_t width);
    void (*layer_norm)(const float* x, const float* scale, const float* bias, float eps, float* y, int64_t width);
    void (*rotate_halves)(const float* x, const float* c, const float* s, int64_t pairs, float* y);
    void (*rotate_neighbours)(const float* x, const float* c, const float* s, int64_t pairs, float* y);
    void (*convolve)(const float* const* rows, const float* taps, int64_t tap_stride, int64_t tap_count,
                     const float* bias, bool with_silu, float* y, int64_t count);
};

const RowKernels& row_kernels(Isa isa);

}  // namespace hearth::cpu
