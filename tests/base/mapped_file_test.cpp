// Mapped files: what they show, whom they refuse, and what happens when another program cuts them short.
#include "base/mapped_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/shared_data.h"

namespace hearth {
namespace {

std::string file_with(const char* name, const std::string& content) {
    const std::string path = test::temporary_directory() + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
}

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(MappedFile, ShowsTheContent) {
    const auto file = MappedFile::open(file_with("content", "hello"));
    ASSERT_TRUE(file);
    EXPECT_EQ(text_of(file->bytes()), "hello");
    EXPECT_TRUE(file->still_whole());
    std::byte out[3];
    ASSERT_TRUE(file->read_at(2, out));
    EXPECT_EQ(text_of(out), "llo");
    EXPECT_FALSE(file->read_at(3, out));
    EXPECT_TRUE(file->read_at(5, {}));
}

TEST(MappedFile, EmptyFilesAreFine) {
    const auto file = MappedFile::open(file_with("empty", ""));
    ASSERT_TRUE(file);
    EXPECT_TRUE(file->bytes().empty());
    EXPECT_TRUE(file->still_whole());
}

TEST(MappedFile, RefusesWhatIsNotARegularFile) {
    const auto missing = MappedFile::open(test::temporary_directory() + "/missing");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().kind, ErrorKind::not_found);
    EXPECT_NE(missing.error().line().find("/missing"), std::string::npos);
    const auto directory = MappedFile::open(test::temporary_directory());
    ASSERT_FALSE(directory);
    EXPECT_NE(directory.error().what.find("is a directory"), std::string::npos);
    EXPECT_FALSE(MappedFile::open("/dev/null"));
    EXPECT_FALSE(MappedFile::open(std::string("bad\0name", 8)));
}

TEST(MappedFile, AFileThatShrinksIsAnErrorNotASignal) {
    const std::string path = file_with("shrinks", std::string(3 * 4096, 'x'));
    const auto file = MappedFile::open(path);
    ASSERT_TRUE(file);
    ASSERT_EQ(truncate(path.c_str(), 4096), 0);
    EXPECT_FALSE(file->still_whole());
    std::vector<std::byte> out(4096);
    EXPECT_TRUE(file->read_at(0, out));
    const auto beyond = file->read_at(4096, out);
    ASSERT_FALSE(beyond);
    EXPECT_EQ(beyond.error().kind, ErrorKind::bad_file);
    EXPECT_NE(beyond.error().what.find("became shorter"), std::string::npos);
    EXPECT_FALSE(file->read_at(4000, out));                      // the part that is left does not count
    EXPECT_EQ(text_of(file->bytes().first(4096)).front(), 'x');  // and this part may be touched
}

TEST(MappedFile, GrowthDoesNotMatter) {
    const std::string path = file_with("grows", "ab");
    const auto file = MappedFile::open(path);
    ASSERT_TRUE(file);
    std::ofstream(path, std::ios::app) << "cd";
    EXPECT_TRUE(file->still_whole());
    EXPECT_EQ(file->bytes().size(), 2u);
}

TEST(MappedFile, ReleasedPagesAreReadAgain) {
    const std::string content = std::string(5 * 4096, 'a') + "end";
    const auto file = MappedFile::open(file_with("released", content));
    ASSERT_TRUE(file);
    EXPECT_EQ(text_of(file->bytes()), content);
    file->release(0, content.size());
    file->release(100, 200);  // less than a page: nothing happens
    file->release(content.size(), 0);
    EXPECT_EQ(text_of(file->bytes()), content);
}

TEST(MappedFile, TouchingChangesNothing) {
    const std::string content(300000, 'y');
    const auto file = MappedFile::open(file_with("touched", content));
    ASSERT_TRUE(file);
    MappedFile::touch(file->bytes());
    MappedFile::touch(file->bytes().subspan(content.size() - 1));
    MappedFile::touch({});
    EXPECT_EQ(text_of(file->bytes()), content);
}

TEST(MappedFile, MovesHandOverTheMapping) {
    auto first = MappedFile::open(file_with("moved", "hello"));
    ASSERT_TRUE(first);
    MappedFile second = std::move(*first);
    EXPECT_EQ(text_of(second.bytes()), "hello");
    EXPECT_TRUE(first->bytes().empty());
    EXPECT_FALSE(first->still_whole());
}

TEST(MappedFile, AFifoDoesNotHangTheOpener) {
    const std::string path = test::temporary_directory() + "/fifo";
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    // With no writer at the other end, a plain open would wait for one; the test's time limit would end it.
    alarm(10);
    EXPECT_FALSE(MappedFile::open(path));
    alarm(0);
}

}  // namespace
}  // namespace hearth
