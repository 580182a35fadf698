// A tensor as rows of numbers, whatever it is stored as, and the rearrangements that lie between the published order of
// a tensor and the order of GGUF files. Nothing is computed before somebody reads a block, so a chain of these costs no
// memory and a large model streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "tensor/dtype.h"

namespace hearth::huggingface {

// Immutable; any number of threads may read at once. Rows are counted over all dimensions but the last.
class Values {
public:
    virtual ~Values() = default;
    const std::vector<int64_t>& shape() const { return shape_; }  // outermost first, never empty, no zeros
    int64_t width() const { return shape_.back(); }
    int64_t rows() const { return elements() / width(); }
    int64_t elements() const {
        int64_t product = 1;
        for (const int64_t size : shape_) product *= size;
        return product;
    }
    // The float type that holds these values without loss, or with as little as their makers intended.
    DType natural() const { return natural_; }

    // A rectangle of the rows x width matrix. Precondition: it lies inside.
    struct Block {
        int64_t row = 0, rows = 0, column = 0, columns = 0;
    };
    virtual void read(const Block& block, float* out) const = 0;
    // When the bytes lie in memory as they are, row after row, in type natural(): those. Empty otherwise.
    virtual std::span<const std::byte> plain() const { return {}; }
    // Whole rows in type natural(), where that is a type of blocks; the answer is whether it is one that can do so.
    virtual bool blocks(int64_t /*row*/, int64_t /*rows*/, std::byte* /*out*/) const { return false; }
    // What the numbers in blocks() are still to be multiplied with, as read() has done: nothing, one factor for all, or
    // one for each of so many equal parts of the rows.
    virtual std::vector<float> factors() const { return {}; }
    virtual void release() const {}  // what this reads from will not be needed soon

protected:
    Values(std::vector<int64_t> shape, DType natural) : shape_(std::move(shape)), natural_(natural) {}

private:
    std::vector<int64_t> shape_;
    DType natural_;
};

using ValuesPtr = std::shared_ptr<const Values>;

// The type for numbers that were stored as `natural` and lost its order: itself, or bf16 for types of blocks (their
// makers multiply in it).
DType unblocked(DType natural);

// Each returns nullptr when the input's shape does not allow it (the caller names the tensor and what was expected),
// and passes nullptr on.

// The same elements in another shape. One size may be -1: what is left.
ValuesPtr reshaped(ValuesPtr from, std::vector<int64_t> shape);
// Out row r is row rows[r]: of every group of rows.size() rows when there are several groups.
ValuesPtr with_rows(ValuesPtr from, std::vector<int64_t> rows, int64_t rows_per_group);
// Out column c is column columns[c].
ValuesPtr with_columns(ValuesPtr from, std::vector<int64_t> columns);
// Each value x becomes apply(x); the result is f32.
ValuesPtr mapped(ValuesPtr from, float (*apply)(float));
// The last two dimensions change places.
ValuesPtr transposed(ValuesPtr from);
// Equal shapes and types on top of each other: a new first dimension.
ValuesPtr stacked(std::vector<ValuesPtr> parts);
// Numbers made up by the converter.
ValuesPtr constant(std::vector<float> values);

}  // namespace hearth::huggingface
