// Chooses the next token of one sequence from a row of logits. The order is fixed (it is the default order of
// llama.cpp's server, so that settings tuned there mean the same here):
//
//    1. forbid      guide's mask, suppressed ids, logit bias (finite ones are added, -inf forbids)
//    2. penalties   repetition, then frequency and presence, over the last penalty_last_n tokens
//    3. DRY         against continuing a passage that already stands in the text
//    4. top-k       the k best
//    5. typical-p   the tokens whose surprise is nearest to the entropy, up to a mass of p
//    6. top-p       the best tokens up to a mass of p
//    7. min-p       those at least p times as likely as the best one left
//    8. XTC         with some probability drops all but the last of the tokens above a threshold
//    9. temperature
//   10. draw        in the order of ids, the first token at which the running sum of probabilities exceeds the random
//                   number
//
// Steps 4 to 8 see probabilities at temperature 1, renormalised over what the step before has left; each of 5 to 7
// keeps at least min_keep tokens. Equal logits rank by id, lower first. At temperature 0 the best token after step 3 is
// taken: steps 4 to 10 do not run, and no random number is used. Otherwise a token uses one random number, plus one
// (before it) if XTC is on, whatever the logits are: equal seed and equal logits give equal tokens, independent of
// anything else. Penalties lower a logit but never forbid a token, so a grammar always finds a way on.
//
// Log-probabilities are those of the model: log softmax of the logits as they came, before step 1 and at temperature 1.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/rng.h"
#include "engine/guide.h"
#include "engine/logits_row.h"

namespace hearth {

struct SamplerOptions {
    float temperature = 1.0f;  // 0: always the best
    int32_t top_k = 0;         // 0: off
    float top_p = 1.0f;        // 1: off
    float min_p = 0.0f;        // 0: off
    float typical_p = 1.0f;    // 1: off
    int32_t min_keep = 1;

    int32_t penalty_last_n = 64;      // window of all three penalties, prompt included; 0: off, -1: the whole text
    float repetition_penalty = 1.0f;  // 1: off; divides a positive logit, multiplies a negative one
    float presence_penalty = 0.0f;    // subtracted once
    float frequency_penalty = 0.0f;   // subtracted as often as the token occurs

    // A token that would extend a repeated passage of n >= dry_allowed_length tokens loses multiplier * base^(n -
    // allowed).
    float dry_multiplier = 0.0f;  // 0: off
    float dry_base = 1.75f;
    int32_t dry_allowed_length = 2;
    int32_t dry_last_n = -1;  // how far back passages are looked for; 0: off, -1: the whole text
    // No passage reaches across a breaker. The engine, which has the tokenizer, finds the texts among the tokens
    // (dry_breakers.h): a token that contains a text is a breaker token (and never penalised), a text spread over
    // several tokens gives sequences. The sampler itself looks at ids only.
    std::vector<std::string> dry_breakers = {"\n", ":", "\"", "*"};
    std::vector<int32_t> dry_breaker_tokens;
    std::vector<std::vector<int32_t>> dry_breaker_sequences;

    float xtc_probability = 0.0f;  // 0: off
    float xtc_threshold = 0.1f;    // above 0.5: off

    std::vector<std::pair<int32_t, float>> logit_bias;  // id, bias; -inf forbids; several for one id add up
    std::vector<int32_t> suppressed;                    // ids that are never chosen

    std::optional<uint64_t> seed;  // absent: one is drawn, see Sampler::seed()
    int32_t logprobs = -1;         // -1: none; 0: of the chosen token; n: also of the n most likely ones
};

struct SampledToken {
    int32_t id = 0;
    float logprob = 0;              // when options.logprobs >= 0
    std::vector<TokenLogprob> top;  // most likely first
};

// One line per field that makes no sense, empty when all is well.
std::vector<std::string> validate(const SamplerOptions& options, int64_t vocabulary_size);

// One per sequence, used by one thread at a time; a copy is an independent sampler in the same state. It holds 4 bytes
// per token of history where penalties or DRY need one; work space (up to 50 bytes per vocabulary entry) is kept once
// per thread.
class Sampler {
public:
    static Result<Sampler> make(SamplerOptions options, int64_t vocabulary_size);

    // Does not touch the history: accept() the token that is really appended (it may be another one, forced by a
    // guide). Errors: a row of the wrong length, NaN or +inf in it, nothing left to choose from.
    Result<SampledToken> sample(std::span<const float> logits, Guide* guide = nullptr);

    void accept(int32_t token);  // 0 <= token < vocabulary_size
    void accept_prompt(std::span<const int32_t> tokens);
    void rollback(int64_t tokens);  // forgets the last ones accepted (withdrawn drafts); random numbers stay used

    uint64_t seed() const { return seed_; }
    const SamplerOptions& options() const { return options_; }

private:
    Sampler(SamplerOptions options, int64_t vocabulary_size, uint64_t seed);

    struct Seen {
        int32_t id = 0, count = 0;
    };
    void forbid_and_bias(LogitsRow& row) const;
    void penalise(LogitsRow& row) const;
    void penalise_passages(LogitsRow& row) const;
    int64_t tokens_since_breaker(int64_t range) const;
    int32_t choose(LogitsRow& row);

    bool has_penalties() const;
    bool has_dry() const;
    void count_in(int32_t token);
    void count_out(int32_t token);

    SamplerOptions options_;
    int64_t vocabulary_size_ = 0;
    uint64_t seed_ = 0;
    Rng rng_;
    std::vector<int32_t> history_;                 // prompt and generated, oldest first; empty when no step looks at it
    std::vector<Seen> seen_;                       // the penalty window by token, in no order
    std::unordered_map<int32_t, size_t> seen_at_;  // token -> place in seen_
    std::vector<uint32_t> ends_breaker_;           // bit per token: alone or as the end of a sequence
};

}  // namespace hearth
