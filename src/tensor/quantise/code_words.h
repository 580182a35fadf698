// Types that store groups of weights as words of a code book. A word with levels g, at scale s, leaves the error
//   sum w (x - s g)^2 = sum w x^2 - 2 s P + s^2 Q        P = sum w x g, Q = sum w g^2
// P and Q know nothing of the scale. So each group's P and Q are computed once for every word of the book, and the best
// word for each of a few scales across the range follows at the price of a multiplication and a subtraction. Those
// winners are the group's short list; everything after, fitting and rounding the scales, chooses among them.
// Here: the search that all such types share. A book scans the code book for a sub-block and answers from short lists.
#pragma once

#include <algorithm>
#include <cmath>

#include "tensor/quantise/tile.h"

namespace hearth::quantisers {

struct WordSums {
    float p = 0, q = 0;  // of the words chosen, all groups of a sub-block
};

inline constexpr int kScaleTries = 8;

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
// searched), top(sub), scan(sub, inverse scales of the tries), least(sub, inverse scale), choose(sub, inverse scale).
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
        book.scan(sub, inverses);
        for (int k = 0; k < kScaleTries; ++k) least[k] = book.least(sub, inverses[k]);
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
            int chosen = middle;
            float error = INFINITY;
            for (const int by : {0, -1, 1}) {
                const int code = std::min(std::max(middle + by, 0), Book::kHighestCode);
                const float inverse = 1 / (unit * float(2 * code + 1));
                const float now_error = book.least(sub, inverse) / (inverse * inverse);
                if (now_error < error) error = now_error, chosen = code;
            }
            now.codes[sub] = chosen;
            const float odd = float(2 * chosen + 1);
            const WordSums sums = book.choose(sub, 1 / (unit * odd));
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

// The words that were best for one of the tries, in the order of the tries; repetitions are left out.
struct ShortList {
    int count = 0;
    int words[kScaleTries];
    float p[kScaleTries], q[kScaleTries];  // 2P and Q of them

    // Its place in the list of the word with the least Q - t 2P.
    int best(float inverse) const {
        int place = 0;
        float least = INFINITY;
        for (int k = 0; k < count; ++k) {
            const float value = q[k] - p[k] * inverse;
            if (value < least) least = value, place = k;
        }
        return place;
    }
    float value(int place, float inverse) const { return q[place] - p[place] * inverse; }
    void add(int word, float p_now, float q_now) {
        for (int k = 0; k < count; ++k)
            if (words[k] == word) return;
        words[count] = word;
        p[count] = p_now;
        q[count] = q_now;
        ++count;
    }
};

// The least value of each try so far and its word, kept per lane.
template <class V>
struct Winners {
    static constexpr int kLanes = sizeof(V) / sizeof(float);
    V least[kScaleTries];
    Integers<kLanes> words[kScaleTries];

    LANES_INLINE Winners() {
        for (int k = 0; k < kScaleTries; ++k) least[k] = all<V>(INFINITY), words[k] = Integers<kLanes>{};
    }
    LANES_INLINE void offer(int k, V value, int word) {
        const auto is_less = value < least[k];
        least[k] = is_less ? value : least[k];
        words[k] = is_less ? Integers<kLanes>{} + word : words[k];
    }
    // Lowest value, then lowest word: whatever the width.
    LANES_INLINE int word(int k) const {
        float values[kLanes];
        int32_t bases[kLanes];
        __builtin_memcpy(values, &least[k], sizeof values);
        __builtin_memcpy(bases, &words[k], sizeof bases);
        int best = 0;
        for (int lane = 1; lane < kLanes; ++lane)
            if (values[lane] < values[best] ||
                (values[lane] == values[best] && bases[lane] + lane < bases[best] + best))
                best = lane;
        return bases[best] + best;
    }
};

}  // namespace hearth::quantisers
