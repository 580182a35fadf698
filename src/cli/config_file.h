// The configuration file as it stands: which values where. TOML's library is slow to compile, so only
// config_file.cpp knows it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/command_line.h"

namespace hearth::cli {

struct FileValue {
    std::string table, name;  // table: empty at the top of the file
    ValueKind kind = ValueKind::text;
    std::vector<std::string> values;
    int line = 0;
};

// `name` stands in front of the line in messages.
Result<std::vector<FileValue>> parse_settings(std::string_view text, const std::string& name);

}  // namespace hearth::cli
