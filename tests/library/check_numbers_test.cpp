// Broken weights are found wherever they stand, in plain and in quantised tensors, and named.
#include "library/check_numbers.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "files/gguf.h"
#include "files/gguf_writer.h"
#include "support/shared_data.h"

namespace hearth {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Model {
    std::vector<float> plain = std::vector<float>(3 * 70000, 0.5f);
    std::vector<std::byte> blocks = std::vector<std::byte>(size_t(row_bytes(DType::q8_0, 4 * 64)));

    Result<> check(const std::function<bool(double)>& progress = {}) const {
        const std::string path = test::temporary_directory() + "/weights.gguf";
        GgufWriter writer(path);
        writer.declare("a.weight", DType::f32, {3, 70000});
        writer.declare("b.weight", DType::q8_0, {4, 64});
        TRY(writer.start());
        TRY(writer.write(std::as_bytes(std::span(plain))));
        TRY(writer.write(blocks));
        TRY(writer.finish());
        return check_numbers(TRY(open_gguf(path)), progress);
    }
};

TEST(CheckNumbers, WholeModelsPass) {
    std::vector<double> shares;
    const auto checked = Model().check([&](double share) { return shares.push_back(share), true; });
    EXPECT_TRUE(checked) << checked.error().line();
    ASSERT_FALSE(shares.empty());
    EXPECT_EQ(shares.back(), 1);
}

TEST(CheckNumbers, WhatIsNoNumberIsNamedWithItsPlace) {
    Model model;
    model.plain[2 * 70000 + 69999] = kNaN;
    model.plain[70000 + 12] = -std::numeric_limits<float>::infinity();
    // A q8_0 block: a scale, then 32 codes.
    const uint16_t infinite_scale = 0x7c00;  // f16
    std::byte* block = &model.blocks[size_t(row_bytes(DType::q8_0, 2 * 64 + 32))];
    std::memcpy(block, &infinite_scale, 2);
    block[2] = std::byte{1};
    const auto checked = model.check();
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().kind, ErrorKind::bad_file);
    EXPECT_EQ(checked.error().what,
              "2 of 2 tensors hold values that are no numbers: a.weight has 2 (the first in row 1, column 12); "
              "b.weight has 32 (the first in row 2, column 32)");
}

TEST(CheckNumbers, ItCanBeGivenUp) {
    const auto checked = Model().check([](double) { return false; });
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().kind, ErrorKind::cancelled);
}

}  // namespace
}  // namespace hearth
