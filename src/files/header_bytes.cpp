#include "files/header_bytes.h"

#include <algorithm>

namespace hearth {

bool HeaderBytes::fetch(uint64_t count) {
    if (failure_ || count > rest()) return false;
    // What the old chunk still held is read again, less than `count` bytes: all chunks together stay below three times
    // the bytes used plus one chunk.
    constexpr uint64_t kChunkBytes = 1 << 20;
    const size_t bytes = size_t(std::min(rest(), std::max(count, kChunkBytes)));
    auto chunk = std::make_unique_for_overwrite<std::byte[]>(bytes);
    if (auto got = file_.read_at(position_, {chunk.get(), bytes}); !got) {
        failure_ = got.error();
        return false;
    }
    next_ = chunk.get();
    available_ = bytes;
    chunks_.push_back(std::move(chunk));
    return true;
}

}  // namespace hearth
