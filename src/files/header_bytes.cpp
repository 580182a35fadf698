#include "files/header_bytes.h"

#include <algorithm>

namespace hearth {

bool HeaderBytes::fetch(uint64_t count) {
    if (failure_ || count > rest()) return false;
    // As much again as was used so far: few reads for a large vocabulary, few bytes for a small header. What the old
    // chunk still held is read again, less than `count` bytes.
    const uint64_t ahead = std::clamp<uint64_t>(position_, 1 << 16, 1 << 24);
    const size_t bytes = size_t(std::min(rest(), std::max(count, ahead)));
    auto chunk = Pages::allocate(bytes);
    if (chunk) {
        if (auto got = file_.read_at(position_, {chunk->data(), bytes}); !got) chunk = std::unexpected(got.error());
    }
    if (!chunk) {
        failure_ = chunk.error();
        return false;
    }
    next_ = chunk->data();
    available_ = bytes;
    chunks_.push_back(std::move(*chunk));
    return true;
}

}  // namespace hearth
