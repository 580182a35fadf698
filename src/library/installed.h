// The model that comes with the program. It lies beside the binary (a build, an unpacked archive) or where an
// installation puts data: ../share/hearth.
#pragma once

#include <string>

namespace hearth {

inline constexpr const char* kDemoModel = "ember";

// The file behind what a person typed: "ember" is the demo model's, unless a file of that name is there. Anything else
// comes back as it is.
std::string installed_model(const std::string& name);

}  // namespace hearth
