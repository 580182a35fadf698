// Random blocks of every weight type: mean 0, the wanted deviation, nothing that is not finite, the same bytes in any
// order.
#include "library/fills.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tensor/decode.h"

namespace hearth {
namespace {

std::vector<std::byte> piece(const Fill& fill, DType type, int64_t number, uint64_t seed = 1,
                             std::string_view name = "w") {
    std::vector<std::byte> bytes(size_t(piece_bytes(type)));
    fill_piece(fill, type, name, seed, number, bytes);
    return bytes;
}

TEST(Fills, EveryWeightTypeHasTheWantedSpread) {
    for (const DTypeInfo& type : dtypes()) {
        if (!type.is_weight) continue;
        for (double wanted : {1 / std::sqrt(5376.0), 0.022, 2.0}) {
            const auto bytes = piece(Fill::matrix(wanted), type.type, 3);
            std::vector<float> values(size_t(int64_t(bytes.size()) / type.block_bytes * type.block_elements));
            decode(type.type, bytes.data(), int64_t(values.size()), values.data());
            double sum = 0, squares = 0;
            for (float value : values) {
                ASSERT_TRUE(std::isfinite(value)) << type.name;
                sum += value;
                squares += double(value) * value;
            }
            const double count = double(values.size()), mean = sum / count, rms = std::sqrt(squares / count);
            // Factor per type: measured on 65536 weights with a spread of sub-scales up to 4 (2 %); rounding of half
            // scales as small as 1e-6, in units of 6e-8 (3 %); 256 picks between neighbouring powers of two (1 %).
            EXPECT_NEAR(rms / wanted, 1, 0.06) << type.name << " " << wanted;
            // 262144 or more weights; signs are drawn per block of up to 256, whose own mean may be a full deviation.
            EXPECT_LT(std::abs(mean), 5 * wanted / std::sqrt(count / 256)) << type.name;
        }
    }
}

TEST(Fills, BytesDependOnNameSeedAndPieceAlone) {
    for (DType type : {DType::f32, DType::bf16, DType::q4_k, DType::q8_0}) {
        const Fill fill = Fill::matrix(0.02);
        const auto first = piece(fill, type, 0);
        piece(fill, type, 7);
        EXPECT_EQ(piece(fill, type, 0), first);
        EXPECT_NE(piece(fill, type, 1), first);
        EXPECT_NE(piece(fill, type, 0, 2), first);
        EXPECT_NE(piece(fill, type, 0, 1, "v"), first);
        // A shorter last piece is the beginning of a whole one.
        const size_t part = size_t(info(type).block_bytes) * 64;
        std::vector<std::byte> cut(part);
        fill_piece(fill, type, "w", 1, 0, cut);
        EXPECT_TRUE(std::equal(cut.begin(), cut.end(), first.begin())) << name_of(type);
    }
}

std::vector<float> small(const Fill& fill, size_t count) {
    std::vector<float> values(count);
    fill_piece(fill, DType::f32, "s", 1, 0, std::as_writable_bytes(std::span(values)));
    return values;
}

TEST(Fills, SmallTensors) {
    for (float value : small(Fill::between(-4, 1), 1000)) EXPECT_TRUE(value >= -4 && value <= 1);
    for (float value : small(Fill::decay(0.02, 4), 1000)) EXPECT_TRUE(value <= -0.0199f && value >= -4.001f) << value;
    for (float value : small(Fill::signs(), 100)) EXPECT_EQ(std::abs(value), 1.0f);
    for (float value : small(Fill::step_bias(1e-3, 1e-1), 1000)) {
        const double step = std::log1p(std::exp(double(value)));  // softplus
        EXPECT_TRUE(step > 0.99e-3 && step < 1.01e-1) << step;
    }
    double sum = 0;
    for (float value : small(Fill::around(1, 0.1), 10000)) sum += value;
    EXPECT_NEAR(sum / 10000, 1, 5 * 0.1 / 100);
    EXPECT_EQ(small(Fill::listed({1, 2, 3}), 3), (std::vector<float>{1, 2, 3}));
}

}  // namespace
}  // namespace hearth
