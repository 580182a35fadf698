// Read-only file mappings.
#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace hearth {

namespace {
// Says nothing about the file: the same may work a moment later.
bool passes_by(int code) {
    return code == EMFILE || code == ENFILE || code == ENOMEM || code == EAGAIN || code == EINTR || code == EIO;
}

std::unexpected<Error> system_failure(const std::string& path, int code) {
    const ErrorKind kind = code == ENOENT    ? ErrorKind::not_found
                           : passes_by(code) ? ErrorKind::device
                                             : ErrorKind::bad_file;
    return fail(kind, fmt::format("cannot open {}: {}", path, std::generic_category().message(code)),
                code == ENOENT ? "check the path" : "");
}
}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
    MappedFile file;
    file.path_ = path;
    // Non-blocking: a pipe that nobody writes to is refused below instead of being waited for.
    do file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (file.fd_ < 0 && errno == EINTR);
    if (file.fd_ < 0) return system_failure(path, errno);
    struct stat info;
    if (fstat(file.fd_, &info) != 0) return system_failure(path, errno);
    if (S_ISDIR(info.st_mode)) return fail(ErrorKind::bad_file, path + " is a directory, not a file");
    if (!S_ISREG(info.st_mode)) return fail(ErrorKind::bad_file, path + " is not a regular file");
    file.size_ = size_t(info.st_size);
    if (file.size_ > 0) {
        void* at = mmap(nullptr, file.size_, PROT_READ, MAP_SHARED, file.fd_, 0);
        if (at == MAP_FAILED) return system_failure(path, errno);
        file.data_ = static_cast<const std::byte*>(at);
    }
    return file;
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(fd_, other.fd_);
    return *this;
}

MappedFile::~MappedFile() {
    if (data_) munmap(const_cast<std::byte*>(data_), size_);
    if (fd_ >= 0) close(fd_);
}

bool MappedFile::still_whole() const {
    struct stat info;
    return fd_ >= 0 && fstat(fd_, &info) == 0 && size_t(info.st_size) >= size_;
}

Result<> MappedFile::read_at(size_t offset, std::span<std::byte> out) const {
    while (!out.empty()) {
        const ssize_t got = pread(fd_, out.data(), out.size(), off_t(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_failure(path_, errno);
        if (got == 0)
            return fail(ErrorKind::bad_file, path_ + " became shorter while it was read", "download it again");
        out = out.subspan(size_t(got));
        offset += size_t(got);
    }
    return {};
}

void MappedFile::release(size_t offset, size_t count) const {
    static const auto page = size_t(sysconf(_SC_PAGESIZE));
    const size_t begin = (offset + page - 1) / page * page, end = (offset + count) / page * page;
    if (data_ && end > begin) madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

void MappedFile::will_read(size_t offset, size_t count) const {
    static const auto page = size_t(sysconf(_SC_PAGESIZE));
    const size_t begin = offset / page * page, end = std::min(offset + count, size_);
    if (data_ && end > begin) madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_WILLNEED);
}

// A fault maps the sixteen pages around it. MADV_POPULATE_READ does the same, but meanwhile holds up every other thread
// that asks for memory.
void MappedFile::touch(std::span<const std::byte> part) {
    constexpr size_t kAtOnce = 64 << 10;
    for (size_t at = 0; at < part.size(); at += kAtOnce) {
        [[maybe_unused]] const volatile std::byte read = part[at];
    }
}

}  // namespace hearth
