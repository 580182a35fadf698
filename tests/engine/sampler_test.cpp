#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "base/rng.h"

namespace hearth {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// Allows a fixed set of tokens.
class SetGuide : public Guide {
public:
    explicit SetGuide(std::vector<bool> allowed) : allowed_(std::move(allowed)) {}
    bool mask(std::span<uint32_t> bits) override {
        EXPECT_EQ(bits.size(), (allowed_.size() + 31) / 32);
        for (size_t id = 0; id < allowed_.size(); ++id)
            if (!allowed_[id]) bits[id / 32] &= ~(1u << (id % 32));
        return std::find(allowed_.begin(), allowed_.end(), false) != allowed_.end();
    }
    Result<> accept(int32_t, std::string_view, GuideEvents&) override { return {}; }
    Result<> finish(GuideEvents&) override { return {}; }
    bool finished() const override { return false; }
    std::unique_ptr<Guide> clone() const override { return std::make_unique<SetGuide>(*this); }
    void rollback(int) override {}

private:
    std::vector<bool> allowed_;
};

// The documented order once more, with nothing clever: whole sorts, naive passage search, std::exp in double. `margin`
// is the smallest distance of any comparison from tipping over, as a share of the mass (or as a difference of logits).
struct Reference {
    SamplerOptions options;
    Rng rng;
    std::vector<int32_t> history;
    double margin = 1;

    explicit Reference(const SamplerOptions& o) : options(o), rng(*o.seed) {}

    struct Item {
        int32_t id;
        float logit;
        double order, share;
    };
    void near(double a, double b) { margin = std::min(margin, std::abs(a - b)); }

    static void share_out(std::vector<Item>& items, double temperature) {
        double best = -INFINITY, total = 0;
        for (const Item& item : items) best = std::max(best, double{item.logit});
        for (Item& item : items) total += item.share = std::exp((item.logit - best) / temperature);
        for (Item& item : items) item.share /= total;
    }
    static void rank(std::vector<Item>& items) {
        std::sort(items.begin(), items.end(),
                  [](const Item& a, const Item& b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; });
    }
    size_t prefix(const std::vector<Item>& items, double mass) {
        double sum = 0;
        for (size_t i = 0; i < items.size(); ++i) {
            near(sum, mass);
            sum += items[i].share;
            near(sum, mass);
            if (sum >= mass) return i + 1;
        }
        return items.size();
    }

    void passages(std::vector<float>& logits) const {
        const int64_t size = int64_t(history.size());
        const int64_t start = options.dry_last_n < 0 ? 0 : std::max<int64_t>(0, size - options.dry_last_n);
        const auto& breakers = options.dry_breaker_tokens;
        const auto is_breaker = [&](int32_t id) {
            return std::find(breakers.begin(), breakers.end(), id) != breakers.end();
        };
        const auto ends_breaker = [&](int64_t at) {  // a breaker's last token stands at `at`
            if (is_breaker(history[size_t(at)])) return true;
            for (const auto& sequence : options.dry_breaker_sequences) {
                const int64_t begin = at + 1 - int64_t(sequence.size());
                if (begin >= start && std::equal(sequence.begin(), sequence.end(), history.begin() + begin))
                    return true;
            }
            return false;
        };
        int64_t limit = 0;
        while (limit < size - start && !ends_breaker(size - 1 - limit)) ++limit;
        std::map<int32_t, int64_t> longest;
        for (int64_t next = start + 1; next < size; ++next) {  // history[next] followed history[.. next)
            int64_t n = 0;
            while (n < limit && next - 1 - n >= start && history[size_t(next - 1 - n)] == history[size_t(size - 1 - n)])
                ++n;
            if (n >= options.dry_allowed_length)
                longest[history[size_t(next)]] = std::max(longest[history[size_t(next)]], n);
        }
        for (const auto& [id, n] : longest)
            if (!is_breaker(id) && logits[size_t(id)] != -kInfinity)
                logits[size_t(id)] = float(logits[size_t(id)] -
                                           options.dry_multiplier * std::pow(double{options.dry_base},
                                                                             double(n - options.dry_allowed_length)));
    }

