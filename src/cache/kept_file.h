// A kept text as a file: what it is for, its tokens, the pages that can be read of it and the states saved along it.
// Every page and every state has a checksum of its own behind it, so that any part can be read without the rest. A file
// is hostile until its header was checked against its checksum, its size and the cache it is to be read into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "base/result.h"
#include "cache/marks.h"

namespace hearth {

struct KeptHeader {
    std::string fingerprint;  // of all that the bytes depend on beside the tokens
    std::string partition;
    int64_t public_tokens = 0;
    std::vector<int32_t> tokens;
    std::vector<Mark> points;                 // ascending, the last at the end of the text
    std::vector<std::vector<int32_t>> pages;  // per group: which pages of the text follow, ascending
};

// Where in a file its pages and states lie.
class KeptLayout {
public:
    // `page_bytes`: of each group; `state_bytes`: of a point, 0 where no layer is recurrent.
    KeptLayout(const KeptHeader& header, std::vector<int64_t> page_bytes, int64_t state_bytes);

    int64_t page(size_t group, size_t number) const;  // number: among the pages of the group that the file has
    int64_t state(size_t point) const;
    int64_t file_bytes() const { return end_; }

private:
    std::vector<int64_t> page_bytes_, groups_;  // groups_: where each begins
    int64_t state_bytes_, states_, end_;
};
inline constexpr int64_t kKeptSumBytes = 8;

// The checksum of a page or state at that place of the file goes on from here. So those of another text do not fit:
// they may lie there, whole and with their own sum, where the power went before all blocks of a file were written.
uint64_t header_sum(const KeptHeader& header);
Checksum begin_sum(uint64_t header_sum, int64_t place);

// The file's first bytes; what they say of its length needs the sizes of pages and states.
std::vector<std::byte> header_bytes(const KeptHeader& header);

// To read it back: first how long it is, from the first bytes of a file of `file_bytes`.
inline constexpr int64_t kKeptPrefixBytes = 32;
Result<int64_t> header_size(std::span<const std::byte> prefix, int64_t file_bytes);
Result<KeptHeader> parse_header(std::span<const std::byte> header);

}  // namespace hearth
