// Matrix products with stored weights: out[token][row] = sum over columns of weight[row][column] *
// activation[token][column].
//
// Kernels take addresses and numbers: no threads, no allocation, no logging. Work is cut outside, in groups of rows.
// The order of float operations of one output is written down once per weight type (at the top of formats/<type>.cpp)
// and depends on the row's length alone: any number of tokens, any cut into groups or tiles, any thread gives the same
// bits.
//
// Weights are re-laid once at load. Fast types: groups of 16 rows (8 with AVX2 and on ARM), dword t of all rows side by
// side, so that one vector register holds 4 codes of each row and no sum over lanes is ever needed. Rows may also stay
// as stored, and are brought into that form on each pass (formats/as_stored.cpp).
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/cpu/activations.h"
#include "backends/cpu/isa.h"
#include "tensor/dtype.h"

namespace hearth::cpu {

struct LinearJob {
    // The first group of this job; groups follow each other. Packed ones are 64-byte aligned, rows as stored to
    // nothing.
    const std::byte* weights = nullptr;
    int64_t rows = 0;  // outputs wanted; the last group may be used in part, and beyond it no stored row is read
    int64_t columns = 0;
    const std::byte* panel = nullptr;  // packed for the kernel's activation kind and the same Isa, 64-byte aligned
    int64_t tokens = 0;                // of the whole panel
    int64_t tile_begin = 0;            // token tiles of this job, see panel_tiles(); -1: to the last
    int64_t tile_end = -1;
    float* out = nullptr;  // out[token * out_stride + row], row counted from this job's first, token from the panel's
    int64_t out_stride = 0;
    std::byte* scratch = nullptr;  // scratch_bytes(columns), 64-byte aligned, contents do not matter
};

// One packed group times one tile of a panel.
struct TileJob {
    const std::byte* group;
    const std::byte* tile;
    int64_t columns;
    float* out;  // of the tile's first token
    int64_t out_stride;
    int rows;  // of the group to write
    // For slab tiles alone: the slab of the group behind, and whether the sums of the columns before stand in `out`.
    const std::byte* second_group = nullptr;
    bool continues = false;
};
using TileFn = void (*)(const TileJob& job);

// For many tokens: unpack() spells columns [begin, end) of a packed group out, at most kSlabColumns, and `tiles`
// multiply the slabs of one group, or of two neighbouring ones, with a tile, with nothing left to unpack. The same
// bits.
inline constexpr int64_t kSlabColumns = 4096;
struct Slabs {
    void (*unpack)(const std::byte* group, int64_t columns, int64_t begin, int64_t end, std::byte* slab) = nullptr;
    const TileFn* tiles = nullptr;
    int64_t (*bytes)(DType type, int64_t columns) = nullptr;  // of one group's
    int groups = 1;                                           // that `tiles` multiply at once
};

// How one weight type is stored in memory and multiplied, for one row of the kernel table.
struct LinearKernel {
    DType type;
    Isa isa;  // what it was written for
    int rows_per_group;
    ActivationKind activation;

    int64_t (*group_bytes)(DType type, int64_t columns);  // of one group; of a packed one a multiple of 64
    // `rows` is unaligned; rows beyond `valid_rows` become zero.
    void (*pack)(DType type, const std::byte* rows, int64_t row_stride_bytes, int valid_rows, int64_t columns,
                 std::byte* group);
    // Exactly what decode() gives for the row before packing.
    void (*unpack_row)(DType type, const std::byte* group, int row_in_group, int64_t columns, float* out);
    const TileFn* tiles;  // [tokens of the tile - 1]

    // Groups that are kept as stored: each is first made in scratch, in the form that `tiles` reads, as pack() would
    // from the same rows. Else null.
    void (*make_group)(DType type, const std::byte* rows, int64_t row_stride_bytes, int valid_rows, int64_t columns,
                       std::byte* made) = nullptr;
    int64_t (*made_bytes)(DType type, int64_t columns) = nullptr;  // a multiple of 64

    Slabs slabs;  // null where there are none
};

// Never fails for a weight type (info(type).is_weight). `columns` is a multiple of the type's block.
const LinearKernel& linear_kernel(DType type, Isa isa, int64_t columns);
// Reads rows as the file holds them, without gaps and aligned to nothing, and brings them into the usual form on every
// pass. The same bits, slower for a single token.
const LinearKernel& stored_linear_kernel(DType type, Isa isa, int64_t columns);
bool keeps_rows_as_stored(const LinearKernel& kernel);
// The one that takes least memory: that for rows as stored where the usual form is larger than the file's.
const LinearKernel& smallest_linear_kernel(DType type, Isa isa, int64_t columns);

// Conveniences over the kernel's functions.
inline int64_t groups_of(const LinearKernel& kernel, int64_t rows) {
    return (rows + kernel.rows_per_group - 1) / kernel.rows_per_group;
}
inline int64_t packed_bytes(const LinearKernel& kernel, int64_t rows, int64_t columns) {
    return groups_of(kernel, rows) * kernel.group_bytes(kernel.type, columns);
}
// Packs groups [group_begin, group_end) of a matrix of `rows` rows stored without gaps; `packed` is where group 0 lies.
void pack_groups(const LinearKernel& kernel, const std::byte* matrix, int64_t rows, int64_t columns,
                 int64_t group_begin, int64_t group_end, std::byte* packed);
int64_t scratch_bytes(const LinearKernel& kernel, int64_t columns);  // per thread
void multiply(const LinearKernel& kernel, const LinearJob& job);

}  // namespace hearth::cpu