    int32_t sample(std::vector<float> logits, const std::vector<bool>& allowed) {
        margin = 1;
        for (size_t id = 0; id < logits.size(); ++id)
            if (!allowed[id]) logits[id] = -kInfinity;
        for (const int32_t id : options.suppressed) logits[size_t(id)] = -kInfinity;
        for (const auto& [id, bias] : options.logit_bias) logits[size_t(id)] += bias;
        const size_t window =
            options.penalty_last_n < 0 ? history.size() : std::min(history.size(), size_t(options.penalty_last_n));
        std::map<int32_t, int> counts;
        for (size_t i = history.size() - window; i < history.size(); ++i) ++counts[history[i]];
        for (const auto& [id, count] : counts) {
            double logit = logits[size_t(id)];
            logit = logit > 0 ? logit / options.repetition_penalty : logit * options.repetition_penalty;
            logits[size_t(id)] = float(logit - (double{options.frequency_penalty} * count + options.presence_penalty));
        }
        if (options.dry_multiplier > 0 && options.dry_last_n != 0) passages(logits);

        std::vector<Item> items;
        for (size_t id = 0; id < logits.size(); ++id)
            if (logits[id] != -kInfinity) items.push_back({int32_t(id), logits[id], 0, 0});
        rank(items);
        if (options.temperature == 0) return items[0].id;

        const size_t min_keep = size_t(options.min_keep);
        const auto keep = [&](size_t count) { items.resize(std::min(items.size(), std::max(count, min_keep))); };
        if (options.top_k > 0) items.resize(std::min(items.size(), size_t(options.top_k)));
        if (options.typical_p < 1) {
            share_out(items, 1);
            double entropy = 0;
            for (const Item& item : items)
                if (item.share > 0) entropy -= item.share * std::log(item.share);
            double best = items[0].logit, log_best = std::log(items[0].share);
            for (Item& item : items) item.order = std::abs(-(log_best + (item.logit - best)) - entropy);
            std::stable_sort(items.begin(), items.end(),
                             [](const Item& a, const Item& b) { return a.order < b.order; });
            const size_t count = std::max(prefix(items, options.typical_p), min_keep);
            if (count < items.size() && items[count].logit != items[count - 1].logit)
                near(items[count].order, items[count - 1].order);  // the two sides of the entropy could change places
            keep(count);
            rank(items);
        }
        if (options.top_p < 1) {
            share_out(items, 1);
            keep(prefix(items, options.top_p));
        }
        if (options.min_p > 0) {
            const double limit = items[0].logit + std::log(double{options.min_p});
            size_t count = 0;
            for (const Item& item : items) {
                near(item.logit, limit);
                count += item.logit >= limit;
            }
            keep(count);
        }
        if (options.xtc_probability > 0 && options.xtc_threshold <= 0.5f && rng.uniform() < options.xtc_probability) {
            share_out(items, 1);
            size_t above = 0;
            for (const Item& item : items) {
                near(item.share, options.xtc_threshold);
                above += item.share >= options.xtc_threshold;
            }
            if (above >= 2 && items.size() - (above - 1) >= min_keep)
                items.erase(items.begin(), items.begin() + ptrdiff_t(above - 1));
        }
        share_out(items, options.temperature);
        std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.id < b.id; });
        const double mass = rng.uniform();
        return items[prefix(items, mass) - 1].id;
    }
};

std::vector<float> random_logits(Rng& rng, size_t size) {
    std::vector<float> logits(size);
    const int shape = int(rng.below(7));
    const float spread = 0.3f + 6 * float(rng.uniform());
    for (float& x : logits) x = spread * rng.normal();
    if (shape == 1)  // many ties
        for (float& x : logits) x = std::round(x);
    if (shape == 2)  // mostly impossible
        for (float& x : logits)
            if (rng.below(10)) x = -kInfinity;
    if (shape == 3) std::fill(logits.begin(), logits.end(), float(rng.normal()));
    if (shape == 4) std::fill(logits.begin(), logits.end(), -kInfinity);
    if (shape == 5)  // one block full of good ones
        for (size_t i = 0; i < std::min<size_t>(size, 70); ++i) logits[i] += 10;
    if (shape == 6) std::sort(logits.begin(), logits.end());
    logits[rng.below(size)] = spread * 2;
    return logits;
}

SamplerOptions random_options(Rng& rng, size_t size) {
    SamplerOptions o;
    const auto sometimes = [&] { return rng.below(3) == 0; };
    const auto token = [&] { return int32_t(rng.below(size)); };
    o.temperature = rng.below(8) ? 0.2f + 2 * float(rng.uniform()) : 0;
    if (sometimes()) o.top_k = int32_t(1 + rng.below(rng.below(2) ? 50 : 2 * size));
    if (sometimes()) o.top_p = float(rng.uniform());
    if (sometimes()) o.min_p = float(rng.uniform() * rng.uniform());
    if (sometimes()) o.typical_p = float(rng.uniform());
    if (sometimes()) o.min_keep = int32_t(1 + rng.below(20));
    o.penalty_last_n = int32_t(rng.below(20)) - 1;
    if (sometimes()) o.repetition_penalty = 0.8f + float(rng.uniform());
    if (sometimes()) o.presence_penalty = 2 * rng.normal();
    if (sometimes()) o.frequency_penalty = rng.normal();
    if (sometimes()) {
        o.dry_multiplier = float(rng.uniform());
        o.dry_base = 1 + float(rng.uniform());
        o.dry_allowed_length = int32_t(1 + rng.below(3));
        o.dry_last_n = int32_t(rng.below(60)) - 1;
        for (int i = 0; i < 3; ++i) o.dry_breaker_tokens.push_back(int32_t(rng.below(std::min<size_t>(size, 12))));
        for (int i = 0; i < 2; ++i) o.dry_breaker_sequences.push_back({token(), token()});
        o.dry_breaker_sequences.push_back({int32_t(rng.below(std::min<size_t>(size, 8)))});
    }
    if (sometimes()) {
        o.xtc_probability = float(rng.uniform());
        o.xtc_threshold = float(0.6 * rng.uniform() * rng.uniform());
    }
    if (sometimes())
        for (int i = 0; i < 5; ++i) o.logit_bias.push_back({token(), 3 * rng.normal()});
    if (sometimes()) o.logit_bias.push_back({token(), -kInfinity});
    if (sometimes()) o.suppressed.push_back(token());
    o.seed = rng.next();
    return o;
}

