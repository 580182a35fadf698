// Mamba-2, one recurrence in prefill and decode. Per head, with state S [N][P] (transposed to what the formula in ops.h
// says: then lanes are the head's values and nothing is ever summed across lanes):
//   S = e^(dt a) S + b (dt u)^T, y = S^T c + d u
// Sums run over N in ascending order, even and odd rows apart, one FMA each. Columns of S are independent, so a block
// of them stays in the first-level cache for all tokens of a step.
#include <algorithm>
#include <cassert>
#include <cmath>

#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/ops/columns.h"
#include "backends/tensor_access.h"

namespace hearth::cpu {

namespace {

struct MambaToken {
    const float *u, *b, *c;
    float* y;
    float keep, dt, skip;
};

struct MambaColumns {
    float* state;  // [rows][stride], whole vectors of columns
    int64_t stride, rows;
    int64_t values;  // columns that are real; u and y have no more
    const MambaToken* tokens;
    int64_t count;
};

constexpr int kMostVectors = 5;  // 80 columns of AVX-512: a head of the 4B model

struct MambaKernels {
    int64_t lanes, most_vectors;
    void (*columns[kMostVectors])(const MambaColumns& work);  // for 1, 2 ... vectors
};

}  // namespace

}  // namespace hearth::cpu

#define KERNELS "backends/cpu/ops/mamba_kernels.inc"
#define KERNEL_TABLE kMamba
#include "backends/cpu/ops/every_row.inc"

namespace hearth::cpu {

namespace {

constexpr double kCellsPerMicrosecond = 10e3;
constexpr int64_t kBlockFloats = 6 << 10;  // 24 KB: half of a first-level cache, three quarters of a small one

// Vectors of a block: as many as fit, spread evenly over the head.
int64_t block_vectors(const MambaKernels& kernels, int64_t rows, int64_t columns, bool stays_in_cache) {
    int64_t most = kernels.most_vectors;
    if (stays_in_cache) most = std::clamp<int64_t>(kBlockFloats / (rows * kernels.lanes), 1, most);
    const int64_t all = (columns + kernels.lanes - 1) / kernels.lanes, blocks = (all + most - 1) / most;
    return (all + blocks - 1) / blocks;
}

}  // namespace

Tensor CpuOps::mamba(const MambaInput& in, const StateBuffer& state, const Step& step) {
    const int64_t heads = in.u.heads_count, columns = in.u.width, groups = in.b.heads_count, rows = in.b.width;
    assert(in.u.rows == step.tokens() && heads % groups == 0 && in.c.heads_count == groups && in.c.width == rows);
    assert(in.dt.columns() == heads && in.a.columns() == heads && in.d.columns() == heads);
    assert(planning() || state.floats == heads * columns * rows);
    const MambaKernels& kernels = *kEveryRow.at(isa_);
    // A single token passes over the state once, whatever the block; longer chunks keep theirs in the cache.
    const int64_t single = block_vectors(kernels, rows, columns, false);
    const int64_t cached = block_vectors(kernels, rows, columns, true);
    Tensor y = make(in.u.rows, heads, columns);
    const Scratch temporary = scratch();
    const int64_t local_floats = aligned(4 * rows * std::max(single, cached) * kernels.lanes) / 4;
    float* locals = arena().take(local_floats * threads_);
    if (planning()) return y;

    const ColumnItems items(step, heads, columns, [&](const SequenceStep& sequence) {
        return (sequence.tokens == 1 ? single : cached) * kernels.lanes;
    });
    const auto work = [&](int64_t begin, int64_t end, int thread) {
        std::vector<MambaToken> tokens;
        for (int64_t item = begin; item < end; ++item) {
            const ColumnItems::Item part = items.at(item);
            const SequenceStep& sequence = *part.sequence;
            const int64_t head = part.head, column = part.column, count = part.count;
            const int64_t group = head / (heads / groups);
            // The last block may need fewer vectors than the others.
            const int64_t vectors = (count + kernels.lanes - 1) / kernels.lanes;

            tokens.resize(size_t(sequence.tokens));
            for (int64_t t = 0; t < sequence.tokens; ++t) {
                const int64_t token = sequence.first_token + t;
                const float dt = value_at(in.dt, token, head);
                tokens[size_t(t)] = {head_at(in.u, token, head) + column,
                                     head_at(in.b, token, group),
                                     head_at(in.c, token, group),
                                     head_at(y, token, head) + column,
                                     std::exp(dt * value_at(in.a, 0, head)),
                                     dt,
                                     value_at(in.d, 0, head)};
            }
            const StateBlock block{head * rows * columns + column, rows, columns, count, vectors * kernels.lanes};
            advance_block(state, sequence, block, locals + thread * local_floats,
                          [&](float* at, int64_t stride, int64_t from, int64_t to) {
                              kernels.columns[vectors - 1]({at, stride, rows, count, tokens.data() + from, to - from});
                          });
        }
    };
    run(items.count(), 1, double(items.tokens() * state.floats) / kCellsPerMicrosecond, work);
    return y;
}

}  // namespace hearth::cpu
