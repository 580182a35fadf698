// Reading tensors that need not be dense, and the few loops all host code shares.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "ops/tensor.h"

namespace hearth {

inline float* head_at(const Tensor& x, int64_t row, int64_t head) {
    return x.data + row * x.row_stride + head * x.head_stride;
}

// Column of a row counted through all heads: [t, n] and [t, n, 1] read alike.
inline float& value_at(const Tensor& x, int64_t row, int64_t column) {
    return head_at(x, row, column / x.width)[column % x.width];
}

// A row as one run of floats: in place where its heads touch, else copied to `room`.
inline const float* whole_row(const Tensor& x, int64_t row, std::vector<float>& room) {
    if (x.heads_touch()) return x.data + row * x.row_stride;
    room.resize(size_t(x.columns()));
    for (int64_t head = 0; head < x.heads_count; ++head)
        std::copy_n(head_at(x, row, head), x.width, room.data() + head * x.width);
    return room.data();
}

// Expert ids are int32 in the room of a float.
inline int32_t id_at(const Tensor& ids, int64_t row, int64_t rank) {
    int32_t id;
    std::memcpy(&id, ids.data + row * ids.row_stride + rank, sizeof id);
    return id;
}
inline void set_id(const Tensor& ids, int64_t row, int64_t rank, int32_t id) {
    std::memcpy(ids.data + row * ids.row_stride + rank, &id, sizeof id);
}

// Eight interleaved sums in double, folded in a fixed order: rounds once, and the same way for every caller.
inline double dot(const float* a, const float* b, int64_t count) {
    double lanes[8] = {};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int64_t lane = 0; lane < 8; ++lane) lanes[lane] += double(a[i + lane]) * double(b[i + lane]);
    for (; i < count; ++i) lanes[i % 8] += double(a[i]) * double(b[i]);
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

}  // namespace hearth
