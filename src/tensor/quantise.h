// Floats into every weight type, each with as small an error as a search can reach in reasonable time. What is
// minimised is sum of a * (value - stored)^2 with the importance a of the column (mean square of what the matrix meets
// there), 1 without importance: the expected squared error of a product.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "tensor/dtype.h"

namespace hearth {

// How wide the registers are that do it; the bytes that come out are the same.
enum class QuantiseRow { best, plain, avx2, avx512 };

bool can_quantise(DType type);           // every weight type
bool needs_importance(DType type);       // too few bits to be good without
bool uses_importance(DType type);        // f32, f16, bf16 do not
bool has_quantise_row(QuantiseRow row);  // on this machine

// One weight per column, in the form quantise() takes: mean 1, nothing vanishing. Fails for a vector with negative or
// non-finite entries.
Result<std::vector<float>> prepared_importance(std::span<const float> importance);

struct QuantiseInput {
    std::span<const float> values;      // whole rows; finite (the caller looks: first_not_finite)
    int64_t columns;                    // of a row, a multiple of the type's block
    std::span<const float> importance;  // prepared, one per column; empty: all alike
};

// Into row_bytes(type, columns) per row. Rows do not influence each other. Values beyond what the scales of a type can
// express are cut to the largest it can.
void quantise(DType type, const QuantiseInput& input, std::byte* out, QuantiseRow row = QuantiseRow::best);

int64_t first_not_finite(std::span<const float> values);  // its place; -1: all are finite

}  // namespace hearth
