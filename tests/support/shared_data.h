// Where tests find recorded truth: tests/data for what must always be there, the shared folder for the large sets.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

namespace hearth::test {

std::string shared_path(const std::string& below);  // e.g. "reference/qwen35/moe.gguf"
bool has_shared(const std::string& below);
std::string data_path(const std::string& below);  // below tests/data
std::vector<std::byte> read_bytes(const std::string& path);
std::string read_text(const std::string& path);
std::vector<float> read_floats(const std::string& path);
std::vector<std::string> read_lines(const std::string& path);
std::string temporary_directory();  // of this test program, removed at exit

}  // namespace hearth::test

// Absent shared data: the test is skipped, but fails where CI=true (there it must be present).
#define NEED_SHARED(below)                                                               \
    do {                                                                                 \
        if (!hearth::test::has_shared(below)) {                                          \
            const char* ci = std::getenv("CI");                                          \
            if (ci && std::string(ci) == "true")                                         \
                FAIL() << "missing shared data: " << hearth::test::shared_path(below);   \
            GTEST_SKIP() << "missing shared data: " << hearth::test::shared_path(below); \
        }                                                                                \
    } while (0)
