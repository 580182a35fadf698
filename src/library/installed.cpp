#include "library/installed.h"

#include <filesystem>

#include "base/os.h"

namespace hearth {

std::string installed_model(const std::string& name) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    if (name != kDemoModel || fs::exists(name, ignored)) return name;
    const fs::path program = program_directory(), file = std::string(kDemoModel) + ".gguf";
    for (const fs::path& place : {program / file, program / "../share/hearth" / file})
        if (fs::exists(place, ignored)) return place.lexically_normal().string();
    return name;
}

}  // namespace hearth
