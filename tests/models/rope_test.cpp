// Frequencies and magnitudes of every scaling scheme against the published formulas, written down a second time: angle
// of pair j at position p = p * frequency_j, frequency_j = base^(-2j/n) without scaling.
#include "models/rope.h"

#include <cmath>
#include <optional>

#include "backends/reference/reference_ops.h"
#include "models/edited_file.h"

namespace hearth {
namespace {

// Both sides are a few double operations on the same numbers.
constexpr double kTolerance = 1e-14;

void expect_frequency(const Rope& rope, size_t pair, double expected) {
    EXPECT_NEAR(rope.frequency[pair], expected, std::abs(expected) * kTolerance) << "pair " << pair;
}
double plain(double base, int64_t dims, size_t pair) {
    return std::exp(-2.0 * double(pair) / double(dims) * std::log(base));
}

TEST(Rope, PlainFrequencies) {
    for (const double base : {10000.0, 500000.0, 1e7})
        for (const int64_t dims : {2, 16, 64, 128}) {
            const Rope rope = make_rope({.dims = dims, .base = base, .scaling = "none", .factor = 8});
            ASSERT_EQ(int64_t(rope.frequency.size()), dims / 2);
            EXPECT_EQ(rope.magnitude, 1);
            EXPECT_TRUE(rope.axis.empty());
            EXPECT_EQ(rope.frequency[0], 1);
            for (size_t pair = 0; pair < rope.frequency.size(); ++pair)
                EXPECT_NEAR(rope.frequency[pair], plain(base, dims, pair), 1e-13 * plain(base, dims, pair));
        }
}

TEST(Rope, LinearDividesEveryAngle) {
    const Rope rope = make_rope({.dims = 64, .base = 1e6, .scaling = "linear", .factor = 8});
    const Rope unscaled = make_rope({.dims = 64, .base = 1e6});
    for (size_t pair = 0; pair < 32; ++pair) expect_frequency(rope, pair, unscaled.frequency[pair] / 8);
    EXPECT_EQ(rope.magnitude, 1);
}

TEST(Rope, DivisorsComeFromTheFile) {
    const std::vector<float> divisors{1, 2, 8, 1e30f};
    const Rope rope = make_rope({.dims = 8, .base = 10000, .divisors = divisors});
    const Rope unscaled = make_rope({.dims = 8, .base = 10000});
    expect_frequency(rope, 0, 1);
    expect_frequency(rope, 1, unscaled.frequency[1] / 2);
    expect_frequency(rope, 2, unscaled.frequency[2] / 8);
    EXPECT_EQ(rope.frequency[3], 0);  // this pair does not turn
}

// The setting the authors recommend: fast pairs keep their angle up to pair 14, slow ones from 22 on are divided by 4.
TEST(Rope, YarnOfTheRealModel) {
    const Rope rope = make_rope({.dims = 64, .base = 1e7, .scaling = "yarn", .factor = 4, .original_context = 262144});
    EXPECT_NEAR(rope.magnitude, 1.1386, 5e-5);
    const Rope unscaled = make_rope({.dims = 64, .base = 1e7});
    for (size_t pair = 0; pair < 32; ++pair) {
        const double keep = pair <= 14 ? 1 : pair >= 22 ? 0 : double(22 - pair) / 8;
        expect_frequency(rope, pair, unscaled.frequency[pair] * (keep + (1 - keep) / 4));
    }
}

TEST(Rope, YarnByItsFormula) {
    for (const double base : {1e4, 5e5, 1e7})
        for (const int64_t dims : {16, 64, 128})
            for (const double original : {32.0, 4096.0, 262144.0})
                for (const double factor : {2.0, 4.0, 32.0}) {
                    const Rope rope = make_rope({.dims = dims,
                                                 .base = base,
                                                 .scaling = "yarn",
                                                 .factor = factor,
                                                 .original_context = original,
                                                 .attention_factor = 0.5});
                    EXPECT_FLOAT_EQ(rope.magnitude, float(0.5 * (1 + 0.1 * std::log(factor))));
                    const auto turning = [&](double turns) {
                        return double(dims) * std::log(original / (turns * 6.283185307179586)) / (2 * std::log(base));
                    };
                    const double low = std::fmax(0, std::floor(turning(32)));
                    const double high = std::fmin(double(dims) - 1, std::ceil(turning(1)));
                    for (size_t pair = 0; pair < rope.frequency.size(); ++pair) {
                        const double along = (double(pair) - low) / std::fmax(0.001, high - low);
                        const double keep = 1 - std::fmin(1, std::fmax(0, along));
                        const double expected = plain(base, dims, pair) * (keep + (1 - keep) / factor);
                        EXPECT_NEAR(rope.frequency[pair], expected, 1e-13 * expected);
                    }
                }
}

TEST(Rope, YarnThatDoesNotStretchKeepsItsMagnitude) {
    const Rope rope = make_rope(
        {.dims = 16, .base = 1e4, .scaling = "yarn", .factor = 1, .original_context = 4096, .attention_factor = 0.75});
    EXPECT_EQ(rope.magnitude, 0.75f);
    const Rope unscaled = make_rope({.dims = 16, .base = 1e4});
    for (size_t pair = 0; pair < 8; ++pair) expect_frequency(rope, pair, unscaled.frequency[pair]);
}

// Ministral 3's files take the whole magnitude back; others may take a part.
TEST(Rope, YarnMayTakeItsMagnitudeBack) {
    RopeConfig config{.dims = 64, .base = 1e6, .scaling = "yarn", .factor = 16, .original_context = 16384};
    config.log_multiplier = 1;
    EXPECT_EQ(make_rope(config).magnitude, 1);
    config.log_multiplier = 0.5;
    const double stretch = std::log(16.0);
    EXPECT_FLOAT_EQ(make_rope(config).magnitude, float((1 + 0.1 * stretch) / (1 + 0.05 * stretch)));
}

// Interleaved multi-axis form: [t, h, w] pairs take turns until an axis has its share; what is left follows the fourth
// position. With [24, 20, 20, 0] that happens to pairs 61 and 62.
TEST(Rope, AxesOfTheRealModels) {
    const Rope rope = make_rope({.dims = 128, .base = 5e6, .sections = {24, 20, 20, 0}});
    ASSERT_EQ(rope.axis.size(), 64u);
    for (size_t pair = 0; pair < 64; ++pair) {
        const int expected = pair == 61 || pair == 62 ? 3 : int(pair % 3);
        EXPECT_EQ(int(rope.axis[pair]), expected) << pair;
    }
    // [3, 3, 2, 0] of the tiny recorded models: t h w t h w t h.
    const Rope tiny = make_rope({.dims = 16, .base = 1e7, .sections = {3, 3, 2, 0}});
    EXPECT_EQ(tiny.axis, (std::vector<uint8_t>{0, 1, 2, 0, 1, 2, 0, 1}));
    // More pairs than the sections add up to: they begin anew.
    const Rope wide = make_rope({.dims = 20, .base = 1e7, .sections = {3, 3, 2, 0}});
    EXPECT_EQ(wide.axis, (std::vector<uint8_t>{0, 1, 2, 0, 1, 2, 0, 1, 0, 1}));
}

class RopeKeys : public testing::Test {
protected:
    void SetUp() override {
        NEED_SHARED("reference/qwen35/dense_r1.gguf");
        file.emplace(test::shared_path("reference/qwen35/dense_r1.gguf"));
    }
    RopeConfig read(std::string* problems = nullptr, void (*read_more)(Source&, RopeConfig&) = nullptr) {
        MemoryLedger ledger;
        const auto backend = make_reference_backend(ledger, true);
        const Checkpoint checkpoint = file->open();
        Source source(checkpoint, *backend, "qwen35");
        RopeConfig config = read_rope(source, 16, 4096);
        if (read_more) read_more(source, config);
        const auto report = source.report();
        EXPECT_EQ(report.has_value(), problems == nullptr) << (report ? "" : report.error().line());
        if (problems && !report) *problems = report.error().line();
        return config;
    }
    void set(const std::string& key, double value) { file->set("qwen35.rope." + key, MetadataValue::of(float(value))); }
    void set(const std::string& key, const std::string& text) { file->set_text("qwen35.rope." + key, text); }

