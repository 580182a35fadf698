// Random numbers: the published sequences, and moments wide enough that only a mistake misses them.
#include "base/rng.h"

#include <gtest/gtest.h>

#include <cmath>

namespace hearth {
namespace {

// The test values published with the generator's description for seed 1234567.
TEST(Rng, SplitmixGivesThePublishedSequence) {
    uint64_t state = 1234567;
    for (const uint64_t want : {6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u,
                                16408922859458223821u})
        EXPECT_EQ(splitmix64(state), want);
}

TEST(Rng, SameSeedSameNumbers) {
    Rng a(7), b(7), c(8);
    EXPECT_EQ(a.next(), b.next());
    EXPECT_NE(a.next(), c.next());
}

TEST(Rng, MomentsOfTheDistributions) {
    Rng rng(3);
    constexpr int kCount = 100000;
    double uniform = 0, normal = 0, square = 0;
    for (int i = 0; i < kCount; ++i) {
        const double u = rng.uniform(), n = rng.normal();
        ASSERT_GE(u, 0);
        ASSERT_LT(u, 1);
        ASSERT_TRUE(std::isfinite(n));
        ASSERT_LT(rng.below(10), 10u);
        uniform += u, normal += n, square += n * n;
    }
    // Five standard errors: 0.2887, 1 and 1.414 over the root of the count.
    const double root = std::sqrt(double(kCount));
    EXPECT_NEAR(uniform / kCount, 0.5, 5 * 0.2887 / root);
    EXPECT_NEAR(normal / kCount, 0, 5 / root);
    EXPECT_NEAR(square / kCount, 1, 5 * 1.4143 / root);
    EXPECT_EQ(rng.below(0), 0u);
}

}  // namespace
}  // namespace hearth
