#include "engine/scheduler.h"

#include <algorithm>

namespace hearth {

std::vector<Share> share_out(std::span<const Work> oldest_first, int64_t step_tokens, int64_t beside_answers) {
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
    int64_t cuttable = shares.empty() ? left : std::min(left, beside_answers);  // of prompts that may be cut
    for (size_t i = 0; i < oldest_first.size() && left > 0; ++i) {
        const Work& work = oldest_first[i];
        if (work.is_generating) continue;
        int64_t tokens = std::min(work.waiting_tokens, work.is_whole ? left : std::min(left, cuttable));
        if (tokens == 0 || (work.is_whole && tokens < work.waiting_tokens)) continue;
        if (work.to_boundary > 0) tokens = std::min(tokens, work.to_boundary);
        shares.push_back({int64_t(i), tokens});
        left -= tokens;
        if (!work.is_whole) cuttable -= tokens;
    }
    return shares;
}

int64_t PromptPace::beside_answers() const {
    if (token_ == 0) return kAtFirst;
    return std::max(kFewest, int64_t(std::min(kMostSeconds / token_, 1e6)));
}

void PromptPace::passed(double seconds, int64_t prompt_tokens, int64_t answer_tokens) {
    if (prompt_tokens == 0) {
        without_prompt_ = seconds;
        return;
    }
    // Never nothing: a pass may be shorter than the one that only answered.
    const double added = std::max(seconds - (answer_tokens > 0 ? without_prompt_ : 0), seconds / 8);
    const double token = added / double(prompt_tokens);
    token_ = token_ == 0 ? token : (token_ + token) / 2;
}

}  // namespace hearth
