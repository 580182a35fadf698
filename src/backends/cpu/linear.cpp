#include "backends/cpu/linear.h"

#include <algorithm>

#include "backends/cpu/formats/formats.h"
#include "backends/cpu/formats/registers.h"
#include "base/os.h"

namespace hearth::cpu {

#if TARGET_X86
namespace {

// An eighth of the first level: on a Zen 4 with 32 KB, 4 KB read a fifth more of Q6_K from memory than 6 KB.
int64_t share_of_first_level() {
    const int64_t bytes = first_level_cache_bytes();
    return bytes > 0 ? std::clamp<int64_t>(bytes / 8 / 64 * 64, 2048, 6144) : 4096;
}
// An Emerald Rapids reads a fifth more of Q4_K and a sixth more of Q5_K in two strides, first to the second level from
// far away; Q8_0 loses a twentieth. On AMD's processors one request per line was measured to be best; there both ask
// for the same line.
bool is_intel() {
    __builtin_cpu_init();
    return __builtin_cpu_is("intel");
}

}  // namespace

const int64_t kPrefetchNear = is_intel() ? 2048 : share_of_first_level();
const int64_t kPrefetchFar = is_intel() ? 8192 : kPrefetchNear;
#endif

namespace {

// Panel bytes that stay in the second-level cache (1 MiB is common) while a job's groups pass by, but no fewer tiles
// than make it worth while to read the groups once more. Cutting the columns as well, so that all fits the first level,
// gained nothing.
constexpr int64_t kPanelBytesInCache = 256 << 10;
constexpr int64_t kFewestTiles = 6;
// Spelling groups out costs as much as some tokens, so slabs meet more of a panel, streamed from the third level.
constexpr int64_t kPanelBytesForSlabs = 4 << 20;

int64_t made_bytes(const LinearKernel& kernel, int64_t columns) {
    return kernel.make_group ? kernel.made_bytes(kernel.type, columns) : 0;
}
int64_t slab_bytes(const LinearKernel& kernel, int64_t columns) {
    return kernel.slabs.unpack ? kernel.slabs.bytes(kernel.type, columns) : 0;
}

// One job on its way: all groups of rows against all tiles of tokens.
class Multiplication {
public:
    Multiplication(const LinearKernel& kernel, const LinearJob& job)
        : kernel_(kernel),
          job_(job),
          tile_tokens_(panel_tile_tokens(kernel.activation, kernel.isa, job.tokens)),
          last_tile_(job.tile_end < 0 ? panel_tiles(job.tokens, tile_tokens_) : job.tile_end),
          token_bytes_(token_bytes(kernel.activation, job.columns)),
          group_bytes_(kernel.group_bytes(kernel.type, job.columns)),
          uses_slabs_(kernel.slabs.unpack && are_many(job.tokens)) {}

    void run() const {
        const int64_t groups = groups_of(kernel_, job_.rows), stretch = tiles_at_once();
        for (int64_t begin = job_.tile_begin; begin < last_tile_; begin += stretch) {
            const Stretch tiles{begin, std::min(last_tile_, begin + stretch)};
            int64_t group = 0;
            const int at_once = kernel_.slabs.groups;
            for (; uses_slabs_ && group + at_once <= groups; group += at_once) multiply_slabs(group, tiles);
            for (; group < groups; ++group) multiply_one(group, tiles);
        }
    }

private:
    struct Stretch {
        int64_t begin, end;
    };

    int64_t tiles_at_once() const {
        // A group that has to be made is expensive: it meets all tiles at once.
        if (kernel_.make_group) return std::max<int64_t>(1, last_tile_ - job_.tile_begin);
        const int64_t bytes = uses_slabs_ ? kPanelBytesForSlabs : kPanelBytesInCache;
        return std::max(kFewestTiles, bytes / (token_bytes_ * tile_tokens_));
    }

    // Made in place 0 or 1 of scratch where groups are kept as stored.
    const std::byte* packed_group(int64_t group, int place) const {
        const std::byte* stored = job_.weights + group * group_bytes_;
        if (!kernel_.make_group) return stored;
        const int64_t rows = job_.rows - group * kernel_.rows_per_group;
        std::byte* made = job_.scratch + place * made_bytes(kernel_, job_.columns);
        kernel_.make_group(kernel_.type, stored, row_bytes(kernel_.type, job_.columns),
                           int(std::min<int64_t>(kernel_.rows_per_group, rows)), job_.columns, made);
        return made;
    }

    // The columns of `tiles` from `column` on.
    void multiply_tiles(const TileFn* kernels, TileJob tile_job, int64_t row, int64_t column, Stretch tiles) const {
        for (int64_t index = tiles.begin; index < tiles.end; ++index) {
            const PanelTile tile = panel_tile(job_.tokens, tile_tokens_, index);
            tile_job.tile =
                job_.panel + tile.first_token * token_bytes_ + tile.tokens * token_bytes(kernel_.activation, column);
            tile_job.out = job_.out + tile.first_token * job_.out_stride + row;
            kernels[tile.tokens - 1](tile_job);
        }
    }

    TileJob tile_job(int64_t row, int groups) const {
        return {.group = nullptr,
                .tile = nullptr,
                .columns = job_.columns,
                .out = nullptr,
                .out_stride = job_.out_stride,
                .rows = int(std::min<int64_t>(groups * kernel_.rows_per_group, job_.rows - row))};
    }

    void multiply_one(int64_t group, Stretch tiles) const {
        const int64_t row = group * kernel_.rows_per_group;
        TileJob one = tile_job(row, 1);
        one.group = packed_group(group, 0);
        multiply_tiles(kernel_.tiles, one, row, 0, tiles);
    }

    void multiply_slabs(int64_t group, Stretch tiles) const {
        const int64_t row = group * kernel_.rows_per_group;
        const bool has_two = kernel_.slabs.groups == 2;
        const std::byte *first = packed_group(group, 0), *second = has_two ? packed_group(group + 1, 1) : nullptr;
        std::byte* slab = job_.scratch + 2 * made_bytes(kernel_, job_.columns);
        std::byte* second_slab = slab + slab_bytes(kernel_, job_.columns);
        TileJob both = tile_job(row, kernel_.slabs.groups);
        both.group = slab;
        both.second_group = second_slab;
        for (int64_t column = 0; column < job_.columns; column += kSlabColumns) {
            const int64_t end = std::min(job_.columns, column + kSlabColumns);
            kernel_.slabs.unpack(first, job_.columns, column, end, slab);
            if (has_two) kernel_.slabs.unpack(second, job_.columns, column, end, second_slab);
            both.columns = end - column;
            both.continues = column > 0;
            multiply_tiles(kernel_.slabs.tiles, both, row, column, tiles);
        }
    }

    const LinearKernel& kernel_;
    const LinearJob& job_;
    int tile_tokens_;
    int64_t last_tile_, token_bytes_, group_bytes_;
    bool uses_slabs_;
};

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

int64_t scratch_bytes(const LinearKernel& kernel, int64_t columns) {
    return 2 * (made_bytes(kernel, columns) + slab_bytes(kernel, columns));
}

void multiply(const LinearKernel& kernel, const LinearJob& job) {
    Multiplication(kernel, job).run();
}

}  // namespace hearth::cpu
