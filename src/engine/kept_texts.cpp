#include "engine/kept_texts.h"

#include "cache/disk_tier.h"

namespace hearth {

int64_t forget_kept_texts(const std::string& directory, std::span<const std::string> partitions) {
    return partitions.empty() ? 0 : remove_kept(directory, partitions);
}

}  // namespace hearth
