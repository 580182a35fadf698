// The history file: private, appended line by line so that two dialogues at once lose nothing, cut when it is long.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "cli/terminal/line_editor.h"

namespace hearth::cli {

namespace {
constexpr size_t kHistoryLines = 1000, kHistoryEntry = 64 << 10;
constexpr uintmax_t kHistoryBytes = 4 << 20;

void append_private(const std::string& file, const std::string& bytes, int flags) {
    const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    if (fd < 0) return;  // a dialogue without a history is a dialogue all the same
    [[maybe_unused]] const ssize_t written = write(fd, bytes.data(), bytes.size());
    close(fd);
}
}  // namespace

std::vector<std::string> read_history(const std::string& file) {
    std::vector<std::string> lines;
    std::error_code failed;
    if (file.empty() || !std::filesystem::is_regular_file(file, failed)) return lines;
    const bool is_long = std::filesystem::file_size(file, failed) > kHistoryBytes;
    std::ifstream in(file, std::ios::binary);
    if (is_long) {
        in.seekg(-std::streamoff(kHistoryBytes / 2), std::ios::end);
        in.ignore(std::streamsize(kHistoryBytes), '\n');
    }
    size_t read = 0;
    for (std::string line; std::getline(in, line); ++read)
        if (auto text = Json::parse(line); text && text->is_string()) lines.push_back(text->as_string());
    if (lines.size() > kHistoryLines) lines.erase(lines.begin(), lines.end() - kHistoryLines);
    if (is_long || read > 2 * kHistoryLines) {
        std::string bytes;
        for (const std::string& line : lines) bytes += Json(line).dump() + "\n";
        append_private(file + ".new", bytes, O_TRUNC);
        std::filesystem::rename(file + ".new", file, failed);
    }
    return lines;
}

void append_history(const std::string& file, const std::string& text) {
    if (file.empty() || text.size() > kHistoryEntry) return;
    std::error_code ignored;
    const std::filesystem::path folder = std::filesystem::path(file).parent_path();
    if (!folder.empty() && std::filesystem::create_directories(folder, ignored)) chmod(folder.c_str(), 0700);
    append_private(file, Json(text).dump() + "\n", O_APPEND);
}

}  // namespace hearth::cli
