#include "tensor/quantise.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "tensor/encode.h"
#include "tensor/quantise/kinds.h"

namespace hearth {

namespace {

using quantisers::Job;
using quantisers::JobFn;
using quantisers::JobRows;

const JobRows* rows_of(DType type) {
    static const auto table = [] {
        std::array<const JobRows*, 64> rows{};
        const auto put = [&](DType of, const JobRows& entry) { rows[size_t(of)] = &entry; };
        using enum DType;
        put(q4_0, quantisers::kQ4_0);
        put(q4_1, quantisers::kQ4_1);
        put(q5_0, quantisers::kQ5_0);
        put(q5_1, quantisers::kQ5_1);
        put(q8_0, quantisers::kQ8_0);
        put(q2_k, quantisers::kQ2K);
        put(q3_k, quantisers::kQ3K);
        put(q4_k, quantisers::kQ4K);
        put(q5_k, quantisers::kQ5K);
        put(q6_k, quantisers::kQ6K);
        put(iq4_nl, quantisers::kIq4Nl);
        put(iq4_xs, quantisers::kIq4Xs);
        put(iq2_xxs, quantisers::kIq2Xxs);
        put(iq2_xs, quantisers::kIq2Xs);
        put(iq2_s, quantisers::kIq2S);
        put(iq3_xxs, quantisers::kIq3Xxs);
        put(iq3_s, quantisers::kIq3S);
        put(iq1_s, quantisers::kIq1S);
        put(iq1_m, quantisers::kIq1M);
        put(tq1_0, quantisers::kTq1_0);
        put(tq2_0, quantisers::kTq2_0);
        put(mxfp4, quantisers::kMxfp4);
        put(nvfp4, quantisers::kNvfp4);
        put(q1_0, quantisers::kQ1_0);
        put(q2_0, quantisers::kQ2_0);
        return rows;
    }();
    return table[size_t(type)];
}

JobFn chosen(const JobRows& rows, QuantiseRow row) {
    if (row == QuantiseRow::best)
        row = has_quantise_row(QuantiseRow::avx512) ? QuantiseRow::avx512
              : has_quantise_row(QuantiseRow::avx2) ? QuantiseRow::avx2
                                                    : QuantiseRow::plain;
    if (row == QuantiseRow::avx512 && rows.avx512) return rows.avx512;
    if (row != QuantiseRow::plain && rows.avx2) return rows.avx2;
    return rows.plain;
}

}  // namespace

bool can_quantise(DType type) {
    return info(type).is_weight;
}

bool needs_importance(DType type) {
    using enum DType;
    return type == iq1_s || type == iq1_m || type == iq2_xxs || type == iq2_xs || type == iq2_s || type == iq3_xxs;
}

bool uses_importance(DType type) {
    return rows_of(type) != nullptr;
}

bool has_quantise_row(QuantiseRow row) {
#if defined(__x86_64__)
    if (row == QuantiseRow::avx2) return __builtin_cpu_supports("avx2");
    if (row == QuantiseRow::avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return true;
#else
    return row == QuantiseRow::plain || row == QuantiseRow::best;
#endif
}

Result<std::vector<float>> prepared_importance(std::span<const float> importance) {
    double sum = 0;
    for (size_t i = 0; i < importance.size(); ++i) {
        if (!std::isfinite(importance[i]) || importance[i] < 0)
            return fail(ErrorKind::bad_file, fmt::format("the importance of column {} is {}", i, importance[i]));
        sum += importance[i];
    }
    std::vector<float> weights(importance.size(), 1.0f);
    const double mean = sum / double(std::max<size_t>(importance.size(), 1));
    if (!(mean > 0)) return weights;  // nothing was measured: all alike
    // A column that was always zero may still wake up: it keeps a little weight.
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = float(std::clamp(double(importance[i]) / mean, 1e-5, 1e6));
    return weights;
}

void quantise(DType type, const QuantiseInput& input, std::byte* out, QuantiseRow row) {
    const int64_t count = int64_t(input.values.size());
    const JobRows* rows = rows_of(type);
    if (!rows) return encode_simple(type, input.values.data(), count, out);  // the floats
    const Job job{input.values.data(), count, input.importance.empty() ? nullptr : input.importance.data(),
                  input.columns, out};
    chosen(*rows, row)(job);
}

int64_t first_not_finite(std::span<const float> values) {
    constexpr uint32_t kExponent = 0x7F800000u;
    uint32_t worst = 0;
    for (const float value : values) worst = std::max(worst, std::bit_cast<uint32_t>(value) & kExponent);
    if (worst != kExponent) return -1;
    for (size_t i = 0; i < values.size(); ++i)
        if (!std::isfinite(values[i])) return int64_t(i);
    return -1;
}

}  // namespace hearth
