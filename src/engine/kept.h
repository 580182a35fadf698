// Sequences of finished requests that stay in the cache until their place is needed: a prompt that begins with what one
// of them holds (the next turn of a conversation) continues there instead of starting over.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cache/cache.h"

namespace hearth {

class KeptSequences {
public:
    struct Found {
        SequenceId sequence;
        int64_t tokens;  // of the prompt are already in its cache
    };

    void keep(SequenceId sequence, std::vector<int32_t> tokens) { kept_.push_back({sequence, std::move(tokens)}); }

    // The longest one that is a true beginning of the prompt (the last token must still be computed); it is no longer
    // kept.
    std::optional<Found> take(std::span<const int32_t> prompt) {
        auto best = kept_.end();
        for (auto one = kept_.begin(); one != kept_.end(); ++one) {
            if (one->tokens.size() >= prompt.size() ||
                !std::ranges::equal(one->tokens, prompt.first(one->tokens.size())))
                continue;
            if (best == kept_.end() || one->tokens.size() > best->tokens.size()) best = one;
        }
        if (best == kept_.end()) return std::nullopt;
        const Found found{best->sequence, int64_t(best->tokens.size())};
        kept_.erase(best);
        return found;
    }

    std::optional<SequenceId> give_up_oldest() {
        if (kept_.empty()) return std::nullopt;
        const SequenceId sequence = kept_.front().sequence;
        kept_.erase(kept_.begin());
        return sequence;
    }

private:
    struct Kept {
        SequenceId sequence;
        std::vector<int32_t> tokens;
    };
    std::vector<Kept> kept_;  // oldest first
};

}  // namespace hearth
