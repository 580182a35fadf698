// The quantiser of every type that needs one, for all rows of instructions.
#pragma once

#include "tensor/quantise/lanes.h"

namespace hearth::quantisers {

// scaled.cpp: scale times a level of a grid
extern const JobRows kQ4_0, kQ5_0, kQ8_0, kIq4Nl, kQ2_0, kQ3K, kQ6K, kIq4Xs, kMxfp4, kNvfp4;
// offset.cpp: scale times a whole number, plus an offset
extern const JobRows kQ4_1, kQ5_1, kQ2K, kQ4K, kQ5K;
// ternary.cpp: a sign, or a sign and nothing
extern const JobRows kQ1_0, kTq1_0, kTq2_0;
// magnitudes.cpp: code words of magnitudes with signs beside them
extern const JobRows kIq2Xxs, kIq2Xs, kIq2S, kIq3Xxs, kIq3S;
// shifted.cpp: ternary code words with a common shift
extern const JobRows kIq1S, kIq1M;

}  // namespace hearth::quantisers
