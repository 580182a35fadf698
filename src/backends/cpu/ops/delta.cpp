// The gated delta rule, one recurrence in prefill and decode. Per value head, with memory M [key][value] (transposed to
// what the formula in ops.h says: then lanes are values and nothing is ever summed across lanes):
//   read = M^T k, d = write * (v - keep * read), y = keep * M^T q + d * (k . q), M = keep * M + k d^T
// which is the rule with the decay moved out of the products. Sums run over the keys in ascending order, one FMA each.
// Columns of M are independent, so a block of them stays in the first-level cache for all tokens of a step.
#include <algorithm>
#include <cassert>
#include <cmath>

#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/ops/columns.h"
#include "backends/tensor_access.h"

namespace hearth::cpu {

namespace {

struct DeltaToken {
    const float *q, *k, *v;
    float* y;
    float keep, write, k_dot_q;
};

struct DeltaColumns {
    float* memory;  // [keys][stride], whole vectors of columns
    int64_t stride, keys;
    int64_t values;  // columns that are real; v and y have no more
    const DeltaToken* tokens;
    int64_t count;
};

struct DeltaKernels {
    void (*columns)(const DeltaColumns& work);
    int64_t columns_width;
    void (*wide)(const DeltaColumns& work);
    int64_t wide_width;
    float (*dot)(const float* a, const float* b, int64_t count);
};

}  // namespace

}  // namespace hearth::cpu

#define KERNELS "backends/cpu/ops/delta_kernels.inc"
#define KERNEL_TABLE kDelta
#include "backends/cpu/ops/every_row.inc"

namespace hearth::cpu {

namespace {

constexpr double kCellsPerMicrosecond = 10e3;

}  // namespace

Tensor CpuOps::gated_delta_rule(const DeltaInput& in, const StateBuffer& memory, const Step& step) {
    const int64_t heads = in.v.heads_count, key_heads = in.k.heads_count, keys = in.k.width, values = in.v.width;
    assert(in.v.rows == step.tokens() && in.q.heads_count == key_heads && heads % key_heads == 0);
    assert(in.log_keep.columns() == heads && in.write.columns() == heads);
    assert(planning() || memory.floats == heads * values * keys);
    const DeltaKernels& kernels = *kEveryRow.at(isa_);
    Tensor y = make(in.v.rows, heads, values);
    const Scratch temporary = scratch();
    const int64_t block_floats = aligned(4 * keys * std::max(kernels.columns_width, kernels.wide_width)) / 4;
    float* blocks = arena().take(block_floats * threads_);
    float* k_dot_q = arena().take(in.v.rows * key_heads);
    if (planning()) return y;

    run(in.v.rows, 32, double(in.k.count()) / 8e3, [&](int64_t begin, int64_t end, int) {
        for (int64_t token = begin; token < end; ++token)
            for (int64_t head = 0; head < key_heads; ++head)
                k_dot_q[token * key_heads + head] =
                    kernels.dot(head_at(in.k, token, head), head_at(in.q, token, head), keys);
    });

    // A sequence with one token takes wide blocks in place where it can; one with more takes narrow ones through a
    // local copy.
    const ColumnItems items(step, heads, values, [&](const SequenceStep& sequence) {
        return sequence.tokens == 1 ? kernels.wide_width : kernels.columns_width;
    });

    const auto work = [&](int64_t begin, int64_t end, int thread) {
        float* local = blocks + thread * block_floats;
        std::vector<DeltaToken> tokens;
        for (int64_t item = begin; item < end; ++item) {
            const ColumnItems::Item part = items.at(item);
            const SequenceStep& sequence = *part.sequence;
            const int64_t head = part.head, column = part.column, count = part.count;
            const int64_t key_head = head % key_heads;

            tokens.resize(size_t(sequence.tokens));
            for (int64_t t = 0; t < sequence.tokens; ++t) {
                const int64_t token = sequence.first_token + t;
                tokens[size_t(t)] = {head_at(in.q, token, key_head),
                                     head_at(in.k, token, key_head),
                                     head_at(in.v, token, head) + column,
                                     head_at(y, token, head) + column,
                                     std::exp(value_at(in.log_keep, token, head)),
                                     value_at(in.write, token, head),
                                     k_dot_q[token * key_heads + key_head]};
            }

            const StateBlock block{head * keys * values + column, keys, values, count, part.width};
            advance_block(memory, sequence, block, local, [&](float* at, int64_t stride, int64_t from, int64_t to) {
                const DeltaColumns job{at, stride, keys, count, tokens.data() + from, to - from};
                part.width == kernels.wide_width ? kernels.wide(job) : kernels.columns(job);
            });
        }
    };
    run(items.count(), 1, double(items.tokens() * heads * values * keys) / kCellsPerMicrosecond, work);
    return y;
}

}  // namespace hearth::cpu
