#include "library/disk.h"

#include <algorithm>
#include <filesystem>

#include "base/text_format.h"

namespace hearth {

Result<int64_t> free_bytes_for(const std::string& path) {
    const std::filesystem::path parent = std::filesystem::path(path).parent_path();
    const std::string directory = parent.empty() ? "." : parent.string();
    std::error_code error;
    const std::filesystem::space_info space = std::filesystem::space(directory, error);
    if (error)
        return fail(ErrorKind::not_found, fmt::format("cannot write to {}: {}", directory, error.message()),
                    "name a directory that exists");
    return int64_t(std::min<uintmax_t>(space.available, INT64_MAX));
}

Result<> check_room(const std::string& path, int64_t bytes, const std::string& try_this) {
    const int64_t room = TRY(free_bytes_for(path));
    if (bytes <= room) return {};
    return fail(ErrorKind::device,
                fmt::format("{} needs {}, {} are free", path, bytes_text(uint64_t(bytes)), bytes_text(uint64_t(room))),
                try_this);
}

}  // namespace hearth
