#include "cli/access_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "base/os.h"

namespace hearth::cli {

namespace {

bool append_to_file(const std::string& path, std::string_view lines) {
    FILE* file = std::fopen(path.c_str(), "ae");
    if (!file) return false;
    const bool is_written = std::fwrite(lines.data(), 1, lines.size(), file) == lines.size();
    return std::fclose(file) == 0 && is_written;
}

}  // namespace

Result<server::AccessLogOptions> access_log(const std::string& where, const std::string& format) {
    server::AccessLogOptions log;
    if (where == "none") return log;
    if (where == "-") {
        log.is_json = format == "json" || (format.empty() && !is_terminal(STDERR_FILENO));
        log.write = [](std::string_view lines) {
            return std::fwrite(lines.data(), 1, lines.size(), stderr) == lines.size() && std::fflush(stderr) == 0;
        };
        return log;
    }
    if (!append_to_file(where, ""))
        return fail(ErrorKind::bad_file, "cannot write to " + where, "give --access-log another file, or none");
    log.is_json = format != "text";
    log.write = [where](std::string_view lines) { return append_to_file(where, lines); };
    return log;
}

}  // namespace hearth::cli
