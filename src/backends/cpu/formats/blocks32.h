// Types whose blocks hold 32 weights: their packed layout, and the plain loop that defines their product.
//
// Recipe, the same in every row of the kernel table (equal bits), blocks ascending, S exact in int32:
//   symmetric types   S = sum of (c - 128) * a     sum = fma(float(S), w * d, sum)
//   types with offset S = sum of c * a             sum = fma(float(S), w * d, sum);  sum = fma(offset, e, sum)
// c: unsigned 8-bit code (4- and 5-bit codes of symmetric types shifted up, so that all of them are offset by 128), w:
// scale of one step of c, a: activation code, d: activation scale, e = d * float(sum of a). w * d is rounded once.
//
// A packed group of R rows is a sequence of bundles of kBundle blocks: the R scales (and offsets) of each block, then
// of each block the R first dwords, the R second dwords ... The bundle makes the scales fill whole cache lines.
#pragma once

#include <cmath>
#include <cstring>

#include "backends/cpu/formats/formats.h"
#include "tensor/decode.h"

namespace hearth::cpu {

// One block as the packed layout holds it.
struct Split32 {
    uint8_t fields[4];  // kFields scales and offsets of kFieldBytes each
    uint32_t words[8];  // kWords dwords of codes
};

// Fifth bits of Q5_0 and Q5_1: bit 4t + j of the file's word goes to bit t of byte j, and back.
inline uint32_t spread_high_bits(uint32_t word) {
    uint32_t result = 0;
    for (int t = 0; t < 8; ++t) result |= ((word >> 4 * t & 15) * 0x00204081u & 0x01010101u) << t;
    return result;
}
inline uint32_t gather_high_bits(uint32_t word) {
    uint32_t result = 0;
    for (int t = 0; t < 8; ++t) result |= ((word >> t & 0x01010101u) * 0x01020408u >> 24 & 15) << 4 * t;
    return result;
}

// What one block means to the recipe.
struct Meaning32 {
    uint8_t codes[32];
    float scale, offset;
};

template <class Format, int kRows>
struct Layout32 {
    static constexpr int kFieldsBytes = kRows * Format::kFields * Format::kFieldBytes;  // of one block
    static constexpr int kHeaderBytes = Format::kBundle * kFieldsBytes;
    static constexpr int kLineBytes = kRows * 4;
    static constexpr int kCodeBytes = Format::kWords * kLineBytes;  // of one block
    static constexpr int kBundleBytes = kHeaderBytes + Format::kBundle * kCodeBytes;
    static_assert(kHeaderBytes % kLineBytes == 0, "lines of codes are aligned like registers");

    static int64_t group_bytes(DType, int64_t columns) {
        const int64_t blocks = columns / 32, bundles = (blocks + Format::kBundle - 1) / Format::kBundle;
        return (bundles * kBundleBytes + 63) / 64 * 64;
    }
    static int64_t fields_at(int64_t block) {
        return block / Format::kBundle * kBundleBytes + block % Format::kBundle * kFieldsBytes;
    }
    static int64_t codes_at(int64_t block) {
        return block / Format::kBundle * kBundleBytes + kHeaderBytes + block % Format::kBundle * kCodeBytes;
    }

    static void pack(DType type, const std::byte* rows, int64_t stride, int valid_rows, int64_t columns,
                     std::byte* group) {
        std::memset(group, 0, size_t(group_bytes(type, columns)));
        for (int64_t block = 0; block < columns / 32; ++block) {
            for (int row = 0; row < valid_rows; ++row) {
                const Split32 split = Format::split(rows + row * stride + block * Format::kBlockBytes);
                for (int field = 0; field < Format::kFields; ++field) {
                    std::memcpy(group + fields_at(block) + (field * kRows + row) * Format::kFieldBytes,
                                split.fields + field * Format::kFieldBytes, Format::kFieldBytes);
                }
                for (int word = 0; word < Format::kWords; ++word) {
                    std::memcpy(group + codes_at(block) + (word * kRows + row) * 4, &split.words[word], 4);
                }
            }
        }
    }

