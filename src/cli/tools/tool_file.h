// A file of --tools: the tools that a model is offered, and the commands on this machine that carry them out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hearth::cli {

struct ToolCommand {
    std::string tool;               // the name it is called by
    std::vector<std::string> argv;  // the program first
    std::string directory = {};     // where it runs; empty: where we do
    double timeout_seconds = 30;
    int64_t output_limit_bytes = 1 << 20;
    bool is_allowed = false;  // runs without asking
};

struct ToolFile {
    Json tools;  // as the model sees them: without commands
    std::vector<ToolCommand> commands;
};

// `path` also says where paths of commands begin.
Result<ToolFile> read_tool_file(const std::string& path);
Result<ToolFile> read_tools(Json list, const std::string& folder);

}  // namespace hearth::cli
