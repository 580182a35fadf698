#include "engine/logits_row.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <utility>

namespace hearth {

namespace {

constexpr float kLowest = std::numeric_limits<float>::lowest();

// Four lanes wherever they run: the compiler's own vectors, since it leaves comparisons of floats in plain loops
// scalar.
using Floats = float __attribute__((vector_size(16)));
using Ints = int32_t __attribute__((vector_size(16)));
using Words = uint32_t __attribute__((vector_size(16)));
using Doubles = double __attribute__((vector_size(32)));
constexpr size_t kLanes = 4;

inline Floats all(float x) {
    return Floats{x, x, x, x};
}

inline Floats load(const float* from) {
    Floats x;
    std::memcpy(&x, from, sizeof x);
    return x;
}

inline float greatest(Floats x) {
    return std::max(std::max(x[0], x[2]), std::max(x[1], x[3]));
}

// 2^x for x <= 0, the same bits on every machine; below -120 it stays there, at next to nothing.
//   2^x = 2^whole * e^(rest ln 2),  whole = round(x),  |rest| <= 1/2, by its series to the sixth power: within 3e-7
inline Floats power_of_two(Floats x) {
    x = x > all(-120.0f) ? x : all(-120.0f);
    const Floats shifted = x + 0x1.8p23f;  // the addition rounds; the low bits now hold `whole`
    const Floats rest = x - (shifted - 0x1.8p23f);
    Floats series = all(1.54035304e-4f);  // (ln 2)^n / n!
    series = series * rest + 1.33335581e-3f;
    series = series * rest + 9.61812911e-3f;
    series = series * rest + 5.55041087e-2f;
    series = series * rest + 2.40226507e-1f;
    series = series * rest + 6.93147181e-1f;
    series = series * rest + 1.0f;
    return (Floats)((Words)series + ((Words)shifted << 23));
}

// What a logit weighs beside the best one: e^((logit - best) / temperature).
struct Weighing {
    float best, scale;  // scale = log2(e) / temperature

