// A file that gets its name only when all of it is on the disk: whoever opens it later finds all or nothing, also after
// a crash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hearth {

class NewFile {
public:
    // Until it is finished it is called `path` with a number and kEnding behind it.
    static constexpr std::string_view kEnding = ".part";
    static Result<NewFile> create(const std::string& path);
    NewFile(NewFile&& other) noexcept { *this = std::move(other); }
    NewFile& operator=(NewFile&& other) noexcept;
    ~NewFile();  // what is not finished is removed

    Result<> write(std::span<const std::byte> bytes);  // what piles up is brought to the disk now and then
    Result<> finish();

private:
    NewFile() = default;
    std::unexpected<Error> failure() const;

    std::string path_, part_;
    int fd_ = -1;
    int64_t unflushed_ = 0;
};

}  // namespace hearth
