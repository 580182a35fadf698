// Convolution, delta rule and Mamba-2 against whole-sequence loops in double without states.
#include "backends/reference/fixture.h"

namespace hearth::test {
namespace {

TEST(CausalConv, AgainstTheDefinition) {
    for (const ConvCase& op : conv_cases()) {
        Reference reference;
        const auto x = op.input().values, w = op.tap_values(), b = op.bias_values();
        std::vector<double> expected;
        int64_t start = 0;
        for (const int64_t total : op.totals) {
            for (int64_t t = 0; t < total; ++t)
                for (int64_t c = 0; c < op.channels; ++c) {
                    double sum = op.bias ? double(b[size_t(c)]) : 0;
                    for (int64_t back = 0; back < op.taps && back <= t; ++back)
                        sum += double(w[size_t(c * op.taps + op.taps - 1 - back)]) *
                               double(x[size_t((start + t - back) * op.channels + c)]);
                    expected.push_back(op.silu ? sum / (1 + std::exp(-sum)) : sum);
                }
            start += total;
        }
        // One rounding of the sum; SiLU in float adds those of exp, sum and quotient.
        EXPECT_LE(relative_rms(op.run(*reference), expected), (op.silu ? 6 : 1) * kEpsilon);
    }
}

// The published form: M of key by value, M <- e^g M; d = beta (v - M^T k); M <- M + k d^T; o = M^T q.
TEST(GatedDeltaRule, AgainstThePublishedForm) {
    for (const DeltaCase& op : delta_cases()) {
        Reference reference;
        const auto in = op.inputs();
        std::vector<double> expected(size_t(op.all_tokens() * op.value_heads * op.value_width));
        auto at = [&](int input, int64_t token, int64_t column) {
            return double(in[size_t(input)].values[size_t(token * in[size_t(input)].columns + column)]);
        };
        int64_t token = 0;
        for (const int64_t total : op.totals) {
            const int64_t first = token;
            token += total;
            for (int64_t h = 0; h < op.value_heads; ++h) {
                const int64_t key_at = h % op.key_heads * op.key_width;
                std::vector<std::vector<double>> m(size_t(op.key_width),
                                                   std::vector<double>(size_t(op.value_width), 0));
                for (int64_t t = first; t < token; ++t) {
                    std::vector<double> d(static_cast<size_t>(op.value_width));
                    for (auto& row : m)
                        for (double& value : row) value *= std::exp(at(3, t, h));
                    for (int64_t j = 0; j < op.value_width; ++j) {
                        double known = 0;
                        for (int64_t i = 0; i < op.key_width; ++i)
                            known += m[size_t(i)][size_t(j)] * at(1, t, key_at + i);
                        d[size_t(j)] = at(4, t, h) * (at(2, t, h * op.value_width + j) - known);
                    }
                    for (int64_t j = 0; j < op.value_width; ++j) {
                        double out = 0;
                        for (int64_t i = 0; i < op.key_width; ++i) {
                            m[size_t(i)][size_t(j)] += at(1, t, key_at + i) * d[size_t(j)];
                            out += m[size_t(i)][size_t(j)] * at(0, t, key_at + i);
                        }
                        expected[size_t((t * op.value_heads + h) * op.value_width + j)] = out;
                    }
                }
            }
        }
        // Per token the state rounds three times (decay, change, sum). With |k| ~ 1 and beta < 1 the update contracts
        // or keeps errors, so they add up like a walk over the longest sequence: sqrt(3 * 140) ~ 21 halves of an ulp,
        // rounded up to 32.
        EXPECT_LE(relative_rms(op.run(*reference), expected), 32 * kEpsilon);
    }
}

// No state at all: o_t = sum over s <= t of (C_t . B_s) e^(sum of dt a over s+1..t) dt_s u_s, + d u_t.
TEST(Mamba, AgainstTheSumOverThePast) {
    for (const MambaCase& op : mamba_cases()) {
        Reference reference;
        const auto in = op.inputs();
        const auto a = op.decay(), d = op.skip();
        auto at = [&](int input, int64_t token, int64_t column) {
            return double(in[size_t(input)].values[size_t(token * in[size_t(input)].columns + column)]);
        };
        std::vector<double> expected;
        int64_t first = 0;
        for (const int64_t total : op.totals) {
            for (int64_t t = first; t < first + total; ++t)
                for (int64_t h = 0; h < op.heads; ++h) {
                    const int64_t group_at = h * op.groups / op.heads * op.n;
                    std::vector<double> sum(static_cast<size_t>(op.width));
                    double decay = 0;
                    for (int64_t s = t; s >= first; --s) {
                        double match = 0;
                        for (int64_t i = 0; i < op.n; ++i) match += at(2, t, group_at + i) * at(1, s, group_at + i);
                        match *= std::exp(decay) * at(3, s, h);
                        for (int64_t p = 0; p < op.width; ++p) sum[size_t(p)] += match * at(0, s, h * op.width + p);
                        decay += at(3, s, h) * double(a[size_t(h)]);
                    }
                    for (int64_t p = 0; p < op.width; ++p)
                        expected.push_back(sum[size_t(p)] + double(d[size_t(h)]) * at(0, t, h * op.width + p));
                }
            first += total;
        }
        // Per token: product dt a and its exponential (relative error of the decay: a few halves of an ulp, repeated
        // for as many tokens as memory lasts, at worst 140), three roundings of the update. Bounded by 140 halves of an
        // ulp.
        EXPECT_LE(relative_rms(op.run(*reference), expected), 140 * kEpsilon);
    }
}

}  // namespace
}  // namespace hearth::test
