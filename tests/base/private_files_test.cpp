// What others may see of the files we make.
#include "base/private_files.h"

#include <sys/stat.h>

#include <fstream>

#include "support/shared_data.h"

namespace hearth {
namespace {

int rights_of(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
    return int(info.st_mode & 0777);
}

TEST(PrivateFiles, FoldersAreMadeWithTheirParents) {
    const std::string root = test::temporary_directory() + "/private";
    ASSERT_TRUE(make_private_folder(root + "/a/b"));
    EXPECT_EQ(rights_of(root), 0700);
    EXPECT_EQ(rights_of(root + "/a/b"), 0700);
    ASSERT_EQ(chmod((root + "/a/b").c_str(), 0755), 0);
    ASSERT_TRUE(make_private_folder(root + "/a/b/"));
    EXPECT_EQ(rights_of(root + "/a/b"), 0755) << "a folder of the user's own was changed";
}

TEST(PrivateFiles, FilesLoseTheRightsOfOthersAndKeepTheirContent) {
    const std::string path = test::temporary_directory() + "/private_file";
    ASSERT_TRUE(make_private_file(path));
    EXPECT_EQ(rights_of(path), 0600);
    std::ofstream(path) << "content";
    ASSERT_EQ(chmod(path.c_str(), 0664), 0);
    ASSERT_TRUE(make_private_file(path));
    EXPECT_EQ(rights_of(path), 0600);
    EXPECT_EQ(test::read_text(path), "content");
}

TEST(PrivateFiles, WhatStandsInTheWayIsNamed) {
    const std::string file = test::temporary_directory() + "/in_the_way";
    std::ofstream(file) << "x";
    EXPECT_NE(make_private_folder(file).error().what.find("is a file where a folder should be"), std::string::npos);
    EXPECT_NE(make_private_folder(file + "/below").error().what.find(file + "/below"), std::string::npos);
    EXPECT_NE(make_private_file(test::temporary_directory()).error().what.find("not a regular file"),
              std::string::npos);
    EXPECT_NE(make_private_file(file + "/below").error().what.find("Not a directory"), std::string::npos);
}

}  // namespace
}  // namespace hearth
