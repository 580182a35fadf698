#include "engine/logits_row.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "engine/logits_passes.h"

namespace hearth {

namespace {

constexpr float kLowest = std::numeric_limits<float>::lowest();

float inverse_of(float temperature) {
    return std::min(1 / temperature, 1e30f);  // finite: 0 times it stays 0
}

float within_floats(double logit) {
    return float(std::clamp<double>(logit, kLowest, -double{kLowest}));
}

bool by_rank(const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

bool by_id(const Candidate& a, const Candidate& b) {
    return a.id < b.id;
}

// Nearest to a logit first. The distance is a float, so that it orders values as their classes do (logits_passes.h).
struct Nearer {
    float logit;

    bool operator()(const Candidate& a, const Candidate& b) const {
        const float of_a = std::abs(a.logit - logit), of_b = std::abs(b.logit - logit);
        return of_a != of_b ? of_a < of_b : by_rank(a, b);
    }
};

// A list longer than this share of the vocabulary costs more than passes over the row.
constexpr size_t kLongList = 16;

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
    block_best_.resize((size_ + kRowBlock - 1) / kRowBlock);
    const bool is_bad = !find_block_bests(logits, block_best_.data());
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

RowView LogitsRow::view() const {
    return {values_, size_, block_best_.data()};
}

size_t LogitsRow::block_end(size_t block) const {
    return std::min(size_, (block + 1) * kRowBlock);
}

float LogitsRow::best_of_block(size_t block) const {
    float best = kForbidden;
    for (size_t i = block * kRowBlock; i < block_end(block); ++i) best = std::max(best, values_[i]);
    return best;
}

float LogitsRow::find_best() {
    best_ = kForbidden;
    for (const float best : block_best_) best_ = std::max(best_, best);
    return best_;
}

int32_t LogitsRow::best_token() const {
    const size_t block = size_t(std::find(block_best_.begin(), block_best_.end(), best_) - block_best_.begin());
    return int32_t(std::find(values_ + block * kRowBlock, values_ + block_end(block), best_) - values_);
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
    float& best = block_best_[size_t(id) / kRowBlock];
    if (logit >= best)
        best = logit;
    else if (old == best)
        best = best_of_block(size_t(id) / kRowBlock);
}

void LogitsRow::forbid(std::span<const uint32_t> allowed_bits) {
    changed_.resize(size_);
    for (size_t block = 0; block < blocks(); ++block) {
        const size_t begin = block * kRowBlock, end = block_end(block);
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

double LogitsRow::total_weight(float inverse_temperature) {
    return weigh_blocks(view(), Weighing(best_, inverse_temperature), nullptr);
}

// Makes the values from `at_least` on the candidates.
void LogitsRow::gather(float at_least) {
    at_least = std::max(at_least, kLowest);  // never those that are forbidden
    candidates_.clear();
    for (size_t block = 0; block < blocks(); ++block) {
        if (!(block_best_[block] >= at_least)) continue;
        // Every value is written and most are overwritten by the next: no branch to guess wrongly.
        size_t count = candidates_.size();
        candidates_.resize(count + kRowBlock);
        for (size_t i = block * kRowBlock; i < block_end(block); ++i) {
            candidates_[count] = {values_[i], int32_t(i), 0};
            count += size_t(values_[i] >= at_least);
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
    gather(at_least);
    truncate(0, count);
}

// Leaves the first `keep` candidates, or the min_keep best ones of all if that is more.
void LogitsRow::truncate(size_t keep, size_t min_keep) {
    if (keep < min_keep && min_keep < candidates_.size())
        std::nth_element(candidates_.begin(), candidates_.begin() + ptrdiff_t(min_keep), candidates_.end(), by_rank);
    candidates_.resize(std::min(candidates_.size(), std::max(keep, min_keep)));
}

// Forbids, in the row itself, all values but the nearest to `origin` whose weights together satisfy `reached` (origin
// is the best value: all but the best ones). This saves what a list would cost on an undecided row: sums within a few
// radii at a time close in on the last one's, and only values about as far are looked at one by one. Those beyond
// `farthest` weigh too little to matter. weights_ are those of the row.
template <class Reached>
void LogitsRow::cut_row(float origin, float farthest, double total, Reached reached) {
    const Weighing weighing(best_, 1);
    struct Range {
        float after, upto;  // the last one lies between; distances begin at 0
        double mass;        // of those not beyond `after`
    };
    const auto narrow = [&](Range& range, const Radii& radii, size_t every, double missing) {
        const auto within = mass_within(view(), weights_.data(), weighing, origin, radii, every);
        for (size_t i = 0; i < kRadii; ++i) {
            if (within[i] > 0 && reached(within[i] + missing)) {
                range.upto = radii[i];
                return;
            }
            range.after = radii[i];
            range.mass = within[i];
        }
    };
    const auto fifths = [](const Range& range) {
        const float begin = std::max(range.after, 0.0f), fifth = (range.upto - begin) / float(kRadii + 1);
        Radii radii;
        for (size_t i = 0; i < kRadii; ++i) radii[i] = begin + fifth * float(i + 1);
        return radii;
    };
    // A sample knows what lies beyond a radius, many small weights, much better than what lies within, a few great
    // ones.
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const double missing =
        total - mass_within(view(), weights_.data(), weighing, origin, {kInfinity, 0, 0, 0}, kSample)[0];
    Range guess{-1, farthest, 0}, range = guess;
    for (int round = 0; round < 4; ++round) narrow(guess, fifths(guess), kSample, missing);
    const float middle = (guess.after + guess.upto) / 2;
    const float near = 0.03f, off = 0.7f;  // how far a guess usually is from the truth, and hardly ever
    narrow(range, {middle - off, middle - near, middle + near, middle + off}, 1, 0);
    constexpr float kNarrow = 0.03f;  // so few lie between that they cost less than another round
    for (int round = 0; round < 4 && range.upto - range.after > kNarrow; ++round) narrow(range, fifths(range), 1, 0);
    const auto [after, upto, mass] = range;
    candidates_.clear();
    gather_between(view(), origin, after, upto, candidates_);
    weigh(1, best_);
    // All of them when rounding let their sum end just short of it.
    const size_t keep =
        prefix_reaching(candidates_, Nearer{origin}, [&, before = mass](double sum) { return reached(before + sum); });
    changed_.resize(size_);
    keep_within(view(), origin, upto, changed_.data(), block_best_.data());
    values_ = changed_.data();
    for (size_t i = keep; i < candidates_.size(); ++i) forbid(candidates_[i].id);
    find_best();
}

// So far below the best one that all values beyond it together weigh less than what a filter leaves out.
float LogitsRow::farthest_of(double mass) const {
    return float(std::log(double(size_) / std::max(1 - mass, 1e-9)));
}

void LogitsRow::narrow_to_all() {
    if (is_narrowed_) return;
    gather(kLowest);
    is_narrowed_ = true;
}

double LogitsRow::weigh(float inverse_temperature) {
    float best = kForbidden;
    for (const Candidate& candidate : candidates_) best = std::max(best, candidate.logit);
    return weigh(inverse_temperature, best);
}

double LogitsRow::weigh(float inverse_temperature, float best) {
    return weigh_candidates(candidates_, Weighing(best, inverse_temperature));
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
    // The logit whose surprise is the entropy: surprise(x) = log total - (x - best), so it lies at best + log total -
    // entropy, and with entropy = log total - E[x - best] that is best + E[x - best]: the mean of the logits.
    weights_.resize(blocks() * kRowBlock);
    const Moments moments = weighted_moments(view(), Weighing(best_, 1), weights_.data());
    const Typical typical = {float(best_ + moments.first / moments.total), moments.total};
    // On most rows the mass is reached near the typical logit; what lies above the reach of a try is gathered as well
    // and does no harm, since the nearest come first.
    for (const float reach : {2.0f, 5.0f}) {
        if (estimate_count(view(), typical.logit - reach) > size_ / kLongList) break;
        gather(typical.logit - reach);
        weigh(1, best_);
        double sum = 0;
        size_t count = 0;
        for (const Candidate& candidate : candidates_)
            if (candidate.logit <= typical.logit + reach) {
                sum += candidate.weight;
                ++count;
            }
        if (count < min_keep || sum < mass * typical.total) continue;
        keep_nearest(typical, mass, min_keep);
        is_narrowed_ = true;
        return;
    }
    if (min_keep == 1) {
        const float above = best_ - typical.logit;
        cut_row(typical.logit, std::max(above, farthest_of(mass)), typical.total,
                [needed = mass * typical.total](double sum) { return sum >= needed; });
        return;
    }
    narrow_to_all();
    keep_nearest(typical_of_candidates(), mass, min_keep);
}

LogitsRow::Typical LogitsRow::typical_of_candidates() {
    const double total = weigh(1);
    float best = kForbidden;
    for (const Candidate& candidate : candidates_) best = std::max(best, candidate.logit);
    double moment = 0;
    for (const Candidate& candidate : candidates_)
        if (candidate.weight > 0) moment += candidate.weight * (double{candidate.logit} - best);
    return {float(best + moment / total), total};
}

void LogitsRow::keep_nearest(const Typical& typical, double mass, size_t min_keep) {
    const Nearer nearer{typical.logit};
    const size_t keep = prefix_reaching(candidates_, nearer, [&](double sum) { return sum >= mass * typical.total; });
    if (keep < min_keep && min_keep < candidates_.size())
        std::nth_element(candidates_.begin(), candidates_.begin() + ptrdiff_t(min_keep), candidates_.end(), nearer);
    candidates_.resize(std::min(candidates_.size(), std::max(keep, min_keep)));
}

void LogitsRow::keep_mass(double mass, size_t min_keep) {
    const auto enough = [&](double all) { return [needed = mass * all](double sum) { return sum >= needed; }; };
    if (is_narrowed_) {
        truncate(prefix_reaching(candidates_, by_rank, enough(weigh(1))), min_keep);
        return;
    }
    weights_.resize(blocks() * kRowBlock);
    block_mass_.resize(blocks());
    const double total = weigh_blocks(view(), Weighing(best_, 1), block_mass_.data(), weights_.data());
    const auto reached = enough(total);
    const float at_least = best_ - 4;  // does for most rows
    double most = 0;                   // that the values from there on can weigh
    for (size_t block = 0; block < blocks(); ++block)
        if (block_best_[block] >= at_least) most += block_mass_[block];
    const bool is_near = reached(most) && (min_keep > 1 || estimate_count(view(), at_least) <= size_ / kLongList);
    if (is_near) gather(at_least);
    if (is_near && reached(weigh(1, best_)) && candidates_.size() >= min_keep) {
        truncate(prefix_reaching(candidates_, by_rank, reached), min_keep);
        is_narrowed_ = true;
    } else if (min_keep == 1) {
        cut_row(best_, farthest_of(mass), total, reached);
    } else {
        narrow_to_all();
        weigh(1, best_);
        truncate(prefix_reaching(candidates_, by_rank, reached), min_keep);
    }
}

void LogitsRow::keep_likely(double share_of_best, size_t min_keep) {
    const auto limit = [&](float best) { return within_floats(double{best} + std::log(share_of_best)); };
    if (!is_narrowed_) {
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

// The first token, in the order of ids, at which the running sum of weights exceeds uniform * total.
int32_t LogitsRow::draw(double uniform, float temperature) {
    const float inverse_temperature = inverse_of(temperature);
    double before = 0;
    if (!is_narrowed_) {
        // The block it lies in, by the sums of blocks.
        block_mass_.resize(blocks());
        const double total = weigh_blocks(view(), Weighing(best_, inverse_temperature), block_mass_.data());
        const double needed = uniform * total;
        size_t block = 0, last = 0;  // the last one that weighs anything: rounding may let the sum end just short of it
        for (; block < blocks() && !(before + block_mass_[block] > needed); ++block) {
            if (block_mass_[block] > 0) last = block;
            before += block_mass_[block];
        }
        if (block == blocks()) block = last;
        candidates_.clear();
        for (size_t i = block * kRowBlock; i < block_end(block); ++i)
            candidates_.push_back({values_[i], int32_t(i), 0});
        weigh(inverse_temperature, best_);
        uniform = needed;
    } else {
        uniform *= weigh(inverse_temperature);
    }
    size_t chosen = prefix_reaching(candidates_, by_id, [&](double sum) { return before + sum > uniform; }) - 1;
    while (chosen > 0 && candidates_[chosen].weight == 0) --chosen;
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