    std::optional<test::EditedFile> file;
};

TEST_F(RopeKeys, AbsentKeysMeanNoScaling) {
    const RopeConfig config = read();
    EXPECT_EQ(config.base, 1e7);
    EXPECT_EQ(config.factor, 1);
    EXPECT_EQ(config.original_context, 4096);
    EXPECT_EQ(make_rope(config).frequency, make_rope({.dims = 16, .base = 1e7}).frequency);
    file->drop_key("qwen35.rope.freq_base");
    EXPECT_EQ(read().base, 10000);
}

TEST_F(RopeKeys, AFactorWithoutATypeIsLinear) {
    set("scaling.factor", 4);
    EXPECT_EQ(make_rope(read()).frequency[1], make_rope({.dims = 16, .base = 1e7}).frequency[1] / 4);
    set("scaling.factor", 0);  // as good as absent
    EXPECT_EQ(read().factor, 1);
    set("scale_linear", 2);  // old files
    EXPECT_EQ(make_rope(read()).frequency[1], make_rope({.dims = 16, .base = 1e7}).frequency[1] / 2);
}

TEST_F(RopeKeys, NoneIgnoresTheFactor) {
    set("scaling.factor", 4);
    set("scaling.type", "none");
    const Rope rope = make_rope(read());
    EXPECT_EQ(rope.frequency, make_rope({.dims = 16, .base = 1e7}).frequency);
    EXPECT_EQ(rope.magnitude, 1);
}

TEST_F(RopeKeys, YarnReadsItsFourKeysAndNoOthers) {
    set("scaling.type", "yarn");
    set("scaling.factor", 4);
    set("scaling.attn_factor", 0.5);
    const RopeConfig config = read();
    EXPECT_EQ(config.original_context, 4096);  // absent: the context of the file
    file->set_integer("qwen35.rope.scaling.original_context_length", 1024);
    set("scaling.yarn_beta_fast", 7);
    set("scaling.yarn_beta_slow", 3);
    const RopeConfig all = read();
    EXPECT_EQ(all.original_context, 1024);
    EXPECT_EQ(all.attention_factor, 0.5);
    EXPECT_EQ(all.beta_fast, 32);
    EXPECT_EQ(all.beta_slow, 1);
    EXPECT_FLOAT_EQ(make_rope(all).magnitude, float(0.5 * (1 + 0.1 * std::log(4.0))));
}

TEST_F(RopeKeys, SomeFamiliesReadAllOfYarn) {
    set("scaling.type", "yarn");
    set("scaling.yarn_beta_fast", 4);
    set("scaling.yarn_beta_slow", 2);
    set("scaling.yarn_log_multiplier", 1);
    const RopeConfig config = read(nullptr, read_yarn);
    EXPECT_EQ(config.beta_fast, 4);
    EXPECT_EQ(config.beta_slow, 2);
    EXPECT_EQ(config.log_multiplier, 1);
    set("scaling.yarn_beta_slow", 0);
    set("scaling.yarn_log_multiplier", -1);
    std::string problems;
    read(&problems, read_yarn);
    for (const char* word : {"yarn_beta_slow must be above zero", "yarn_log_multiplier is below zero"})
        EXPECT_NE(problems.find(word), std::string::npos) << problems;
}

TEST_F(RopeKeys, SenselessValuesAreAllReported) {
    set("scaling.type", "spiral");
    set("scaling.factor", -1);
    set("freq_base", 1);
    file->set_integer("qwen35.rope.scaling.original_context_length", 0);
    std::string problems;
    read(&problems);
    for (const char* word : {"spiral", "rope.scaling.factor is -1", "rope.freq_base is 1", "original_context_length"})
        EXPECT_NE(problems.find(word), std::string::npos) << problems;
}

}  // namespace
}  // namespace hearth
