#include "backends/reference/fixture.h"

namespace hearth::test {
namespace {

TEST(RopeOp, EveryPairingAgainstComplexNumbers) {
    for (const RopeCase& op : rope_cases()) {
        Reference reference;
        const auto got = op.run(*reference), x = op.input();
        const Rope rope = op.rope();
        for (int64_t token = 0; token < op.tokens; ++token)
            for (int64_t head = 0; head < op.heads; ++head) {
                const size_t at = size_t((token * op.heads + head) * op.width);
                for (size_t w = size_t(2 * op.pairs); w < size_t(op.width); ++w) EXPECT_EQ(got[at + w], x[at + w]);
                for (size_t pair = 0; pair < size_t(op.pairs); ++pair) {
                    const size_t a = at + (op.adjacent ? 2 * pair : pair),
                                 b = op.adjacent ? a + 1 : a + size_t(op.pairs);
                    const auto position = RopeCase::position(token, op.stride)[op.axes ? pair % 4 : 0];
                    const double angle = double(position) * rope.frequency[pair], m = double(op.magnitude);
                    const double re = m * (double(x[a]) * std::cos(angle) - double(x[b]) * std::sin(angle));
                    const double im = m * (double(x[a]) * std::sin(angle) + double(x[b]) * std::cos(angle));
                    // Two products of rounded factors and a sum: four roundings of values up to |x| m.
                    const double bound = 4 * kEpsilon * m * (std::fabs(double(x[a])) + std::fabs(double(x[b])));
                    EXPECT_NEAR(double(got[a]), re, bound);
                    EXPECT_NEAR(double(got[b]), im, bound);
                }
            }
    }
}

TEST(RopeOp, FarPositionsKeepTheirAngles) {
    const RopeCase op{.heads = 1, .width = 8, .pairs = 4, .tokens = 2, .stride = 1000003};
    Reference reference;
    const auto got = op.run(*reference), x = op.input();
    const double angle = 1000003;  // frequency 1: in float the angle alone would be off by 0.03
    EXPECT_NEAR(double(got[8]), double(x[8]) * std::cos(angle) - double(x[12]) * std::sin(angle), 1e-6);
}

TEST(PositionScale, StepsWithThePosition) {
    Reference reference;
    Step step;
    step.source = {0, 0, 0, 0};
    step.positions = {{0, 0, 0, 0}, {8190, 0, 0, 0}, {8191, 0, 0, 0}, {70000, 0, 0, 0}};
    const Tensor x = load_tensor(*reference, {1, 1, 1, 1}, 4);
    const auto shifted = read(*reference, (*reference).ops().position_scale(x, 0.1f, 8192, 1, step));
    const auto plain = read(*reference, (*reference).ops().position_scale(x, 0.1f, 8192, 0, step));
    EXPECT_EQ(shifted[0], 1);
    EXPECT_EQ(shifted[1], 1);
    EXPECT_EQ(plain[2], 1);
    EXPECT_NEAR(double(shifted[2]), 1 + 0.1 * std::log(2.0), 1e-7);
    EXPECT_NEAR(double(shifted[3]), 1 + 0.1 * std::log(9.0), 1e-7);
}

}  // namespace
}  // namespace hearth::test
