// The quantisers against the recorded errors of the reference quantiser, on hostile rows, and against each other: one
// answer whatever the width of the registers and the rows around.
#include "tensor/quantise.h"

#include <cfloat>
#include <cmath>
#include <limits>

#include "base/json.h"
#include "base/rng.h"
#include "support/shared_data.h"
#include "tensor/decode.h"

namespace hearth {
namespace {

constexpr int64_t kColumns = 1024;

std::vector<DType> types() {
    std::vector<DType> all;
    for (const DTypeInfo& type : dtypes())
        if (can_quantise(type.type)) all.push_back(type.type);
    return all;
}

std::vector<std::byte> quantised(DType type, std::span<const float> values, int64_t columns,
                                 std::span<const float> importance = {}, QuantiseRow row = QuantiseRow::best) {
    std::vector<std::byte> out(size_t(row_bytes(type, int64_t(values.size()))));
    quantise(type, {values, columns, importance}, out.data(), row);
    return out;
}

std::vector<float> there_and_back(DType type, std::span<const float> values, int64_t columns,
                                  std::span<const float> importance = {}) {
    const auto blocks = quantised(type, values, columns, importance);
    std::vector<float> back(values.size());
    decode(type, blocks.data(), int64_t(values.size()), back.data());
    return back;
}

// sqrt(sum a (x - y)^2 / sum a x^2)
double relative_error(std::span<const float> x, std::span<const float> y, std::span<const float> importance = {}) {
    double error = 0, size = 0;
    for (size_t i = 0; i < x.size(); ++i) {
        const double a = importance.empty() ? 1 : importance[i % importance.size()];
        error += a * (double(x[i]) - y[i]) * (double(x[i]) - y[i]);
        size += a * double(x[i]) * x[i];
    }
    return size > 0 ? std::sqrt(error / size) : std::sqrt(error);
}

struct Recorded {
    std::vector<float> rows, importance, prepared;
    Json quality;
};

Recorded recorded() {
    Recorded all;
    all.rows = test::read_floats(test::shared_path("reference/quants/rows.f32"));
    all.importance = test::read_floats(test::shared_path("reference/quants/imatrix.f32"));
    all.prepared = prepared_importance(all.importance).value();
    all.quality = Json::parse(test::read_text(test::shared_path("reference/quants/quality.json"))).value();
    return all;
}

std::string upper(std::string_view name) {
    std::string text(name);
    for (char& c : text) c = char(std::toupper(c));
    return text;
}

double figure(const Json& quality, DType type, const char* which) {
    const Json* entry = quality.find("types")->find(upper(name_of(type)));
    const Json* found = entry ? entry->find(which) : nullptr;
    return found ? found->find("rel_rmse")->as_double() : -1;
}

// The gate is 1.005 of the reference; what searching gains beyond it is kept.
TEST(Quantise, ErrorsStayBelowTheReference) {
    NEED_SHARED("reference/quants/quality.json");
    const Recorded all = recorded();
    const std::span<const float> mixture(all.rows.data(), 8 * kColumns);
    int compared = 0;
    for (const DType type : types()) {
        if (type == DType::f32) continue;
        const double plain = relative_error(mixture, there_and_back(type, mixture, kColumns));
        const double reference = figure(all.quality, type, "mixture");
        ASSERT_GT(reference, 0) << name_of(type);
        const bool is_searched = uses_importance(type) && type != DType::q1_0;
        EXPECT_LE(plain, reference * (is_searched ? 0.985 : 1.005)) << name_of(type);
        ++compared;
        const double with = figure(all.quality, type, "with_imatrix_mixture_weighted");
        if (with < 0) continue;
        const auto back = there_and_back(type, mixture, kColumns, all.prepared);
        EXPECT_LE(relative_error(mixture, back, all.importance), with * 0.99) << name_of(type) << " with importance";
        // Spending precision where it counts must pay, by what it counts.
        EXPECT_LT(relative_error(mixture, back, all.importance),
                  relative_error(mixture, there_and_back(type, mixture, kColumns), all.importance))
            << name_of(type);
    }
    EXPECT_EQ(compared, 27);
}

TEST(Quantise, EveryRecordedRowStaysFinite) {
    NEED_SHARED("reference/quants/quality.json");
    const Recorded all = recorded();
    const Json manifest = Json::parse(test::read_text(test::shared_path("reference/quants/manifest.json"))).value();
    const auto& names = manifest.find("row_names")->items();
    for (const DType type : types())
        for (const std::span<const float> importance :
             {std::span<const float>(), std::span<const float>(all.prepared)}) {
            const auto back = there_and_back(type, all.rows, kColumns, importance);
            for (const float v : back) ASSERT_TRUE(std::isfinite(v)) << name_of(type);
            for (size_t row = 0; row < names.size(); ++row) {
                const std::span<const float> x(all.rows.data() + row * kColumns, kColumns);
                const std::span<const float> y(back.data() + row * kColumns, kColumns);
                if (names[row].as_string() == "zeros") {
                    EXPECT_EQ(relative_error(x, y), 0) << name_of(type);
                }
                // Never worse than zeros would be (a scale in the subnormal range of f16 may overshoot).
                EXPECT_LE(relative_error(x, y), 1.01) << name_of(type) << " " << names[row].as_string();
            }
        }
}

std::vector<float> some_values(uint64_t seed, size_t count) {
    Rng rng(seed);
    std::vector<float> values(count);
    // A sum of uniforms with a few large ones: like weights.
    for (float& v : values) {
        v = float(rng.uniform() + rng.uniform() + rng.uniform() - 1.5) * 0.03f;
        if (rng.uniform() < 0.01) v *= 8;
    }
    return values;
}

TEST(Quantise, EveryRowOfInstructionsGivesTheSameBytes) {
    if (!has_quantise_row(QuantiseRow::avx2)) GTEST_SKIP() << "this machine has one row only";
    // 3 blocks of 256: the last tile of sub-blocks is not full.
    const auto values = some_values(1, 3 * 256), importance = some_values(2, 256);
    std::vector<float> weights(importance.size());
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = importance[i] * importance[i];
    const auto prepared = prepared_importance(weights).value();
    for (const DType type : types())
        for (const std::span<const float> a : {std::span<const float>(), std::span<const float>(prepared)}) {
            const auto plain = quantised(type, values, 256, a, QuantiseRow::plain);
            EXPECT_EQ(plain, quantised(type, values, 256, a, QuantiseRow::avx2)) << name_of(type);
            if (has_quantise_row(QuantiseRow::avx512)) {
                EXPECT_EQ(plain, quantised(type, values, 256, a, QuantiseRow::avx512)) << name_of(type);
            }
        }
}

TEST(Quantise, RowsDoNotInfluenceEachOther) {
    const auto values = some_values(3, 5 * 256);
    const auto prepared = prepared_importance(std::vector<float>(256, 2.0f)).value();
    for (const DType type : types()) {
        const auto whole = quantised(type, values, 256, prepared);
        std::vector<std::byte> single;
        for (size_t row = 0; row < 5; ++row) {
            const auto one = quantised(type, std::span(values).subspan(row * 256, 256), 256, prepared);
            single.insert(single.end(), one.begin(), one.end());
        }
        EXPECT_EQ(whole, single) << name_of(type);
        // And equal importance is none.
        EXPECT_EQ(whole, quantised(type, values, 256)) << name_of(type);
    }
}

TEST(Quantise, ImportanceIsOfColumns) {
    // Rows of 64: column 5 alone counts, in every row.
    const auto values = some_values(4, 6 * 64);
    std::vector<float> importance(64, 1e-4f);
    importance[5] = 1;
    const auto prepared = prepared_importance(importance).value();
    for (const DType type : {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::iq4_nl, DType::q8_0}) {
        const auto back = there_and_back(type, values, 64, prepared);
        for (size_t row = 0; row < 6; ++row) {
            const float x = values[row * 64 + 5], y = back[row * 64 + 5];
            EXPECT_NEAR(y, x, std::fabs(x) * 0.02f + 1e-5f) << name_of(type) << " row " << row;
        }
    }
}

TEST(Quantise, HostileValuesGiveFiniteBlocks) {
    constexpr float kTiny = std::numeric_limits<float>::denorm_min();
    for (const DType type : types()) {
        if (type == DType::f16 || type == DType::bf16) continue;  // infinity is their own way to say "too large"
        for (const float spike : {FLT_MAX, -FLT_MAX, 1e6f, kTiny, -1e-30f, 65504.0f * 127}) {
            std::vector<float> values(512, 0.0f);
            values[7] = spike;
            values[300] = -spike;
            for (const float v : there_and_back(type, values, 512)) ASSERT_TRUE(std::isfinite(v)) << name_of(type);
            for (float& v : values) v = spike;
            for (const float v : there_and_back(type, values, 512)) ASSERT_TRUE(std::isfinite(v)) << name_of(type);
        }
    }
}

TEST(Quantise, ValuesThatATypeHoldsExactlyStay) {
    Rng rng(9);
    std::vector<float> ternary(512), eight(512);
    for (size_t i = 0; i < ternary.size(); ++i) {
        ternary[i] = 0.25f * float(int(rng.next() % 3) - 1);
        eight[i] = 0.5f * float(int(rng.next() % 16) - 8);
    }
    for (size_t i = 0; i < 512; i += 16) ternary[i] = 0.25f, ternary[i + 1] = -0.25f, eight[i] = -4;
    for (const DType type : {DType::tq1_0, DType::tq2_0, DType::q2_0, DType::q4_0, DType::q8_0, DType::nvfp4,
                             DType::mxfp4, DType::q3_k, DType::q6_k})
        EXPECT_LT(relative_error(ternary, there_and_back(type, ternary, 512)), 1e-3) << name_of(type);
    for (const DType type : {DType::q4_0, DType::q4_1, DType::q5_0, DType::q6_k})
        EXPECT_LT(relative_error(eight, there_and_back(type, eight, 512)), 1e-3) << name_of(type);
}

TEST(Quantise, WhatNeedsImportanceSaysSo) {
    EXPECT_TRUE(needs_importance(DType::iq1_s));
    EXPECT_TRUE(needs_importance(DType::iq2_xxs));
    EXPECT_FALSE(needs_importance(DType::q2_k));
    EXPECT_FALSE(needs_importance(DType::iq4_xs));
    EXPECT_FALSE(can_quantise(DType::q8_k));
    EXPECT_FALSE(can_quantise(DType::i32));
}

TEST(Quantise, ImportanceIsPreparedOrRefused) {
    const auto prepared = prepared_importance(std::vector<float>{0, 2, 4, 2});
    ASSERT_TRUE(prepared);
    EXPECT_GT((*prepared)[0], 0);
    EXPECT_FLOAT_EQ((*prepared)[2], 2);
    EXPECT_EQ(prepared_importance(std::vector<float>{0, 0}).value(), (std::vector<float>{1, 1}));
    EXPECT_FALSE(prepared_importance(std::vector<float>{1, -1}));
    EXPECT_FALSE(prepared_importance(std::vector<float>{1, NAN}));
}

TEST(Quantise, NotFiniteIsFound) {
    std::vector<float> values(100, FLT_MAX);
    EXPECT_EQ(first_not_finite(values), -1);
    values[99] = -INFINITY;
    EXPECT_EQ(first_not_finite(values), 99);
    values[42] = NAN;
    EXPECT_EQ(first_not_finite(values), 42);
    EXPECT_EQ(first_not_finite({}), -1);
}

}  // namespace
}  // namespace hearth
