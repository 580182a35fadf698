// Digests against the vectors the standard publishes.
#include "base/sha256.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hearth {
namespace {

std::string digest_of(std::string_view text) {
    Sha256 sum;
    sum.add(text);
    return hex_text(sum.finish());
}

TEST(Sha256, PublishedVectors) {
    EXPECT_EQ(digest_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(digest_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(digest_of(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// The padding has another form on either side of 56 and 64 bytes.
TEST(Sha256, PiecesGiveTheDigestOfTheWhole) {
    std::string text;
    for (int i = 0; i < 200; ++i) text += char('a' + i % 26);
    for (size_t length = 0; length <= text.size(); ++length) {
        const std::string whole = digest_of(text.substr(0, length));
        for (const size_t piece : {size_t{1}, size_t{7}, size_t{63}, size_t{64}, size_t{65}}) {
            Sha256 sum;
            for (size_t at = 0; at < length; at += piece)
                sum.add(std::string_view(text).substr(at, std::min(piece, length - at)));
            ASSERT_EQ(hex_text(sum.finish()), whole) << length << " bytes in pieces of " << piece;
        }
    }
}

TEST(Sha256, ComparisonSeesEveryByte) {
    std::array<std::byte, 32> a{}, b{};
    EXPECT_TRUE(equal_in_constant_time(a, b));
    for (size_t at = 0; at < a.size(); ++at) {
        b[at] = std::byte{0x80};
        EXPECT_FALSE(equal_in_constant_time(a, b)) << at;
        b[at] = std::byte{0};
    }
    EXPECT_FALSE(equal_in_constant_time(a, std::span(b).first(31)));
}

}  // namespace
}  // namespace hearth
