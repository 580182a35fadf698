// Weights of any stored type as floats: the definition of what a block means, and the oracle of every faster kernel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace hearth {

// Decodes `count` consecutive elements (a multiple of the type's block) from unaligned bytes. Also reads f32, f16,
// bf16, f64 and the integer types. Every operation rounds to float, in the order the format's header writes it.
void decode(DType type, const std::byte* blocks, int64_t count, float* out);

}  // namespace hearth
