// The product with weights that are floats already, or become floats first.
//
// Recipe f32 activations, the same for any number of tokens:
//   sum[k % 2] = fma(w, a, sum[k % 2]) for k ascending;   result = sum[0] + sum[1]
// (the plain row rounds the product before it adds). Two sums, because one chain of dependent additions is slower than
// memory. Recipe bf16 activations: pairs of columns p ascending, sum[p % 2] = vdpbf16ps(sum[p % 2], w pair, a pair);
// result = sum[0] + sum[1]
#pragma once

#include "backends/cpu/formats/formats.h"

namespace hearth::cpu {

// Tiles that read a group of [column][rows of the group] f32: what decoded types are turned into.
extern const TileFn* const kTilesF32Avx512;
extern const TileFn* const kTilesF32Avx2;
extern const TileFn* const kTilesF32Neon;

}  // namespace hearth::cpu
