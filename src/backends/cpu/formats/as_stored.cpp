// Rows that stay as the file holds them: of weight types without a kernel of their own always, of the others where the
// usual form would take more memory than there is, or where the file's own pages are used.
//
// Weight types without a kernel: a group is decoded to floats on each pass and multiplied with the F32 tiles. Recipe:
// that of F32 in floats.h, on the decoded weights and float activations.
//
// All others: a group is packed on each pass and multiplied with the type's own tiles. Recipe: the type's own.
#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <utility>

#include "backends/cpu/formats/blocks32.h"
#include "backends/cpu/formats/floats.h"
#include "backends/cpu/target.h"
#include "tensor/decode.h"

namespace hearth::cpu {
namespace {

constexpr int64_t kPiece = 256;  // columns decoded at a time: a multiple of every block

template <int kRows>
struct Decoded {
    // The decoded group as [column][row], then a buffer of [row][kPiece].
    static int64_t bytes(DType, int64_t columns) { return (columns + kPiece) * kRows * 4; }
    static void make(DType type, const std::byte* rows, int64_t stride, int valid_rows, int64_t columns,
                     std::byte* scratch) {
        auto* slab = reinterpret_cast<float*>(scratch);
        float* piece = slab + columns * kRows;
        std::fill_n(piece, kRows * kPiece, 0.0f);
        for (int64_t at = 0; at < columns; at += kPiece) {
            const int64_t count = std::min(kPiece, columns - at);
            for (int row = 0; row < valid_rows; ++row) {
                decode(type, rows + row * stride + row_bytes(type, at), count, piece + row * kPiece);
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
            .group_bytes = stored_group_bytes<kRows>,
            .pack = store_group,
            .unpack_row = unpack_stored,
            .tiles = tiles,
            .make_group = Decoded<kRows>::make,
            .made_bytes = Decoded<kRows>::bytes};
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

constexpr DType kTypes[] = {DType::nvfp4, DType::q1_0, DType::q2_0};

template <size_t... kIndex>
std::array<LinearTable, sizeof...(kIndex)> all_tables(std::index_sequence<kIndex...>) {
    return {table_of(kTypes[kIndex])...};
}

// The usual kernel, its groups made on each pass. The plain row reads what is stored in any case.
LinearKernel made_late(const LinearKernel& usual) {
    LinearKernel kernel = usual;
    if (keeps_rows_as_stored(usual)) return kernel;
    assert(usual.rows_per_group == 16 || usual.rows_per_group == 8);
    kernel.group_bytes = usual.rows_per_group == 16 ? stored_group_bytes<16> : stored_group_bytes<8>;
    kernel.pack = store_group;
    kernel.unpack_row = unpack_stored;
    kernel.make_group = usual.pack;
    kernel.made_bytes = usual.group_bytes;
    return kernel;
}

constexpr size_t kMostTypes = 64;  // more than the ids in files
using KernelsOfTypes = std::array<LinearKernel, kMostTypes>;

}  // namespace

bool keeps_rows_as_stored(const LinearKernel& kernel) {
    return kernel.pack == store_group;
}

const LinearKernel& linear_decoded(DType type, Isa isa) {
    static const auto tables = all_tables(std::make_index_sequence<std::size(kTypes)>{});
    const auto* found = std::find(std::begin(kTypes), std::end(kTypes), type);
    if (found == std::end(kTypes)) __builtin_trap();  // not a weight type: the caller checks info(type).is_weight
    return tables[size_t(found - kTypes)].at(isa);
}

const LinearKernel& stored_linear_kernel(DType type, Isa isa, int64_t columns) {
    static const auto kernels = [] {
        std::array<KernelsOfTypes, std::size(kAllIsas)> all{};
        for (const DTypeInfo& each : dtypes()) {
            if (!each.is_weight) continue;
            for (Isa row : kAllIsas) {
                all[size_t(row)][size_t(each.type)] = made_late(linear_kernel(each.type, row, each.block_elements));
            }
        }
        return all;
    }();
    const LinearKernel& usual = linear_kernel(type, isa, columns);
    return keeps_rows_as_stored(usual) ? usual : kernels[size_t(isa)][size_t(type)];
}

const LinearKernel& smallest_linear_kernel(DType type, Isa isa, int64_t columns) {
    // Q3_K grows by a twentieth: not worth it.
    constexpr DType kGrowing[] = {DType::iq1_s,   DType::iq1_m, DType::iq2_xxs, DType::iq2_xs, DType::iq2_s,
                                  DType::iq3_xxs, DType::iq3_s, DType::tq1_0,   DType::tq2_0};
    const bool grows = std::ranges::find(kGrowing, type) != std::end(kGrowing);
    return grows ? stored_linear_kernel(type, isa, columns) : linear_kernel(type, isa, columns);
}

}  // namespace hearth::cpu
