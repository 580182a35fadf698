// UTF-8 repair against an independent decoder, and the small formats for people.
#include "base/text_format.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "base/rng.h"

namespace hearth {
namespace {

// One code point at `at` by the definition: decode, then refuse what must not be written that way.
std::optional<size_t> valid_length(std::string_view text, size_t at) {
    const auto byte = [&](size_t i) { return i < text.size() ? uint8_t(text[i]) : 0u; };
    const uint32_t lead = byte(at);
    const size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (length == 0 || at + length > text.size()) return std::nullopt;
    uint32_t code = length == 1 ? lead : lead & (0x7Fu >> length);
    for (size_t i = 1; i < length; ++i) {
        if (byte(at + i) >> 6 != 2) return std::nullopt;
        code = code << 6 | (byte(at + i) & 63);
    }
    static constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < kSmallest[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return std::nullopt;
    return length;
}

// A maximal invalid part: the longest piece that begins some valid code point, at least one byte.
size_t invalid_length(std::string_view text, size_t at) {
    const auto begins_something = [&](size_t length) {
        std::string piece(text.substr(at, length));
        // Any completion with continuation bytes will do; the second byte decides, so try its whole range.
        for (size_t total = length + 1; total <= 4; ++total)
            for (int second = 0x80; second < 0xC0; ++second) {
                std::string whole = piece;
                if (whole.size() == 1) whole += char(second);
                whole.resize(total, char(0x80));
                if (valid_length(whole, 0) == total) return true;
            }
        return false;
    };
    size_t length = 1;
    while (length < 3 && at + length < text.size() && begins_something(length + 1)) ++length;
    return length;
}

std::string repaired(std::string_view text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
        if (const auto length = valid_length(text, at)) {
            out += text.substr(at, *length);
            at += *length;
        } else {
            out += "\xEF\xBF\xBD";
            at += invalid_length(text, at);
        }
    }
    return out;
}

TEST(Utf8, KnownRepairs) {
    const std::string r = "\xEF\xBF\xBD";
    EXPECT_EQ(valid_utf8("plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80"),
              "plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80");
    EXPECT_EQ(valid_utf8("\x80"), r);
    EXPECT_EQ(valid_utf8("\xC0\xAF"), r + r);  // overlong
    EXPECT_EQ(valid_utf8("\xE2\x82"), r);      // cut short: one part
    EXPECT_EQ(valid_utf8("\xE2\x82"
                         "A"),
              r + "A");
    EXPECT_EQ(valid_utf8("\xED\xA0\x80"), r + r + r);          // surrogate
    EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80"), r + r + r + r);  // above U+10FFFF
    EXPECT_EQ(valid_utf8("\xF0\x9F\x98"), r);
    EXPECT_EQ(valid_utf8("\xF0\x80\x80\x80"), r + r + r + r);
    EXPECT_EQ(valid_utf8(std::string_view("\0", 1)), std::string("\0", 1));
}

TEST(Utf8, EveryPairAndManyLongerStrings) {
    for (int a = 0; a < 256; ++a)
        for (int b = 0; b < 256; ++b) {
            const std::string text = {char(a), char(b)};
            ASSERT_EQ(valid_utf8(text), repaired(text)) << a << " " << b;
        }
    // Bytes that matter, drawn at random.
    static constexpr uint8_t kBytes[] = {0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
                                         0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    Rng rng(1);
    for (int round = 0; round < 50000; ++round) {
        std::string text;
        for (uint64_t length = rng.below(9); length > 0; --length) text += char(kBytes[rng.below(std::size(kBytes))]);
        ASSERT_EQ(valid_utf8(text), repaired(text));
    }
}

TEST(TextFormat, Bytes) {
    EXPECT_EQ(bytes_text(0), "0 B");
    EXPECT_EQ(bytes_text(1023), "1023 B");
    EXPECT_EQ(bytes_text(1024), "1.00 KiB");
    EXPECT_EQ(bytes_text(640 << 10), "640 KiB");
    EXPECT_EQ(bytes_text(uint64_t{5} << 30), "5.00 GiB");
    EXPECT_EQ(bytes_text(~uint64_t{0}), "16777216 TiB");
}

TEST(TextFormat, Durations) {
    EXPECT_EQ(duration_text(0.85), "850 ms");
    EXPECT_EQ(duration_text(12), "12 s");
    EXPECT_EQ(duration_text(200), "3 min 20 s");
}

}  // namespace
}  // namespace hearth
