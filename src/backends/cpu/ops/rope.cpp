// Rotation of pairs. Cosines and sines are formed in double, once per step and kind of rope, and serve all layers.
#include <cassert>
#include <cmath>
#include <cstring>

#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/ops/rows.h"
#include "backends/tensor_access.h"

namespace hearth::cpu {

namespace {

constexpr size_t kTables = 4;  // kinds of rope in one model: local and global layers, and some to spare

bool same_rope(const Rope& a, const Rope& b) {
    return a.magnitude == b.magnitude && a.adjacent == b.adjacent && a.axis == b.axis && a.frequency == b.frequency;
}

}  // namespace

// A table is found by what it was made from, positions included, not by the step's serial: nothing can make it stale.
const CpuOps::RopeTable& CpuOps::rope_table(const Rope& rope, const Step& step) {
    for (const RopeTable& table : rope_tables_)
        if (table.positions == step.positions && same_rope(table.rope, rope)) return table;
    size_t place = 0;
    while (place < rope_tables_.size() && !same_rope(rope_tables_[place].rope, rope)) ++place;
    if (place == rope_tables_.size()) {
        if (place == kTables)
            place = next_rope_table_++ % kTables;
        else
            rope_tables_.emplace_back();
    }
    RopeTable& table = rope_tables_[place];
    table.rope = rope;
    table.positions = step.positions;
    const auto pairs = int64_t(rope.frequency.size()), tokens = int64_t(step.positions.size());
    table.width = rope.adjacent ? 2 * pairs : pairs;
    table.values.resize(size_t(2 * tokens * table.width));
    run(tokens, 8, double(tokens * pairs) / 30, [&](int64_t begin, int64_t end, int) {
        for (int64_t token = begin; token < end; ++token) {
            float *c = &table.values[size_t(2 * token * table.width)], *s = c + table.width;
            for (int64_t pair = 0; pair < pairs; ++pair) {
                const size_t axis = rope.axis.empty() ? 0 : rope.axis[size_t(pair)];
                const double angle = double(step.positions[size_t(token)][axis]) * rope.frequency[size_t(pair)];
                const auto cosine = float(std::cos(angle) * double(rope.magnitude));
                const auto sine = float(std::sin(angle) * double(rope.magnitude));
                if (rope.adjacent) {
                    c[2 * pair] = c[2 * pair + 1] = cosine;
                    s[2 * pair] = -sine;
                    s[2 * pair + 1] = sine;
                } else {
                    c[pair] = cosine;
                    s[pair] = sine;
                }
            }
        }
    });
    return table;
}

Tensor CpuOps::rope(Tensor heads, const Rope& rope, const Step& step) {
    const auto pairs = int64_t(rope.frequency.size());
    assert(heads.rows == step.tokens() && 2 * pairs <= heads.width);
    assert(rope.axis.empty() || int64_t(rope.axis.size()) == pairs);
    Tensor y = make_like(heads);
    if (planning() || pairs == 0) {
        if (!planning())
            for (int64_t row = 0; row < y.rows; ++row)
                for (int64_t head = 0; head < y.heads_count; ++head)
                    std::copy_n(head_at(heads, row, head), y.width, head_at(y, row, head));
        return y;
    }
    const RopeTable& table = rope_table(rope, step);
    const auto rotate = rope.adjacent ? kernels_.rotate_neighbours : kernels_.rotate_halves;
    run(heads.rows, 8, double(heads.count()) / 4e3, [&](int64_t begin, int64_t end, int) {
        for (int64_t token = begin; token < end; ++token) {
            const float *c = &table.values[size_t(2 * token * table.width)], *s = c + table.width;
            for (int64_t head = 0; head < heads.heads_count; ++head) {
                const float* from = head_at(heads, token, head);
                float* to = head_at(y, token, head);
                rotate(from, c, s, pairs, to);
                std::copy_n(from + 2 * pairs, heads.width - 2 * pairs, to + 2 * pairs);  // behind the pairs: unchanged
            }
        }
    });
    return y;
}

}  // namespace hearth::cpu
