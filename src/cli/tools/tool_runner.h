// Carries out a model's calls with the commands of a tool file, once somebody allowed it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "chat/reply.h"
#include "cli/tools/tool_desk.h"
#include "cli/tools/tool_file.h"
#include "cli/tools/tool_result.h"

namespace hearth::cli {

class ToolRunner {
public:
    // `desk` must outlive this.
    ToolRunner(std::vector<ToolCommand> commands, ToolDesk& desk) : commands_(std::move(commands)), desk_(desk) {}

    void allow_all();
    bool has_command(std::string_view tool) const;
    bool has_all(const std::vector<chat::ReplyCall>& calls) const;

    // Precondition: there is a command. None: it was stopped by Ctrl-C. An error: nobody is there who could allow it.
    Result<std::optional<ToolResult>> carry_out(const chat::ReplyCall& call);

private:
    enum class Consent : uint8_t { yes, no, stopped };
    Result<Consent> consent(ToolCommand& command, const chat::ReplyCall& call);
    ToolCommand* find(std::string_view tool);

    std::vector<ToolCommand> commands_;
    ToolDesk& desk_;
};

// A command with the arguments of a call as one line that steers no terminal and hides nothing: what cannot be seen is
// written as \u202e. `most_bytes` 0: all of it.
std::string shown_call(const ToolCommand& command, std::string_view arguments, size_t most_bytes);

}  // namespace hearth::cli
