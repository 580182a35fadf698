// Streaming output: every way to cut the bytes gives the same text, and none shows half a character.
#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "tokenizer_vocabularies.h"

namespace hearth {
namespace {

std::string in_chunks(std::string_view bytes, size_t chunk) {
    Utf8Stream stream;
    std::string out;
    for (size_t at = 0; at < bytes.size(); at += chunk) out += stream.push(bytes.substr(at, chunk));
    return out + stream.finish();
}

TEST(Utf8Stream, HoldsBackUnfinishedCharacters) {
    Utf8Stream stream;
    EXPECT_EQ(stream.push("a\xF0\x9F"), "a");
    EXPECT_EQ(stream.push("\x98"), "");
    EXPECT_EQ(stream.push("\x80!"), "\U0001F600!");
    EXPECT_EQ(stream.push("\xE2\x82"), "");
    EXPECT_EQ(stream.finish(), "\uFFFD");
    EXPECT_EQ(stream.finish(), "");
}

// The substitution of maximal parts: examples of the Unicode standard, tables 3-8 to 3-11.
TEST(Utf8Stream, ReplacesMaximalInvalidParts) {
    const std::string r = "\uFFFD";
    const std::pair<std::string, std::string> cases[] = {
        {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", r + r + r + r + r + r + r + r + "A"},
        {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", r + r + r + r + r + r + r + r + "A"},
        {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", r + r + r + r + r + "A" + r + r + "B"},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", r + r + r + r + "A"},
    };
    for (const auto& [bytes, text] : cases)
        for (size_t chunk = 1; chunk <= bytes.size(); ++chunk) EXPECT_EQ(in_chunks(bytes, chunk), text) << chunk;
}

TEST(Utf8Stream, DoesNotDependOnTheCuts) {
    Rng random(7);
    for (int round = 0; round < 300; ++round) {
        std::string bytes;
        for (int i = 0; i < 60; ++i) {
            static const std::string kParts[] = {"a",    "\xC3", "\xA9", "\xE2", "\x82",     "\xAC",       "\xF0",
                                                 "\x9F", "\x98", "\x80", "\xFF", "\xED\xA0", "\U0001F600", "é"};
            bytes += kParts[random.next() % std::size(kParts)];
        }
        const std::string whole = in_chunks(bytes, bytes.size());
        for (size_t chunk = 1; chunk < 8; ++chunk) ASSERT_EQ(in_chunks(bytes, chunk), whole);
    }
}

TEST(Detokenizer, ShowsWhatDecodeShows) {
    const auto vocabulary = small_bpe();
    const auto tokenizer = Tokenizer::make(vocabulary->source);
    ASSERT_TRUE(tokenizer) << tokenizer.error().line();
    std::vector<int32_t> ids;
    ASSERT_TRUE((*tokenizer)->encode("hello \U0001F600 w\u00F6rld<|im_end|>", {.parse_special = true}, ids));
    EXPECT_EQ((*tokenizer)->decode(ids, true), "hello \U0001F600 w\u00F6rld<|im_end|>");
    for (const bool show : {false, true}) {
        Detokenizer detokenizer(**tokenizer, show);
        std::string text;
        for (const int32_t id : ids) {
            const std::string part = detokenizer.push(id);
            EXPECT_EQ(in_chunks(part, part.size() + 1), part) << "half a character";
            text += part;
        }
        EXPECT_EQ(text + detokenizer.finish(), (*tokenizer)->decode(ids, show));
    }
    Detokenizer detokenizer(**tokenizer);
    EXPECT_EQ(detokenizer.push(-1) + detokenizer.push(1 << 30), "");  // ids from nowhere are no text
}

struct Stopped {
    std::string text;
    std::optional<size_t> by;
    bool operator==(const Stopped&) const = default;
};

Stopped stop(const std::vector<std::string>& stops, std::string_view text, size_t chunk) {
    StopStrings watch(stops);
    Stopped result;
    for (size_t at = 0; at < text.size(); at += chunk) {
        const auto step = watch.push(text.substr(at, chunk));
        result.text += step.text;
        if (step.stopped) {
            result.by = step.stopped;
            return result;
        }
    }
    result.text += watch.finish();
    return result;
}

// The plain definition: the stop string that ends first, among those the longest.
Stopped stop_reference(const std::vector<std::string>& stops, std::string_view text) {
    for (size_t end = 1; end <= text.size(); ++end) {
        std::optional<size_t> by;
        for (size_t i = 0; i < stops.size(); ++i)
            if (!stops[i].empty() && text.substr(0, end).ends_with(stops[i]) &&
                (!by || stops[i].size() > stops[*by].size()))
                by = i;
        if (by) return {std::string(text.substr(0, end - stops[*by].size())), by};
    }
    return {std::string(text), std::nullopt};
}

TEST(StopStrings, HoldBackOnlyWhatCouldBecomeOne) {
    StopStrings watch({"\nUser:", "###"});
    EXPECT_EQ(watch.push("Hi ").text, "Hi ");
    EXPECT_EQ(watch.push("there\nUs").text, "there");
    EXPECT_EQ(watch.push("ing ##").text, "\nUsing ");
    EXPECT_EQ(watch.push("x#").text, "##x");
    const auto step = watch.push("##ignored");
    EXPECT_EQ(step.text, "");
    EXPECT_EQ(step.stopped, std::optional<size_t>(1));
}

TEST(StopStrings, DoNotDependOnTheCuts) {
    Rng random(3);
    for (int round = 0; round < 2000; ++round) {
        const auto word = [&](size_t most) {
            std::string text;
            for (size_t n = random.next() % (most + 1); n > 0; --n) text += char('a' + random.next() % 2);
            return text;
        };
        const std::vector<std::string> stops = {word(5), word(3), word(7)};
        const std::string text = word(30);
        const auto expected = stop_reference(stops, text);
        for (size_t chunk = 1; chunk < 6; ++chunk) {
            const auto got = stop(stops, text, chunk);
            ASSERT_EQ(got.text, expected.text) << text << " chunk " << chunk;
            ASSERT_EQ(got.by, expected.by) << text;
        }
    }
}

}  // namespace
}  // namespace hearth
