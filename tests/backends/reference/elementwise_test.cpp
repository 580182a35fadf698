// Small ops against formulas in double, name by name from the same list that every backend runs.
#include <map>

#include "backends/reference/fixture.h"

namespace hearth::test {
namespace {

// One value of the result from a whole head of x and z, the parameters, and where it stands.
struct At {
    const float *x, *z, *p;  // this head's values of x and z; all parameters
    int64_t width, head, i;
};
using Formula = std::function<double(const At&)>;

double sigmoid(double x) {
    return 1 / (1 + std::exp(-x));
}
double gelu_tanh(double x) {
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
double rms(const At& at, double eps) {
    double squares = 0;
    for (int64_t i = 0; i < at.width; ++i) squares += double(at.x[i]) * double(at.x[i]);
    return std::sqrt(squares / double(at.width) + eps);
}
double x_of(const At& at) {
    return double(at.x[at.i]);
}
double z_of(const At& at) {
    return double(at.z[at.i]);
}
double p_of(const At& at) {
    return double(at.p[at.i]);
}
double own_p(const At& at) {
    return double(at.p[at.head * at.width + at.i]);
}

const std::map<std::string, Formula> kFormulas = {
    {"rms_norm", [](const At& at) { return x_of(at) / rms(at, 1e-6f) * p_of(at); }},
    {"rms_norm_by_head", [](const At& at) { return x_of(at) / rms(at, 1e-6f) * own_p(at); }},
    {"rms_norm_plain", [](const At& at) { return x_of(at) / rms(at, 1e-5f); }},
    {"l2_norm", [](const At& at) { return x_of(at) / std::max(1e-6, rms(at, 0) * std::sqrt(double(at.width))); }},
    {"silu", [](const At& at) { return 4 * x_of(at) * sigmoid(4 * x_of(at)); }},
    {"sigmoid", [](const At& at) { return sigmoid(4 * x_of(at)); }},
    {"gelu_tanh", [](const At& at) { return gelu_tanh(4 * x_of(at)); }},
    {"gelu_erf", [](const At& at) { return 2 * x_of(at) * (1 + std::erf(4 * x_of(at) / std::sqrt(2.0))); }},
    {"softplus", [](const At& at) { return std::log1p(std::exp(4 * x_of(at))); }},
    {"relu_squared", [](const At& at) { return std::pow(std::max(0.0, 4 * x_of(at)), 2); }},
    {"tanh", [](const At& at) { return std::tanh(4 * x_of(at)); }},
    {"add", [](const At& at) { return x_of(at) + z_of(at); }},
    {"multiply_row", [](const At& at) { return x_of(at) * own_p(at); }},
    {"multiply_spread", [](const At& at) { return x_of(at) * double(at.z[0]); }},
    {"add_shared_by_heads", [](const At& at) { return x_of(at) + p_of(at); }},
    {"clamp", [](const At& at) { return std::clamp(x_of(at), -1.0, 0.5); }},
    {"softcap", [](const At& at) { return 3 * std::tanh(x_of(at) / 3); }},
    {"add_to", [](const At& at) { return 2 * x_of(at) + z_of(at); }},
    {"scale_in_place",
     [](const At& at) { return (x_of(at) + z_of(at)) * double(0.3f) * (at.i >= at.width / 2 ? 3 : 1); }},
    {"swiglu", [](const At& at) { return x_of(at) * sigmoid(x_of(at)) * z_of(at); }},
    {"geglu", [](const At& at) { return gelu_tanh(x_of(at)) * z_of(at); }},
    {"gate", [](const At& at) { return x_of(at) * sigmoid(z_of(at)); }},
    {"norm_and_gate", [](const At& at) { return x_of(at) / rms(at, 1e-6f) * p_of(at) * z_of(at) * sigmoid(z_of(at)); }},
};

TEST(Elementwise, EveryFormula) {
    std::map<std::string, int> seen;
    for (const PlainCase& op : plain_cases()) {
        const std::string name = op.name.substr(0, op.name.rfind('_'));
        const auto formula = kFormulas.find(name);
        if (formula == kFormulas.end()) continue;
        ++seen[name];
        Reference reference;
        const auto got = op.run(*reference), x = op.x(), z = op.z(), p = op.p();
        ASSERT_EQ(got.size(), x.size()) << op.name;
        for (size_t at = 0; at < x.size(); ++at) {
            const int64_t i = int64_t(at) % op.width, head = int64_t(at) / op.width % op.heads;
            const size_t start = at - size_t(i);
            const double expected = formula->second({&x[start], &z[start], p.data(), op.width, head, i});
            // Fewer than ten roundings, each of a value no larger than the operands; GELU and SiLU of about -10 lose
            // all relative precision in 1 + tanh and the like, hence the absolute part of the operands' size (up to
            // about 16).
            EXPECT_NEAR(double(got[at]), expected, 10 * kEpsilon * (std::fabs(expected) + 16))
                << op.name << " at " << at;
        }
    }
    EXPECT_EQ(seen.size(), kFormulas.size());
}

TEST(Elementwise, LayerNorm) {
    Reference reference;
    const Tensor x = load_tensor(*reference, {1, 2, 3, 6}, 1);
    const Tensor scale = load_tensor(*reference, {1, 1, 2, 1}, 1), bias = load_tensor(*reference, {0, 0.5f, 0, 0}, 1);
    const auto y = read(*reference, (*reference).ops().layer_norm(x, scale, bias, 0.5f));
    const double size = std::sqrt(3.5 + 0.5);  // mean 3, squares 4 + 1 + 0 + 9
    const double expected[] = {-2 / size, -1 / size + 0.5, 0, 3 / size};
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(double(y[i]), expected[i], 4 * kEpsilon);
}

TEST(Elementwise, ExtremesStayFinite) {
    Reference reference;
    Ops& ops = (*reference).ops();
    const Tensor x = load_tensor(*reference, {-1e30f, -200, 0, 200, 1e18f}, 1);
    const auto silu = read(*reference, ops.map(Function::silu, x)),
               softplus = read(*reference, ops.map(Function::softplus, x));
    EXPECT_EQ(std::fabs(silu[0]), 0);
    EXPECT_EQ(silu[4], 1e18f);
    EXPECT_EQ(softplus[0], 0);
    EXPECT_EQ(softplus[3], 200);
    EXPECT_EQ(read(*reference, ops.l2_norm(load_tensor(*reference, {0, 0}, 1), 1e-6f))[0], 0);
}

TEST(Moving, ConcatGoesHeadByHeadOrRowByRow) {
    Reference reference;
    Ops& ops = (*reference).ops();
    const Tensor a = load_tensor(*reference, {1, 2, 3, 4}, 1, 2), b = load_tensor(*reference, {5, 6}, 1, 2);
    EXPECT_EQ(read(*reference, ops.concat(a, b)), (std::vector<float>{1, 2, 5, 3, 4, 6}));
    EXPECT_EQ(ops.concat(a, b).heads_count, 2);
    EXPECT_EQ(read(*reference, ops.concat(a, b.joined())), (std::vector<float>{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(read(*reference, ops.concat(a.slice(1, 1), b)), (std::vector<float>{2, 5, 4, 6}));
}

TEST(Moving, RowsAreSelectedAndPooled) {
    Reference reference;
    Ops& ops = (*reference).ops();
    const Tensor x = load_tensor(*reference, {1, 2, 3, 4, 5, 6, 7, 9}, 4);
    const int32_t rows[] = {3, 0, 3};
    EXPECT_EQ(read(*reference, ops.select_rows(x, rows)), (std::vector<float>{7, 9, 1, 2, 7, 9}));
    Step step;
    step.sequences = {{.first_token = 0, .tokens = 1}, {.first_token = 1, .tokens = 3}};
    EXPECT_EQ(read(*reference, ops.pool(x, Pooling::mean, step)), (std::vector<float>{1, 2, 5, float(19.0 / 3)}));
    EXPECT_EQ(read(*reference, ops.pool(x, Pooling::first, step)), (std::vector<float>{1, 2, 3, 4}));
    EXPECT_EQ(read(*reference, ops.pool(x, Pooling::last, step)), (std::vector<float>{1, 2, 7, 9}));
}

}  // namespace
}  // namespace hearth::test
