#include "server/key_ring.h"

namespace hearth::server {

Sha256::Digest digest_of(std::string_view secret) {
    Sha256 sum;
    sum.add(secret);
    return sum.finish();
}

void KeyRing::add(std::string_view secret) {
    digests_.push_back(digest_of(secret));
}

std::optional<size_t> KeyRing::find(std::string_view sent) const {
    const Sha256::Digest digest = digest_of(sent);
    std::optional<size_t> found;
    for (size_t i = 0; i < digests_.size(); ++i)
        if (compare_(digest, digests_[i])) found = i;
    return found;
}

}  // namespace hearth::server
