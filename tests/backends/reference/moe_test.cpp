#include <algorithm>

#include "backends/reference/fixture.h"

namespace hearth::test {
namespace {

using Gate = RouteRule::Gate;

// Sorts all experts instead of picking the best again and again.
void check_routing(const RouteCase& op) {
    Reference reference;
    const auto got = op.run(*reference);
    const auto logits = op.logits(), bias = op.bias();
    const int64_t used = op.rule.used;
    for (int64_t token = 0; token < op.tokens; ++token) {
        std::vector<double> score;
        double sum = 0;
        for (int64_t e = 0; e < op.experts; ++e) {
            const double logit = double(logits[size_t(token * op.experts + e)]);
            score.push_back(op.rule.gate == Gate::softmax   ? std::exp(logit)
                            : op.rule.gate == Gate::sigmoid ? 1 / (1 + std::exp(-logit))
                                                            : logit);
            sum += score.back();
        }
        if (op.rule.gate == Gate::softmax)
            for (double& value : score) value /= sum;
        std::vector<double> choice = score;
        if (op.choice_bias)
            for (size_t e = 0; e < choice.size(); ++e) choice[e] += double(bias[e]);

        const int64_t size = op.experts / op.rule.groups;
        std::vector<std::pair<double, int64_t>> groups;  // negated score, then the lower id first
        for (int64_t g = 0; g < op.rule.groups; ++g) {
            std::vector<double> own(choice.begin() + g * size, choice.begin() + (g + 1) * size);
            std::sort(own.rbegin(), own.rend());
            groups.emplace_back(-(own[0] + (size > 1 ? own[1] : 0)), g);
        }
        std::sort(groups.begin(), groups.end());
        std::vector<std::pair<double, int64_t>> order;
        for (int64_t i = 0; i < op.rule.groups_used; ++i)
            for (int64_t e = groups[size_t(i)].second * size; e < (groups[size_t(i)].second + 1) * size; ++e)
                order.emplace_back(-choice[size_t(e)], e);
        std::sort(order.begin(), order.end());

        std::vector<double> weights;
        for (int64_t rank = 0; rank < used; ++rank) {
            const int64_t expert = order[size_t(rank)].second;
            EXPECT_EQ(int64_t(got[size_t(token * used + rank)]), expert) << "rank " << rank;
            weights.push_back(op.rule.gate == Gate::softmax_of_chosen ? std::exp(score[size_t(expert)])
                                                                      : score[size_t(expert)]);
        }
        double total = 0;
        for (const double weight : weights) total += weight;
        for (int64_t rank = 0; rank < used; ++rank) {
            double weight = weights[size_t(rank)];
            if (op.rule.renormalise || op.rule.gate == Gate::softmax_of_chosen) weight /= total;
            // exp or sigmoid, their sum, quotient and scale: fewer than ten roundings.
            EXPECT_NEAR(double(got[size_t((op.tokens + token) * used + rank)]), weight * double(op.rule.scale),
                        10 * kEpsilon * double(op.rule.scale));
        }
    }
}

TEST(Route, EveryGateAgainstSorting) {
    for (const RouteCase& op : route_cases()) check_routing(op);
}

TEST(Route, TiesTakeTheLowerIdAndNaNsTheLastPlace) {
    Reference reference;
    Ops& ops = (*reference).ops();
    const Routing routing =
        ops.route(load_tensor(*reference, {1, 3, 3, 1, NAN, 3}, 1), {.gate = Gate::softmax_of_chosen, .used = 6});
    const auto ids = read(*reference, routing.ids);
    const int32_t expected[] = {1, 2, 5, 0, 3, 4};
    for (size_t i = 0; i < 6; ++i) EXPECT_EQ(std::bit_cast<int32_t>(ids[i]), expected[i]);
}

TEST(Route, TinySumsAreNotBlownUp) {
    Reference reference;
    const Routing routing =
        (*reference).ops().route(load_tensor(*reference, {-30, -40}, 1), {.gate = Gate::sigmoid, .used = 1});
    EXPECT_NEAR(double(read(*reference, routing.weights)[0]), std::exp(-30.0) / 0x1p-14, 1e-14);
}

TEST(Experts, TwoLayersAgainstPlainLoops) {
    const ExpertCase op{DType::f32, 6, 3, 20, 12, 5};
    Reference reference;
    const auto x = op.input(), logits = op.logits(), bias = op.up_bias(), scales = op.down_scales();
    auto floats = [](int64_t count, uint64_t seed) {
        std::vector<float> values(static_cast<size_t>(count));
        decode(DType::f32, random_weight_bytes(DType::f32, count, seed).data(), count, values.data());
        return values;
    };
    const auto up = floats(6 * 12 * 20, 73), down = floats(6 * 20 * 12, 74);
    std::vector<double> expected;
    for (size_t token = 0; token < 5; ++token) {
        std::vector<std::pair<double, size_t>> order;
        for (size_t e = 0; e < 6; ++e) order.emplace_back(-double(logits[token * 6 + e]), e);
        std::sort(order.begin(), order.end());
        double total = 0;
        for (size_t rank = 0; rank < 3; ++rank) total += std::exp(-order[rank].first);
        std::vector<double> y(20, 0);
        for (size_t rank = 0; rank < 3; ++rank) {
            const size_t e = order[rank].second;
            double h[12];
            for (size_t j = 0; j < 12; ++j) {
                h[j] = double(bias[e * 12 + j]);
                for (size_t i = 0; i < 20; ++i) h[j] += double(up[(e * 12 + j) * 20 + i]) * double(x[token * 20 + i]);
            }
            for (size_t i = 0; i < 20; ++i)
                for (size_t j = 0; j < 12; ++j)
                    y[i] += std::exp(-order[rank].first) / total * double(scales[e]) *
                            double(down[(e * 20 + i) * 12 + j]) * h[j];
        }
        expected.insert(expected.end(), y.begin(), y.end());
    }
    // Roundings in a row: product, bias, weight (about six), product, factor, weighting, three sums.
    EXPECT_LE(relative_rms(op.run(*reference), expected), 13 * kEpsilon);
}

TEST(Experts, WeightsOnTheInput) {
    Reference reference;
    Ops& ops = (*reference).ops();
    const auto x = random_floats(2 * 8, 1);
    Routing routing = ops.route(load_tensor(*reference, random_floats(2 * 4, 2), 2), {.used = 2});
    const auto weights = read(*reference, routing.weights);
    const Tensor scaled = ops.expert_scale(load_tensor(*reference, x, 2), routing);
    const auto rows = read(*reference, scaled);
    for (size_t row = 0; row < 4; ++row)
        for (size_t i = 0; i < 8; ++i) EXPECT_EQ(rows[row * 8 + i], x[row / 2 * 8 + i] * weights[row]);
    routing.weights = {};
    const auto sums = read(*reference, ops.expert_sum(scaled, routing));
    for (size_t i = 0; i < 8; ++i) EXPECT_EQ(sums[8 + i], rows[16 + i] + rows[24 + i]);
}

}  // namespace
}  // namespace hearth::test
