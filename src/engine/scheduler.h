// Who runs in the next pass, and with how many tokens: continuous batching. Pure bookkeeping, no tensors, no text.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hearth {

struct Work {
    int64_t waiting_tokens = 0;  // known but not yet in the cache: the rest of a prompt, or what was just chosen
    int64_t to_boundary = 0;     // a pass must end after this many of them; 0: anywhere
    bool is_generating = false;  // its prompt is done; several tokens wait where a guide left no choice
    bool is_whole = false;       // all waiting tokens go into one pass, or none: each of them sees all others
};

struct Share {
    int64_t work = 0;  // index
    int64_t tokens = 0;
};

// Sequences that generate always take part, with one token each even where the budget is smaller than their number: a
// new long prompt never makes them stutter for longer than one pass. What is left of the budget goes to their further
// tokens, then to prompts, oldest first, so that the first to come is the first to answer. Prompts that are read whole
// leave what they do not fit into to younger ones; the oldest fits into a pass of its own (the engine sees to it).
std::vector<Share> share_out(std::span<const Work> oldest_first, int64_t step_tokens);

}  // namespace hearth
