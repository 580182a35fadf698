// Types whose blocks hold 256 weights in sub-blocks of 32 or 16: what they share, and the plain loop that defines their
// product.
//
// Recipe, the same in every row of the kernel table (equal bits), blocks ascending, integers exact:
//   part = 0
//   sub-blocks j ascending:  part = fma(float(S_j), w_j, part)
//   types with mins:         part = fma(float(M), -m, part)
//   then:                    sum = fma(part, d, sum)
// M = sum over j of min_j * (sum of a over sub-block j).
// S_j = sum of c * a over the sub-block (types with mins), sum of (c - 128) * a (the others). c: unsigned 8-bit code,
// a: activation code, d: activation scale, w_j = (block scale) * (sub-block scale) rounded once, m: block scale of the
// mins.
#pragma once

#include <cmath>
#include <cstring>

#include "backends/cpu/formats/blocks32.h"

namespace hearth::cpu {

// What one block means to the recipe. Sub-blocks of 32 use the first 8 scales.
struct Meaning256 {
    uint8_t codes[256];
    float scales[16];
    uint8_t mins[16];  // as many as sub-blocks
    float min_scale;
};

template <class Format>
void tile256_any(const TileJob& job) {
    constexpr int kWidth = Format::kSubBlock;
    float sum = 0;
    for (int64_t block = 0; block < job.columns / 256; ++block) {
        const Meaning256 w = Format::meaning(job.group + block * Format::kBlockBytes);
        const std::byte* a = job.tile + block * 340;
        int8_t codes[256];
        float scale;
        int16_t sums32[8];
        int32_t starts[16];
        std::memcpy(codes, a, 256);
        std::memcpy(&scale, a + 256, 4);
        std::memcpy(sums32, a + 260, 16);
        std::memcpy(starts, a + 276, 64);
        float part = 0;
        for (int sub = 0; sub < 256 / kWidth; ++sub) {
            int32_t products = Format::kHasMins ? 0 : starts[sub];
            for (int i = kWidth * sub; i < kWidth * (sub + 1); ++i) products += int(w.codes[i]) * codes[i];
            part = std::fma(float(products), w.scales[sub], part);
        }
        if (Format::kHasMins) {
            int32_t products = 0;
            for (int sub = 0; sub < 256 / kWidth; ++sub) {
                products += w.mins[sub] * (kWidth == 32 ? sums32[sub] : -starts[sub] / 128);
            }
            part = std::fma(float(products), -w.min_scale, part);
        }
        sum = std::fma(part, scale, sum);
    }
    job.out[0] = sum;
}

template <class Format>
inline constexpr TileFn kTile256Any[1] = {tile256_any<Format>};

template <class Format>
constexpr LinearKernel plain_kernel256(DType type) {
    return {.type = type,
            .isa = Isa::any,
            .rows_per_group = 1,
            .activation = ActivationKind::q8_256,
            .group_bytes = stored_group_bytes,
            .pack = store_group,
            .unpack_row = unpack_stored,
            .tiles = kTile256Any<Format>};
}

// Packing is the format's own: Layout::put(group, blocks, block, row, stored) and Layout::take, its inverse.
template <class Layout>
struct Packing256 {
    static int64_t group_bytes(DType, int64_t columns) { return Layout::group_bytes(columns / 256); }
    static void pack(DType type, const std::byte* rows, int64_t stride, int valid_rows, int64_t columns,
                     std::byte* group) {
        std::memset(group, 0, size_t(group_bytes(type, columns)));
        for (int64_t block = 0; block < columns / 256; ++block) {
            for (int row = 0; row < valid_rows; ++row) {
                Layout::put(group, columns / 256, block, row, rows + row * stride + block * Layout::kStoredBytes);
            }
        }
    }
    static void unpack_row(DType type, const std::byte* group, int row, int64_t columns, float* out) {
        for (int64_t block = 0; block < columns / 256; ++block) {
            std::byte stored[Layout::kStoredBytes];
            Layout::take(group, columns / 256, block, row, stored);
            decode(type, stored, 256, out + 256 * block);
        }
    }
};

template <class Layout>
constexpr LinearKernel packed_kernel256(DType type, Isa isa, const TileFn* tiles, const Slabs& slabs = {}) {
    using Packing = Packing256<Layout>;
    return {.type = type,
            .isa = isa,
            .rows_per_group = Layout::kRows,
            .activation = ActivationKind::q8_256,
            .group_bytes = Packing::group_bytes,
            .pack = Packing::pack,
            .unpack_row = Packing::unpack_row,
            .tiles = tiles,
            .scratch_bytes = slabs.bytes,
            .unpack_group = slabs.unpack_group,
            .slab_tiles = slabs.tiles};
}

}  // namespace hearth::cpu