TEST(Sampler, ChoosesWhatThePlainDefinitionChooses) {
    // The sampler's weights are floats: an exponent x (0 to -80) carries three roundings, 2^-24 |x| each, the series
    // and a few float additions 6e-7, so any share of the mass is within 3 * 80 * 2^-24 + 6e-7 < 1.5e-5 of the truth.
    // Where the definition itself is nearer than twice that to choosing otherwise, both answers are right and the case
    // is passed over.
    constexpr double kTooClose = 3e-5;
    Rng rng(20240601);
    int compared = 0, close = 0, impossible = 0;
    for (int trial = 0; trial < 1600; ++trial) {
        const size_t size = trial % 100 == 0 ? 20000 + rng.below(10000)
                            : rng.below(2)   ? 1 + rng.below(200)
                                             : 200 + rng.below(1800);
        const SamplerOptions options = random_options(rng, size);
        auto sampler = Sampler::make(options, int64_t(size));
        ASSERT_TRUE(sampler) << sampler.error().line();
        Reference reference(options);
        // Few different tokens, so that passages repeat.
        const size_t words = std::min<size_t>(size, 2 + rng.below(10));
        for (int i = 0; i < 40; ++i) {
            const auto token = int32_t(rng.below(words));
            sampler->accept(token);
            reference.history.push_back(token);
        }
        std::vector<bool> allowed(size, true);
        const int kind = int(rng.below(4));
        for (size_t id = 0; id < size && kind > 1; ++id)
            allowed[id] = kind == 2 ? rng.below(50) != 0 : rng.below(50) == 0;
        for (size_t id = 500; id < std::min<size_t>(size, 900) && kind == 2; ++id)
            allowed[id] = false;  // whole words of 0
        SetGuide guide(allowed);
        for (int step = 0; step < 4; ++step) {
            const auto logits = random_logits(rng, size);
            bool is_possible = false;
            for (size_t id = 0; id < size; ++id) {
                const auto is_banned = [&](const std::pair<int32_t, float>& bias) {
                    return size_t(bias.first) == id && bias.second == -kInfinity;
                };
                is_possible |= allowed[id] && logits[id] != -kInfinity &&
                               std::find(options.suppressed.begin(), options.suppressed.end(), int32_t(id)) ==
                                   options.suppressed.end() &&
                               std::none_of(options.logit_bias.begin(), options.logit_bias.end(), is_banned);
            }
            const auto token = sampler->sample(logits, kind == 0 ? nullptr : &guide);
            ASSERT_EQ(token.has_value(), is_possible) << "trial " << trial;
            if (!is_possible) {
                ++impossible;
                continue;
            }
            const int32_t expected = reference.sample(logits, allowed);
            if (reference.margin < kTooClose) {
                ++close;
            } else {
                ASSERT_EQ(token->id, expected) << "trial " << trial << " step " << step << " of " << size << " tokens";
                ++compared;
            }
            sampler->accept(expected);
            reference.history.push_back(expected);
        }
    }
    EXPECT_GT(compared, 5000);
    EXPECT_LT(close, 300);
    RecordProperty("compared", compared);
    RecordProperty("close", close);
    RecordProperty("impossible", impossible);
}

// A row of `size` zeros has weights of exactly 1, so that draws can be foretold from the generator alone.
TEST(Sampler, UsesOneRandomNumberPerTokenAndOneMorePerXtcDecision) {
    for (const bool with_xtc : {false, true}) {
        // At this threshold two of thousand equal tokens are never above, XTC changes nothing but the stream.
        auto sampler = Sampler::make({.xtc_probability = with_xtc ? 0.5f : 0, .xtc_threshold = 0.4f, .seed = 99}, 1000);
        Rng rng(99);
        const std::vector<float> zeros(1000, 0.0f);
        for (int step = 0; step < 200; ++step) {
            if (with_xtc) rng.uniform();
            EXPECT_EQ(sampler->sample(zeros)->id, int32_t(rng.uniform() * 1000));
        }
    }
}

