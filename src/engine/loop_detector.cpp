// One counter per period, all updated by one branch-free loop: simpler than a suffix structure and, at 1024 periods,
// cheaper.
#include "engine/loop_detector.h"

#include <algorithm>
#include <limits>

namespace hearth {

namespace {
constexpr int32_t kNoToken = -1;  // never equal to a real token
}

LoopDetector::LoopDetector(LoopOptions options) : options_(options) {
    options_.max_period = std::clamp(options_.max_period, 0, 65536);
    options_.min_tokens = std::clamp(options_.min_tokens, 2, 1 << 30);
    options_.min_repeats = std::clamp(options_.min_repeats, 2, 1 << 14);
    for (int period = 1; period <= options_.max_period; ++period) {
        const int64_t covered = std::max<int64_t>(options_.min_tokens, int64_t{options_.min_repeats} * period);
        needed_.push_back(int32_t(std::min<int64_t>(covered - period, std::numeric_limits<int32_t>::max())));
    }
    reset();
}

void LoopDetector::reset() {
    const size_t periods = size_t(options_.max_period);
    recent_.assign(2 * periods + 1, kNoToken);
    run_.assign(periods, 0);
    head_ = periods + 1;
}

std::optional<Loop> LoopDetector::accept(int32_t token) {
    const size_t periods = size_t(options_.max_period);
    if (periods == 0) return std::nullopt;
    if (head_ == 0) {
        std::copy_n(recent_.begin(), periods, recent_.begin() + ptrdiff_t(periods + 1));
        head_ = periods + 1;
    }
    const int32_t* before = recent_.data() + head_;  // before[p - 1] came p tokens earlier
    int32_t *run = run_.data(), is_loop = 0;
    const int32_t* needed = needed_.data();
    for (size_t p = 0; p < periods; ++p) {
        const int32_t same = -int32_t(before[p] == token);
        run[p] = (run[p] + 1) & same;
        is_loop |= int32_t(run[p] >= needed[p]);
    }
    recent_[--head_] = token;
    if (!is_loop) return std::nullopt;
    for (size_t p = 0; p < periods; ++p)
        if (run[p] >= needed[p]) return Loop{int(p + 1), (int64_t{run[p]} + int64_t(p) + 1) / int64_t(p + 1)};
    return std::nullopt;
}

}  // namespace hearth
