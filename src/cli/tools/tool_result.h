// What became of a tool's command, for the model and for a person.
#pragma once

#include <string>

#include "base/result.h"
#include "base/run_program.h"
#include "cli/tools/tool_file.h"

namespace hearth::cli {

struct ToolResult {
    std::string content;  // for the model; where it failed {"error": "..."}
    std::string failure;  // one line for a person; empty: it went well
};

ToolResult result_of(const ToolCommand& command, const Result<ProgramEnd>& end);
ToolResult failed_result(std::string failure, const std::string& details = {});

}  // namespace hearth::cli
