#include "cache/marks.h"

#include <algorithm>
#include <bit>

#include "ops/step.h"

namespace hearth {

namespace {

constexpr size_t kNewest = 4;          // the end of an answer, of its prompt, of the question before, and one more
constexpr int64_t kBeforeTheEnd = 32;  // tokens that may change while the state shortly before the end still serves

// 0: nearer than `every`, then doubling.
int distance_class(int64_t distance, int64_t every) {
    return int(std::bit_width(uint64_t(distance / every)));
}

}  // namespace

std::vector<Mark> superfluous_marks(std::span<const Mark> marks, int64_t end, int64_t every) {
    std::vector<Mark> superfluous;
    const size_t old = marks.size() > kNewest ? marks.size() - kNewest : 0;
    for (size_t i = 0; i < old;) {
        const int distance = distance_class(end - marks[i].tokens, every);
        size_t after = i, kept = old;
        for (; after < old && distance_class(end - marks[after].tokens, every) == distance; ++after)
            if (kept == old && distance > 0 && marks[after].is_callers) kept = after;
        if (kept == old) kept = i;
        for (; i < after; ++i)
            if (i != kept) superfluous.push_back(marks[i]);
    }
    return superfluous;
}

std::vector<Mark> choose_marks(int64_t begin, int64_t end, std::span<const int64_t> callers, int64_t every,
                               int64_t most) {
    std::vector<Mark> marks;
    const auto add = [&](int64_t tokens, bool is_callers) {
        if (tokens > begin && tokens < end) marks.push_back({tokens, is_callers});
    };
    for (const int64_t tokens : callers) add(tokens, true);
    const int64_t before_the_end = (end - kBeforeTheEnd) / kPageTokens * kPageTokens;
    if (end - begin > every) {
        for (int64_t tokens = (begin / every + 1) * every; tokens < end; tokens += every) add(tokens, false);
        add(before_the_end, false);
    }
    // Of equal places the caller's comes first.
    std::ranges::sort(marks, [](const Mark& a, const Mark& b) {
        return a.tokens != b.tokens ? a.tokens < b.tokens : a.is_callers > b.is_callers;
    });
    const auto doubles = std::ranges::unique(marks, {}, &Mark::tokens);
    marks.erase(doubles.begin(), doubles.end());
    for (const Mark& mark : superfluous_marks(marks, end, every)) std::erase(marks, mark);
    if (int64_t(marks.size()) <= most) return marks;

    // What the next turn needs most: the caller's last place, then that before the end, then the latest.
    const auto importance = [&, last = callers.empty() ? -1 : callers.back()](const Mark& mark) {
        return mark.tokens == last ? 2 : mark.tokens == before_the_end ? 1 : 0;
    };
    std::ranges::sort(marks, [&](const Mark& a, const Mark& b) {
        return importance(a) != importance(b) ? importance(a) > importance(b) : a.tokens > b.tokens;
    });
    marks.resize(size_t(std::max<int64_t>(most, 0)));
    std::ranges::sort(marks, {}, &Mark::tokens);
    return marks;
}

}  // namespace hearth