    Weighing(float best_logit, float inverse_temperature)
        : best(best_logit), scale(std::min(1.44269504f * inverse_temperature, 1e30f)) {}
    Floats operator()(Floats logits) const { return power_of_two((logits - best) * scale); }
    bool is_nothing(float logit) const { return (logit - best) * scale < -115.0f; }  // nothing so weak can be drawn
};

float inverse_of(float temperature) {
    return std::min(1 / temperature, 1e30f);  // finite: 0 times it stays 0
}

float within_floats(double logit) {
    return float(std::clamp<double>(logit, kLowest, -double{kLowest}));
}

bool by_rank(const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

struct TypicalCandidate : Candidate {
    double distance = 0;  // of its logit from the typical one
};

bool by_distance(const TypicalCandidate& a, const TypicalCandidate& b) {
    return a.distance != b.distance ? a.distance < b.distance : by_rank(a, b);
}

// Length n of the shortest prefix, in the order of `before`, whose weights together satisfy `reached`; the items are
// rearranged so that this prefix stands first and its last item at n - 1. All items when it is never reached. The first
// `low` items are known to belong to it. Linear on average.
template <class Item, class Before, class Reached>
size_t prefix_reaching(std::vector<Item>& items, Before before, Reached reached, size_t low = 0) {
    size_t high = items.size();  // the end of the prefix lies in (low, high]
    double mass = 0;             // of the items before low
    for (size_t i = 0; i < low; ++i) mass += items[i].weight;
    for (int round = 0; high - low > 24 && round < 64; ++round) {
        Item &a = items[low], &b = items[low + (high - low) / 2], &last = items[high - 1];
        if (before(b, a)) std::swap(a, b);
        if (before(last, a)) std::swap(a, last);
        if (before(b, last)) std::swap(b, last);  // the middle one of the three is the pivot and stands last
        const Item pivot = last;
        const auto begin = items.begin();
        const auto middle = std::partition(begin + ptrdiff_t(low), begin + ptrdiff_t(high - 1),
                                           [&](const Item& item) { return before(item, pivot); });
        std::swap(*middle, last);
        const size_t place = size_t(middle - begin);
        double part = 0;
        for (size_t i = low; i < place; ++i) part += items[i].weight;
        if (reached(mass + part)) {
            high = place;
        } else if (reached(mass + part + pivot.weight)) {
            return place + 1;
        } else {
            mass += part + pivot.weight;
            low = place + 1;
        }
    }
    std::sort(items.begin() + ptrdiff_t(low), items.begin() + ptrdiff_t(high), before);
    for (size_t i = low; i < high; ++i)
        if (reached(mass += items[i].weight)) return i + 1;
    return high;
}

}  // namespace

Result<> LogitsRow::take(std::span<const float> logits) {
    values_ = logits.data();
    size_ = logits.size();
    is_narrowed_ = false;
    block_best_.resize((size_ + kBlock - 1) / kBlock);
    Ints bad = {};
    for (size_t block = 0; block < size_ / kBlock; ++block) {
        Floats best = all(kForbidden);
        for (size_t i = 0; i < kBlock; i += kLanes) {
            const Floats x = load(values_ + block * kBlock + i);
            best = x > best ? x : best;
            bad |= ~(x < -kForbidden);  // NaN or +inf
        }
        block_best_[block] = greatest(best);
    }
    bool is_bad = (bad[0] | bad[1] | bad[2] | bad[3]) != 0;
    for (size_t i = size_ / kBlock * kBlock; i < size_; ++i) is_bad |= !(values_[i] < -kForbidden);
    if (size_ % kBlock) block_best_.back() = best_of_block(blocks() - 1);
    if (is_bad) {
        const size_t at = size_t(
            std::find_if(logits.begin(), logits.end(), [](float x) { return !(x < -kForbidden); }) - logits.begin());
        return fail(ErrorKind::device,
                    fmt::format("the model's output is broken: the logit of token {} is {}", at, logits[at]),
                    "check the model file, or report this model");
    }
    if (find_best() == kForbidden)
        return fail(ErrorKind::device, "the model's output is broken: every logit is -inf",
                    "check the model file, or report this model");
    return {};
}

float LogitsRow::best_of_block(size_t block) const {
    float best = kForbidden;
    for (size_t i = block * kBlock; i < block_end(block); ++i) best = std::max(best, values_[i]);
    return best;
}

float LogitsRow::find_best() {
    best_ = kForbidden;
    for (const float best : block_best_) best_ = std::max(best_, best);
    return best_;
}

int32_t LogitsRow::best_token() const {
    const size_t block = size_t(std::find(block_best_.begin(), block_best_.end(), best_) - block_best_.begin());
    return int32_t(std::find(values_ + block * kBlock, values_ + block_end(block), best_) - values_);
}

void LogitsRow::forbid(int32_t id) {
    set(id, kForbidden);
}

void LogitsRow::change(int32_t id, double logit) {
    set(id, within_floats(logit));
}

void LogitsRow::set(int32_t id, float logit) {
    if (values_ != changed_.data()) {
        changed_.assign(values_, values_ + size_);
        values_ = changed_.data();
    }
    const float old = std::exchange(changed_[size_t(id)], logit);
    float& best = block_best_[size_t(id) / kBlock];
    if (logit >= best)
        best = logit;
    else if (old == best)
        best = best_of_block(size_t(id) / kBlock);
}

void LogitsRow::forbid(std::span<const uint32_t> allowed_bits) {
    changed_.resize(size_);
    for (size_t block = 0; block < blocks(); ++block) {
        const size_t begin = block * kBlock, end = block_end(block);
        uint32_t any = 0, all = ~0u;
        for (size_t word = begin / 32; word < (end + 31) / 32; ++word) {
            any |= allowed_bits[word];
            all &= allowed_bits[word];
        }
        if (any == 0) {
            std::fill(&changed_[begin], changed_.data() + end, kForbidden);
            block_best_[block] = kForbidden;
        } else if (all == ~0u) {
            std::copy(values_ + begin, values_ + end, &changed_[begin]);
        } else {
            float best = kForbidden;
            for (size_t i = begin; i < end; ++i) {
                changed_[i] = (allowed_bits[i / 32] >> (i % 32) & 1) ? values_[i] : kForbidden;
                best = std::max(best, changed_[i]);
            }
            block_best_[block] = best;
        }
    }
    values_ = changed_.data();
}

// Sum of the weights of the whole row. Four neighbours are added as floats, the rest in double, in one order whatever
// the machine. (That a block of nothing may count as next to nothing is lost in rounding: the best one's weight is 1.)
double LogitsRow::total_weight(float inverse_temperature) {
    const Weighing weigh(best_, inverse_temperature);
    Doubles sums[4] = {};
    for (size_t block = 0; block < blocks(); ++block) {
        if (weigh.is_nothing(block_best_[block])) continue;
        const float* x = values_ + block * kBlock;
        float padded[kBlock];
        if (block_end(block) % kBlock) {
            std::fill(std::copy(x, values_ + size_, padded), padded + kBlock, kForbidden);
            x = padded;
        }
        for (size_t part = 0; part < 4; ++part) {
            const float* y = x + part * 4 * kLanes;
            const Floats sum = (weigh(load(y)) + weigh(load(y + kLanes))) +
                               (weigh(load(y + 2 * kLanes)) + weigh(load(y + 3 * kLanes)));
            sums[part] += __builtin_convertvector(sum, Doubles);
        }
    }
    const Doubles sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// Appends the values in [at_least, below).
void LogitsRow::gather(float at_least, float below) {
    at_least = std::max(at_least, kLowest);  // never those that are forbidden
    for (size_t block = 0; block < blocks(); ++block) {
        if (!(block_best_[block] >= at_least)) continue;
        // Every value is written and most are overwritten by the next: no branch to guess wrongly.
        size_t count = candidates_.size();
        candidates_.resize(count + kBlock);
        for (size_t i = block * kBlock; i < block_end(block); ++i) {
            candidates_[count] = {values_[i], int32_t(i), 0};
            count += size_t(values_[i] >= at_least) & size_t(values_[i] < below);
        }
        candidates_.resize(count);
    }
}

void LogitsRow::gather_best(size_t count) {
    float at_least = kLowest;
    if (count < blocks()) {
        block_order_ = block_best_;
        const auto nth = block_order_.begin() + ptrdiff_t(count - 1);
        std::nth_element(block_order_.begin(), nth, block_order_.end(), std::greater<>());
        at_least = *nth;  // as many values as this are certainly not smaller: the bests of `count` blocks
    }
    candidates_.clear();
    gather(at_least);
    truncate(0, count);
}

// Leaves the first `keep` candidates, or the min_keep best ones of all if that is more.
void LogitsRow::truncate(size_t keep, size_t min_keep) {
    if (keep < min_keep && min_keep < candidates_.size())
        std::nth_element(candidates_.begin(), candidates_.begin() + ptrdiff_t(min_keep), candidates_.end(), by_rank);
    candidates_.resize(std::min(candidates_.size(), std::max(keep, min_keep)));
}

// Gathers enough of the best values for their mass to be reached, and returns how many of them, standing first, belong
// to the shortest prefix that reaches it. A first guess does for most rows; where the model is undecided, the mass by
// depth below the best tells how far down to go.
template <class Reached>
size_t LogitsRow::gather_mass(float inverse_temperature, Reached reached) {
    candidates_.clear();
    gather(best_ - 4 / inverse_temperature);
    if (reached(weigh(inverse_temperature))) return 0;

    constexpr int kDepths = 512, kPerUnit = 8;  // classes of depth, and classes per unit of logit / temperature
    mass_at_depth_.assign(kDepths * kLanes, 0);
    const Weighing weighing(best_, inverse_temperature);
    for (size_t i = 0; i < size_; i += kLanes) {
        Floats x = all(kForbidden);
        if (i + kLanes <= size_)
            x = load(values_ + i);
        else
            for (size_t lane = 0; lane < size_ - i; ++lane) x[lane] = values_[i + lane];
        const Floats weights = weighing(x), depth = (best_ - x) * (kPerUnit * inverse_temperature);
        const Floats deepest = all(kDepths - 1);
        const Ints place = __builtin_convertvector(depth < deepest ? depth : deepest, Ints);
        for (size_t lane = 0; lane < kLanes; ++lane)
            mass_at_depth_[size_t(place[lane]) * kLanes + lane] += weights[lane];
    }
    int depth = 0;
    double sum = 0;
    for (; depth < kDepths - 1; ++depth) {
        for (size_t lane = 0; lane < kLanes; ++lane) sum += mass_at_depth_[size_t(depth) * kLanes + lane];
        if (reached(sum)) break;
    }
    // A class of slack on both sides, since a depth is rounded; what is still amiss is seen and put right.
    const auto edge = [&](int below_best) { return best_ - float(below_best) / (kPerUnit * inverse_temperature); };
    candidates_.clear();
    gather(edge(depth - 1));
    const size_t certain = candidates_.size();
    gather(depth + 2 < kDepths ? edge(depth + 2) : kLowest, edge(depth - 1));
    const bool is_enough = reached(weigh(inverse_temperature));
    double certain_mass = 0;
    for (size_t i = 0; i < certain; ++i) certain_mass += candidates_[i].weight;
    if (is_enough && !reached(certain_mass)) return certain;
    candidates_.clear();
    gather(kLowest);
    weigh(inverse_temperature);
    return 0;
}

void LogitsRow::narrow_to_all() {
    if (is_narrowed_) return;
    candidates_.clear();
    gather(kLowest);
    is_narrowed_ = true;
}

double LogitsRow::weigh(float inverse_temperature) {
    float best = kForbidden;
    for (const Candidate& candidate : candidates_) best = std::max(best, candidate.logit);
    return weigh(inverse_temperature, best);
}

double LogitsRow::weigh(float inverse_temperature, float best) {
    const Weighing weighing(best, inverse_temperature);
    double total = 0;
    for (size_t i = 0; i < candidates_.size(); i += kLanes) {
        const size_t count = std::min(kLanes, candidates_.size() - i);
        Floats logits = all(best);
        for (size_t lane = 0; lane < count; ++lane) logits[lane] = candidates_[i + lane].logit;
        const Floats weights = weighing(logits);
        for (size_t lane = 0; lane < count; ++lane)
            total += candidates_[i + lane].weight = weighing.is_nothing(logits[lane]) ? 0 : weights[lane];
    }
    return total;
}

void LogitsRow::keep_best(size_t count) {
    if (count >= size_) return;
    gather_best(count);
    is_narrowed_ = true;
}

void LogitsRow::keep_typical(double mass, size_t min_keep) {
    if (is_narrowed_) {
        keep_nearest(typical_of_candidates(), mass, min_keep);
        return;
    }
    const Typical typical = typical_of_row();
    // On most rows the mass is reached near the typical logit; what lies above the reach of a try is gathered as well
    // and does no harm, since the nearest come first.
    is_narrowed_ = true;
    for (const double reach : {2.0, 5.0}) {
        candidates_.clear();
        gather(within_floats(typical.logit - reach));
        if (candidates_.size() > size_ / 16) break;  // to gather all at once costs less
        weigh(1, best_);
        double sum = 0;
        size_t count = 0;
        for (const Candidate& candidate : candidates_)
            if (double{candidate.logit} <= typical.logit + reach) {
                sum += candidate.weight;
                ++count;
            }
        if (count < min_keep || sum < mass * typical.total) continue;
        keep_nearest(typical, mass, min_keep);
        return;
    }
    candidates_.clear();
    gather(kLowest);
    keep_nearest(typical_of_candidates(), mass, min_keep);
}

// The logit whose surprise is the entropy: surprise(x) = log total - (x - best), so it lies at best + log total -
// entropy, and with entropy = log total - E[x - best] that is best + E[x - best]: the mean of the logits.
LogitsRow::Typical LogitsRow::typical_of_row() {
    const Weighing weigh(best_, 1);
    Doubles totals = {}, moments = {};
    for (size_t block = 0; block < blocks(); ++block) {
        if (weigh.is_nothing(block_best_[block])) continue;
        for (size_t i = block * kBlock; i < block_end(block); i += kLanes) {
            Floats x = all(kForbidden);
            if (i + kLanes <= size_)
                x = load(values_ + i);
            else
                std::copy(values_ + i, values_ + size_, reinterpret_cast<float*>(&x));
            const Floats weights = weigh(x), depth = x - best_;
            const Floats deepest = all(-200);  // forbidden ones would bring in 0 times infinity
            totals += __builtin_convertvector(weights, Doubles);
            moments += __builtin_convertvector(weights * (depth > deepest ? depth : deepest), Doubles);
        }
    }
    const double total = (totals[0] + totals[1]) + (totals[2] + totals[3]);
    return {best_ + ((moments[0] + moments[1]) + (moments[2] + moments[3])) / total, total};
}

LogitsRow::Typical LogitsRow::typical_of_candidates() {
    const double total = weigh(1);
    float best = kForbidden;
    for (const Candidate& candidate : candidates_) best = std::max(best, candidate.logit);
    double moment = 0;
    for (const Candidate& candidate : candidates_)
        if (candidate.weight > 0) moment += candidate.weight * (double{candidate.logit} - best);
    return {best + moment / total, total};
}

void LogitsRow::keep_nearest(const Typical& typical, double mass, size_t min_keep) {
    std::vector<TypicalCandidate> nearest;
    nearest.reserve(candidates_.size());
    for (const Candidate& candidate : candidates_)
        nearest.push_back({candidate, std::abs(candidate.logit - typical.logit)});
    const size_t keep = prefix_reaching(nearest, by_distance, [&](double sum) { return sum >= mass * typical.total; });
    if (keep < min_keep && min_keep < nearest.size())
        std::nth_element(nearest.begin(), nearest.begin() + ptrdiff_t(min_keep), nearest.end(), by_distance);
    nearest.resize(std::min(nearest.size(), std::max(keep, min_keep)));
    candidates_.assign(nearest.begin(), nearest.end());
}

void LogitsRow::keep_mass(double mass, size_t min_keep) {
    const auto enough = [&](double total) { return [needed = mass * total](double sum) { return sum >= needed; }; };
    if (is_narrowed_) {
        truncate(prefix_reaching(candidates_, by_rank, enough(weigh(1))), min_keep);
        return;
    }
    const auto reached = enough(total_weight(1));
    const size_t certain = gather_mass(1, reached);
    if (candidates_.size() < min_keep)
        gather_best(std::min(min_keep, size_));
    else
        truncate(prefix_reaching(candidates_, by_rank, reached, certain), min_keep);
    is_narrowed_ = true;
}

void LogitsRow::keep_likely(double share_of_best, size_t min_keep) {
    const auto limit = [&](float best) { return within_floats(double{best} + std::log(share_of_best)); };
    if (!is_narrowed_) {
        candidates_.clear();
        gather(limit(best_));
        if (candidates_.size() < min_keep) gather_best(std::min(min_keep, size_));
        is_narrowed_ = true;
        return;
    }
    float best = kForbidden;
    for (const Candidate& candidate : candidates_) best = std::max(best, candidate.logit);
    const auto end = std::partition(candidates_.begin(), candidates_.end(),
                                    [at_least = limit(best)](const Candidate& c) { return c.logit >= at_least; });
    truncate(size_t(end - candidates_.begin()), min_keep);
}

void LogitsRow::drop_top_choices(double threshold, size_t min_keep) {
    // Of a whole row only the tokens in question are gathered, and forbidden there; it keeps at least one.
    const bool is_whole = !is_narrowed_ && min_keep == 1;
    double total = 0;
    if (is_whole) {
        total = total_weight(1);
        candidates_.clear();
        gather(
            within_floats(best_ + std::log(threshold * total) - 0.001));  // the weights decide, not this rounded limit
        weigh(1);
    } else {
        narrow_to_all();
        total = weigh(1);
    }
    const double at_least = threshold * total;
    const auto end = std::partition(candidates_.begin(), candidates_.end(),
                                    [&](const Candidate& candidate) { return candidate.weight >= at_least; });
    const size_t above = size_t(end - candidates_.begin());
    if (above < 2 || (!is_whole && candidates_.size() - (above - 1) < min_keep)) return;
    std::iter_swap(std::max_element(candidates_.begin(), end, by_rank),
                   end - 1);  // "max" in rank order: the last of them
    if (is_whole) {
        for (auto candidate = candidates_.begin(); candidate != end - 1; ++candidate) forbid(candidate->id);
        find_best();
    } else {
        candidates_.erase(candidates_.begin(), end - 1);
    }
}

// The first token, from the best on, at which the running sum of weights exceeds uniform * total.
int32_t LogitsRow::draw(double uniform, float temperature) {
    const float inverse_temperature = inverse_of(temperature);
    const double total = is_narrowed_ ? weigh(inverse_temperature) : total_weight(inverse_temperature);
    const auto reached = [needed = uniform * total](double sum) { return sum > needed; };
    const size_t certain = is_narrowed_ ? 0 : gather_mass(inverse_temperature, reached);
    size_t chosen = prefix_reaching(candidates_, by_rank, reached, certain) - 1;
    while (chosen > 0 && candidates_[chosen].weight == 0) --chosen;  // rounding let the sum end just short of it
    return candidates_[chosen].id;
}

std::vector<TokenLogprob> LogitsRow::most_likely(size_t count, double log_total) {
    if (count == 0) return {};
    gather_best(std::min(count, size_));
    std::sort(candidates_.begin(), candidates_.end(), by_rank);
    std::vector<TokenLogprob> top;
    for (const Candidate& candidate : candidates_)
        top.push_back({candidate.id, float(double{candidate.logit} - log_total)});
    return top;
}

}  // namespace hearth
