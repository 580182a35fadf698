// Log-probabilities in a file, and the figures made of them.
#include "library/kl_base.h"

#include <cmath>
#include <fstream>

#include "base/rng.h"
#include "library/estimates.h"
#include "support/shared_data.h"

namespace hearth {
namespace {

const KlBaseShape kShape{.vocabulary = 5, .chunk_tokens = 8, .chunks = 2};

std::string written(const std::string& name) {
    const std::string path = test::temporary_directory() + "/" + name;
    std::vector<int32_t> tokens(16);
    for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = int32_t(i % 5);
    auto writer = KlBaseWriter::open(path, kShape, tokens);
    EXPECT_TRUE(writer);
    for (int64_t row = 0; row < 2 * kShape.scored_per_chunk(); ++row)
        EXPECT_TRUE(writer->add(std::vector<float>(5, -float(row))));
    EXPECT_FALSE(std::ifstream(path)) << "there before it is whole";
    EXPECT_TRUE(writer->finish());
    return path;
}

TEST(KlBase, WhatIsWrittenComesBack) {
    const std::string path = written("base.kl");
    EXPECT_EQ(double(test::read_bytes(path).size()), KlBaseWriter::file_bytes(kShape));
    const auto base = KlBase::open(path);
    ASSERT_TRUE(base) << base.error().line();
    EXPECT_EQ(base->shape(), kShape);
    EXPECT_EQ(base->tokens()[9], 4);
    std::vector<float> row(5);
    ASSERT_TRUE(base->read(5, row));
    EXPECT_EQ(row, std::vector<float>(5, -5.0f));
    EXPECT_FALSE(base->read(6, row));
}

TEST(KlBase, DamagedFilesAreRefused) {
    const auto whole = test::read_bytes(written("whole.kl"));
    const auto opens = [](std::span<const std::byte> bytes) {
        const std::string path = test::temporary_directory() + "/damaged.kl";
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
        return KlBase::open(path).has_value();
    };
    EXPECT_TRUE(opens(whole));
    for (const size_t length : {size_t{0}, size_t{7}, size_t{31}, size_t{32}, whole.size() - 1})
        EXPECT_FALSE(opens(std::span(whole).first(length))) << length;
    for (size_t at = 0; at < 32; ++at)
        for (const std::byte value : {std::byte{0xFF}, std::byte{0x80}}) {
            auto damaged = whole;
            damaged[at] = value;
            EXPECT_FALSE(opens(damaged)) << at;
        }
    EXPECT_FALSE(KlBaseWriter::open("/nonexistent/x", kShape, {}));
}

TEST(Estimates, MeansSharesAndQuantiles) {
    const std::vector<double> values{1, 2, 3, 4};
    const Estimate mean = mean_of(values);
    EXPECT_DOUBLE_EQ(mean.value, 2.5);
    EXPECT_NEAR(mean.high - mean.value, 1.96 * std::sqrt(5.0 / 3 / 4), 1e-3);
    EXPECT_NEAR(mean.value - mean.low, mean.high - mean.value, 1e-12);
    EXPECT_EQ(mean_of({}).value, 0);

    // Wilson's interval of 8 in 10, as printed in tables.
    const Estimate share = share_of(8, 10);
    EXPECT_DOUBLE_EQ(share.value, 0.8);
    EXPECT_NEAR(share.low, 0.4902, 1e-4);
    EXPECT_NEAR(share.high, 0.9433, 1e-4);
    EXPECT_NEAR(share_of(10, 10).high, 1, 1e-12);

    std::vector<double> ranks;
    for (int i = 1; i <= 1000; ++i) ranks.push_back(i);
    const Estimate median = quantile_of(ranks, 0.5);
    EXPECT_EQ(median.value, 500);
    EXPECT_EQ(median.low, 470);   // ceil(500 - 30.99)
    EXPECT_EQ(median.high, 531);  // ceil(500 + 30.99)
    EXPECT_EQ(quantile_of({3}, 0.999).high, 3);
}

// Of many samples about 95 % have the true mean within their interval.
TEST(Estimates, IntervalsHoldTheTruthAsOftenAsTheySay) {
    Rng rng(1);
    int held = 0;
    for (int sample = 0; sample < 2000; ++sample) {
        std::vector<double> values;
        for (int i = 0; i < 100; ++i) values.push_back(rng.uniform());
        const Estimate mean = mean_of(values);
        held += mean.low <= 0.5 && 0.5 <= mean.high;
    }
    EXPECT_NEAR(held / 2000.0, 0.95, 0.02);  // four deviations of a share of 2000
}

TEST(Estimates, RowsOfLogits) {
    std::vector<float> p(3), q(3);
    log_softmax(std::vector<float>{0, 0, float(std::log(2.0))}, p);
    EXPECT_NEAR(p[0], std::log(0.25), 1e-6);
    EXPECT_NEAR(p[2], std::log(0.5), 1e-6);
    log_softmax(std::vector<float>{5000, 5000, 5000}, q);
    EXPECT_NEAR(q[1], std::log(1.0 / 3), 1e-3);
    EXPECT_EQ(divergence(p, p), 0);
    EXPECT_NEAR(divergence(p, q), 2 * 0.25 * std::log(0.75) + 0.5 * std::log(1.5), 1e-3);
    // What is impossible in both counts nothing.
    const std::vector<float> none{0, -INFINITY};
    EXPECT_EQ(divergence(none, std::vector<float>{0, -5}), 0);
}

}  // namespace
}  // namespace hearth