// Pearson's statistic of `draws` against `shares`.
double chi_square(const std::vector<int>& seen, const std::vector<double>& shares) {
    const int draws = std::accumulate(seen.begin(), seen.end(), 0);
    double sum = 0;
    for (size_t i = 0; i < seen.size(); ++i) sum += std::pow(seen[i] - draws * shares[i], 2) / (draws * shares[i]);
    return sum;
}

TEST(Sampler, DrawsWithTheRightFrequencies) {
    // Eight groups, 7 degrees of freedom: by Wilson and Hilferty the statistic exceeds
    // 7 (1 - 2/63 + 4.753 sqrt(2/63))^3 = 42 with probability 1e-6.
    for (const size_t size : {8, 700}) {
        for (const float temperature : {0.7f, 1.0f, 1.8f}) {
            Rng rng(4);
            std::vector<float> logits(size);
            for (float& x : logits) x = rng.normal();
            std::vector<double> shares(8, 0);
            double total = 0;
            for (const float x : logits) total += std::exp(double{x} / temperature);
            for (size_t id = 0; id < size; ++id) shares[id % 8] += std::exp(double{logits[id]} / temperature) / total;
            auto sampler = Sampler::make({.temperature = temperature, .seed = 12}, int64_t(size));
            std::vector<int> seen(8, 0);
            for (int i = 0; i < 20000; ++i) ++seen[size_t(sampler->sample(logits)->id) % 8];
            EXPECT_LT(chi_square(seen, shares), 42) << size << " tokens at temperature " << temperature;
        }
    }
}

// The set of tokens that come out at all.
std::vector<int32_t> support(const SamplerOptions& options, const std::vector<float>& logits) {
    auto sampler = Sampler::make(options, int64_t(logits.size()));
    EXPECT_TRUE(sampler);
    std::vector<int32_t> seen;
    for (int i = 0; i < 2000; ++i) {
        const int32_t id = sampler->sample(logits)->id;
        if (std::find(seen.begin(), seen.end(), id) == seen.end()) seen.push_back(id);
    }
    std::sort(seen.begin(), seen.end());
    return seen;
}

using Ids = std::vector<int32_t>;
const std::vector<float> kShares{std::log(0.15f), std::log(0.5f), std::log(0.05f), std::log(0.3f)};

TEST(Sampler, FiltersKeepWhatTheirNamesSay) {
    EXPECT_EQ(support({.seed = 1}, kShares), (Ids{0, 1, 2, 3}));
    EXPECT_EQ(support({.top_k = 2, .seed = 1}, kShares), (Ids{1, 3}));
    EXPECT_EQ(support({.top_k = 9, .seed = 1}, kShares), (Ids{0, 1, 2, 3}));
    EXPECT_EQ(support({.top_p = 0.79f, .seed = 1}, kShares), (Ids{1, 3}));
    EXPECT_EQ(support({.top_p = 0.81f, .seed = 1}, kShares), (Ids{0, 1, 3}));
    EXPECT_EQ(support({.top_p = 0, .seed = 1}, kShares), (Ids{1}));
    EXPECT_EQ(support({.top_p = 0, .min_keep = 3, .seed = 1}, kShares), (Ids{0, 1, 3}));
    EXPECT_EQ(support({.min_p = 0.29f, .seed = 1}, kShares), (Ids{0, 1, 3}));
    EXPECT_EQ(support({.min_p = 0.31f, .seed = 1}, kShares), (Ids{1, 3}));
    EXPECT_EQ(support({.min_p = 1, .seed = 1}, kShares), (Ids{1}));
    EXPECT_EQ(support({.min_p = 1, .min_keep = 9, .seed = 1}, kShares), (Ids{0, 1, 2, 3}));
    // Entropy 1.142; surprises 1.897, 0.693, 2.996, 1.204: nearest is token 3, then 1, then 0.
    EXPECT_EQ(support({.typical_p = 0.29f, .seed = 1}, kShares), (Ids{3}));
    EXPECT_EQ(support({.typical_p = 0.31f, .seed = 1}, kShares), (Ids{1, 3}));
    EXPECT_EQ(support({.typical_p = 0, .seed = 1}, kShares), (Ids{3}));
    // top-k goes first: 0.5 and 0.3 become 0.625 and 0.375, and 0.62 of the mass is one token.
    EXPECT_EQ(support({.top_k = 2, .top_p = 0.62f, .seed = 1}, kShares), (Ids{1}));
    // Filters look at temperature 1: a heated nucleus is no larger.
    EXPECT_EQ(support({.temperature = 5, .top_p = 0.79f, .seed = 1}, kShares), (Ids{1, 3}));
    const std::vector<float> equal(100, 2.5f);
    Ids first_half(50);
    std::iota(first_half.begin(), first_half.end(), 0);
    EXPECT_EQ(support({.top_p = 0.5f, .seed = 1}, equal), first_half);
    EXPECT_EQ(support({.top_k = 50, .seed = 1}, equal), first_half);
    std::vector<float> lonely(500, -kInfinity);
    lonely[321] = -40;
    EXPECT_EQ(support({.top_k = 40, .top_p = 0.9f, .min_p = 0.1f, .typical_p = 0.5f, .seed = 1}, lonely), (Ids{321}));
}

