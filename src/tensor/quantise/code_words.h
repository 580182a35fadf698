// Types that store groups of weights as words of a code book. A word with levels g, at scale s, leaves the error
//   sum w (x - s g)^2 = sum w x^2 - 2 s P + s^2 Q        P = sum w x g, Q = sum w g^2
// P and Q know nothing of the scale. So each group's P and Q are computed once for every word of the book, and any
// scale may then be tried exactly, over all words, at the price of one multiplication and one subtraction a word.
// Here: the search that all such types share. A book builds the tables of a super-block and answers for a sub-block.
#pragma once

#include <algorithm>
#include <cmath>

#include "tensor/quantise/tile.h"

namespace hearth::quantisers {

struct WordSums {
    float p = 0, q = 0;  // of the words chosen, all groups of a sub-block
};

inline constexpr int kScaleTries = 12;

// The codes of the sub-scales and the common scale: sub-block j decodes with scale * kFactor * (2 codes[j] + 1).
struct WordScales {
    uint16_t stored = 0;
    int codes[16] = {};
};

// The common scale for free scales s_j: a few tries.
inline float common_odd_factor(const float* scales, const float* costs, int subs, int highest_code) {
    const float extreme = *std::max_element(scales, scales + subs);
    float best = 0, best_error = INFINITY;
    for (int step = -8; step <= 16; ++step) {
        const float factor = extreme / (float(2 * highest_code + 1) + 0.25f * float(step));
        float error = 0;
        for (int sub = 0; sub < subs; ++sub) {
            const float code = nearest_integer((scales[sub] / factor - 1) * 0.5f);
            const float off = scales[sub] - factor * (2 * std::min(std::max(code, 0.0f), float(highest_code)) + 1);
            error += costs[sub] * off * off;
        }
        if (error < best_error) best_error = error, best = factor;
    }
    return best;
}

// A Book has kSubs, kHighestCode, kFactor, kTopFrom and kTopTo (which part of largest magnitude / largest level is
// searched), top(sub), least(sub, inverse scales, out), choose(sub, inverse scale).
template <class Book>
LANES_INLINE WordScales fit_words(Book& book) {
    constexpr int kSubs = Book::kSubs;
    float scales[kSubs], costs[kSubs];
    bool is_zero = true;
    for (int sub = 0; sub < kSubs; ++sub) {
        scales[sub] = costs[sub] = 0;
        const float top = book.top(sub);
        if (!(top > 1e-30f)) continue;
        is_zero = false;
        float inverses[kScaleTries], least[kScaleTries];
        for (int k = 0; k < kScaleTries; ++k)
            inverses[k] = 1 / (top * (Book::kTopFrom + (Book::kTopTo - Book::kTopFrom) * float(k) / (kScaleTries - 1)));
        for (int k = 0; k < kScaleTries; k += 4) book.least(sub, inverses + k, least + k);
        int best = 0;
        float best_error = INFINITY;
        for (int k = 0; k < kScaleTries; ++k) {
            const float error = least[k] / (inverses[k] * inverses[k]);
            if (error < best_error) best_error = error, best = k;
        }
        float inverse = inverses[best], best_gain = 0;
        for (int round = 0; round < 2; ++round) {
            const WordSums sums = book.choose(sub, inverse);
            if (!(sums.p > 0 && sums.q > 0)) break;
            const float gain = sums.p * sums.p / sums.q;
            if (!(gain > best_gain)) break;
            best_gain = gain;
            scales[sub] = sums.p / sums.q;
            costs[sub] = sums.q;
            inverse = sums.q / sums.p;
        }
    }
    WordScales best;
    if (is_zero) return best;
    // Scales below are per kFactor.
    const float factor = common_odd_factor(scales, costs, kSubs, Book::kHighestCode);
    WordScales now{stored_scale(factor / Book::kFactor), {}};
    float best_error = INFINITY;
    for (int round = 0; round < 3; ++round) {
        const float unit = half_to_float(now.stored) * Book::kFactor;
        if (!(unit > 0)) break;
        float sum_p = 0, sum_q = 0;
        for (int sub = 0; sub < kSubs; ++sub) {
            int middle = now.codes[sub];
            if (round == 0) middle = int(nearest_integer(std::min((scales[sub] / unit - 1) * 0.5f, 100.0f)));
            middle = std::min(std::max(middle, 0), Book::kHighestCode);
            float inverses[4], least[4];
            int codes[4];
            for (int k = 0; k < 4; ++k) {
                codes[k] = std::min(std::max(middle + (k == 0 ? 0 : k - 2 + (k > 1)), 0), Book::kHighestCode);
                inverses[k] = 1 / (unit * float(2 * codes[k] + 1));
            }
            book.least(sub, inverses, least);
            int chosen = 0;
            float error = INFINITY;
            for (int k = 0; k < 4; ++k) {
                const float now_error = least[k] / (inverses[k] * inverses[k]);
                if (now_error < error) error = now_error, chosen = k;
            }
            now.codes[sub] = codes[chosen];
            const WordSums sums = book.choose(sub, inverses[chosen]);
            const float odd = float(2 * codes[chosen] + 1);
            sum_p += odd * sums.p;
            sum_q += odd * odd * sums.q;
        }
        const float error = unit * unit * sum_q - 2 * unit * sum_p;
        if (error < best_error) best_error = error, best = now;
        if (!(sum_p > 0 && sum_q > 0)) break;
        now.stored = stored_scale(sum_p / sum_q / Book::kFactor);
    }
    const float unit = half_to_float(best.stored) * Book::kFactor;
    for (int sub = 0; sub < kSubs; ++sub) book.choose(sub, unit > 0 ? 1 / (unit * float(2 * best.codes[sub] + 1)) : 0);
    return best;
}

// The least element of a vector kept per lane, and where: lowest value, then lowest index, whatever the width.
template <class V>
LANES_INLINE float least_lane(V value) {
    constexpr int kLanes = sizeof(V) / sizeof(float);
    float lanes[kLanes], least = INFINITY;
    store(lanes, value);
    for (const float lane : lanes) least = lane < least ? lane : least;
    return least;
}

}  // namespace hearth::quantisers
