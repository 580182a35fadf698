#include "support/shared_data.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace hearth::test {

std::string shared_path(const std::string& below) {
    const char* root = std::getenv("HEARTH_SHARED");
    return std::string(root ? root : "../shared") + "/" + below;
}

bool has_shared(const std::string& below) {
    return std::filesystem::exists(shared_path(below));
}

std::string data_path(const std::string& below) {
    return std::string(HEARTH_TEST_DATA) + "/" + below;
}

std::string read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file.good()) << "cannot read " << path;
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

std::vector<std::byte> read_bytes(const std::string& path) {
    const std::string text = read_text(path);
    std::vector<std::byte> bytes(text.size());
    if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
    return bytes;
}

std::vector<float> read_floats(const std::string& path) {
    const std::string text = read_text(path);
    std::vector<float> values(text.size() / sizeof(float));
    if (!values.empty()) std::memcpy(values.data(), text.data(), values.size() * sizeof(float));
    return values;
}

std::vector<std::string> read_lines(const std::string& path) {
    std::istringstream text(read_text(path));
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
}

std::string temporary_directory() {
    struct Directory {
        std::string path = std::filesystem::temp_directory_path() / ("hearth-test-" + std::to_string(getpid()));
        Directory() { std::filesystem::create_directories(path); }
        ~Directory() {
            std::error_code ignored;
            std::filesystem::remove_all(path, ignored);
        }
    };
    static const Directory directory;
    return directory.path;
}

}  // namespace hearth::test
