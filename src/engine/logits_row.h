// One row of logits on its way to a token: the sampler's filters as operations on a set of candidates.
//
// How a vocabulary of 250,000 costs so little: one pass notes the greatest logit of every block of 64. The k-th
// greatest of those is a lower bound for the k-th greatest logit, so only few blocks are looked into again. Nothing is
// ever sorted whole: a nucleus, and the token to be drawn, are found by a quickselect over weights, in a short list or,
// on a row whose likely tokens are many, among the values in whose narrow range it ends (logits_passes.h).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/result.h"

namespace hearth {

struct TokenLogprob {
    int32_t id = 0;
    float logprob = 0;
};

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

struct Candidate {
    float logit = 0;
    int32_t id = 0;
    float weight = 0;  // e^((logit - best) / temperature), as of the last weigh()
};

struct RowView;

// Until something narrows it to a list, the row itself is the set of candidates: all finite values. Where a list would
// be long, a filter forbids values in the row instead.
class LogitsRow {
public:
    Result<> take(std::span<const float> logits);

    float at(int32_t id) const { return values_[id]; }
    void change(int32_t id, double logit);  // brought within the finite floats: a change never forbids
    void forbid(int32_t id);
    // Forbids the tokens whose bit is cleared; `allowed_bits` has a word for every 32 tokens.
    void forbid(std::span<const uint32_t> allowed_bits);
    float find_best();  // after the last change; kForbidden: nothing is left
    int32_t best_token() const;

    // Log of the sum of e^logit over all values, and the n greatest.
    double log_total() { return double{best_} + std::log(total_weight(1)); }
    std::vector<TokenLogprob> most_likely(size_t count, double log_total);

    void keep_best(size_t count);
    void keep_typical(double mass, size_t min_keep);
    void keep_mass(double mass, size_t min_keep);
    void keep_likely(double share_of_best, size_t min_keep);
    void drop_top_choices(double threshold, size_t min_keep);
    int32_t draw(double uniform, float temperature);

private:
    void set(int32_t id, float logit);
    RowView view() const;
    size_t blocks() const { return block_best_.size(); }
    size_t block_end(size_t block) const;
    float best_of_block(size_t block) const;
    double total_weight(float inverse_temperature);
    void gather(float at_least);
    void gather_best(size_t count);
    template <class Reached>
    void cut_row(float origin, float farthest, double total, Reached reached);
    float farthest_of(double mass) const;
    void narrow_to_all();
    // The logit of a token that surprises as much as the average one does, and the weight of all.
    struct Typical {
        float logit = 0;
        double total = 0;
    };
    Typical typical_of_candidates();
    void keep_nearest(const Typical& typical, double mass, size_t min_keep);
    double weigh(float inverse_temperature);
    double weigh(float inverse_temperature, float best);
    void truncate(size_t keep, size_t min_keep);

    const float* values_ = nullptr;  // the caller's, or changed_ as soon as one value has to differ
    size_t size_ = 0;
    float best_ = kForbidden;
    bool is_narrowed_ = false;
    std::vector<float> changed_, block_best_, block_order_, weights_;
    std::vector<double> block_mass_;
    std::vector<Candidate> candidates_;
};

}  // namespace hearth
