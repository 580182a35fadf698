// A file mapped read-only. A file that shrinks while it is mapped would end the process with SIGBUS at the next touch;
// read_at and copy survive that, and `still_whole` tells before a long pass over the mapping.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/result.h"

namespace hearth {

class MappedFile {
public:
    MappedFile() = default;
    static Result<MappedFile> open(const std::string& path);
    MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }
    MappedFile& operator=(MappedFile&& other) noexcept;
    ~MappedFile();

    std::span<const std::byte> bytes() const { return {data_, size_}; }
    const std::string& path() const { return path_; }
    bool still_whole() const;  // the file on disk is at least as long as the mapping
    // Copies by reading the file, not the mapping: a file cut short meanwhile gives an error, never a signal.
    Result<> read_at(size_t offset, std::span<std::byte> out) const;
    // Tells the system that these bytes will be read soon: it brings them from the disk without being waited for.
    void will_read(size_t offset, size_t count) const;
    // Tells the system that these bytes will not be needed soon.
    void release(size_t offset, size_t count) const;
    // Has a part of any mapping ready to be read, waiting for the disk where it must: the first touch of a page costs
    // more than reading it. It touches, so the file must be whole.
    static void touch(std::span<const std::byte> part);

private:
    std::string path_;
    const std::byte* data_ = nullptr;
    size_t size_ = 0;
    int fd_ = -1;
};

}  // namespace hearth
