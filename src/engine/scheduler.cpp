#include "engine/scheduler.h"

#include <algorithm>

namespace hearth {

std::vector<Share> share_out(std::span<const Work> oldest_first, int64_t step_tokens) {
    std::vector<Share> shares;
    int64_t left = step_tokens;
    for (size_t i = 0; i < oldest_first.size(); ++i) {
        if (oldest_first[i].waiting_tokens != 1 || left == 0) continue;
        shares.push_back({int64_t(i), 1});
        --left;
    }
    for (size_t i = 0; i < oldest_first.size() && left > 0; ++i) {
        const Work& work = oldest_first[i];
        if (work.waiting_tokens <= 1) continue;
        int64_t tokens = std::min(work.waiting_tokens, left);
        if (work.to_boundary > 0) tokens = std::min(tokens, work.to_boundary);
        shares.push_back({int64_t(i), tokens});
        left -= tokens;
    }
    return shares;
}

}  // namespace hearth
