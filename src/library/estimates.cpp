#include "library/estimates.h"

#include <algorithm>
#include <cmath>

namespace hearth {

namespace {
constexpr double kDeviations = 1.959963984540054;  // that hold 95 % of a normal distribution
}

Estimate mean_of(std::span<const double> values) {
    if (values.empty()) return {};
    const double count = double(values.size());
    double sum = 0, squares = 0;
    for (const double value : values) sum += value;
    const double mean = sum / count;
    for (const double value : values) squares += (value - mean) * (value - mean);
    const double error = count > 1 ? kDeviations * std::sqrt(squares / (count - 1) / count) : 0;
    return {mean, mean - error, mean + error};
}

Estimate share_of(int64_t hits, int64_t count) {
    if (count == 0) return {};
    const double n = double(count), p = double(hits) / n, z = kDeviations;
    const double middle = (p + z * z / (2 * n)) / (1 + z * z / n);
    const double half = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return {p, std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

Estimate quantile_of(std::vector<double> values, double q) {
    if (values.empty()) return {};
    std::ranges::sort(values);
    const double n = double(values.size()), spread = kDeviations * std::sqrt(n * q * (1 - q));
    const auto at = [&](double rank) { return values[size_t(std::clamp(std::ceil(rank) - 1, 0.0, n - 1))]; };
    return {at(n * q), at(n * q - spread), at(n * q + spread)};
}

void log_softmax(std::span<const float> logits, std::span<float> out) {
    const double best = double(*std::ranges::max_element(logits));
    double total = 0;
    for (const float logit : logits) total += std::exp(double(logit) - best);
    const double offset = best + std::log(total);
    for (size_t i = 0; i < logits.size(); ++i) out[i] = float(double(logits[i]) - offset);
}

double divergence(std::span<const float> log_p, std::span<const float> log_q) {
    double sum = 0;
    for (size_t i = 0; i < log_p.size(); ++i) {
        const double p = std::exp(double(log_p[i]));
        if (p > 0) sum += p * (double(log_p[i]) - double(log_q[i]));
    }
    return sum;
}

}  // namespace hearth
