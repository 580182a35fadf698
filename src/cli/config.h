// Where the flags of `hearth serve` and `hearth run` come from when they are not typed. In this order: the command
// line, the environment (HEARTH_PORT for --port), the configuration file, what is built in.
//
//   # ~/.config/hearth/config.toml
//   threads = 8            # for every command that has such a flag
//   [serve]                # for this one, before what stands above
//   model = ["qwen=/models/qwen.gguf"]
#pragma once

#include <string>
#include <vector>

#include "cli/command_line.h"

namespace hearth::cli {

// Makes the flags that `command` has by now, but for `typed_only`, settings, and adds --config FILE.
void add_settings(Command& command, const std::string& name, std::vector<std::string> typed_only);

// Every setting with its value and origin, as a configuration file that would have the same effect.
std::string settings_text(const Command& command);

}  // namespace hearth::cli
