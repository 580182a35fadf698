// Rows that are kept as stored.
//
// Weight types without a kernel of their own: a group is decoded to floats on each pass and multiplied with the F32
// tiles. Recipe: that of F32 in floats.h, on the decoded weights and float activations.
//
// Types whose packed form is larger than the file's (few_levels.cpp), where memory is short: a group is packed on each
// pass and multiplied with the type's own tiles. Recipe: the type's own.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "backends/cpu/formats/blocks32.h"
#include "backends/cpu/formats/floats.h"
#include "backends/cpu/target.h"
#include "tensor/decode.h"

namespace hearth::cpu {
namespace {

constexpr int64_t kPiece = 256;  // columns decoded at a time: a multiple of every block

// Rows one after the other, each padded to 64 bytes.
template <int kRows>
struct Stored {
    static int64_t group_bytes(DType type, int64_t columns) { return kRows * stored_group_bytes(type, columns); }
    static void pack(DType type, const std::byte* rows, int64_t stride, int valid_rows, int64_t columns,
                     std::byte* group) {
        const int64_t bytes = row_bytes(type, columns), room = stored_group_bytes(type, columns);
        std::memset(group, 0, size_t(kRows * room));
        for (int row = 0; row < valid_rows; ++row) std::memcpy(group + row * room, rows + row * stride, size_t(bytes));
    }
    static void unpack_row(DType type, const std::byte* group, int row, int64_t columns, float* out) {
        decode(type, group + row * stored_group_bytes(type, columns), columns, out);
    }
    // Scratch: the decoded group as [column][row], then a buffer of [row][kPiece].
    static int64_t scratch_bytes(DType, int64_t columns) { return (columns + kPiece) * kRows * 4; }
    static void decode_group(DType type, const std::byte* group, int64_t columns, std::byte* scratch) {
        auto* slab = reinterpret_cast<float*>(scratch);
        float* piece = slab + columns * kRows;
        const int64_t room = stored_group_bytes(type, columns);
        for (int64_t at = 0; at < columns; at += kPiece) {
            const int64_t count = std::min(kPiece, columns - at);
            for (int row = 0; row < kRows; ++row) {
                decode(type, group + row * room + row_bytes(type, at), count, piece + row * kPiece);
            }
            for (int64_t k = 0; k < count; ++k) {
                for (int row = 0; row < kRows; ++row) slab[(at + k) * kRows + row] = piece[row * kPiece + k];
            }
        }
    }
};

// The plain row: the decoded row times one token, products rounded before they are added.
void tile_any(const TileJob& job) {
    float sum[2] = {0, 0};
    for (int64_t k = 0; k < job.columns; ++k) {
        float w, a;
        std::memcpy(&w, job.group + 4 * k, 4);
        std::memcpy(&a, job.tile + 4 * k, 4);
        sum[k % 2] += w * a;
    }
    job.out[0] = sum[0] + sum[1];
}
constexpr TileFn kTilesAny[1] = {tile_any};

template <int kRows>
constexpr LinearKernel decoded_kernel(DType type, Isa isa, const TileFn* tiles) {
    return {.type = type,
            .isa = isa,
            .rows_per_group = kRows,
            .activation = ActivationKind::f32,
            .group_bytes = Stored<kRows>::group_bytes,
            .pack = Stored<kRows>::pack,
            .unpack_row = Stored<kRows>::unpack_row,
            .tiles = tiles,
            .decode_group = Stored<kRows>::decode_group,
            .scratch_bytes = Stored<kRows>::scratch_bytes};
}

LinearTable table_of(DType type) {
    return {
#if TARGET_X86
        {Isa::avx512, decoded_kernel<16>(type, Isa::avx512, kTilesF32Avx512)},
            {Isa::avx2, decoded_kernel<8>(type, Isa::avx2, kTilesF32Avx2)},
#elif TARGET_ARM
        {Isa::neon, decoded_kernel<8>(type, Isa::neon, kTilesF32Neon)},
#endif
        {
            Isa::any, decoded_kernel<1>(type, Isa::any, kTilesAny)
        }
    };
}

// The usual kernel's groups, made on each pass.
template <Isa kIsa>
struct PackedLate {
    static constexpr int kRows = kIsa == Isa::avx512 ? 16 : 8;

    static int64_t scratch_bytes(DType type, int64_t columns) {
        return linear_kernel(type, kIsa, columns).group_bytes(type, columns);
    }
    static void pack(DType type, const std::byte* group, int64_t columns, std::byte* scratch) {
        linear_kernel(type, kIsa, columns)
            .pack(type, group, stored_group_bytes(type, columns), kRows, columns, scratch);
    }
    static LinearKernel kernel(DType type) {
        LinearKernel kernel = linear_kernel(type, kIsa, 256);
        kernel.group_bytes = Stored<kRows>::group_bytes;
        kernel.pack = Stored<kRows>::pack;
        kernel.unpack_row = Stored<kRows>::unpack_row;
        kernel.decode_group = pack;
        kernel.scratch_bytes = scratch_bytes;
        kernel.unpack_group = nullptr;  // reads packed groups
        kernel.slab_tiles = nullptr;
        return kernel;
    }
};

// Q3_K grows by a twentieth: not worth it.
constexpr DType kGrowing[] = {DType::iq1_s,   DType::iq1_m, DType::iq2_xxs, DType::iq2_xs, DType::iq2_s,
                              DType::iq3_xxs, DType::iq3_s, DType::tq1_0,   DType::tq2_0};
using PackedLateTable = std::array<LinearKernel, std::size(kGrowing)>;
template <Isa kIsa>
const LinearKernel& packed_late(size_t type) {
    static const PackedLateTable table = [] {
        PackedLateTable kernels;
        for (size_t i = 0; i < std::size(kGrowing); ++i) kernels[i] = PackedLate<kIsa>::kernel(kGrowing[i]);
        return kernels;
    }();
    return table[type];
}

constexpr DType kTypes[] = {DType::nvfp4, DType::q1_0, DType::q2_0};

template <size_t... kIndex>
std::array<LinearTable, sizeof...(kIndex)> all_tables(std::index_sequence<kIndex...>) {
    return {table_of(kTypes[kIndex])...};
}

}  // namespace

const LinearKernel& linear_decoded(DType type, Isa isa) {
    static const auto tables = all_tables(std::make_index_sequence<std::size(kTypes)>{});
    const auto* found = std::find(std::begin(kTypes), std::end(kTypes), type);
    if (found == std::end(kTypes)) __builtin_trap();  // not a weight type: the caller checks info(type).is_weight
    return tables[size_t(found - kTypes)].at(isa);
}

const LinearKernel& smallest_linear_kernel(DType type, Isa isa, int64_t columns) {
    const LinearKernel& usual = linear_kernel(type, isa, columns);
    const auto* found = std::find(std::begin(kGrowing), std::end(kGrowing), type);
    if (found == std::end(kGrowing)) return usual;
    const auto index = size_t(found - kGrowing);
    switch (usual.isa) {
        case Isa::avx512:
            return packed_late<Isa::avx512>(index);
        case Isa::avxvnni:
            return packed_late<Isa::avxvnni>(index);
        case Isa::avx2:
            return packed_late<Isa::avx2>(index);
        case Isa::i8mm:
            return packed_late<Isa::i8mm>(index);
        case Isa::dotprod:
            return packed_late<Isa::dotprod>(index);
        case Isa::neon:
            return packed_late<Isa::neon>(index);
        default:
            return usual;  // the plain row keeps everything as stored
    }
}

}  // namespace hearth::cpu