TEST(Sampler, XtcLeavesTheLastOfTheTopChoices) {
    EXPECT_EQ(support({.xtc_probability = 1, .xtc_threshold = 0.1f, .seed = 1}, kShares), (Ids{0, 2}));
    EXPECT_EQ(support({.xtc_probability = 1, .xtc_threshold = 0.2f, .seed = 1}, kShares), (Ids{0, 2, 3}));
    EXPECT_EQ(support({.xtc_probability = 1, .xtc_threshold = 0.45f, .seed = 1}, kShares), (Ids{0, 1, 2, 3}));
    EXPECT_EQ(support({.xtc_probability = 1, .xtc_threshold = 0.51f, .seed = 1}, kShares), (Ids{0, 1, 2, 3}));
    EXPECT_EQ(support({.min_keep = 3, .xtc_probability = 1, .xtc_threshold = 0.1f, .seed = 1}, kShares),
              (Ids{0, 1, 2, 3}));
    // Half of the time: tokens 1 and 3 keep half of their share, 0 and 2 take the rest in proportion 3 : 1.
    auto sampler = Sampler::make({.xtc_probability = 0.5f, .xtc_threshold = 0.1f, .seed = 1}, 4);
    std::vector<int> seen(4, 0);
    for (int i = 0; i < 20000; ++i) ++seen[size_t(sampler->sample(kShares)->id)];
    // 3 degrees of freedom: 3 (1 - 2/27 + 4.753 sqrt(2/27))^3 = 32.5 is exceeded with probability 1e-6.
    EXPECT_LT(chi_square(seen, {0.075 + 0.375, 0.25, 0.025 + 0.125, 0.15}), 32.5);
}

// Greedy choices show where a logit has gone: token 0 wins exactly if its logit is still above the probe's.
float logit_after(const SamplerOptions& options, const Ids& history, float logit) {
    SamplerOptions greedy = options;
    greedy.temperature = 0;
    auto sampler = Sampler::make(greedy, 10);
    EXPECT_TRUE(sampler);
    sampler->accept_prompt(history);
    float low = -100, high = 100;
    for (int i = 0; i < 60; ++i) {
        std::vector<float> row(10, -1000.0f);
        row[0] = logit;
        row[9] = (low + high) / 2;  // token 9 is in no history
        (sampler->sample(row)->id == 0 ? low : high) = row[9];
    }
    return (low + high) / 2;
}

TEST(Sampler, PenaltiesByHand) {
    const Ids twice{0, 1, 0, 2};
    EXPECT_FLOAT_EQ(logit_after({.repetition_penalty = 2}, twice, 3), 1.5f);
    EXPECT_FLOAT_EQ(logit_after({.repetition_penalty = 2}, twice, -3), -6);
    EXPECT_FLOAT_EQ(logit_after({.repetition_penalty = 2}, {1, 2}, 3), 3);
    EXPECT_FLOAT_EQ(logit_after({.presence_penalty = 0.5f}, twice, 3), 2.5f);
    EXPECT_FLOAT_EQ(logit_after({.frequency_penalty = 0.5f}, twice, 3), 2);
    EXPECT_FLOAT_EQ(logit_after({.frequency_penalty = -0.5f}, twice, 3), 4);
    EXPECT_FLOAT_EQ(logit_after({.penalty_last_n = 2, .frequency_penalty = 0.5f}, twice, 3), 2.5f);
    EXPECT_FLOAT_EQ(logit_after({.penalty_last_n = 1, .frequency_penalty = 0.5f}, twice, 3), 3);
    EXPECT_FLOAT_EQ(logit_after({.penalty_last_n = 0, .frequency_penalty = 0.5f}, twice, 3), 3);
    EXPECT_FLOAT_EQ(logit_after({.penalty_last_n = -1, .frequency_penalty = 0.5f}, Ids(100, 0), 3), -47);
    EXPECT_FLOAT_EQ(logit_after({.frequency_penalty = 0.5f}, Ids(100, 0), 3), -29);  // the window is 64
    // All together, repetition first: 3 / 2 - 2 * 0.25 - 0.5; the bias goes before: (3 + 1) / 2 - ...
    EXPECT_FLOAT_EQ(
        logit_after({.repetition_penalty = 2, .presence_penalty = 0.5f, .frequency_penalty = 0.25f}, twice, 3), 0.5f);
    EXPECT_FLOAT_EQ(logit_after({.repetition_penalty = 2, .logit_bias = {{0, 0.5f}, {0, 0.5f}}}, twice, 3), 2);
}