    static void unpack_row(DType type, const std::byte* group, int row, int64_t columns, float* out) {
        for (int64_t block = 0; block < columns / 32; ++block) {
            Split32 split;
            for (int field = 0; field < Format::kFields; ++field) {
                std::memcpy(split.fields + field * Format::kFieldBytes,
                            group + fields_at(block) + (field * kRows + row) * Format::kFieldBytes,
                            Format::kFieldBytes);
            }
            for (int word = 0; word < Format::kWords; ++word) {
                std::memcpy(&split.words[word], group + codes_at(block) + (word * kRows + row) * 4, 4);
            }
            std::byte stored[Format::kBlockBytes];
            Format::join(split, stored);
            decode(type, stored, 32, out + 32 * block);
        }
    }
};

// Rows kept as stored, one per group: what the plain kernels of all types read.
inline int64_t stored_group_bytes(DType type, int64_t columns) {
    return (row_bytes(type, columns) + 63) / 64 * 64;
}
inline void store_group(DType type, const std::byte* rows, int64_t, int, int64_t columns, std::byte* group) {
    std::memcpy(group, rows, size_t(row_bytes(type, columns)));
}
inline void unpack_stored(DType type, const std::byte* group, int, int64_t columns, float* out) {
    decode(type, group, columns, out);
}

template <class Format>
void tile32_any(const TileJob& job) {
    float sum = 0;
    for (int64_t block = 0; block < job.columns / 32; ++block) {
        const Meaning32 w = Format::meaning(job.group + block * Format::kBlockBytes);
        const std::byte* a = job.tile + block * 44;
        int8_t codes[32];
        int32_t products;
        float scale, scaled_sum;
        std::memcpy(codes, a, 32);
        std::memcpy(&products, a + 32, 4);
        std::memcpy(&scale, a + 36, 4);
        std::memcpy(&scaled_sum, a + 40, 4);
        if (Format::kFields == 2) products = 0;
        for (int i = 0; i < 32; ++i) products += int(w.codes[i]) * codes[i];
        sum = std::fma(float(products), w.scale * scale, sum);
        if (Format::kFields == 2) sum = std::fma(w.offset, scaled_sum, sum);
    }
    job.out[0] = sum;
}

template <class Format>
inline constexpr TileFn kTile32Any[1] = {tile32_any<Format>};

template <class Format>
constexpr LinearKernel plain_kernel32(DType type) {
    return {.type = type,
            .isa = Isa::any,
            .rows_per_group = 1,
            .activation = ActivationKind::q8_32,
            .group_bytes = stored_group_bytes,
            .pack = store_group,
            .unpack_row = unpack_stored,
            .tiles = kTile32Any<Format>};
}

// How a kernel multiplies many tokens at once; see LinearKernel::unpack_group.
struct Slabs {
    void (*unpack_group)(const std::byte* group, int64_t columns, int64_t begin, int64_t end,
                         std::byte* slab) = nullptr;
    const TileFn* tiles = nullptr;
    int64_t (*bytes)(DType type, int64_t columns) = nullptr;
};

template <class Format, int kRows>
constexpr LinearKernel packed_kernel32(DType type, Isa isa, const TileFn* tiles, const Slabs& slabs = {}) {
    using Layout = Layout32<Format, kRows>;
    return {.type = type,
            .isa = isa,
            .rows_per_group = kRows,
            .activation = ActivationKind::q8_32,
            .group_bytes = Layout::group_bytes,
            .pack = Layout::pack,
            .unpack_row = Layout::unpack_row,
            .tiles = tiles,
            .scratch_bytes = slabs.bytes,
            .unpack_group = slabs.unpack_group,
            .slab_tiles = slabs.tiles};
}

}  // namespace hearth::cpu
