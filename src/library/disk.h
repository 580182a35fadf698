// Room on disk, asked before anything large is written.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace hearth {

// Free bytes where a file of this path would lie; fails when there is no such directory.
Result<int64_t> free_bytes_for(const std::string& path);
// Fails, with both numbers, when `bytes` do not fit there. A file of that name, if there is one, stays until the new
// one is whole, so it frees nothing.
Result<> check_room(const std::string& path, int64_t bytes, const std::string& try_this);

}  // namespace hearth
