// The order of the steps stands in sampler.h and, as code, in Sampler::sample and Sampler::choose; what a filter does
// to the candidates in logits_row.cpp.
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace hearth {

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
    static thread_local LogitsRow row;
    TRY(row.take(logits));
    SampledToken token;
    double log_total = 0;
    if (options_.logprobs >= 0) {
        log_total = row.log_total();
        token.top = row.most_likely(size_t(options_.logprobs), log_total);
    }
    if (guide) {
        static thread_local std::vector<uint32_t> allowed;
        allowed.assign((logits.size() + 31) / 32, ~0u);
        if (guide->mask(allowed)) row.forbid(allowed);
    }
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

int32_t Sampler::choose(LogitsRow& row) {
    if (options_.temperature == 0) return row.best_token();
    const size_t min_keep = size_t(options_.min_keep);
    if (options_.top_k > 0) row.keep_best(size_t(options_.top_k));
    if (options_.typical_p < 1) row.keep_typical(options_.typical_p, min_keep);
    if (options_.top_p < 1) row.keep_mass(options_.top_p, min_keep);
    if (options_.min_p > 0) row.keep_likely(options_.min_p, min_keep);
    if (options_.xtc_probability > 0 && options_.xtc_threshold <= 0.5f && rng_.uniform() < options_.xtc_probability)
        row.drop_top_choices(options_.xtc_threshold, min_keep);
    return row.draw(rng_.uniform(), options_.temperature);
}

void Sampler::forbid_and_bias(LogitsRow& row) const {
    for (const int32_t id : options_.suppressed) row.forbid(id);
    for (const auto& [id, bias] : options_.logit_bias) {
        if (row.at(id) == kForbidden) continue;
        if (bias == kForbidden)
            row.forbid(id);
        else
            row.change(id, double{row.at(id)} + bias);
    }
}

void Sampler::penalise(LogitsRow& row) const {
    for (const auto& [id, count] : seen_) {
        double logit = row.at(id);
        if (logit == kForbidden) continue;
        logit = logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
        logit -= double{options_.frequency_penalty} * count + options_.presence_penalty;
        row.change(id, logit);
    }
}

// How many of the newest tokens lie behind the last breaker, or `range`.
int64_t Sampler::tokens_since_breaker(int64_t range) const {
    const auto end = history_.end();
    for (int64_t back = 0; back < range; ++back) {
        const int32_t token = end[-1 - back];
        if (token < 0 || token >= vocabulary_size_ ||
            !(ends_breaker_[size_t(token) / 32] >> (uint32_t(token) % 32) & 1))
            continue;
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
void Sampler::penalise_passages(LogitsRow& row) const {
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
        row.change(id, double{row.at(id)} - penalty);
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
