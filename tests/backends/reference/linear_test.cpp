#include "backends/reference/fixture.h"

namespace hearth::test {
namespace {

// The reference sums in double, so what is left is the rounding of the result: half an ulp each.
constexpr double kBound = kEpsilon;

std::vector<double> product(const std::vector<float>& x, const std::vector<float>& w, int64_t in) {
    std::vector<double> y;
    for (size_t row = 0; row < x.size() / size_t(in); ++row)
        for (size_t out = 0; out < w.size() / size_t(in); ++out) {
            double sum = 0;
            for (size_t i = 0; i < size_t(in); ++i)
                sum += double(x[row * size_t(in) + i]) * double(w[out * size_t(in) + i]);
            y.push_back(sum);
        }
    return y;
}

std::vector<float> decoded(DType type, const std::vector<std::byte>& bytes, int64_t count) {
    std::vector<float> values(static_cast<size_t>(count));
    decode(type, bytes.data(), count, values.data());
    return values;
}

TEST(Linear, EveryTypeAgainstItsDecodedMatrix) {
    int types = 0;
    for (const DTypeInfo& type : dtypes()) {
        if (!type.is_weight) continue;
        Reference reference;
        const LinearCase op{type.type, 3, 7, 2 * std::max<int64_t>(type.block_elements, 32)};
        const auto w = decoded(type.type, op.weight_bytes(), op.out * op.in);
        EXPECT_LE(relative_rms(op.run(*reference), product(op.input(), w, op.in)), kBound) << type.name;
        ++types;
    }
    EXPECT_GE(types, 25);
}

TEST(Linear, SeveralWeightsOfOneInputAndAStridedInput) {
    Reference reference;
    Ops& ops = (*reference).ops();
    const auto x = random_floats(4 * 6 * 8, 1);
    const Tensor strided = load_tensor(*reference, x, 4, 6).slice(2, 5);  // 6 heads of 5 values that do not touch
    const Weight a = load_random(*reference, DType::f32, {1, 3, 30}, 2),
                 b = load_random(*reference, DType::f16, {1, 5, 30}, 3);
    const auto [y, z] = ops.linears(strided, a, b);
    std::vector<float> dense = read(*reference, strided);
    EXPECT_EQ(dense[5], x[8 + 2]);
    EXPECT_LE(relative_rms(read(*reference, y),
                           product(dense, decoded(DType::f32, random_weight_bytes(DType::f32, 90, 2), 90), 30)),
              kBound);
    EXPECT_LE(relative_rms(read(*reference, z),
                           product(dense, decoded(DType::f16, random_weight_bytes(DType::f16, 150, 3), 150), 30)),
              kBound);
}

TEST(Linear, HeadsHaveMatricesOfTheirOwn) {
    Reference reference;
    const auto x = random_floats(2 * 3 * 4, 1);
    const Weight w = load_random(*reference, DType::f32, {3, 5, 4}, 2);
    const auto weights = decoded(DType::f32, random_weight_bytes(DType::f32, 60, 2), 60);
    const auto y = read(*reference, (*reference).ops().head_linear(load_tensor(*reference, x, 2, 3), w));
    for (size_t token = 0; token < 2; ++token)
        for (size_t head = 0; head < 3; ++head) {
            const auto expected =
                product({x.begin() + long(token * 12 + head * 4), x.begin() + long(token * 12 + head * 4 + 4)},
                        {weights.begin() + long(head * 20), weights.begin() + long(head * 20 + 20)}, 4);
            for (size_t out = 0; out < 5; ++out) EXPECT_EQ(y[token * 15 + head * 5 + out], float(expected[out]));
        }
}

TEST(Linear, EmbeddingsComeFromTheTableOrFromTheStep) {
    Reference reference;
    const Weight table = load_random(*reference, DType::q4_0, {1, 10, 64}, 2);
    const auto rows = decoded(DType::q4_0, random_weight_bytes(DType::q4_0, 640, 2), 640);
    const auto media = random_floats(128, 3);
    Step step;
    step.source = {9, -2, 0, -1};
    step.embeddings = load_tensor(*reference, media, 2);
    Weight scaled = table;
    scaled.scale = 3;
    const auto z = read(*reference, (*reference).ops().embed(step, scaled));
    const auto part = read(*reference, (*reference).ops().embed_part(step, scaled, 5, 40));
    const auto y = read(*reference, (*reference).ops().embed(step, table));
    for (size_t i = 0; i < 64; ++i) {
        EXPECT_EQ(y[i], rows[9 * 64 + i]);
        EXPECT_EQ(y[64 + i], media[64 + i]);
        EXPECT_EQ(y[128 + i], rows[i]);
        EXPECT_EQ(y[192 + i], media[i]);
        EXPECT_EQ(z[i], 3 * rows[9 * 64 + i]);
        EXPECT_EQ(z[64 + i], media[64 + i]);  // rows from elsewhere stay as they are
    }
    // Of a further table: media rows, which have no token, read row 0.
    for (size_t i = 0; i < 40; ++i) {
        EXPECT_EQ(part[i], 3 * rows[9 * 64 + 5 + i]);
        for (const size_t token : {1, 2, 3}) EXPECT_EQ(part[token * 40 + i], 3 * rows[5 + i]);
    }
}

}  // namespace
}  // namespace hearth::test
