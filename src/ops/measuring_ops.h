// Ops that wrap Ops and note how strongly every input column of every weight is driven: the sums of squares that an
// importance matrix is made of. Results are those of the wrapped ones.
#pragma once

#include <bit>
#include <map>
#include <string>

#include "ops/backend.h"
#include "ops/timed_ops.h"

namespace hearth {

// [experts][columns] and [experts]; experts is 1 for a plain matrix.
struct InputSquares {
    std::vector<double> squares;
    std::vector<int64_t> rows;  // that were summed
};
using InputSquaresByWeight = std::map<std::string, InputSquares, std::less<>>;

class MeasuringOps final : public TimedOps {
public:
    explicit MeasuringOps(Backend& backend) : TimedOps(backend.ops()), backend_(backend) {}

    InputSquaresByWeight take() { return std::exchange(found_, {}); }

    using Ops::linear;
    void linear(Tensor x, std::span<const Weight* const> weights, std::span<Tensor> results) override {
        read(x);
        for (const Weight* weight : weights) {
            InputSquares& sums = sums_of(*weight);
            for (int64_t row = 0; row < x.rows; ++row) note(sums, 0, row, weight->in);
        }
        TimedOps::linear(x, weights, results);
    }
    Tensor head_linear(Tensor x, const Weight& stack) override {
        read(x);
        InputSquares& sums = sums_of(stack);
        for (int64_t row = 0; row < x.rows; ++row)
            for (int64_t head = 0; head < x.heads_count; ++head) note(sums, head, row * x.heads_count + head, stack.in);
        return TimedOps::head_linear(x, stack);
    }
    Tensor expert_linear(Tensor x, const Weight& stack, const Routing& routing) override {
        read(x);
        std::vector<float> ids(size_t(routing.ids.count()));
        backend_.read(routing.ids, ids.data());
        InputSquares& sums = sums_of(stack);
        const int64_t tokens = routing.ids.rows, used = routing.ids.columns();
        for (int64_t place = 0; place < tokens * used; ++place)
            note(sums, std::bit_cast<int32_t>(ids[size_t(place)]), x.rows == tokens ? place / used : place, stack.in);
        return TimedOps::expert_linear(x, stack, routing);
    }

private:
    void read(Tensor x) {
        values_.resize(size_t(x.count()));
        backend_.read(x, values_.data());
    }
    InputSquares& sums_of(const Weight& weight) {
        InputSquares& sums = found_[weight.name];
        sums.squares.resize(size_t(weight.experts * weight.in));
        sums.rows.resize(size_t(weight.experts));
        return sums;
    }
    // Run `run` of the values that were read last, as input of one expert's matrix.
    void note(InputSquares& sums, int64_t expert, int64_t run, int64_t columns) {
        const float* from = values_.data() + run * columns;
        double* to = sums.squares.data() + expert * columns;
        for (int64_t i = 0; i < columns; ++i) to[i] += double(from[i]) * double(from[i]);
        ++sums.rows[size_t(expert)];
    }

    Backend& backend_;
    std::vector<float> values_;
    InputSquaresByWeight found_;
};

}  // namespace hearth
