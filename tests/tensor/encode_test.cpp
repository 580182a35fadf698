// The simple encoders against the recorded blocks and activations, and on rows that tempt them to overflow.
#include "tensor/encode.h"

#include <cfloat>
#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "support/shared_data.h"
#include "tensor/decode.h"
#include "tensor/formats/q8_k.h"

namespace hearth {
namespace {

constexpr DType kTypes[] = {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::q8_1, DType::q8_k};

std::vector<std::byte> encoded(DType type, const std::vector<float>& values) {
    std::vector<std::byte> out(size_t(row_bytes(type, int64_t(values.size()))));
    encode_simple(type, values.data(), int64_t(values.size()), out.data());
    return out;
}
std::vector<float> decoded(DType type, const std::vector<std::byte>& blocks, size_t count) {
    std::vector<float> out(count);
    decode(type, blocks.data(), int64_t(count), out.data());
    return out;
}

TEST(Encode, ActivationsAreTheRecordedBytes) {
    NEED_SHARED("reference/quants/acts.f32");
    const auto values = test::read_floats(test::shared_path("reference/quants/acts.f32"));
    const auto compare = [&](DType type, const char* file) {
        const auto want = test::read_bytes(test::shared_path(std::string("reference/quants/") + file));
        EXPECT_EQ(encoded(type, values), want) << file;
    };
    // Ties, where the recorded rounding differs from ours, do not occur in these values.
    compare(DType::q8_0, "acts.Q8_0.bin");
    compare(DType::q8_1, "acts.Q8_1.bin");
    compare(DType::q8_k, "acts.Q8_K.bin");
}

TEST(Encode, RowsAreTheRecordedBytes) {
    NEED_SHARED("reference/quants/rows.f32");
    const auto rows = test::read_floats(test::shared_path("reference/quants/rows.f32"));
    const auto compare = [&](DType type, const char* file, int64_t row_count) {
        auto want = test::read_bytes(test::shared_path(std::string("reference/quants/") + file));
        want.resize(size_t(row_bytes(type, row_count * 1024)));
        const std::vector<float> values(rows.begin(), rows.begin() + row_count * 1024);
        EXPECT_EQ(encoded(type, values), want) << file;
    };
    compare(DType::f32, "F32.blocks.bin", 20);
    compare(DType::f16, "F16.blocks.bin", 20);
    compare(DType::bf16, "BF16.blocks.bin", 20);
    compare(DType::q8_0, "Q8_0.blocks.bin",
            8);  // the mixture rows: in the others rounding of ties and underflow may differ
    compare(DType::q4_0, "Q4_0.blocks.bin", 8);
}

// The largest error a block may have, from its largest magnitude.
double allowed_error(DType type, float largest) {
    const auto with_half_scale = [](double scale, double codes, double code_error) {
        // f16 keeps 11 bits, and nothing finer than half of 2^-24; a scale that vanishes leaves the values themselves.
        return scale * code_error * (1 + 1e-5) + codes * std::max(scale * 0x1p-11, 0x1p-25) * (1 + 1e-5);
    };
    switch (type) {
        case DType::q8_0:
        case DType::q8_1:
            return with_half_scale(largest / 127.0, 127, 0.5);
        case DType::q4_0:
            return with_half_scale(largest / 8.0, 8, 1);  // 15 is the highest code: +8 scales are out of reach
        case DType::q8_k:
            return largest / 127.0 * 0.5 * (1 + 1e-5) + FLT_MIN;
        case DType::f16:
            return std::max(largest * 0x1p-11, 0x1p-25);
        case DType::bf16:
            return std::max(largest * 0x1p-8, 0x1p-133);
        default:
            return 0;
    }
}

TEST(Encode, ErrorStaysWithinHalfAStep) {
    Rng rng(5);
    for (const DType type : kTypes) {
        ASSERT_TRUE(can_encode_simple(type));
        for (const float magnitude : {1.0f, 1e-3f, 1e-6f, 3e-8f, 1e-20f, 1e-42f, 1000.0f, 60000.0f}) {
            std::vector<float> values(256 * 6);
            for (float& value : values) value = magnitude * float(2 * rng.uniform() - 1);
            const auto back = decoded(type, encoded(type, values), values.size());
            const size_t block = size_t(info(type).block_elements);
            for (size_t at = 0; at < values.size(); at += block) {
                float largest = 0;
                for (size_t i = at; i < at + block; ++i) largest = std::max(largest, std::fabs(values[i]));
                for (size_t i = at; i < at + block; ++i)
                    ASSERT_LE(std::fabs(double(values[i]) - back[i]), allowed_error(type, largest))
                        << name_of(type) << " " << values[i] << " of " << largest;
            }
        }
    }
}

constexpr float kHuge = 0x1p127f;

TEST(Encode, ExtremeRowsGiveFiniteValues) {
    for (const DType type : {DType::q8_0, DType::q4_0, DType::q8_1, DType::q8_k})
        for (const float value : {0.0f, -0.0f, kHuge, -kHuge, FLT_TRUE_MIN, -FLT_TRUE_MIN, 65504.0f * 127, 1e-9f}) {
            std::vector<float> values(256, value);
            values[3] = 0;
            const auto blocks = encoded(type, values);
            const auto back = decoded(type, blocks, values.size());
            for (const float v : back) ASSERT_TRUE(std::isfinite(v)) << name_of(type) << " " << value;
            EXPECT_EQ(back[3], 0) << name_of(type) << " " << value;
            if (value == 0) {
                for (const float v : back) ASSERT_EQ(v, 0) << name_of(type);
            }
            if (std::fabs(value) == kHuge) {
                for (size_t i = 0; i < back.size(); ++i)
                    ASSERT_EQ(i == 3 || std::signbit(back[i]) == std::signbit(value), true) << name_of(type);
            }
        }
}

TEST(Encode, TheLargestMagnitudeKeepsItsSign) {
    std::vector<float> values(256, 0.25f);
    values[7] = -2;
    const auto blocks = encoded(DType::q8_k, values);
    BlockQ8_K block;
    std::memcpy(&block, blocks.data(), sizeof block);
    EXPECT_EQ(block.values[7], -127);
    EXPECT_GT(block.scale, 0);
    const auto small = decoded(DType::q4_0, encoded(DType::q4_0, values), 256);
    EXPECT_EQ(small[7], -2);  // code 0 at scale 0.25: exact
    EXPECT_EQ(small[8], 0.25f);
}

TEST(Encode, OtherTypesAreDeclined) {
    EXPECT_FALSE(can_encode_simple(DType::q4_k));
    EXPECT_FALSE(can_encode_simple(DType::iq2_xxs));
    EXPECT_FALSE(can_encode_simple(DType::i32));
}

}  // namespace
}  // namespace hearth
