#include "base/base64.h"

#include <gtest/gtest.h>

#include <string_view>

namespace hearth::test {
namespace {

std::string encoded(std::string_view text) {
    return base64(std::as_bytes(std::span(text)));
}

TEST(Base64, IsThatOfTheStandard) {
    EXPECT_EQ(encoded(""), "");
    EXPECT_EQ(encoded("f"), "Zg==");
    EXPECT_EQ(encoded("fo"), "Zm8=");
    EXPECT_EQ(encoded("foo"), "Zm9v");
    EXPECT_EQ(encoded("foobar"), "Zm9vYmFy");
    EXPECT_EQ(encoded("\xff\xfe\xfb\xef"), "//777w==");
}

}  // namespace
}  // namespace hearth::test
