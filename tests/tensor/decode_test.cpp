// Every format against recorded blocks: bit for bit, quantised rows and random bits alike.
#include "tensor/decode.h"

#include <array>
#include <cmath>
#include <cstring>

#include "support/shared_data.h"
#include "tensor/formats/codebooks.h"
#include "tensor/formats/fp4.h"
#include "tensor/formats/iq4_nl.h"

namespace hearth {
namespace {

std::string reference_name(std::string_view dtype) {  // "q4_k" -> "Q4_K"
    std::string name(dtype);
    for (char& c : name) c = char(std::toupper(c));
    return name;
}

std::string path_of(std::string_view dtype, const char* suffix) {
    return test::shared_path("reference/quants/" + reference_name(dtype) + suffix);
}

// -0 and +0 count as equal; NaN never occurs in the recorded values.
void expect_same_values(const std::vector<float>& got, const std::vector<float>& want, std::string_view name) {
    ASSERT_EQ(got.size(), want.size()) << name;
    size_t wrong = 0;
    for (size_t i = 0; i < got.size(); ++i)
        if (got[i] != want[i] && ++wrong <= 3)
            ADD_FAILURE() << name << " element " << i << ": " << got[i] << ", expected " << want[i];
    EXPECT_EQ(wrong, 0u) << name;
}

void compare(const DTypeInfo& type, const char* blocks_suffix, const char* values_suffix, size_t elements) {
    const auto blocks = test::read_bytes(path_of(type.name, blocks_suffix));
    const auto want = test::read_floats(path_of(type.name, values_suffix));
    ASSERT_EQ(want.size(), elements) << type.name;
    ASSERT_EQ(int64_t(blocks.size()), row_bytes(type.type, int64_t(elements))) << type.name;
    // At an odd address: the blocks of a file are not aligned.
    std::vector<std::byte> shifted(blocks.size() + 1);
    std::memcpy(shifted.data() + 1, blocks.data(), blocks.size());
    std::vector<float> got(elements, -1e30f);
    decode(type.type, shifted.data() + 1, int64_t(elements), got.data());
    expect_same_values(got, want, type.name);
}

TEST(Decode, QuantisedRowsBitForBit) {
    NEED_SHARED("reference/quants/manifest.json");
    size_t compared = 0;
    for (const DTypeInfo& type : dtypes())
        if (type.is_weight) compare(type, ".blocks.bin", ".deq.f32", 20 * 1024), ++compared;
    EXPECT_EQ(compared, 28u);
}

TEST(Decode, RandomBitsBitForBit) {
    NEED_SHARED("reference/quants/manifest.json");
    for (const DTypeInfo& type : dtypes())
        if (type.is_weight && type.type != DType::f32) compare(type, ".fuzz.bin", ".fuzz.f32", 16384);
}

TEST(Decode, OneBlockAtATimeIsTheSame) {
    NEED_SHARED("reference/quants/manifest.json");
    for (const DTypeInfo& type : dtypes()) {
        if (!type.is_weight) continue;
        const auto blocks = test::read_bytes(path_of(type.name, ".blocks.bin"));
        const int64_t elements = 1024;
        std::vector<float> whole(elements), pieces(elements);
        decode(type.type, blocks.data(), elements, whole.data());
        for (int64_t at = 0; at < elements; at += type.block_elements)
            decode(type.type, blocks.data() + row_bytes(type.type, at), type.block_elements, pieces.data() + at);
        EXPECT_EQ(std::memcmp(whole.data(), pieces.data(), elements * sizeof(float)), 0) << type.name;
    }
}

TEST(Decode, Integers) {
    const int8_t i8[] = {-128, 0, 127};
    const int16_t i16[] = {-32768, 1, 32767};
    const int32_t i32[] = {INT32_MIN, 5, 1 << 24};
    const int64_t i64[] = {INT64_MIN, -1, int64_t{1} << 40};
    const double f64[] = {0.1, -1e-60, 3.5};
    float out[3];
    const auto check = [&](DType type, const auto& values) {
        decode(type, reinterpret_cast<const std::byte*>(values), 3, out);
        for (int i = 0; i < 3; ++i) EXPECT_EQ(out[i], float(values[i])) << name_of(type);
    };
    check(DType::i8, i8);
    check(DType::i16, i16);
    check(DType::i32, i32);
    check(DType::i64, i64);
    check(DType::f64, f64);
}

template <class Grid>
void expect_table(const Grid& grid, const char* file) {
    const auto bytes = test::read_bytes(test::shared_path(std::string("reference/quants/tables/") + file));
    ASSERT_EQ(bytes.size(), sizeof grid) << file;
    EXPECT_EQ(std::memcmp(bytes.data(), grid.data(), bytes.size()), 0) << file;
}

TEST(Decode, TablesAgreeWithTheRecordedOnes) {
    NEED_SHARED("reference/quants/tables/README.md");
    expect_table(kIq2XxsGrid, "iq2_xxs_grid.u8.bin");
    expect_table(kIq2XsGrid, "iq2_xs_grid.u8.bin");
    expect_table(kIq2SGrid, "iq2_s_grid.u8.bin");
    expect_table(kIq3XxsGrid, "iq3_xxs_grid.u8.bin");
    expect_table(kIq3SGrid, "iq3_s_grid.u8.bin");
    expect_table(kIq1Grid, "iq1_grid.i8.bin");
    expect_table(std::to_array(kIq4Levels), "iq4_nl_values.i8.bin");
    expect_table(std::to_array(kFp4Doubled), "fp4_values_doubled.i8.bin");
    std::array<uint8_t, 128> signs;
    for (uint32_t code = 0; code < 128; ++code) signs[code] = sign_byte(code);
    expect_table(signs, "sign_bytes_128.u8.bin");
    std::array<float, 256> scales;
    for (int byte = 0; byte < 256; ++byte) scales[size_t(byte)] = ue4m3(uint8_t(byte));
    expect_table(scales, "ue4m3_scale_256.f32.bin");
}

TEST(Decode, PowerOfTwoScalesAreExact) {
    for (int e = 0; e < 256; ++e) EXPECT_EQ(e8m0_halved(uint8_t(e)), std::ldexp(1.0f, e - 128)) << e;
}

}  // namespace
}  // namespace hearth
