// Where `hearth serve` writes its access log.
#pragma once

#include <string>

#include "base/result.h"
#include "server/metrics/access_log.h"

namespace hearth::cli {

// `where`: a file, "-" for standard error, "none". `format`: "json", "text", or empty: text on a terminal, JSON
// elsewhere. A file is opened for every write, so it can be moved away or cut at any time.
Result<server::AccessLogOptions> access_log(const std::string& where, const std::string& format);

}  // namespace hearth::cli
