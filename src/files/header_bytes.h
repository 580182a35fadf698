// The front of a file, handed out piece by piece. Bytes are copied in by reading, never through the mapping, so a file
// that is cut short meanwhile gives an error; pieces stay where they are for as long as the object lives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "base/mapped_file.h"
#include "base/os.h"

namespace hearth {

class HeaderBytes {
public:
    explicit HeaderBytes(const MappedFile& file) : file_(file), size_(file.bytes().size()) {}

    uint64_t size() const { return size_; }
    uint64_t position() const { return position_; }
    uint64_t rest() const { return size_ - position_; }

    // The next `count` bytes in one piece; nullptr when the file has fewer left or reading failed.
    const std::byte* take(uint64_t count) {
        if (count > available_ && !fetch(count)) return nullptr;
        const std::byte* piece = next_;
        next_ += count;
        position_ += count;
        available_ -= count;
        return piece;
    }
    template <class T>
    bool read(T& value) {
        const std::byte* piece = take(sizeof(T));
        if (piece) std::memcpy(&value, piece, sizeof value);
        return piece != nullptr;
    }

    const std::optional<Error>& failure() const { return failure_; }  // set when a read failed

    // Moves the memory of all pieces out.
    std::shared_ptr<const void> keep() { return std::make_shared<std::vector<Pages>>(std::move(chunks_)); }

private:
    bool fetch(uint64_t count);

    const MappedFile& file_;
    uint64_t size_, position_ = 0, available_ = 0;
    const std::byte* next_ = nullptr;
    std::vector<Pages> chunks_;
    std::optional<Error> failure_;
};

}  // namespace hearth
