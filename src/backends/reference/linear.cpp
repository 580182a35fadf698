// Products with stored weights: a row is decoded to floats and meets every token, sums in double.
#include "backends/reference/reference_ops.h"
#include "backends/tensor_access.h"
#include "tensor/decode.h"

namespace hearth {

void ReferenceOps::weight_row(const Weight& weight, int64_t expert, int64_t row, float* out) const {
    const auto& stored = static_cast<const HostWeight&>(*weight.storage);
    decode(weight.type, stored.bytes() + (expert * weight.out + row) * row_bytes(weight.type, weight.in), weight.in,
           out);
}

Tensor ReferenceOps::embed(const Step& step, const Weight& table) {
    Tensor y = make(step.tokens(), 1, table.in);
    if (planning()) return y;
    for (int64_t token = 0; token < y.rows; ++token) {
        const int32_t source = step.source[size_t(token)];
        float* to = head_at(y, token, 0);
        if (source >= 0) {
            assert(source < table.out);
            weight_row(table, 0, source, to);
            if (table.scale != 1)
                for (int64_t i = 0; i < table.in; ++i) to[i] *= table.scale;
        } else {
            assert(-1 - source < step.embeddings.rows && step.embeddings.columns() == table.in);
            std::vector<float> room;
            std::copy_n(whole_row(step.embeddings, -1 - source, room), table.in, to);
        }
    }
    return y;
}

Tensor ReferenceOps::embed_part(const Step& step, const Weight& table, int64_t begin, int64_t width) {
    assert(begin >= 0 && width > 0 && begin + width <= table.in);
    Tensor y = make(step.tokens(), 1, width);
    if (planning()) return y;
    std::vector<float> row(size_t(table.in));
    for (int64_t token = 0; token < y.rows; ++token) {
        const int32_t id = std::max(0, step.source[size_t(token)]);
        assert(id < table.out);
        weight_row(table, 0, id, row.data());
        for (int64_t i = 0; i < width; ++i) head_at(y, token, 0)[i] = row[size_t(begin + i)] * table.scale;
    }
    return y;
}

void ReferenceOps::linear(Tensor x, std::span<const Weight* const> weights, std::span<Tensor> results) {
    assert(weights.size() == results.size());
    for (size_t i = 0; i < weights.size(); ++i) {
        const Weight& weight = *weights[i];
        assert(x.columns() == weight.in && weight.experts == 1);
        Tensor y = results[i] = make(x.rows, 1, weight.out);
        if (planning()) continue;
        std::vector<float> row(size_t(weight.in)), room;
        for (int64_t out = 0; out < weight.out; ++out) {
            weight_row(weight, 0, out, row.data());
            for (int64_t token = 0; token < x.rows; ++token)
                head_at(y, token, 0)[out] = float(dot(row.data(), whole_row(x, token, room), weight.in));
        }
    }
}

Tensor ReferenceOps::head_linear(Tensor x, const Weight& per_head) {
    assert(x.heads_count == per_head.experts && x.width == per_head.in);
    Tensor y = make(x.rows, x.heads_count, per_head.out);
    if (planning()) return y;
    std::vector<float> row(size_t(per_head.in));
    for (int64_t head = 0; head < x.heads_count; ++head)
        for (int64_t out = 0; out < per_head.out; ++out) {
            weight_row(per_head, head, out, row.data());
            for (int64_t token = 0; token < x.rows; ++token)
                head_at(y, token, head)[out] = float(dot(row.data(), head_at(x, token, head), per_head.in));
        }
    return y;
}

}  // namespace hearth
