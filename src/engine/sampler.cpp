// The order of the steps stands in sampler.h and, as code, in Sampler::sample and Sampler::choose.
//
// How a vocabulary of 250,000 costs so little: one pass notes the greatest logit of every block of 64. The k-th
// greatest of those is a lower bound for the k-th greatest logit, so only few blocks are looked into again. Nothing is
// ever sorted whole: a nucleus, and the token to be drawn, are found by a quickselect over weights.
#include "engine/sampler.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

namespace hearth {

namespace {

constexpr size_t kBlock = 64;  // a multiple of 32, so that a block is whole words of a mask
constexpr float kForbidden = -std::numeric_limits<float>::infinity();
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
    return std::min(1 / temperature, 1e30f);
}  // finite: 0 times it stays 0

float within_floats(double logit) {
    return float(std::clamp<double>(logit, kLowest, -double{kLowest}));
}

struct Candidate {
    float logit = 0;
    int32_t id = 0;
    float weight = 0;
};

bool by_rank(const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

struct TypicalCandidate : Candidate {
    double distance = 0;  // of its surprise from the entropy
};

bool by_distance(const TypicalCandidate& a, const TypicalCandidate& b) {
    return a.distance != b.distance ? a.distance < b.distance : by_rank(a, b);
}

// Length n of the shortest prefix, in the order of `before`, whose weights together satisfy `reached`; the items are
// rearranged so that this prefix stands first and its last item at n - 1. All items when it is never reached. Linear on
// average.
template <class Item, class Before, class Reached>
size_t prefix_reaching(std::vector<Item>& items, Before before, Reached reached) {
    size_t low = 0, high = items.size();  // the end of the prefix lies in (low, high], all before low belongs to it
    double mass = 0;                      // of the items before low
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

bool has_bit(std::span<const uint32_t> bits, int32_t index) {
    return bits[size_t(index) / 32] >> (uint32_t(index) % 32) & 1;
}

}  // namespace

// Until something narrows it, the row itself is the set of candidates: all finite values.
class Sampler::Row {
public:
    Result<> take(std::span<const float> logits);

    float at(int32_t id) const { return values_[id]; }
    void change(int32_t id, float logit);
    void forbid_by(Guide& guide);
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
    int32_t draw(double uniform, float inverse_temperature);

private:
    size_t blocks() const { return block_best_.size(); }
    size_t block_end(size_t block) const { return std::min(size_, (block + 1) * kBlock); }
    float best_of_block(size_t block) const;
    double total_weight(float inverse_temperature);
    void gather(float at_least);
    void gather_best(size_t count);
    template <class Reached>
    void gather_mass(float inverse_temperature, Reached reached);
    void narrow_to_all();
    double weigh(float inverse_temperature);
    void truncate(size_t keep, size_t min_keep);

    const float* values_ = nullptr;  // the caller's, or changed_ as soon as one value has to differ
    size_t size_ = 0;
    float best_ = kForbidden;
    bool is_narrowed_ = false;
    std::vector<float> changed_, block_best_, block_order_;
    std::vector<uint32_t> allowed_;
    std::vector<Candidate> candidates_;
};

Result<> Sampler::Row::take(std::span<const float> logits) {
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

float Sampler::Row::best_of_block(size_t block) const {
    float best = kForbidden;
    for (size_t i = block * kBlock; i < block_end(block); ++i) best = std::max(best, values_[i]);
    return best;
}

float Sampler::Row::find_best() {
    best_ = kForbidden;
    for (const float best : block_best_) best_ = std::max(best_, best);
    return best_;
}

int32_t Sampler::Row::best_token() const {
    const size_t block = size_t(std::find(block_best_.begin(), block_best_.end(), best_) - block_best_.begin());
    return int32_t(std::find(values_ + block * kBlock, values_ + block_end(block), best_) - values_);
}

void Sampler::Row::change(int32_t id, float logit) {
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

void Sampler::Row::forbid_by(Guide& guide) {
    allowed_.assign(blocks() * (kBlock / 32), ~0u);
    if (!guide.mask(std::span(allowed_).first((size_ + 31) / 32))) return;
    changed_.resize(size_);
    for (size_t block = 0; block < blocks(); ++block) {
        const size_t begin = block * kBlock, end = block_end(block);
        uint32_t any = 0, all = ~0u;
        for (size_t word = begin / 32; word < (begin + kBlock) / 32; ++word) {
            any |= allowed_[word];
            all &= allowed_[word];
        }
        if (any == 0) {
            std::fill(&changed_[begin], changed_.data() + end, kForbidden);
            block_best_[block] = kForbidden;
        } else if (all == ~0u) {
            std::copy(values_ + begin, values_ + end, &changed_[begin]);
        } else {
            float best = kForbidden;
            for (size_t i = begin; i < end; ++i) {
                changed_[i] = has_bit(allowed_, int32_t(i)) ? values_[i] : kForbidden;
                best = std::max(best, changed_[i]);
            }
            block_best_[block] = best;
        }
    }
    values_ = changed_.data();
}

// Sum of the weights of the whole row. Four neighbours are added as floats, the rest in double, in one order whatever
// the machine. (That a block of nothing may count as next to nothing is lost in rounding: the best one's weight is 1.)
double Sampler::Row::total_weight(float inverse_temperature) {
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

void Sampler::Row::gather(float at_least) {
    at_least = std::max(at_least, kLowest);  // never those that are forbidden
    candidates_.clear();
    for (size_t block = 0; block < blocks(); ++block) {
        if (!(block_best_[block] >= at_least)) continue;
        // Every value is written and most are overwritten by the next: no branch to guess wrongly.
        size_t count = candidates_.size();
        candidates_.resize(count + kBlock);
        for (size_t i = block * kBlock; i < block_end(block); ++i) {
            candidates_[count] = {values_[i], int32_t(i), 0};
            count += values_[i] >= at_least;
        }
        candidates_.resize(count);
    }
}

void Sampler::Row::gather_best(size_t count) {
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
void Sampler::Row::truncate(size_t keep, size_t min_keep) {
    if (keep < min_keep && min_keep < candidates_.size())
        std::nth_element(candidates_.begin(), candidates_.begin() + ptrdiff_t(min_keep), candidates_.end(), by_rank);
    candidates_.resize(std::min(candidates_.size(), std::max(keep, min_keep)));
}

// Gathers enough of the best values for their mass to be reached: most rows need a handful, so the first tries are
// small.
template <class Reached>
void Sampler::Row::gather_mass(float inverse_temperature, Reached reached) {
    for (const float depth : {4.0f, 8.0f, 12.0f, 16.0f, 24.0f, 81.0f}) {
        gather(best_ - depth / inverse_temperature);
        if (reached(weigh(inverse_temperature))) return;
    }
}

void Sampler::Row::narrow_to_all() {
    if (!is_narrowed_) gather(kLowest);
    is_narrowed_ = true;
}

double Sampler::Row::weigh(float inverse_temperature) {
    float best = kForbidden;
    for (const Candidate& candidate : candidates_) best = std::max(best, candidate.logit);
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

void Sampler::Row::keep_best(size_t count) {
    if (count >= size_) return;
    gather_best(count);
    is_narrowed_ = true;
}

void Sampler::Row::keep_typical(double mass, size_t min_keep) {
    narrow_to_all();
    const double total = weigh(1), log_total = std::log(total);
    float best = kForbidden;
    for (const Candidate& candidate : candidates_) best = std::max(best, candidate.logit);
    double entropy = log_total;
    for (const Candidate& candidate : candidates_)
        if (candidate.weight > 0) entropy -= candidate.weight / total * (double{candidate.logit} - best);
    std::vector<TypicalCandidate> typical;
    typical.reserve(candidates_.size());
    for (const Candidate& candidate : candidates_) {
        const double surprise = log_total - (double{candidate.logit} - best);
        typical.push_back({candidate, std::abs(surprise - entropy)});
    }
    const size_t keep = prefix_reaching(typical, by_distance, [&](double sum) { return sum >= mass * total; });
    if (keep < min_keep && min_keep < typical.size())
        std::nth_element(typical.begin(), typical.begin() + ptrdiff_t(min_keep), typical.end(), by_distance);
    typical.resize(std::min(typical.size(), std::max(keep, min_keep)));
    candidates_.assign(typical.begin(), typical.end());
}

void Sampler::Row::keep_mass(double mass, size_t min_keep) {
    const auto enough = [&](double total) { return [needed = mass * total](double sum) { return sum >= needed; }; };
    if (is_narrowed_) {
        truncate(prefix_reaching(candidates_, by_rank, enough(weigh(1))), min_keep);
        return;
    }
    const auto reached = enough(total_weight(1));
    gather_mass(1, reached);
    if (candidates_.size() < min_keep)
        gather_best(std::min(min_keep, size_));
    else
        truncate(prefix_reaching(candidates_, by_rank, reached), min_keep);
    is_narrowed_ = true;
}

void Sampler::Row::keep_likely(double share_of_best, size_t min_keep) {
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

void Sampler::Row::drop_top_choices(double threshold, size_t min_keep) {
    narrow_to_all();
    const double at_least = threshold * weigh(1);
    const auto end = std::partition(candidates_.begin(), candidates_.end(),
                                    [&](const Candidate& candidate) { return candidate.weight >= at_least; });
    const size_t above = size_t(end - candidates_.begin());
    if (above < 2 || candidates_.size() - (above - 1) < min_keep) return;
    std::iter_swap(std::max_element(candidates_.begin(), end, by_rank),
                   end - 1);  // "max" in rank order: the last of them
    candidates_.erase(candidates_.begin(), end - 1);
}

// The first token, from the best on, at which the running sum of weights exceeds uniform * total.
int32_t Sampler::Row::draw(double uniform, float inverse_temperature) {
    const double total = is_narrowed_ ? weigh(inverse_temperature) : total_weight(inverse_temperature);
    const auto reached = [needed = uniform * total](double sum) { return sum > needed; };
    if (!is_narrowed_) gather_mass(inverse_temperature, reached);
    size_t chosen = prefix_reaching(candidates_, by_rank, reached) - 1;
    while (chosen > 0 && candidates_[chosen].weight == 0) --chosen;  // rounding let the sum end just short of it
    return candidates_[chosen].id;
}

std::vector<TokenLogprob> Sampler::Row::most_likely(size_t count, double log_total) {
    if (count == 0) return {};
    gather_best(std::min(count, size_));
    std::sort(candidates_.begin(), candidates_.end(), by_rank);
    std::vector<TokenLogprob> top;
    for (const Candidate& candidate : candidates_)
        top.push_back({candidate.id, float(double{candidate.logit} - log_total)});
    return top;
}

std::vector<std::string> validate(const SamplerOptions& options, int64_t vocabulary_size) {
    std::vector<std::string> problems;
    const auto number = [&](const char* name, float value, bool is_good, const char* rule) {
        if (!is_good) problems.push_back(fmt::format("{} is {}, it must be {}", name, value, rule));
    };
    const auto share = [&](const char* name, float value, const char* rule) {
        number(name, value, value >= 0 && value <= 1, rule);
    };
    const auto at_least = [&](const char* name, int32_t value, int32_t least, const char* off) {
        if (value < least)
            problems.push_back(fmt::format("{} is {}, it must be at least {}{}", name, value, least, off));
    };
    const auto is_id = [&](int32_t id) { return id >= 0 && id < vocabulary_size; };
    const auto id_problem = [&](const char* name, int32_t id) {
        problems.push_back(fmt::format("{} names token {}, the vocabulary has 0 to {}", name, id, vocabulary_size - 1));
    };

    const SamplerOptions& o = options;
    number("temperature", o.temperature, o.temperature >= 0 && std::isfinite(o.temperature), "a number from 0 on");
    at_least("top_k", o.top_k, 0, " (0 turns it off)");
    share("top_p", o.top_p, "between 0 and 1 (1 turns it off)");
    share("min_p", o.min_p, "between 0 and 1 (0 turns it off)");
    share("typical_p", o.typical_p, "between 0 and 1 (1 turns it off)");
    at_least("min_keep", o.min_keep, 1, "");
    at_least("penalty_last_n", o.penalty_last_n, -1, " (0 turns penalties off, -1 looks at the whole text)");
    number("repetition_penalty", o.repetition_penalty, o.repetition_penalty > 0 && std::isfinite(o.repetition_penalty),
           "a number above 0 (1 turns it off)");
    number("presence_penalty", o.presence_penalty, std::isfinite(o.presence_penalty), "a number (0 turns it off)");
    number("frequency_penalty", o.frequency_penalty, std::isfinite(o.frequency_penalty), "a number (0 turns it off)");
    number("dry_multiplier", o.dry_multiplier, o.dry_multiplier >= 0 && std::isfinite(o.dry_multiplier),
           "a number from 0 on (0 turns it off)");
    number("dry_base", o.dry_base, o.dry_base >= 1 && std::isfinite(o.dry_base), "a number from 1 on");
    at_least("dry_allowed_length", o.dry_allowed_length, 1, "");
    at_least("dry_last_n", o.dry_last_n, -1, " (0 turns DRY off, -1 looks at the whole text)");
    share("xtc_probability", o.xtc_probability, "between 0 and 1 (0 turns it off)");
    share("xtc_threshold", o.xtc_threshold, "between 0 and 1 (above 0.5 turns it off)");
    if (o.logprobs < -1 || o.logprobs > vocabulary_size)
        problems.push_back(
            fmt::format("logprobs is {}, it must be between -1 (none) and the {} tokens of the vocabulary", o.logprobs,
                        vocabulary_size));

    // One line per field: its first bad entry.
    for (const auto& [id, bias] : o.logit_bias) {
        const bool is_number = !std::isnan(bias) && bias < std::numeric_limits<float>::infinity();
        if (is_id(id) && is_number) continue;
        if (!is_id(id))
            id_problem("logit_bias", id);
        else
            problems.push_back(fmt::format("logit_bias of token {} is {}, it must be a number or -inf", id, bias));
        break;
    }
    for (const int32_t id : o.suppressed)
        if (!is_id(id)) {
            id_problem("suppressed", id);
            break;
        }
    for (const int32_t id : o.dry_breaker_tokens)
        if (!is_id(id)) {
            id_problem("dry_breaker_tokens", id);
            break;
        }
    for (const auto& sequence : o.dry_breaker_sequences) {
        const auto bad = std::find_if_not(sequence.begin(), sequence.end(), is_id);
        const bool is_short = !sequence.empty() && sequence.size() <= 64;
        if (is_short && bad == sequence.end()) continue;
        if (!is_short)
            problems.push_back(
                fmt::format("dry_breaker_sequences has one of {} tokens, it must be 1 to 64", sequence.size()));
        else
            id_problem("dry_breaker_sequences", *bad);
        break;
    }
    return problems;
}

Result<Sampler> Sampler::make(SamplerOptions options, int64_t vocabulary_size) {
    if (vocabulary_size < 1 || vocabulary_size > std::numeric_limits<int32_t>::max())
        return fail(ErrorKind::bad_request,
                    fmt::format("a vocabulary of {} tokens cannot be sampled", vocabulary_size));
    const auto problems = validate(options, vocabulary_size);
    if (!problems.empty()) return fail(ErrorKind::bad_request, fmt::format("{}", fmt::join(problems, "; ")));
    uint64_t seed = 0;
    if (options.seed) {
        seed = *options.seed;
    } else {
        try {
            std::random_device entropy;
            seed = uint64_t{entropy()} << 32 | entropy();
        } catch (const std::exception& error) {
            return fail(ErrorKind::device, fmt::format("the system gave no random seed ({})", error.what()),
                        "give a seed");
        }
    }
    std::sort(options.dry_breaker_tokens.begin(), options.dry_breaker_tokens.end());
    return Sampler(std::move(options), vocabulary_size, seed);
}

Sampler::Sampler(SamplerOptions options, int64_t vocabulary_size, uint64_t seed)
    : options_(std::move(options)), vocabulary_size_(vocabulary_size), seed_(seed), rng_(seed) {
    if (!has_dry()) return;
    ends_breaker_.resize(size_t(vocabulary_size + 31) / 32);
    const auto mark = [&](int32_t id) { ends_breaker_[size_t(id) / 32] |= 1u << (uint32_t(id) % 32); };
    for (const int32_t id : options_.dry_breaker_tokens) mark(id);
    for (const auto& sequence : options_.dry_breaker_sequences) mark(sequence.back());
}

bool Sampler::has_penalties() const {
    return options_.penalty_last_n != 0 &&
           (options_.repetition_penalty != 1 || options_.presence_penalty != 0 || options_.frequency_penalty != 0);
}

bool Sampler::has_dry() const {
    return options_.dry_multiplier > 0 && options_.dry_last_n != 0;
}

Result<SampledToken> Sampler::sample(std::span<const float> logits, Guide* guide) {
    if (int64_t(logits.size()) != vocabulary_size_)
        return fail(ErrorKind::device,
                    fmt::format("a row has {} logits, the vocabulary {} tokens", logits.size(), vocabulary_size_));
    static thread_local Row row;
    TRY(row.take(logits));
    SampledToken token;
    double log_total = 0;
    if (options_.logprobs >= 0) {
        log_total = row.log_total();
        token.top = row.most_likely(size_t(options_.logprobs), log_total);
    }
    if (guide) row.forbid_by(*guide);
    forbid_and_bias(row);
    if (has_penalties()) penalise(row);
    if (has_dry()) penalise_passages(row);
    if (row.find_best() == kForbidden)
        return fail(ErrorKind::bad_request,
                    "no token may come next: the mask, logit_bias and suppressed ids forbid them all",
                    "allow at least one token");
    token.id = choose(row);
    if (options_.logprobs >= 0) token.logprob = float(double{logits[size_t(token.id)]} - log_total);
    return token;
}

int32_t Sampler::choose(Row& row) {
    if (options_.temperature == 0) return row.best_token();
    const size_t min_keep = size_t(options_.min_keep);
    if (options_.top_k > 0) row.keep_best(size_t(options_.top_k));
    if (options_.typical_p < 1) row.keep_typical(options_.typical_p, min_keep);
    if (options_.top_p < 1) row.keep_mass(options_.top_p, min_keep);
    if (options_.min_p > 0) row.keep_likely(options_.min_p, min_keep);
    if (options_.xtc_probability > 0 && options_.xtc_threshold <= 0.5f && rng_.uniform() < options_.xtc_probability)
        row.drop_top_choices(options_.xtc_threshold, min_keep);
    return row.draw(rng_.uniform(), inverse_of(options_.temperature));
}

void Sampler::forbid_and_bias(Row& row) const {
    for (const int32_t id : options_.suppressed) row.change(id, kForbidden);
    for (const auto& [id, bias] : options_.logit_bias) {
        if (row.at(id) == kForbidden) continue;
        row.change(id, bias == kForbidden ? kForbidden : within_floats(double{row.at(id)} + bias));
    }
}

void Sampler::penalise(Row& row) const {
    for (const auto& [id, count] : seen_) {
        double logit = row.at(id);
        if (logit == kForbidden) continue;
        logit = logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
        logit -= double{options_.frequency_penalty} * count + options_.presence_penalty;
        row.change(id, within_floats(logit));
    }
}

// How many of the newest tokens lie behind the last breaker, or `range`.
int64_t Sampler::tokens_since_breaker(int64_t range) const {
    const auto end = history_.end();
    for (int64_t back = 0; back < range; ++back) {
        const int32_t token = end[-1 - back];
        if (token < 0 || token >= vocabulary_size_ || !has_bit(ends_breaker_, token)) continue;
        if (std::binary_search(options_.dry_breaker_tokens.begin(), options_.dry_breaker_tokens.end(), token))
            return back;
        for (const auto& sequence : options_.dry_breaker_sequences)
            if (int64_t(sequence.size()) <= range - back &&
                std::equal(sequence.rbegin(), sequence.rend(), history_.rbegin() + back))
                return back;
    }
    return range;
}

// With s the text backwards, s[0] newest: wherever s[k..] agrees with s in its first n tokens, those n tokens stand in
// the text twice, and s[k - 1] is what followed them the other time. All n come from the Z algorithm, in time linear in
// the range.
void Sampler::penalise_passages(Row& row) const {
    const int64_t size = int64_t(history_.size());
    const int64_t range = options_.dry_last_n < 0 ? size : std::min<int64_t>(size, options_.dry_last_n);
    const int64_t limit = tokens_since_breaker(range), allowed = options_.dry_allowed_length;
    if (limit < allowed) return;
    const auto s = [&](int64_t back) { return history_[size_t(size - 1 - back)]; };
    static thread_local std::vector<int64_t> match;
    match.assign(size_t(range), 0);
    std::unordered_map<int32_t, int64_t> longest;  // by the token that would continue
    int64_t box_begin = 0, box_end = 0;            // s[box_begin, box_end) agrees with a prefix of s, box_end furthest
    for (int64_t k = 1; k < range; ++k) {
        int64_t n = k < box_end ? std::min(box_end - k, match[size_t(k - box_begin)]) : 0;
        while (k + n < range && s(k + n) == s(n)) ++n;
        match[size_t(k)] = n;
        if (k + n > box_end) {
            box_begin = k;
            box_end = k + n;
        }
        if (n < allowed) continue;
        int64_t& length = longest[s(k - 1)];
        length = std::max(length, std::min(n, limit));
    }
    for (const auto& [id, length] : longest) {
        if (id < 0 || id >= vocabulary_size_ || row.at(id) == kForbidden) continue;
        if (std::binary_search(options_.dry_breaker_tokens.begin(), options_.dry_breaker_tokens.end(), id)) continue;
        const double penalty = options_.dry_multiplier * std::pow(double{options_.dry_base}, double(length - allowed));
        row.change(id, within_floats(double{row.at(id)} - penalty));
    }
}

void Sampler::count_in(int32_t token) {
    if (token < 0 || token >= vocabulary_size_) return;  // a place where media stand
    const auto [place, is_new] = seen_at_.try_emplace(token, seen_.size());
    if (is_new) seen_.push_back({token, 0});
    ++seen_[place->second].count;
}

void Sampler::count_out(int32_t token) {
    const auto found = seen_at_.find(token);
    if (found == seen_at_.end() || --seen_[found->second].count > 0) return;
    seen_[found->second] = seen_.back();
    seen_at_[seen_.back().id] = found->second;
    seen_.pop_back();
    seen_at_.erase(token);
}

void Sampler::accept(int32_t token) {
    if (!has_penalties() && !has_dry()) return;
    history_.push_back(token);
    if (!has_penalties()) return;
    const int64_t leaving = int64_t(history_.size()) - 1 - options_.penalty_last_n;
    count_in(token);
    if (options_.penalty_last_n > 0 && leaving >= 0) count_out(history_[size_t(leaving)]);
}

void Sampler::accept_prompt(std::span<const int32_t> tokens) {
    for (const int32_t token : tokens) accept(token);
}

void Sampler::rollback(int64_t tokens) {
    for (; tokens > 0 && !history_.empty(); --tokens) {
        if (has_penalties()) {
            const int64_t returning = int64_t(history_.size()) - 1 - options_.penalty_last_n;
            count_out(history_.back());
            if (options_.penalty_last_n > 0 && returning >= 0) count_in(history_[size_t(returning)]);
        }
        history_.pop_back();
    }
}

}  // namespace hearth
