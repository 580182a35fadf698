#include "server/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace hearth::server {

namespace {

// Peers come and go; more than so many at once share what one may have.
constexpr size_t kMostClients = 16384;
const std::string kEverybodyElse = "everybody else";

bool limits_anything(const store::KeyLimits& limits) {
    return limits.requests_per_minute > 0 || limits.tokens_per_minute > 0 || limits.concurrency > 0;
}

double seconds_for(double missing, int64_t per_minute) {
    return std::max(missing, 0.0) * 60 / double(per_minute);
}

ApiError too_much(const std::string& what, double seconds) {
    const int64_t retry = std::max<int64_t>(1, int64_t(std::ceil(std::min(seconds, 1e9))));
    return {.status = 429,
            .message = fmt::format("{}; come again in {} s", what, retry),
            .code = "rate_limit_exceeded",
            .retry_seconds = retry};
}

}  // namespace

std::string short_duration(double seconds) {
    const int64_t milliseconds = std::max<int64_t>(int64_t(std::ceil(seconds * 1000)), 0);
    if (milliseconds < 1000) return fmt::format("{}ms", milliseconds);
    if (milliseconds < 60'000) return fmt::format("{}s", double((milliseconds + 99) / 100) / 10);
    const int64_t whole = (milliseconds + 999) / 1000;
    return fmt::format("{}m{}s", whole / 60, whole % 60);
}

void RateLimits::Bucket::fill(double now) {
    level = std::min(double(per_minute), level + (now - filled_at) * double(per_minute) / 60);
    filled_at = now;
}

RateLimits::Admitted::Admitted(RateLimits& limits, std::string client)
    : limits_(limits), client_(std::move(client)), begun_(limits.clock_()) {}

void RateLimits::Admitted::over() {
    std::call_once(is_over_, [&] {
        const double now = limits_.clock_();
        std::lock_guard lock(limits_.mutex_);
        Client& client = limits_.clients_.at(client_);  // is kept while something of it is at work
        --client.at_work;
        const double took = now - begun_;
        client.usual_seconds += (took - client.usual_seconds) * (client.usual_seconds == 0 ? 1 : 0.2);
    });
}

// Of a client with full buckets nothing needs to be known; who owes is remembered.
void RateLimits::forget_idle(double now) {
    if (now - swept_at_ < 1) return;
    swept_at_ = now;
    std::erase_if(clients_, [&](const auto& one) {
        Client client = one.second;
        client.requests.fill(now);
        client.tokens.fill(now);
        return client.at_work == 0 && client.requests.is_full() && client.tokens.is_full();
    });
}

std::string RateLimits::place_of(const Identity& identity, double now) {
    if (clients_.contains(identity.id)) return identity.id;
    if (clients_.size() >= kMostClients) forget_idle(now);
    return clients_.size() < kMostClients ? identity.id : kEverybodyElse;
}

RateLimits::Client& RateLimits::client_at(const std::string& place, const store::KeyLimits& limits, double now) {
    const auto [found, is_new] = clients_.try_emplace(place);
    Client& client = found->second;
    if (is_new) {
        client.requests = {limits.requests_per_minute, double(limits.requests_per_minute), now};
        client.tokens = {limits.tokens_per_minute, double(limits.tokens_per_minute), now};
    }
    client.requests.fill(now);
    client.tokens.fill(now);
    return client;
}

ApiResult<std::shared_ptr<RateLimits::Admitted>> RateLimits::admit(const Identity& identity) {
    const store::KeyLimits& limits = of(identity);
    if (!limits_anything(limits)) return nullptr;
    const double now = clock_();
    std::lock_guard lock(mutex_);
    const std::string place = place_of(identity, now);
    Client& client = client_at(place, limits, now);
    if (limits.requests_per_minute > 0 && client.requests.level < 1)
        return std::unexpected(too_much(fmt::format("{} requests a minute are allowed", limits.requests_per_minute),
                                        seconds_for(1 - client.requests.level, limits.requests_per_minute)));
    if (limits.tokens_per_minute > 0 && client.tokens.level < 1)
        return std::unexpected(too_much(fmt::format("{} tokens a minute are allowed", limits.tokens_per_minute),
                                        seconds_for(1 - client.tokens.level, limits.tokens_per_minute)));
    if (limits.concurrency > 0 && client.at_work >= limits.concurrency)
        return std::unexpected(
            too_much(fmt::format("{} request{} at once {} allowed", limits.concurrency,
                                 limits.concurrency == 1 ? "" : "s", limits.concurrency == 1 ? "is" : "are"),
                     client.usual_seconds));
    client.requests.level -= 1;
    ++client.at_work;
    return std::make_shared<Admitted>(*this, place);
}

void RateLimits::charge(const Identity& identity, int64_t tokens) {
    if (of(identity).tokens_per_minute <= 0) return;
    const double now = clock_();
    std::lock_guard lock(mutex_);
    client_at(place_of(identity, now), of(identity), now).tokens.level -= double(tokens);
}

std::vector<Header> RateLimits::headers(const Identity& identity) const {
    std::vector<Header> headers;
    const double now = clock_();
    std::lock_guard lock(mutex_);
    auto found = clients_.find(identity.id);
    if (found == clients_.end()) found = clients_.find(kEverybodyElse);
    if (found == clients_.end()) return headers;
    const auto add = [&](const char* what, Bucket bucket) {
        const int64_t per_minute = bucket.per_minute;
        if (per_minute <= 0) return;
        bucket.fill(now);
        const auto remaining = int64_t(std::max(bucket.level, 0.0));
        headers.push_back({fmt::format("x-ratelimit-limit-{}", what), std::to_string(per_minute)});
        headers.push_back({fmt::format("x-ratelimit-remaining-{}", what), std::to_string(remaining)});
        headers.push_back({fmt::format("x-ratelimit-reset-{}", what),
                           short_duration(seconds_for(double(per_minute) - bucket.level, per_minute))});
    };
    add("requests", found->second.requests);
    add("tokens", found->second.tokens);
    return headers;
}

}  // namespace hearth::server
