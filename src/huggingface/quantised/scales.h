// Where the scale of a value lies, and how integers lie in words.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "huggingface/quantised/layout.h"
#include "huggingface/tensors.h"

namespace hearth::huggingface {

inline constexpr std::initializer_list<RawType> kScaleTypes = {RawType::f32, RawType::bf16, RawType::f16,
                                                               RawType::f8_e8m0};

// The matrices [.., rows, columns] of a stack, cut into cells that share a scale.
struct ScaleGrid {
    int64_t per_matrix = 0;  // scales of one matrix of the stack; 0: all share the same
    int64_t per_row = 1;     // scales in one row of cells
    int64_t cell_rows = 1, cell_columns = 1;

    int64_t at(int64_t matrix, int64_t row, int64_t column) const {
        return matrix * per_matrix + row / cell_rows * per_row + column / cell_columns;
    }
};

// The grid of scales for values of `shape` (two dimensions or more): one scale for all, one for each matrix, each row,
// each block of block_rows x block_columns, or each group of columns. Nothing when the shapes do not go together.
std::optional<ScaleGrid> grid_of(const std::vector<int64_t>& scales, const std::vector<int64_t>& shape,
                                 const Quantisation& sizes);
// The same in words, for messages.
std::string grids_text(const std::vector<int64_t>& shape, const Quantisation& sizes);

// The type to keep such values in: published kernels multiply with them in the type of their scales, half precision or
// bfloat, and nothing finer was ever measured.
inline DType type_by_scales(const RawTensor& scales) {
    return scales.type == RawType::f16 ? DType::f16 : DType::bf16;
}

inline uint32_t word_at(const std::byte* words, int64_t index) {
    uint32_t word;
    std::memcpy(&word, words + index * 4, 4);
    return word;
}

// Number `index` of a run of integers that lie bit after bit, lowest first, in words that are `stride` words apart.
inline int32_t packed_at(const std::byte* words, int64_t stride, int64_t index, int64_t bits) {
    const int64_t bit = index * bits, word = bit / 32, shift = bit % 32;
    uint64_t two = word_at(words, word * stride);
    if (shift + bits > 32) two |= uint64_t{word_at(words, (word + 1) * stride)} << 32;
    return int32_t(two >> shift & ((uint64_t{1} << bits) - 1));
}

inline int64_t ceiling(int64_t value, int64_t unit) {
    return value / unit + (value % unit != 0);
}

}  // namespace hearth::huggingface
