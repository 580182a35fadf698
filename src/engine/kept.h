// Sequences of finished requests that stay in the cache until their place is needed: a prompt that begins with what one
// of them holds, or held at its snapshot (the next turn of a conversation), continues there instead of starting over.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cache/cache.h"

namespace hearth {

// A sequence and, where there is one, the state it had some tokens earlier.
struct KeptSequence {
    SequenceId sequence;
    std::vector<int32_t> tokens;
    std::optional<SnapshotId> snapshot;
    int64_t snapshot_tokens = 0;
};

class KeptSequences {
public:
    struct Found {
        KeptSequence kept;
        int64_t tokens;      // of the prompt are already in its cache ...
        bool from_snapshot;  // ... once it went back to its snapshot
    };

    void keep(KeptSequence one) { kept_.push_back(std::move(one)); }

    // The one that has most of the prompt's beginning, and nothing else (the last token must still be computed); it is
    // no longer kept.
    std::optional<Found> take(std::span<const int32_t> prompt) {
        const auto begins = [&](const KeptSequence& one, size_t count) {
            return count < prompt.size() && std::ranges::equal(std::span(one.tokens).first(count), prompt.first(count));
        };
        auto best = kept_.end();
        size_t most = 0;
        bool from_snapshot = false;
        for (auto one = kept_.begin(); one != kept_.end(); ++one) {
            if (one->tokens.size() > most && begins(*one, one->tokens.size())) {
                best = one, most = one->tokens.size(), from_snapshot = false;
            } else if (one->snapshot && size_t(one->snapshot_tokens) > most &&
                       begins(*one, size_t(one->snapshot_tokens))) {
                best = one, most = size_t(one->snapshot_tokens), from_snapshot = true;
            }
        }
        if (best == kept_.end()) return std::nullopt;
        Found found{std::move(*best), int64_t(most), from_snapshot};
        kept_.erase(best);
        return found;
    }

    std::optional<KeptSequence> give_up_oldest() {
        if (kept_.empty()) return std::nullopt;
        KeptSequence oldest = std::move(kept_.front());
        kept_.erase(kept_.begin());
        return oldest;
    }

private:
    std::vector<KeptSequence> kept_;  // oldest first
};

}  // namespace hearth
