// Texts that engines have kept on disk, for whoever decides how long: no engine is needed, and others may be running.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace hearth {

// Deletes what is kept for these partitions in a cache directory, of all models; how many files that were.
int64_t forget_kept_texts(const std::string& directory, std::span<const std::string> partitions);

}  // namespace hearth