TEST(Sampler, DryByHand) {
    SamplerOptions dry{.dry_multiplier = 1, .dry_base = 2, .dry_allowed_length = 2};
    EXPECT_FLOAT_EQ(logit_after(dry, {1, 2, 0, 1, 2}, 10), 9);           // a match of 2: 2^0
    EXPECT_FLOAT_EQ(logit_after(dry, {1, 2, 3, 0, 5, 1, 2, 3}, 10), 8);  // of 3: 2^1
    EXPECT_FLOAT_EQ(logit_after(dry, {2, 0, 1, 2}, 10), 10);             // of 1 is allowed
    EXPECT_FLOAT_EQ(logit_after(dry, {1, 2, 0, 3, 1, 2, 4, 3, 1, 2}, 10),
                    9);  // two continuations, each by its own match
    EXPECT_FLOAT_EQ(logit_after(dry, {3, 1, 2, 0, 1, 2, 0, 3, 1, 2}, 10), 8);  // the longer of two matches counts
    EXPECT_FLOAT_EQ(logit_after(dry, {0, 0, 0, 0, 0}, 10), 6);                 // overlapping: 4 of 5, 2^2
    dry.dry_last_n = 4;
    EXPECT_FLOAT_EQ(logit_after(dry, {1, 2, 0, 1, 2}, 10), 10);  // the first 1 is out of sight
    dry.dry_last_n = 5;
    EXPECT_FLOAT_EQ(logit_after(dry, {1, 2, 0, 1, 2}, 10), 9);
    dry.dry_last_n = 0;
    EXPECT_FLOAT_EQ(logit_after(dry, {1, 2, 0, 1, 2}, 10), 10);
    dry.dry_last_n = -1;
    dry.dry_breaker_tokens = {1};
    EXPECT_FLOAT_EQ(logit_after(dry, {1, 2, 3, 0, 5, 1, 2, 3}, 10), 9);  // only 2 3 lie behind the breaker
    EXPECT_FLOAT_EQ(logit_after(dry, {1, 2, 0, 1, 2}, 10), 10);
    dry.dry_breaker_tokens = {0};
    EXPECT_FLOAT_EQ(logit_after(dry, {1, 2, 0, 1, 2}, 10), 10);  // a breaker may always come
    dry.dry_breaker_tokens = {};
    dry.dry_breaker_sequences = {{5, 1}};
    EXPECT_FLOAT_EQ(logit_after(dry, {1, 2, 3, 0, 5, 1, 2, 3}, 10), 9);
    EXPECT_FLOAT_EQ(logit_after(dry, {1, 2, 3, 0, 4, 1, 2, 3}, 10), 8);
}

TEST(Sampler, PenaltiesNeverForbid) {
    SamplerOptions options{.temperature = 0,
                           .presence_penalty = 3e38f,
                           .frequency_penalty = 3e38f,
                           .dry_multiplier = 1e30f,
                           .dry_base = 1e30f,
                           .logit_bias = {{3, -3e38f}}};
    auto sampler = Sampler::make(options, 10);
    sampler->accept_prompt(Ids(50, 3));
    SetGuide guide({false, false, false, true, false, false, false, false, false, false});
    EXPECT_EQ(sampler->sample(std::vector<float>(10, 0.0f), &guide)->id, 3);
}

TEST(Sampler, GreedyTakesTheLowestOfEquals) {
    std::vector<float> logits(300, -1.0f);
    logits[250] = logits[77] = logits[80] = 4;
    auto sampler = Sampler::make({.temperature = 0, .top_k = 5, .top_p = 0.1f}, 300);
    EXPECT_EQ(sampler->sample(logits)->id, 77);
    auto biased = Sampler::make({.temperature = 0, .logit_bias = {{77, -kInfinity}}, .suppressed = {80}}, 300);
    EXPECT_EQ(biased->sample(logits)->id, 250);
    std::vector<bool> allowed(300, true);
    allowed[77] = false;
    SetGuide guide(allowed);
    EXPECT_EQ(sampler->sample(logits, &guide)->id, 80);
    EXPECT_EQ(sampler->sample(logits)->id, 77);  // the caller's row was left alone
}

