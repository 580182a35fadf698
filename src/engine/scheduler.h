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
// tokens, then to prompts, oldest first, so that the first to come is the first to answer. Beside sequences that
// generate, prompts together get `beside_answers` tokens at most. Prompts that are read whole are not bound by that,
// and leave what they do not fit into to younger ones; the oldest fits into a pass of its own (the engine sees to it).
std::vector<Share> share_out(std::span<const Work> oldest_first, int64_t step_tokens,
                             int64_t beside_answers = INT64_MAX);

// How many prompt tokens hold up the answers of others for no longer than a person notices. It learns from the passes
// that ran what a prompt token costs; results do not depend on how prompts are cut.
class PromptPace {
public:
    static constexpr double kMostSeconds = 0.05;

    int64_t beside_answers() const;
    void passed(double seconds, int64_t prompt_tokens, int64_t answer_tokens);

private:
    static constexpr int64_t kAtFirst = 32, kFewest = 8;  // a pass reads all weights: a few tokens more are almost free
    double without_prompt_ = 0;                           // seconds of the last pass that only answered
    double token_ = 0;                                    // seconds a prompt token adds; 0: not known yet
};

}  // namespace hearth
