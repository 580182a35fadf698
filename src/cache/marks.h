// After which tokens of a text its state is saved, for models that can be continued at saved states only. Long texts
// keep exponentially fewer old states: what a later prompt shares with an earlier one ends near its end or near its
// beginning.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hearth {

struct Mark {
    int64_t tokens = 0;
    bool is_callers = false;  // the caller named this place: a border between messages, say

    bool operator==(const Mark&) const = default;
};

// The places to stop at while the tokens from `begin` to `end` of a prompt are read: those the caller names
// (ascending), every `every` tokens of long ones, and one shortly before the end; thinned, and no more than `most`.
std::vector<Mark> choose_marks(int64_t begin, int64_t end, std::span<const int64_t> callers, int64_t every,
                               int64_t most);

// Which of the marks (ascending) of a text of `end` tokens are too many: beyond the newest few, one is enough between
// distances of 1 and 2 times `every` from the end, of 2 and 4 times and so on, the farthest or the farthest the caller
// named. Marks that survive go on surviving while the text grows, until their successors are as far from its end.
std::vector<Mark> superfluous_marks(std::span<const Mark> marks, int64_t end, int64_t every);

}  // namespace hearth