TEST(Sampler, EqualSeedsGiveEqualTokens) {
    Rng rng(8);
    std::vector<std::vector<float>> rows(50);
    for (auto& row : rows) row = random_logits(rng, 700);
    const SamplerOptions options{.temperature = 1.2f, .top_p = 0.98f, .repetition_penalty = 1.2f, .seed = 5};
    const auto tokens = [&](Sampler sampler, bool is_disturbed) {
        auto other = Sampler::make({.top_k = 3, .presence_penalty = 1, .seed = 1}, 5000);
        Ids ids;
        for (const auto& row : rows) {
            if (is_disturbed) {
                EXPECT_TRUE(other->sample(std::vector<float>(5000, 1.0f)));  // shares the thread's work space
            }
            ids.push_back(sampler.sample(row)->id);
            sampler.accept(ids.back());
        }
        return ids;
    };
    const Sampler sampler = *Sampler::make(options, 700);
    const Ids ids = tokens(sampler, false);
    EXPECT_EQ(tokens(sampler, true), ids);
    EXPECT_EQ(tokens(*Sampler::make(options, 700), true), ids);
    SamplerOptions other = options;
    other.seed = 6;
    EXPECT_NE(tokens(*Sampler::make(other, 700), false), ids);
    other.seed.reset();
    const Sampler unseeded = *Sampler::make(other, 700), again = *Sampler::make(other, 700);
    EXPECT_NE(unseeded.seed(), again.seed());
    other.seed = unseeded.seed();
    EXPECT_EQ(tokens(unseeded, false), tokens(*Sampler::make(other, 700), false));
}

TEST(Sampler, RollbackForgetsDraftedTokens) {
    for (const int32_t window : {-1, 3, 64}) {
        const SamplerOptions options{
            .temperature = 0, .penalty_last_n = window, .frequency_penalty = 1, .dry_multiplier = 1};
        auto with = Sampler::make(options, 6), without = Sampler::make(options, 6);
        Rng rng(uint64_t(window + 7));
        for (int step = 0; step < 300; ++step) {
            const auto drafted = int64_t(rng.below(5));
            for (int64_t i = 0; i < drafted; ++i) with->accept(int32_t(rng.below(6)));
            with->rollback(drafted);
            std::vector<float> row(6);
            for (float& x : row) x = 3 * rng.normal();
            const int32_t id = without->sample(row)->id;
            ASSERT_EQ(with->sample(row)->id, id);
            with->accept(id);
            without->accept(id);
        }
        with->rollback(1000);
        const std::vector<float> row{1, 2, 3, 4, 5, 6};
        EXPECT_EQ(with->sample(row)->id, 5);
    }
}

TEST(Sampler, LogProbabilitiesAreTheModels) {
    auto sampler = Sampler::make({.temperature = 0, .logit_bias = {{1, -9}}, .suppressed = {0}, .logprobs = 3}, 4);
    const auto token = sampler->sample(kShares);
    ASSERT_TRUE(token);
    EXPECT_EQ(token->id, 3);  // 1 is biased away, the report does not care
    EXPECT_NEAR(token->logprob, std::log(0.3), 1e-6);
    ASSERT_EQ(token->top.size(), 3u);
    EXPECT_EQ(token->top[0].id, 1);
    EXPECT_NEAR(token->top[0].logprob, std::log(0.5), 1e-6);
    EXPECT_EQ(token->top[1].id, 3);
    EXPECT_EQ(token->top[2].id, 0);
    auto alone = Sampler::make({.seed = 3, .logprobs = 0}, 4);
    EXPECT_TRUE(alone->sample(kShares)->top.empty());
    EXPECT_LT(alone->sample(kShares)->logprob, 0);
    auto all = Sampler::make({.seed = 3, .logprobs = 500}, 500);
    Rng rng(2);
    std::vector<float> logits(500);
    for (float& x : logits) x = 4 * rng.normal();
    const auto everything = all->sample(logits);
    double total = 0;
    for (const auto& [id, logprob] : everything->top) total += std::exp(double{logprob});
    EXPECT_NEAR(total, 1, 1e-5);
    EXPECT_TRUE(std::is_sorted(everything->top.begin(), everything->top.end(),
                               [](const auto& a, const auto& b) { return a.logprob > b.logprob; }));
}

TEST(Sampler, SumsExponentialsPrecisely) {
    // One token at 0 and n at x: log-probability of the first = -log(1 + n e^x). Each weight is good for 3e-7 of the
    // series and two roundings of x, 2^-24 |x| each; three float additions round any part of the sum by 2^-24 each, n /
    // 64 additions in double by 2^-53, the result by 2^-24.
    constexpr size_t n = 100000;
    Rng rng(6);
    for (int trial = 0; trial < 40; ++trial) {
        std::vector<float> logits(n + 1, float(-30 * rng.uniform()));
        logits[n / 2] = 0;
        auto sampler = Sampler::make({.temperature = 0, .logprobs = 0}, n + 1);
        const double mass = n * std::exp(double{logits[0]}), expected = -std::log1p(mass);
        const double of_weights = (3e-7 + 2 * std::abs(logits[0]) * 0x1p-24) * mass / (1 + mass);
        const double of_sums = 3 * 0x1p-24 + n / 64 * 0x1p-53;
        EXPECT_NEAR(sampler->sample(logits)->logprob, expected, of_weights + of_sums + std::abs(expected) * 0x1p-24)
            << logits[0];
    }
}

