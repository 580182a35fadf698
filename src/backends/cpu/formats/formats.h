// The weight types that have kernels of their own: one line each. The table of a type stands at the end of its file.
#pragma once

#include "backends/cpu/isa.h"
#include "backends/cpu/linear.h"

namespace hearth::cpu {

using LinearTable = KernelTable<LinearKernel>;

extern const LinearTable kLinearF32, kLinearF16, kLinearBf16;
extern const LinearKernel kLinearBf16Dot;  // avx512 with vdpbf16ps: bf16 activations
extern const LinearTable kLinearQ8_0, kLinearQ4_0, kLinearQ4_1, kLinearQ5_0, kLinearQ5_1, kLinearIq4Nl, kLinearMxfp4;
extern const LinearTable kLinearQ2_K, kLinearQ4_K, kLinearQ5_K, kLinearQ6_K, kLinearIq4Xs;
extern const LinearTable kLinearQ3_K, kLinearIq1S, kLinearIq1M, kLinearIq2Xxs, kLinearIq2Xs, kLinearIq2S, kLinearIq3Xxs,
    kLinearIq3S, kLinearTq1_0, kLinearTq2_0;              // few_levels.cpp
const LinearKernel& linear_decoded(DType type, Isa isa);  // every other weight type

}  // namespace hearth::cpu
