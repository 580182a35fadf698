#include "backends/cpu/linear.h"

#include <algorithm>

#include "backends/cpu/formats/formats.h"

namespace hearth::cpu {
namespace {

// Panel bytes that stay in the second-level cache (1 MiB is common) while a job's groups pass by, but no fewer tiles
// than make it worth while to read the groups once more. Cutting the columns as well, so that all fits the first level,
// gained nothing.
constexpr int64_t kPanelBytesInCache = 256 << 10;
constexpr int64_t kFewestTiles = 6;
// So many tiles pay for spelling a group out.
constexpr int64_t kFewestTilesForSlab = 8;

}  // namespace

const LinearKernel& linear_kernel(DType type, Isa isa, int64_t) {
    switch (type) {
        case DType::f32:
            return kLinearF32.at(isa);
        case DType::f16:
            return kLinearF16.at(isa);
        case DType::bf16:
            return isa == Isa::avx512 && machine_has_avx512_bf16() ? kLinearBf16Dot : kLinearBf16.at(isa);
        case DType::q8_0:
            return kLinearQ8_0.at(isa);
        case DType::q4_0:
            return kLinearQ4_0.at(isa);
        case DType::q4_1:
            return kLinearQ4_1.at(isa);
        case DType::q5_0:
            return kLinearQ5_0.at(isa);
        case DType::q5_1:
            return kLinearQ5_1.at(isa);
        case DType::iq4_nl:
            return kLinearIq4Nl.at(isa);
        case DType::mxfp4:
            return kLinearMxfp4.at(isa);
        case DType::q4_k:
            return kLinearQ4_K.at(isa);
        case DType::q5_k:
            return kLinearQ5_K.at(isa);
        case DType::iq4_xs:
            return kLinearIq4Xs.at(isa);
        case DType::q6_k:
            return kLinearQ6_K.at(isa);
        case DType::q2_k:
            return kLinearQ2_K.at(isa);
        case DType::q3_k:
            return kLinearQ3_K.at(isa);
        case DType::iq1_s:
            return kLinearIq1S.at(isa);
        case DType::iq1_m:
            return kLinearIq1M.at(isa);
        case DType::iq2_xxs:
            return kLinearIq2Xxs.at(isa);
        case DType::iq2_xs:
            return kLinearIq2Xs.at(isa);
        case DType::iq2_s:
            return kLinearIq2S.at(isa);
        case DType::iq3_xxs:
            return kLinearIq3Xxs.at(isa);
        case DType::iq3_s:
            return kLinearIq3S.at(isa);
        case DType::tq1_0:
            return kLinearTq1_0.at(isa);
        case DType::tq2_0:
            return kLinearTq2_0.at(isa);
        default:
            return linear_decoded(type, isa);
    }
}

void pack_groups(const LinearKernel& kernel, const std::byte* matrix, int64_t rows, int64_t columns,
                 int64_t group_begin, int64_t group_end, std::byte* packed) {
    const int64_t stride = row_bytes(kernel.type, columns), bytes = kernel.group_bytes(kernel.type, columns);
    for (int64_t group = group_begin; group < group_end; ++group) {
        const int64_t row = group * kernel.rows_per_group;
        const int valid = int(std::min<int64_t>(kernel.rows_per_group, rows - row));
        kernel.pack(kernel.type, matrix + row * stride, stride, valid, columns, packed + group * bytes);
    }
}

void multiply(const LinearKernel& kernel, const LinearJob& job) {
    const int tile_tokens = panel_tile_tokens(kernel.activation, kernel.isa);
    const int64_t last_tile = job.tile_end < 0 ? panel_tiles(job.tokens, tile_tokens) : job.tile_end;
    const int64_t bytes_per_token = token_bytes(kernel.activation, job.columns);
    const int64_t bytes_per_group = kernel.group_bytes(kernel.type, job.columns);
    const int64_t groups = groups_of(kernel, job.rows);
    const bool spells_out = kernel.slab_tiles && last_tile - job.tile_begin >= kFewestTilesForSlab;
    // A group that has to be made is expensive: it meets all tiles at once. Else a stretch of tiles stays in cache
    // while the groups pass.
    const int64_t stretch = kernel.make_group ? last_tile - job.tile_begin
                                              : std::max(spells_out ? kFewestTilesForSlab : kFewestTiles,
                                                         kPanelBytesInCache / (bytes_per_token * tile_tokens));
    const int64_t stored_stride = row_bytes(kernel.type, job.columns);
    std::byte* slab = job.scratch + made_bytes(kernel, job.columns);
    for (int64_t begin = job.tile_begin; begin < last_tile; begin += stretch) {
        const int64_t end = std::min(last_tile, begin + stretch);
        for (int64_t group = 0; group < groups; ++group) {
            const std::byte* weights = job.weights + group * bytes_per_group;
            const int64_t row = group * kernel.rows_per_group;
            const int rows = int(std::min<int64_t>(kernel.rows_per_group, job.rows - row));
            if (kernel.make_group) {
                kernel.make_group(kernel.type, weights, stored_stride, rows, job.columns, job.scratch);
                weights = job.scratch;
            }
            TileJob tile_job{.group = weights,
                             .tile = nullptr,
                             .columns = job.columns,
                             .out = nullptr,
                             .out_stride = job.out_stride,
                             .rows = rows};
            // The tiles' columns from `column` on.
            const auto multiply_tiles = [&](const TileFn* tiles, int64_t column) {
                for (int64_t index = begin; index < end; ++index) {
                    const PanelTile tile = panel_tile(job.tokens, tile_tokens, index);
                    tile_job.tile = job.panel + tile.first_token * bytes_per_token +
                                    tile.tokens * token_bytes(kernel.activation, column);
                    tile_job.out = job.out + tile.first_token * job.out_stride + row;
                    tiles[tile.tokens - 1](tile_job);
                }
            };
            if (spells_out && end - begin >= kFewestTilesForSlab) {
                tile_job.group = slab;
                for (int64_t column = 0; column < job.columns; column += kSlabColumns) {
                    tile_job.columns = std::min(kSlabColumns, job.columns - column);
                    tile_job.continues = column > 0;
                    kernel.unpack_group(weights, job.columns, column, column + tile_job.columns, slab);
                    multiply_tiles(kernel.slab_tiles, column);
                }
                continue;
            }
            multiply_tiles(kernel.tiles, 0);
        }
    }
}

}  // namespace hearth::cpu