TEST(Sampler, BrokenRowsAreErrors) {
    for (const size_t size : {size_t{5}, size_t{64}, size_t{200}}) {
        for (const SamplerOptions& options :
             {SamplerOptions{.temperature = 0}, SamplerOptions{.top_k = 3}, SamplerOptions{}}) {
            auto sampler = Sampler::make(options, int64_t(size));
            const std::vector<float> good(size, 1.0f);
            for (const float bad : {kNaN, kInfinity})
                for (size_t at : {size_t{0}, size_t{3}, size - 1}) {
                    auto logits = good;
                    logits[at] = bad;
                    const auto token = sampler->sample(logits);
                    ASSERT_FALSE(token);
                    EXPECT_NE(token.error().what.find(fmt::format("token {} is", at)), std::string::npos);
                }
            EXPECT_FALSE(sampler->sample(std::vector<float>(size, -kInfinity)));
            EXPECT_FALSE(sampler->sample(std::vector<float>(size + 1, 1.0f)));
            EXPECT_FALSE(sampler->sample({}));
            SetGuide nothing(std::vector<bool>(size, false));
            EXPECT_FALSE(sampler->sample(good, &nothing));
            EXPECT_TRUE(sampler->sample(good));
        }
    }
    // Finite extremes are fine.
    auto sampler = Sampler::make({.temperature = 1e-40f, .seed = 1}, 3);
    EXPECT_EQ(sampler->sample(std::vector<float>{-3e38f, 3e38f, 2e38f})->id, 1);
    auto hot = Sampler::make({.temperature = 3e38f, .top_p = 0.5f, .seed = 1}, 3);
    EXPECT_EQ(hot->sample(std::vector<float>{-3e38f, 3e38f, -kInfinity})->id, 1);
    auto media = Sampler::make({.repetition_penalty = 2, .dry_multiplier = 1}, 3);
    media->accept_prompt(Ids{-1, -1, -1, 70, 70, 70, -1, -1, -1});  // places of media carry no token
    EXPECT_TRUE(media->sample(std::vector<float>{1, 2, 3}));
}

TEST(Sampler, ValidateNamesEveryBadField) {
    EXPECT_TRUE(validate({}, 100).empty());
    const SamplerOptions bad{.temperature = kNaN,
                             .top_k = -1,
                             .top_p = 1.5f,
                             .min_p = -0.1f,
                             .typical_p = kNaN,
                             .min_keep = 0,
                             .penalty_last_n = -2,
                             .repetition_penalty = 0,
                             .presence_penalty = kInfinity,
                             .frequency_penalty = kNaN,
                             .dry_multiplier = -1,
                             .dry_base = 0.5f,
                             .dry_allowed_length = 0,
                             .dry_last_n = -2,
                             .dry_breaker_tokens = {100},
                             .dry_breaker_sequences = {{1, 2}, {}},
                             .xtc_probability = 2,
                             .xtc_threshold = -1,
                             .logit_bias = {{1, kInfinity}, {2, kNaN}},
                             .suppressed = {5, -1, -2},
                             .logprobs = 101};
    const auto problems = validate(bad, 100);
    const std::vector<std::string> names{
        "temperature",      "top_k",           "top_p",          "min_p",      "typical_p", "min_keep",
        "penalty_last_n",   "repetition_",     "presence_",      "frequency_", "dry_multi", "dry_base",
        "dry_allowed_",     "dry_last_n",      "xtc_prob",       "xtc_thr",    "logprobs",  "logit_bias of token 1",
        "suppressed names", "dry_breaker_tok", "dry_breaker_seq"};
    ASSERT_EQ(problems.size(), names.size());
    for (size_t i = 0; i < names.size(); ++i) EXPECT_EQ(problems[i].rfind(names[i], 0), 0u) << problems[i];
    const auto sampler = Sampler::make(bad, 100);
    ASSERT_FALSE(sampler);
    EXPECT_NE(sampler.error().what.find("top_p is 1.5, it must be between 0 and 1"), std::string::npos);
    EXPECT_FALSE(Sampler::make({}, 0));
    EXPECT_EQ(validate({.logit_bias = {{100, 1.0f}}}, 100).size(), 1u);
    EXPECT_EQ(validate({.dry_breaker_sequences = {Ids(65, 1)}}, 100).size(), 1u);
    EXPECT_EQ(validate({.dry_breaker_sequences = {{1, 100}}}, 100).size(), 1u);
}

}  // namespace
}  // namespace hearth
