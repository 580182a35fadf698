#include "store/audit.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <system_error>

#include "base/private_files.h"

namespace hearth::store {

namespace {

std::unexpected<Error> audit_failure(const std::string& path, int code) {
    return fail(ErrorKind::bad_file, fmt::format("cannot write to {}: {}", path, std::generic_category().message(code)),
                "make room, or let HEARTH_HOME name a folder that you may write to");
}

// A line that was cut, by a loss of power or a full disk, must not swallow the next one.
bool ends_within_line(int file) {
    const off_t size = lseek(file, 0, SEEK_END);
    char last = '\n';
    return size > 0 && pread(file, &last, 1, size - 1) == 1 && last != '\n';
}

}  // namespace

std::string utc_text(int64_t unix_ms) {
    const std::time_t seconds = unix_ms / 1000;
    std::tm time{};
    gmtime_r(&seconds, &time);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", time.tm_year + 1900, time.tm_mon + 1, time.tm_mday,
                       time.tm_hour, time.tm_min, time.tm_sec, unix_ms % 1000);
}

Result<AuditLog> AuditLog::open(const std::string& folder) {
    if (folder.empty())
        return fail(ErrorKind::not_found, "there is no folder for the audit log",
                    "set HOME, or HEARTH_HOME to a folder");
    TRY(make_private_folder(folder));
    std::string path = folder + "/audit.log";
    TRY(make_private_file(path));
    const int file = ::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) return audit_failure(path, errno);
    AuditLog log(file, std::move(path));
    if (ends_within_line(file) && write(file, "\n", 1) != 1) return audit_failure(log.path_, errno);
    return log;
}

AuditLog::AuditLog(AuditLog&& other) noexcept : file_(std::exchange(other.file_, -1)), path_(std::move(other.path_)) {}

AuditLog::~AuditLog() {
    if (file_ >= 0) close(file_);
}

Result<> AuditLog::append(std::string_view by, std::string_view action, const Json& details, int64_t now_ms) {
    Json entry = Json::Object{{"time", utc_text(now_ms)}, {"by", by}, {"action", action}};
    for (const auto& [name, value] : details.members()) entry.set(name, value);
    // One write: lines of several processes do not mix.
    const std::string line = entry.dump() + "\n";
    const ssize_t written = write(file_, line.data(), line.size());
    if (written == ssize_t(line.size()) && fsync(file_) == 0) return {};
    const int code = written < 0 || written == ssize_t(line.size()) ? errno : ENOSPC;
    if (written > 0 && written < ssize_t(line.size()) && write(file_, "\n", 1) != 1) return audit_failure(path_, errno);
    return audit_failure(path_, code);
}

}  // namespace hearth::store
