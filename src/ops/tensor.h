// Tensor: plain floats on a device, [rows, heads, width], outermost first; a small copyable handle, not an owner.
// Weight: a stored matrix in whatever format, owned by the backend that laid it out.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "tensor/dtype.h"

namespace hearth {

struct Tensor {
    float* data = nullptr;  // an address on the device: only its backend may look behind it
    int64_t rows = 0, heads_count = 1, width = 0;
    int64_t row_stride = 0, head_stride = 0;  // in floats

    static Tensor dense(float* data, int64_t rows, int64_t heads, int64_t width) {
        return {data, rows, heads, width, heads * width, width};
    }
    explicit operator bool() const { return width > 0; }
    int64_t columns() const { return heads_count * width; }
    int64_t count() const { return rows * columns(); }
    bool heads_touch() const { return heads_count == 1 || head_stride == width; }  // a row is one contiguous run

    // The same numbers seen as `count` heads per row.
    Tensor heads(int64_t count) const {
        assert(heads_touch() && columns() % count == 0);
        return {data, rows, count, columns() / count, row_stride, columns() / count};
    }
    Tensor joined() const {
        assert(heads_touch());
        return {data, rows, 1, columns(), row_stride, columns()};
    }
    // Part of every head's width.
    Tensor slice(int64_t begin, int64_t count) const {
        assert(begin >= 0 && count >= 0 && begin + count <= width);
        Tensor part = *this;
        part.data = data ? data + begin : nullptr;
        part.width = count;
        return part;
    }
    std::array<Tensor, 2> halves() const { return {slice(0, width / 2), slice(width / 2, width / 2)}; }
    template <int N>
    std::array<Tensor, N> split(const std::array<int64_t, N>& widths) const {
        std::array<Tensor, N> parts;
        int64_t begin = 0;
        for (int i = 0; i < N; begin += widths[size_t(i)], ++i) parts[size_t(i)] = slice(begin, widths[size_t(i)]);
        return parts;
    }
    Tensor row_range(int64_t begin, int64_t count) const {
        Tensor part = *this;
        part.data = data ? data + begin * row_stride : nullptr;
        part.rows = count;
        return part;
    }
};

// What a backend keeps of a weight; each backend derives its own.
struct WeightStorage {
    virtual ~WeightStorage() = default;
};

// A matrix [out, in], or a stack of `experts` such matrices. Copyable; copies share the storage.
struct Weight {
    std::string name;  // as in the checkpoint, for messages and traces
    int64_t id = -1;   // stable for the life of a model: adapters and traces refer to it
    DType type = DType::f32;
    int64_t out = 0, in = 0, experts = 1;
    float scale = 1;  // multiplies every product with it (files with NVFP4 weights bring one)
    Tensor scales;    // [1, experts]: likewise, a factor for each matrix of a stack; empty: none
    std::shared_ptr<const WeightStorage> storage;

    explicit operator bool() const { return out > 0; }
};

}  // namespace hearth
