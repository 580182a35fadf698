// What the system tells us, as far as it can be checked from inside.
#include "base/os.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <thread>
#include <vector>

namespace hearth {
namespace {

TEST(Pages, ZeroFilledAlignedAndMovable) {
    for (const size_t bytes : {size_t{1}, size_t{4096}, size_t{100000}, size_t{9} << 20}) {
        auto pages = Pages::allocate(bytes);
        ASSERT_TRUE(pages) << bytes;
        EXPECT_EQ(pages->size(), bytes);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(pages->data()) % (bytes >= 4 << 20 ? size_t{2} << 20 : 64), 0u) << bytes;
        EXPECT_TRUE(std::all_of(pages->data(), pages->data() + bytes, [](std::byte b) { return b == std::byte{0}; }));
        pages->data()[bytes - 1] = std::byte{7};
        const Pages moved = std::move(*pages);
        EXPECT_EQ(moved.data()[bytes - 1], std::byte{7});
        EXPECT_EQ(pages->data(), nullptr);
    }
    EXPECT_TRUE(Pages::allocate(0));
    const auto refused = Pages::allocate(SIZE_MAX - 100);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::out_of_memory);
    EXPECT_FALSE(Pages::allocate(size_t{1} << 60));
}

TEST(Os, FiguresArePlausible) {
    EXPECT_GE(physical_cores_allowed(), 1);
    EXPECT_LE(physical_cores_allowed(), int(std::max(1u, std::thread::hardware_concurrency())));
    EXPECT_GT(memory_available_bytes(), uint64_t{1} << 20);
    const double before = monotonic_seconds();
    EXPECT_GE(monotonic_seconds(), before);
    EXPECT_FALSE(machine_name().empty());
}

TEST(Os, TouchedPagesCountAsResident) {
    const uint64_t before = resident_anonymous_bytes();
    auto pages = Pages::allocate(size_t{64} << 20);
    ASSERT_TRUE(pages);
    for (size_t i = 0; i < pages->size(); i += 4096) pages->data()[i] = std::byte{1};
    EXPECT_GE(resident_anonymous_bytes(), before + (uint64_t{60} << 20));
}

TEST(Os, SecretsDiffer) {
    std::array<std::byte, 32> first{}, second{};
    ASSERT_TRUE(secure_random(first));
    ASSERT_TRUE(secure_random(second));
    EXPECT_NE(first, second);
    EXPECT_NE(first, (std::array<std::byte, 32>{}));
    std::vector<std::byte> long_one(1 << 20);  // more than the system gives at once
    ASSERT_TRUE(secure_random(long_one));
    EXPECT_FALSE(std::all_of(long_one.end() - 64, long_one.end(), [](std::byte b) { return b == std::byte{0}; }));
}

TEST(Os, ClockTellsTheYear) {
    EXPECT_GT(unix_milliseconds(), int64_t{1767225600000});  // 2026
    EXPECT_LT(unix_milliseconds(), int64_t{7258118400000});  // 2200
}

TEST(Os, EnvironmentIsEmptyWhenUnset) {
    unsetenv("HEARTH_TEST_VARIABLE");
    EXPECT_EQ(environment("HEARTH_TEST_VARIABLE"), "");
    setenv("HEARTH_TEST_VARIABLE", "x", 1);
    EXPECT_EQ(environment("HEARTH_TEST_VARIABLE"), "x");
}

}  // namespace
}  // namespace hearth
