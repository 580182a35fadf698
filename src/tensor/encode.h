// Floats into the types that need no search: for files and tests we write, the Q8 cache, and the definition of the
// activation formats.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace hearth {

bool can_encode_simple(DType type);  // f32, f16, bf16, q8_0, q4_0, q8_1, q8_k

// Encodes `count` values (a multiple of the type's block) into row_bytes(type, count) unaligned bytes. Precondition:
// can_encode_simple, and values within +-2^127 - the caller checks what enters from outside; NaN and infinity give
// valid blocks of unspecified content. Block scales beyond f16 are clamped to 65504, scales that round to zero give a
// block of zeros.
//   q8_0  scale = largest magnitude / 127, code = value * (1 / scale) to the nearest, ties to even
//   q4_0  scale = -v / 8 for the v of largest magnitude, code = floor(value * (1 / scale) + 8.5), at most 15
//   q8_1  as q8_0, and sum = scale * sum of codes
//   q8_k  scale = -v / 127 for the v of largest magnitude, code = value / scale to the nearest, ties to even; an f32
//   scale
void encode_simple(DType type, const float* values, int64_t count, std::byte* out);

}  // namespace hearth
