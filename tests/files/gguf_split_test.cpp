// Split sets: any part opens all of them, and whatever does not fit together is told in one report.
#include <filesystem>

#include "files/gguf.h"
#include "gguf_bytes.h"

namespace hearth {
namespace {

using test::Bytes;

struct Part {
    int64_t no, count;
    std::string tensor;
    int64_t total = -1;
};

std::string part_bytes(const Part& part) {
    Bytes file = test::gguf_front(part.tensor.empty() ? 0 : 1, part.total < 0 ? 2 : 3);
    file.key("split.no", 2).put(uint16_t(part.no));
    file.key("split.count", 2).put(uint16_t(part.count));
    if (part.total >= 0) file.key("split.tensors.count", 5).put(int32_t(part.total));
    if (!part.tensor.empty()) file.tensor(part.tensor, {8}, 0, 0).align(32).zeros(32);
    return file.text();
}

class GgufSplit : public ::testing::Test {
protected:
    std::string directory;
    void SetUp() override {
        directory = ::testing::UnitTest::GetInstance()->current_test_info()->name();
        std::filesystem::create_directories(test::temporary_directory() + "/" + directory);
    }
    std::string put(const std::string& name, const Part& part) {
        return test::write_file(directory + "/" + name, part_bytes(part));
    }
    static std::string refusal(const std::string& path) {
        const auto opened = open_gguf(path);
        EXPECT_FALSE(opened);
        return opened ? "" : opened.error().line();
    }
};

TEST_F(GgufSplit, AnyPartOpensTheSet) {
    const std::string first = put("m-00001-of-00003.gguf", {0, 3, "", 2});
    const std::string second = put("m-00002-of-00003.gguf", {1, 3, "b", 2});
    const std::string third = put("m-00003-of-00003.gguf", {2, 3, "c", 2});
    for (const std::string& path : {first, second, third}) {
        const auto opened = open_gguf(path);
        ASSERT_TRUE(opened) << opened.error().line();
        EXPECT_EQ(opened->format().parts, (std::vector<std::string>{first, second, third}));
        EXPECT_EQ(opened->tensors().size(), 2u);
        EXPECT_EQ(opened->find("b")->part, 1);
        EXPECT_EQ(opened->find("c")->part, 2);
        std::byte out[32];
        EXPECT_TRUE(opened->read(*opened->find("c"), 0, out));
        EXPECT_TRUE(opened->check_whole());
    }
}

TEST_F(GgufSplit, NamesEveryMissingPart) {
    const std::string first = put("m-00001-of-00004.gguf", {0, 4, "a"});
    put("m-00003-of-00004.gguf", {2, 4, "c"});
    const std::string text = refusal(first);
    EXPECT_NE(text.find("m-00002-of-00004.gguf"), std::string::npos) << text;
    EXPECT_NE(text.find("m-00004-of-00004.gguf"), std::string::npos) << text;
    EXPECT_EQ(text.find("m-00003"), std::string::npos) << text;
    EXPECT_NE(text.find("same directory"), std::string::npos) << text;
}

TEST_F(GgufSplit, RefusesPartsThatDoNotBelongTogether) {
    put("m-00001-of-00002.gguf", {0, 2, "a", 3});
    const std::string second = put("m-00002-of-00002.gguf", {1, 2, "a", 3});
    const std::string twice = refusal(second);
    EXPECT_NE(twice.find("'a' is in part 1 and again in part 2"), std::string::npos) << twice;
    EXPECT_NE(twice.find("split.tensors.count is 3, the parts hold 2"), std::string::npos) << twice;

    put("n-00001-of-00002.gguf", {0, 2, "a"});
    put("n-00002-of-00002.gguf", {1, 5, "b"});
    const std::string count = refusal(test::temporary_directory() + "/" + directory + "/n-00001-of-00002.gguf");
    EXPECT_NE(count.find("split.count 5"), std::string::npos) << count;
}

TEST_F(GgufSplit, TheNameMustSayWhichPartItIs) {
    EXPECT_NE(refusal(put("renamed.gguf", {1, 3, "a"})).find("not named so"), std::string::npos);
    EXPECT_NE(refusal(put("m-00002-of-00003.gguf", {0, 3, "a"})).find("not named so"), std::string::npos);
    EXPECT_NE(refusal(put("m-00003-of-00002.gguf", {2, 2, "a"})).find("part number 2 (from 0) of 2"),
              std::string::npos);
    EXPECT_NE(refusal(put("m-0000x-of-00003.gguf", {0, 3, "a"})).find("not named so"), std::string::npos);
}

TEST_F(GgufSplit, ASetOfOneIsAFile) {
    EXPECT_TRUE(open_gguf(put("alone.gguf", {0, 1, "a"})));
    EXPECT_TRUE(open_gguf(put("zero.gguf", {0, 0, "a"})));
}

}  // namespace
}  // namespace hearth
