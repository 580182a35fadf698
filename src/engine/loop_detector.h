// Has the model fallen into a loop? Sees generated tokens one by one and reports when the tail of the text is one and
// the same group of tokens over and over.
//
// What counts: the last `covered` tokens repeat exactly with some period p <= max_period, and
//     covered >= max(min_tokens, min_repeats * p).
// Why these defaults: small models that loop do so without end and without changing a token, so waiting costs only
// time, while a false alarm cuts a good answer. Exact repetition that people do ask for is short: a 16 x 16 matrix of
// zeros is 512 tokens, a table of forty equal rows of twelve tokens 480, a ruled line or a laugh far less; 768 leaves
// room above all of them (15 s at 50 tokens a second). With long periods min_repeats decides: a refrain or a
// boilerplate block comes three or four times in a row, not six. Counting, numbered lists and rows with any changing
// cell never match, since a single different token ends the run.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace hearth {

struct LoopOptions {
    int max_period = 1024;  // tokens, 1 .. 65536; 0 turns the detector off
    int min_tokens = 768;
    int min_repeats = 6;  // at least 2
};

struct Loop {
    int period = 0;       // tokens in one turn, the smallest period that fits
    int64_t repeats = 0;  // whole turns so far
};

// One per sequence; feed it accepted tokens only (a prompt may repeat itself, and a draft may be withdrawn). Work per
// token is bounded by max_period (0.2 µs for 1024), memory 16 bytes per token of max_period.
class LoopDetector {
public:
    explicit LoopDetector(LoopOptions options = {});  // values out of range are brought to the nearest bound
    // Keeps reporting as long as the loop goes on.
    std::optional<Loop> accept(int32_t token);
    void reset();

private:
    LoopOptions options_;
    std::vector<int32_t>
        recent_;  // newest first from head_ on; the copy to the far end is paid once per max_period tokens
    std::vector<int32_t> run_;     // run_[p - 1]: how many of the newest tokens in a row equal the one p before
    std::vector<int32_t> needed_;  // the run that makes a loop of period p
    size_t head_ = 0;
};

}  // namespace hearth
