#include "base/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "base/private_files.h"

namespace hearth {

namespace {
constexpr int64_t kMostUnflushed = int64_t{16} << 20;  // so that no single call waits for long
}

Result<NewFile> NewFile::create(const std::string& path) {
    static std::atomic<int> count = 0;  // several of one process may write the same file
    NewFile file;
    file.path_ = path;
    // A process of the same number may have left one: in containers every start has number 1.
    constexpr int kMostTries = 1000;
    for (int tries = 0; tries < kMostTries; ++tries) {
        file.part_ = fmt::format("{}.{}-{}{}", path, getpid(), ++count, kEnding);
        do file.fd_ = ::open(file.part_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        while (file.fd_ < 0 && errno == EINTR);
        if (file.fd_ >= 0 || errno != EEXIST) break;
    }
    if (file.fd_ < 0) {
        const auto failed = file.failure();
        file.part_.clear();
        return failed;
    }
    return file;
}

NewFile& NewFile::operator=(NewFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(part_, other.part_);
    std::swap(fd_, other.fd_);
    std::swap(unflushed_, other.unflushed_);
    return *this;
}

NewFile::~NewFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!part_.empty()) std::remove(part_.c_str());
}

std::unexpected<Error> NewFile::failure() const {
    return fail(ErrorKind::device, fmt::format("cannot write {}: {}", path_, std::generic_category().message(errno)));
}

Result<> NewFile::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return failure();
        bytes = bytes.subspan(size_t(written));
        unflushed_ += written;
    }
    if (unflushed_ < kMostUnflushed) return {};
    unflushed_ = 0;
    if (fdatasync(fd_) != 0) return failure();
    return {};
}

Result<> NewFile::finish() {
    if (fsync(fd_) != 0 || std::rename(part_.c_str(), path_.c_str()) != 0) return failure();
    part_.clear();
    const std::string folder = std::filesystem::path(path_).parent_path().string();
    sync_folder(folder.empty() ? "." : folder);
    return {};
}

}  // namespace hearth
