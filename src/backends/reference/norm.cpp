// Norms over each head's width: sums in double, one rounding per product.
#include <cmath>

#include "backends/reference/reference_ops.h"
#include "backends/tensor_access.h"

namespace hearth {

namespace {
// A vector of parameters is shared by all heads, or has a part for each.
const float* part_for(const Tensor& parameters, const Tensor& x, int64_t head) {
    if (!parameters) return nullptr;
    if (parameters.width == x.width && parameters.heads_count == 1) return parameters.data;
    assert(parameters.columns() == x.columns());
    return &value_at(parameters, 0, head * x.width);
}
}  // namespace

Tensor ReferenceOps::rms_norm(Tensor x, Tensor scale, float eps) {
    Tensor y = make_like(x);
    if (planning()) return y;
    for (int64_t row = 0; row < x.rows; ++row)
        for (int64_t head = 0; head < x.heads_count; ++head) {
            const float *from = head_at(x, row, head), *scales = part_for(scale, x, head);
            float* to = head_at(y, row, head);
            const float factor = float(1 / std::sqrt(dot(from, from, x.width) / double(x.width) + double(eps)));
            for (int64_t i = 0; i < x.width; ++i) to[i] = scales ? from[i] * factor * scales[i] : from[i] * factor;
        }
    return y;
}

Tensor ReferenceOps::layer_norm(Tensor x, Tensor scale, Tensor bias, float eps) {
    Tensor y = make_like(x);
    if (planning()) return y;
    for (int64_t row = 0; row < x.rows; ++row)
        for (int64_t head = 0; head < x.heads_count; ++head) {
            const float *from = head_at(x, row, head), *scales = part_for(scale, x, head),
                        *biases = part_for(bias, x, head);
            float* to = head_at(y, row, head);
            double sum = 0, squares = 0;
            for (int64_t i = 0; i < x.width; ++i) sum += double(from[i]);
            const double mean = sum / double(x.width);
            for (int64_t i = 0; i < x.width; ++i) squares += (double(from[i]) - mean) * (double(from[i]) - mean);
            const double factor = 1 / std::sqrt(squares / double(x.width) + double(eps));
            for (int64_t i = 0; i < x.width; ++i) {
                float value = float((double(from[i]) - mean) * factor);
                if (scales) value *= scales[i];
                if (biases) value += biases[i];
                to[i] = value;
            }
        }
    return y;
}

Tensor ReferenceOps::l2_norm(Tensor x, float eps) {
    Tensor y = make_like(x);
    if (planning()) return y;
    for (int64_t row = 0; row < x.rows; ++row)
        for (int64_t head = 0; head < x.heads_count; ++head) {
            const float* from = head_at(x, row, head);
            float* to = head_at(y, row, head);
            const float factor = float(1 / std::max(std::sqrt(dot(from, from, x.width)), double(eps)));
            for (int64_t i = 0; i < x.width; ++i) to[i] = from[i] * factor;
        }
    return y;
}

}  // namespace hearth
