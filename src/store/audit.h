// The log of what was managed: who may ask, which models are there. One JSON object a line in audit.log beside the
// store, for its owner alone; lines are only ever added, by any number of processes.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace hearth::store {

class AuditLog {
public:
    // Opened before what is to be logged is done: where nothing can be logged, nothing should happen.
    static Result<AuditLog> open(const std::string& folder);
    AuditLog(AuditLog&& other) noexcept;
    AuditLog(const AuditLog&) = delete;
    AuditLog& operator=(const AuditLog&) = delete;
    ~AuditLog();

    // {"time": ..., "by": by, "action": action, and the details}; on the disk when it returns.
    Result<> append(std::string_view by, std::string_view action, const Json& details, int64_t now_ms);

private:
    AuditLog(int file, std::string path) : file_(file), path_(std::move(path)) {}

    int file_ = -1;
    std::string path_;
};

// "2026-11-30T16:32:05.123Z"
std::string utc_text(int64_t unix_ms);

}  // namespace hearth::store
