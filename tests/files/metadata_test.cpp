// Values and their look-ups without any file.
#include "files/metadata.h"

#include <cmath>

#include "support/shared_data.h"

namespace hearth {
namespace {

TEST(Metadata, SetReplacesAndKeepsOrder) {
    Metadata m;
    m.set("b", MetadataValue::of(uint32_t{1}));
    m.set("a", MetadataValue::text_of("x"));
    m.set("c", MetadataValue::of(true));
    m.set("b", MetadataValue::of(int64_t{-9}));
    EXPECT_EQ(m.to_json().dump(), R"({"b":-9,"a":"x","c":true})");
    const Metadata copy = m;
    m = {};
    EXPECT_EQ(copy.text("a"), "x");
    EXPECT_EQ(copy.integer("b"), -9);
    EXPECT_FALSE(m.has("a"));
}

TEST(Metadata, PrintableIsOneShortLine) {
    EXPECT_EQ(MetadataValue::text_of("a\nb").printable(), R"("a\nb")");
    EXPECT_EQ(MetadataValue::text_of(std::string(1000, 'x')).printable(10), "\"xxxxxx...");
    EXPECT_EQ(MetadataValue::of(std::vector<int32_t>{1, 2, 3}).printable(), "[1,2,3]");
    const std::string many = MetadataValue::of(std::vector<int32_t>(100000, 5)).printable(20);
    EXPECT_EQ(many, "[5,5,5,5,5,5,5,5,...");
    std::string umlauts;
    for (int i = 0; i < 100; ++i) umlauts += "\xC3\xA4";
    const std::string cut = MetadataValue::text_of(umlauts).printable(10);
    EXPECT_EQ(cut, "\"\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4...");
    EXPECT_EQ(MetadataValue::text_of("\xFF").printable(), "\"\xEF\xBF\xBD\"");
    EXPECT_EQ(MetadataValue::of(INFINITY).printable(), "null");
}

TEST(Metadata, LongArraysInJsonSayWhatIsMissing) {
    EXPECT_EQ(MetadataValue::of(std::vector<int32_t>{1, 2, 3, 4}).to_json(2).dump(), R"([1,2,"... 2 more"])");
    EXPECT_EQ(MetadataValue::texts_of({"a", "b"}).to_json(1).dump(), R"(["a","... 1 more"])");
}

TEST(Metadata, KindsDoNotMix) {
    const MetadataValue text = MetadataValue::text_of("7"), number = MetadataValue::of(7.0f),
                        flag = MetadataValue::of(true);
    EXPECT_EQ(text.integer(), std::nullopt);
    EXPECT_EQ(text.number(), std::nullopt);
    EXPECT_EQ(number.integer(), std::nullopt);
    EXPECT_EQ(flag.integer(), std::nullopt);
    EXPECT_EQ(flag.number(), std::nullopt);
    EXPECT_FALSE(text.texts());
    EXPECT_FALSE(number.numbers());
    EXPECT_FALSE(MetadataValue::of(std::vector<float>{1}).integers());
    EXPECT_FALSE(MetadataValue::of(std::vector<uint64_t>{~uint64_t{0}}).integers());
    EXPECT_TRUE(MetadataValue::of(std::vector<uint64_t>{~uint64_t{0}}).numbers());
    EXPECT_FALSE(MetadataValue::of(std::vector<int32_t>{1}).bytes());
    EXPECT_EQ(MetadataValue::of(std::vector<double>{0.5}).numbers(), std::vector<float>{0.5f});
}

}  // namespace
}  // namespace hearth
