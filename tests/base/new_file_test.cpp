// Files that appear whole or not at all, and the checksum that tells whether one still is what was written.
#include "base/new_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "base/rng.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

class NewFileTest : public testing::Test {
protected:
    void SetUp() override {
        folder = fs::path(testing::TempDir()) /
                 ("new_file_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
        fs::remove_all(folder);
        fs::create_directories(folder);
    }
    void TearDown() override { fs::remove_all(folder); }
    int64_t files() const { return std::distance(fs::directory_iterator(folder), fs::directory_iterator()); }
    static std::string content(const fs::path& path) {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    static std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

    fs::path folder;
};

TEST_F(NewFileTest, HasItsNameOnlyOnceItIsWhole) {
    const fs::path path = folder / "text";
    std::ofstream(path) << "before";
    auto file = NewFile::create(path.string());
    ASSERT_TRUE(file.has_value());
    ASSERT_TRUE(file->write(bytes_of("one ")) && file->write(bytes_of("two")));
    EXPECT_EQ(content(path), "before");
    NewFile moved = std::move(*file);
    ASSERT_TRUE(moved.finish().has_value());
    EXPECT_EQ(content(path), "one two");
    EXPECT_EQ(files(), 1);
    EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(NewFileTest, IsGoneWhenItIsNotFinished) {
    {
        auto one = NewFile::create((folder / "text").string()), other = NewFile::create((folder / "text").string());
        ASSERT_TRUE(one && other && one->write(bytes_of("half")));
        EXPECT_EQ(files(), 2);  // side by side
        for (const auto& entry : fs::directory_iterator(folder))
            EXPECT_TRUE(entry.path().string().ends_with(NewFile::kEnding));
    }
    EXPECT_EQ(files(), 0);
}

TEST_F(NewFileTest, WhatCannotBeWrittenIsNamed) {
    const auto file = NewFile::create((folder / "missing" / "text").string());
    ASSERT_FALSE(file.has_value());
    EXPECT_NE(file.error().what.find("missing/text"), std::string::npos) << file.error().what;
}

uint64_t sum_of(std::span<const std::byte> bytes) {
    Checksum sum;
    sum.add(bytes);
    return sum.value();
}

TEST(Checksum, EveryFlippedBitAndEveryLengthShows) {
    Rng rng(1);
    std::vector<std::byte> bytes(77);
    for (std::byte& byte : bytes) byte = std::byte(rng.below(256));
    std::set<uint64_t> sums{sum_of(bytes)};
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] ^= std::byte(1 << bit % 8);
        sums.insert(sum_of(bytes));
        bytes[bit / 8] ^= std::byte(1 << bit % 8);
    }
    EXPECT_EQ(sums.size(), 1 + bytes.size() * 8);
    std::vector<std::byte> zeros;
    for (int length = 0; length < 100; ++length, zeros.push_back({})) sums.insert(sum_of(zeros));
    EXPECT_EQ(sums.size(), 1 + bytes.size() * 8 + 100);
}

// In containers every start has the same number, so names that a process which was killed left behind come again.
TEST_F(NewFileTest, NamesThatAreTakenAreLeftAlone) {
    const std::string path = (folder / "x").string();
    std::string part;
    {
        const auto first = NewFile::create(path);
        ASSERT_TRUE(first.has_value());
        part = fs::directory_iterator(folder)->path().string();
    }
    const size_t dash = part.rfind('-');
    const int number = std::stoi(part.substr(dash + 1));
    for (int next = number + 1; next < number + 20; ++next)
        std::ofstream(part.substr(0, dash + 1) + std::to_string(next) + ".part") << "left behind";
    auto file = NewFile::create(path);
    ASSERT_TRUE(file.has_value()) << file.error().line();
    EXPECT_TRUE(file->finish().has_value());
    EXPECT_EQ(files(), 20);
}

}  // namespace
}  // namespace hearth
