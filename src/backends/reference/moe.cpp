// Mixture of experts: choosing, and products with the chosen experts. Rows are (token, rank) from expert_linear to
// expert_sum.
#include <cmath>

#include "backends/reference/reference_ops.h"
#include "backends/tensor_access.h"

namespace hearth {

namespace {
// The index of the largest value that is still open; the lower of equals. A NaN is taken only when nothing else is
// left.
int64_t best_of(const std::vector<float>& values, const std::vector<bool>& open) {
    int64_t best = -1;
    for (int64_t i = 0; i < int64_t(values.size()); ++i) {
        if (!open[size_t(i)]) continue;
        const float value = values[size_t(i)];
        if (best < 0 || value > values[size_t(best)] || (std::isnan(values[size_t(best)]) && !std::isnan(value)))
            best = i;
    }
    return best;
}

// Softmax in double.
std::vector<float> softmax(const std::vector<float>& logits) {
    double largest = -INFINITY, sum = 0;
    for (const float logit : logits) largest = std::max(largest, double(logit));
    for (const float logit : logits) sum += std::exp(double(logit) - largest);
    std::vector<float> result;
    for (const float logit : logits) result.push_back(float(std::exp(double(logit) - largest) / sum));
    return result;
}

// Closes the experts of all groups but the best `used`; a group counts as the sum of its two best scores.
void keep_best_groups(const std::vector<float>& scores, const RouteRule& rule, std::vector<bool>& open) {
    const int64_t size = int64_t(scores.size()) / rule.groups;
    std::vector<float> group_scores;
    for (int64_t group = 0; group < rule.groups; ++group) {
        const std::vector<float> own(scores.begin() + group * size, scores.begin() + (group + 1) * size);
        std::vector<bool> left(size_t(size), true);
        float sum = 0;
        for (int64_t i = 0; i < std::min<int64_t>(2, size); ++i) {
            const int64_t best = best_of(own, left);
            left[size_t(best)] = false;
            sum += own[size_t(best)];
        }
        group_scores.push_back(sum);
    }
    open.assign(scores.size(), false);
    std::vector<bool> groups_left(size_t(rule.groups), true);
    for (int64_t i = 0; i < rule.groups_used; ++i) {
        const int64_t best = best_of(group_scores, groups_left);
        groups_left[size_t(best)] = false;
        for (int64_t expert = best * size; expert < (best + 1) * size; ++expert) open[size_t(expert)] = true;
    }
}
}  // namespace

Routing ReferenceOps::route(Tensor logits, const RouteRule& rule) {
    const int64_t experts = logits.columns();
    assert(rule.used > 0 && rule.used <= experts && experts % rule.groups == 0);
    assert(rule.groups_used <= rule.groups && rule.used <= experts / rule.groups * rule.groups_used);
    Routing routing{make(logits.rows, 1, rule.used), make(logits.rows, 1, rule.used), experts};
    if (!planning()) route_tokens(logits, rule, routing, 0, logits.rows);
    return routing;
}

void ReferenceOps::route_tokens(Tensor logits, const RouteRule& rule, const Routing& to, int64_t begin, int64_t end) {
    using Gate = RouteRule::Gate;
    const int64_t experts = logits.columns();
    for (int64_t token = begin; token < end; ++token) {
        std::vector<float> scores;
        for (int64_t expert = 0; expert < experts; ++expert) scores.push_back(value_at(logits, token, expert));
        if (rule.gate == Gate::softmax) scores = softmax(scores);
        if (rule.gate == Gate::sigmoid)
            for (float& score : scores) score = 1 / (1 + std::exp(-score));

        std::vector<float> choice = scores;
        if (rule.choice_bias)
            for (int64_t expert = 0; expert < experts; ++expert)
                choice[size_t(expert)] += value_at(rule.choice_bias, 0, expert);
        std::vector<bool> open(size_t(experts), true);
        if (rule.groups > 1) keep_best_groups(choice, rule, open);

        std::vector<float> weights;
        for (int64_t rank = 0; rank < rule.used; ++rank) {
            const int64_t best = best_of(choice, open);
            open[size_t(best)] = false;
            set_id(to.ids, token, rank, int32_t(best));
            weights.push_back(scores[size_t(best)]);
        }
        if (rule.gate == Gate::softmax_of_chosen) {
            weights = softmax(weights);  // they sum to one already
        } else if (rule.renormalise) {
            float sum = 0;
            for (const float weight : weights) sum += weight;
            for (float& weight : weights) weight /= std::max(sum, rule.least_sum);
        }
        for (int64_t rank = 0; rank < rule.used; ++rank)
            value_at(to.weights, token, rank) = weights[size_t(rank)] * rule.scale;
    }
}

Tensor ReferenceOps::expert_linear(Tensor x, const Weight& stack, const Routing& routing) {
    const int64_t used = routing.ids.width, rows = routing.ids.rows * used;
    assert(x.columns() == stack.in && stack.experts == routing.experts &&
           (x.rows == rows || x.rows == routing.ids.rows));
    Tensor y = make(rows, 1, stack.out);
    if (planning()) return y;
    std::vector<float> weights(size_t(stack.in)), room;
    for (int64_t expert = 0; expert < stack.experts; ++expert) {
        std::vector<int64_t> own;
        for (int64_t row = 0; row < rows; ++row)
            if (id_at(routing.ids, row / used, row % used) == expert) own.push_back(row);
        if (own.empty()) continue;
        const float scale = stack.scales ? value_at(stack.scales, 0, expert) : 1;
        for (int64_t out = 0; out < stack.out; ++out) {
            weight_row(stack, expert, out, weights.data());
            for (const int64_t row : own)
                head_at(y, row, 0)[out] =
                    float(dot(weights.data(), whole_row(x, x.rows == rows ? row : row / used, room), stack.in)) * scale;
        }
    }
    return y;
}

Tensor ReferenceOps::expert_add(Tensor x, Tensor rows_by_expert, const Routing& routing) {
    const int64_t used = routing.ids.width;
    assert(x.rows == routing.ids.rows * used && rows_by_expert.columns() == x.columns());
    assert(rows_by_expert.rows == routing.experts);
    Tensor y = make_like(x);
    if (planning()) return y;
    for (int64_t row = 0; row < x.rows; ++row) {
        const int32_t expert = id_at(routing.ids, row / used, row % used);
        for (int64_t column = 0; column < x.columns(); ++column)
            value_at(y, row, column) = value_at(x, row, column) + value_at(rows_by_expert, expert, column);
    }
    return y;
}

// x with one row per token is first repeated for each of its experts.
Tensor ReferenceOps::expert_scale(Tensor x, const Routing& routing) {
    const int64_t used = routing.ids.width, rows = routing.ids.rows * used;
    assert(x.rows == rows || x.rows == routing.ids.rows);
    Tensor y = make(rows, x.heads_count, x.width);
    if (planning()) return y;
    for (int64_t row = 0; row < rows; ++row) {
        const float weight = value_at(routing.weights, row / used, row % used);
        for (int64_t column = 0; column < x.columns(); ++column)
            value_at(y, row, column) = value_at(x, x.rows == rows ? row : row / used, column) * weight;
    }
    return y;
}

// A routing without weights sums plainly.
Tensor ReferenceOps::expert_sum(Tensor y, const Routing& routing) {
    const int64_t used = routing.ids.width;
    assert(y.rows == routing.ids.rows * used);
    Tensor sums = make(routing.ids.rows, y.heads_count, y.width);
    if (planning()) return sums;
    for (int64_t token = 0; token < sums.rows; ++token)
        for (int64_t column = 0; column < y.columns(); ++column) {
            float sum = 0;
            for (int64_t rank = 0; rank < used; ++rank) {
                const float weight = routing.weights ? value_at(routing.weights, token, rank) : 1;
                sum += weight * value_at(y, token * used + rank, column);
            }
            value_at(sums, token, column) = sum;
        }
    return sums;
}

}  // namespace hearth
