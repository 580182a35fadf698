#include "engine/scheduler.h"

#include <algorithm>

namespace hearth {

std::vector<Share> share_out(std::span<const Work> oldest_first, int64_t step_tokens) {
    std::vector<Share> shares;
    int64_t left = step_tokens;
    for (size_t i = 0; i < oldest_first.size(); ++i)
        if (oldest_first[i].is_generating) shares.push_back({int64_t(i), 1});
    left = std::max<int64_t>(0, left - int64_t(shares.size()));
    for (Share& share : shares) {
        const int64_t more = std::min(oldest_first[size_t(share.work)].waiting_tokens - 1, left);
        share.tokens += more;
        left -= more;
    }
    for (size_t i = 0; i < oldest_first.size() && left > 0; ++i) {
        const Work& work = oldest_first[i];
        if (work.is_generating) continue;
        int64_t tokens = std::min(work.waiting_tokens, left);
        if (work.is_whole && tokens < work.waiting_tokens) continue;
        if (work.to_boundary > 0) tokens = std::min(tokens, work.to_boundary);
        shares.push_back({int64_t(i), tokens});
        left -= tokens;
    }
    return shares;
}

}  // namespace hearth
