#include "cli/tools/tool_result.h"

#include <algorithm>
#include <cstring>

#include "base/json.h"
#include "base/text_format.h"

namespace hearth::cli {

namespace {

constexpr size_t kErrorLines = 10;
constexpr size_t kErrorBytes = 2000;

std::string trimmed(const std::string& text) {
    static constexpr const char* kWhite = " \t\r\n";
    const size_t first = text.find_first_not_of(kWhite);
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(kWhite) - first + 1);
}

// Where programs say why they failed.
std::string last_lines(const std::string& text) {
    const std::string all = trimmed(text);
    size_t begin = all.size();
    for (size_t lines = 0; lines < kErrorLines && begin > 0; ++lines) {
        const size_t line_break = begin < 2 ? std::string::npos : all.rfind('\n', begin - 2);
        const size_t next = line_break == std::string::npos ? 0 : line_break + 1;
        if (all.size() - next > kErrorBytes) break;
        begin = next;
    }
    // One endless line: its end.
    if (begin == all.size() && !all.empty()) begin = all.size() - std::min(all.size(), kErrorBytes);
    return valid_utf8(trimmed(all.substr(begin)));
}

ToolResult success(const std::string& output) {
    if (valid_utf8(output) != output) return failed_result("its output is not UTF-8");
    const std::string text = trimmed(output);
    if (const auto value = Json::parse(text)) return {value->dump(), ""};
    return {text, ""};
}

}  // namespace

ToolResult failed_result(std::string failure, const std::string& details) {
    const std::string error = details.empty() ? failure : failure + ": " + details;
    return {Json(Json::Object{{"error", error}}).dump(), std::move(failure)};
}

ToolResult result_of(const ToolCommand& command, const Result<ProgramEnd>& end) {
    using Kind = ProgramEnd::Kind;
    if (!end) return failed_result(end.error().line());
    const std::string details = last_lines(end->error_tail);
    switch (end->kind) {
        case Kind::exited:
            return end->code == 0 ? success(end->output)
                                  : failed_result(fmt::format("it ended with exit code {}", end->code), details);
        case Kind::killed:
            return failed_result(fmt::format("it was ended by signal {} ({})", end->code, strsignal(end->code)),
                                 details);
        case Kind::timed_out:
            return failed_result(
                fmt::format("it took longer than {} and was ended", duration_text(command.timeout_seconds)), details);
        case Kind::too_long:
            return failed_result(fmt::format("its output is longer than {} and was cut off",
                                             bytes_text(uint64_t(command.output_limit_bytes))));
        case Kind::stopped:
            return failed_result("it was stopped");
    }
    return failed_result("it ended in an unknown way");
}

}  // namespace hearth::cli
