// What a sample says about the whole it was drawn from: means, shares and quantiles, each with the interval that holds
// the true value in 95 of 100 cases. And the two figures of a row of logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hearth {

struct Estimate {
    double value = 0, low = 0, high = 0;
};

Estimate mean_of(std::span<const double> values);            // normal approximation
Estimate share_of(int64_t hits, int64_t count);              // Wilson's interval
Estimate quantile_of(std::vector<double> values, double q);  // by the ranks that q's own spread reaches

// log softmax, written over the logits' copy in `out` (as large).
void log_softmax(std::span<const float> logits, std::span<float> out);
// Kullback-Leibler divergence of q from p, both as log-probabilities.
double divergence(std::span<const float> log_p, std::span<const float> log_q);

}  // namespace hearth
