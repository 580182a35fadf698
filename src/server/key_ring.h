// Secrets that let somebody in, and which of them was sent. Only their hashes are kept, and how long a look takes tells
// nothing about them: each is compared whole, also behind the one that fits.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/sha256.h"

namespace hearth::server {

class KeyRing {
public:
    using Compare = bool (*)(std::span<const std::byte>, std::span<const std::byte>);
    explicit KeyRing(Compare compare = equal_in_constant_time) : compare_(compare) {}

    void add(std::string_view secret);
    std::optional<size_t> find(std::string_view sent) const;  // counted from 0, in the order of add()
    size_t size() const { return digests_.size(); }
    Compare compare() const { return compare_; }

private:
    Compare compare_;
    std::vector<Sha256::Digest> digests_;
};

Sha256::Digest digest_of(std::string_view secret);

}  // namespace hearth::server
