#include "base/private_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace hearth {

namespace {
std::unexpected<Error> not_made(const char* kind, const std::string& path, int code) {
    const bool is_full = code == ENOSPC || code == EDQUOT;
    return fail(ErrorKind::bad_file,
                fmt::format("cannot make the {} {}: {}", kind, path, std::generic_category().message(code)),
                is_full ? "make room on the disk" : "let HEARTH_HOME name a folder that you may write to");
}
std::string folder_of(const std::string& path) {
    const std::string folder = std::filesystem::path(path).parent_path();
    return folder.empty() ? "." : folder;
}
}  // namespace

void sync_folder(const std::string& path) {
    const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    fsync(folder);
    ::close(folder);
}

Result<> make_private_folder(const std::string& path) {
    struct stat info;
    if (stat(path.c_str(), &info) == 0) {
        if (S_ISDIR(info.st_mode)) return {};
        return fail(ErrorKind::bad_file, path + " is a file where a folder should be", "move it away");
    }
    const bool is_missing = errno == ENOENT;
    const std::string parent = std::filesystem::path(path).parent_path();
    if (is_missing && !parent.empty() && parent != path) TRY(make_private_folder(parent));
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return not_made("folder", path, errno);
    sync_folder(folder_of(path));
    return {};
}

namespace {
Result<> check_ours(const std::string& path, const struct stat& info) {
    if (!S_ISDIR(info.st_mode))
        return fail(ErrorKind::bad_file, path + " is a file where a folder should be", "move it away");
    if (info.st_uid != geteuid())
        return fail(ErrorKind::bad_file, path + " belongs to another user",
                    "move it away, or let HEARTH_HOME name a folder of your own");
    return {};
}
}  // namespace

Result<> make_own_folder(const std::string& path) {
    TRY(make_private_folder(path));
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return not_made("folder", path, errno);
    TRY(check_ours(path, info));
    if ((info.st_mode & 077) != 0 && chmod(path.c_str(), info.st_mode & 0700) != 0)
        return not_made("folder", path, errno);
    if (access(path.c_str(), R_OK | W_OK | X_OK) != 0) return not_made("folder", path, errno);
    return {};
}

Result<> check_own_folder(const std::string& path) {
    struct stat info;
    if (stat(path.c_str(), &info) == 0) {
        TRY(check_ours(path, info));
        return access(path.c_str(), R_OK | W_OK | X_OK) == 0 ? Result<>() : not_made("folder", path, errno);
    }
    if (errno != ENOENT) return not_made("folder", path, errno);
    // The nearest that exists is where it would be made.
    std::filesystem::path parent = std::filesystem::path(path).parent_path();
    while (!parent.empty() && parent != parent.parent_path() && stat(parent.c_str(), &info) != 0)
        parent = parent.parent_path();
    if (parent.empty()) parent = ".";
    if (access(parent.c_str(), W_OK | X_OK) != 0) return not_made("folder", path, errno);
    if (stat(parent.c_str(), &info) == 0 && !S_ISDIR(info.st_mode)) return not_made("folder", path, ENOTDIR);
    return {};
}

Result<> make_private_file(const std::string& path) {
    // mknod, since opening and closing a file gives up all locks that this process holds on it.
    if (mknod(path.c_str(), S_IFREG | 0600, 0) == 0) {
        sync_folder(folder_of(path));
        return {};
    }
    if (errno != EEXIST) return not_made("file", path, errno);
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return not_made("file", path, errno);
    if (!S_ISREG(info.st_mode)) return fail(ErrorKind::bad_file, path + " is not a regular file", "move it away");
    // Somebody else's file keeps its rights: they are not ours to change.
    if ((info.st_mode & 077) != 0 && info.st_uid == geteuid() && chmod(path.c_str(), info.st_mode & 0700) != 0)
        return not_made("file", path, errno);
    return {};
}

}  // namespace hearth
