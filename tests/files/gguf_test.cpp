// Files that are right, or wrong only in ways a reader must forgive.
#include "files/gguf.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "gguf_bytes.h"

namespace hearth {
namespace {

using test::Bytes;
using test::gguf_front;
using test::write_file;

TEST(Gguf, ReadsEveryMetadataType) {
    Bytes file = gguf_front(0, 16);
    file.key("u8", 0).put(uint8_t{200});
    file.key("i8", 1).put(int8_t{-100});
    file.key("u16", 2).put(uint16_t{60000});
    file.key("i16", 3).put(int16_t{-30000});
    file.key("u32", 4).put(uint32_t{4000000000u});
    file.key("i32", 5).put(int32_t{-2000000000});
    file.key("f32", 6).put(1e-6f);
    file.key("bool", 7).put(uint8_t{2});  // any non-zero byte is true
    file.key("string", 8).str("h\xC3\xB6r");
    file.key("u64", 10).put(~uint64_t{0});
    file.key("i64", 11).put(int64_t{-5000000000});
    file.key("f64", 12).put(0.1);
    file.key("bools", 9).put(uint32_t{7}).put(uint64_t{3}).put(uint8_t{0}).put(uint8_t{1}).put(uint8_t{9});
    file.key("floats", 9).put(uint32_t{6}).put(uint64_t{2}).put(0.5f).put(-2.0f);
    file.key("bytes", 9).put(uint32_t{0}).put(uint64_t{3}).raw("xyz");
    file.key("none", 9).put(uint32_t{8}).put(uint64_t{0});
    const auto opened = open_gguf(write_file("types.gguf", file.text()));
    ASSERT_TRUE(opened) << opened.error().line();
    const Metadata& m = opened->metadata();
    EXPECT_EQ(m.integer("u8"), 200);
    EXPECT_EQ(m.integer("i8"), -100);
    EXPECT_EQ(m.integer("u16"), 60000);
    EXPECT_EQ(m.integer("i16"), -30000);
    EXPECT_EQ(m.integer("u32"), 4000000000);
    EXPECT_EQ(m.integer("i32"), -2000000000);
    EXPECT_EQ(m.integer("i64"), -5000000000);
    EXPECT_EQ(m.integer("u64"), std::nullopt);
    EXPECT_EQ(m.integer("bool"), std::nullopt);
    EXPECT_EQ(m.integer("f32"), std::nullopt);
    EXPECT_EQ(m.number("u64"), 18446744073709551615.0);
    EXPECT_EQ(m.number("f32"), double(1e-6f));
    EXPECT_EQ(m.number("f64"), 0.1);
    EXPECT_EQ(m.number("i16"), -30000.0);
    EXPECT_EQ(m.boolean("bool"), true);
    EXPECT_EQ(m.boolean("u8"), std::nullopt);
    EXPECT_EQ(m.text("string"), "h\xC3\xB6r");
    EXPECT_EQ(m.integers("bools"), (std::vector<int64_t>{0, 1, 1}));
    EXPECT_EQ(m.numbers("floats"), (std::vector<float>{0.5f, -2.0f}));
    EXPECT_EQ(m.integers("bytes"), (std::vector<int64_t>{'x', 'y', 'z'}));
    ASSERT_TRUE(m.bytes("bytes"));
    EXPECT_EQ(m.bytes("bytes")->size(), 3u);
    ASSERT_TRUE(m.texts("none"));
    EXPECT_TRUE(m.texts("none")->empty());
    EXPECT_EQ(m.find("absent"), nullptr);
    EXPECT_EQ(m.integer("absent"), std::nullopt);
    EXPECT_EQ(m.entries()[4].key, "u32");  // file order
    EXPECT_EQ(
        m.to_json().dump(),
        R"({"u8":200,"i8":-100,"u16":60000,"i16":-30000,"u32":4000000000,"i32":-2000000000,"f32":1e-06,"bool":true,)"
        "\"string\":\"h\xC3\xB6r\","
        R"("u64":18446744073709551615,"i64":-5000000000,"f64":0.1,"bools":[false,true,true],"floats":[0.5,-2],)"
        R"("bytes":[120,121,122],"none":[]})");
}

TEST(Gguf, PlacesTensors) {
    const auto opened = open_gguf(write_file("small.gguf", test::small_valid_file()));
    ASSERT_TRUE(opened) << opened.error().line();
    ASSERT_EQ(opened->tensors().size(), 3u);
    const StoredTensor* a = opened->find("a");
    ASSERT_NE(a, nullptr);
    EXPECT_EQ(a->shape, (std::vector<int64_t>{2, 4}));  // outermost first
    EXPECT_EQ(a->elements(), 8);
    EXPECT_EQ(a->data.size(), 32u);
    EXPECT_EQ(reinterpret_cast<const float*>(a->data.data())[5], 5.0f);
    const StoredTensor* b = opened->find("b");
    EXPECT_EQ(b->type, DType::q8_0);
    EXPECT_EQ(b->data.size(), 34u);
    EXPECT_EQ(b->data[33], std::byte{33});
    const StoredTensor* c = opened->find("c");
    EXPECT_EQ(c->shape, std::vector<int64_t>{1});  // no dimensions: one value
    EXPECT_EQ(c->data[0], std::byte(0xFB));
    EXPECT_EQ(opened->find("d"), nullptr);
    EXPECT_EQ(opened->format().version, 3u);
    EXPECT_EQ(opened->format().alignment, 32u);
    std::byte two[2];
    ASSERT_TRUE(opened->read(*b, 32, two));
    EXPECT_EQ(two[1], std::byte{33});
    EXPECT_FALSE(opened->read(*b, 33, two));
    EXPECT_FALSE(opened->read(*b, UINT64_MAX, two));
    opened->release(*a);
    EXPECT_EQ(reinterpret_cast<const float*>(a->data.data())[5], 5.0f);  // read again from the file
}

TEST(Gguf, VersionsAndAlignmentsOfOneModelAreTheSame) {
    NEED_SHARED("reference/gguf/small.gguf");
    const auto base = open_gguf(test::shared_path("reference/gguf/small.gguf"));
    ASSERT_TRUE(base) << base.error().line();
    ASSERT_EQ(base->tensors().size(), 21u);
    EXPECT_EQ(base->metadata().text("general.architecture"), "llama");
    EXPECT_EQ(base->metadata().texts("tokenizer.ggml.tokens")->size(), 288u);
    const std::pair<const char*, uint64_t> others[] = {{"small-v2.gguf", 32},
                                                       {"small-align64.gguf", 64},
                                                       {"small-00001-of-00003.gguf", 32},
                                                       {"small-00003-of-00003.gguf", 32}};
    for (const auto& [name, alignment] : others) {
        const auto other = open_gguf(test::shared_path(std::string("reference/gguf/") + name));
        ASSERT_TRUE(other) << other.error().line();
        EXPECT_EQ(other->format().alignment, alignment) << name;
        EXPECT_EQ(other->metadata().text("tokenizer.ggml.model"), "gpt2") << name;
        ASSERT_EQ(other->tensors().size(), base->tensors().size()) << name;
        for (const StoredTensor& tensor : base->tensors()) {
            const StoredTensor* same = other->find(tensor.name);
            ASSERT_NE(same, nullptr) << name << " " << tensor.name;
            EXPECT_EQ(same->shape, tensor.shape) << name << " " << tensor.name;
            EXPECT_EQ(same->type, tensor.type) << name << " " << tensor.name;
            EXPECT_TRUE(std::ranges::equal(same->data, tensor.data)) << name << " " << tensor.name;
            std::vector<std::byte> copy(same->data.size());
            ASSERT_TRUE(other->read(*same, 0, copy));
            EXPECT_TRUE(std::ranges::equal(copy, tensor.data)) << name << " " << tensor.name;
        }
    }
    EXPECT_EQ(open_gguf(test::shared_path("reference/gguf/small-v2.gguf"))->format().version, 2u);
    EXPECT_EQ(open_gguf(test::shared_path("reference/gguf/small-00002-of-00003.gguf"))->format().parts.size(), 3u);
}

TEST(Gguf, EveryRecordedModelOpens) {
    NEED_SHARED("reference/qwen35/moe.gguf");
    size_t opened = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(test::shared_path("reference"))) {
        if (entry.path().extension() != ".gguf") continue;
        const auto checkpoint = open_gguf(entry.path());
        EXPECT_TRUE(checkpoint) << checkpoint.error().line();
        ++opened;
    }
    EXPECT_GE(opened, 70u);
    const auto matrix = open_gguf(test::shared_path("reference/gguf/imatrix-moe.gguf"));
    ASSERT_TRUE(matrix);
    EXPECT_EQ(matrix->metadata().text("general.type"), "imatrix");
    EXPECT_FALSE(matrix->metadata().has("general.architecture"));
}

TEST(Gguf, ForgivesGapsAndMissingPadding) {
    Bytes file = gguf_front(2, 1);
    file.key("general.alignment", 0).put(uint8_t{8});  // written as u8 by somebody
    file.tensor("late", {2}, 0, 64).tensor("early", {1}, 30, 8);
    file.align(8).zeros(8).raw("ab").zeros(54).put(1.0f).put(2.0f);
    const auto opened = open_gguf(write_file("gaps.gguf", file.text()));
    ASSERT_TRUE(opened) << opened.error().line();
    EXPECT_EQ(opened->find("early")->data[0], std::byte{'a'});
    EXPECT_EQ(reinterpret_cast<const float*>(opened->find("late")->data.data())[1], 2.0f);
    // No tensors, and a header that ends without padding.
    EXPECT_TRUE(open_gguf(write_file("bare.gguf", gguf_front(0, 0).text())));
    Bytes odd = gguf_front(0, 1);
    odd.key("k", 0).put(uint8_t{1});
    EXPECT_TRUE(open_gguf(write_file("odd.gguf", odd.text())));
}

TEST(Gguf, ChecksWhetherTheFileIsStillWhole) {
    const std::string path = write_file("shrinks.gguf", test::small_valid_file());
    const auto opened = open_gguf(path);
    ASSERT_TRUE(opened);
    EXPECT_TRUE(opened->check_whole());
    ASSERT_EQ(truncate(path.c_str(), 100), 0);
    const auto whole = opened->check_whole();
    ASSERT_FALSE(whole);
    EXPECT_NE(whole.error().line().find("became shorter"), std::string::npos) << whole.error().line();
    std::byte out[8];
    EXPECT_FALSE(opened->read(*opened->find("a"), 0, out));
    EXPECT_EQ(opened->metadata().text("general.architecture"), "toy");  // metadata is not read through the mapping
    EXPECT_EQ(opened->metadata().texts("texts")->back(), "b c");
}

TEST(Gguf, MovesKeepViewsAlive) {
    auto first = open_gguf(write_file("moved.gguf", test::small_valid_file()));
    ASSERT_TRUE(first);
    const Checkpoint second = std::move(*first);
    EXPECT_EQ(second.metadata().texts("texts")->back(), "b c");
    EXPECT_EQ(second.find("b")->data[33], std::byte{33});
    const Metadata copy = second.metadata();
    EXPECT_EQ(copy.text("general.architecture"), "toy");
}

// Two arrays of 250 000 short texts. The bound is fifty times the quiet-machine figure, so only a change of order of
// growth fails.
TEST(Gguf, LargeVocabulariesOpenFast) {
    Bytes file = gguf_front(0, 2);
    for (const char* key : {"tokens", "merges"}) {
        file.key(key, 9).put(uint32_t{8}).put(uint64_t{250000});
        for (int i = 0; i < 250000; ++i) file.str("word" + std::to_string(i * 7919 % 250000));
    }
    const std::string path = write_file("vocabulary.gguf", file.text());
    const auto start = std::chrono::steady_clock::now();
    const auto opened = open_gguf(path);
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    ASSERT_TRUE(opened);
    RecordProperty("open_ms", std::to_string(ms));
    EXPECT_EQ((*opened->metadata().texts("merges"))[249999], "word" + std::to_string(249999 * 7919 % 250000));
    EXPECT_LT(ms, 500);
}

}  // namespace
}  // namespace hearth
