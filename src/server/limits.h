// How much each client may ask: requests and tokens a minute, and how many requests at once. A bucket a minute deep
// fills steadily; a client may come as long as there is something in it. What an answer really took is known at its
// end: until then an estimate is charged, so a bucket may go below zero, and the client waits until that is made up.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/os.h"
#include "server/access.h"

namespace hearth::server {

class RateLimits {
public:
    // `usual`: of clients that have no limits of their own.
    explicit RateLimits(store::KeyLimits usual = {}, std::function<double()> clock = monotonic_seconds)
        : usual_(usual), clock_(std::move(clock)) {}

    // A request that is being answered: one of those that may be so at once.
    class Admitted {
    public:
        Admitted(RateLimits& limits, std::string client);
        Admitted(const Admitted&) = delete;
        ~Admitted() { over(); }
        void over();  // before the end of its life; from any thread

    private:
        RateLimits& limits_;
        const std::string client_;
        const double begun_;
        std::once_flag is_over_;
    };

    // Lets a request in, or says when to come again. Null: nothing limits this client.
    ApiResult<std::shared_ptr<Admitted>> admit(const Identity& identity);
    void charge(const Identity& identity, int64_t tokens);  // less than zero: given back
    // x-ratelimit-limit-requests and its like, as OpenAI has them.
    std::vector<Header> headers(const Identity& identity) const;

private:
    struct Bucket {
        int64_t per_minute = 0;
        double level = 0, filled_at = 0;
        void fill(double now);
        bool is_full() const { return level >= double(per_minute); }
    };
    struct Client {
        Bucket requests, tokens;
        int64_t at_work = 0;
        double usual_seconds = 0;  // that an answer takes
    };
    const store::KeyLimits& of(const Identity& identity) const { return identity.limits ? *identity.limits : usual_; }
    std::string place_of(const Identity& identity, double now);
    Client& client_at(const std::string& place, const store::KeyLimits& limits, double now);
    void forget_idle(double now);

    const store::KeyLimits usual_;
    const std::function<double()> clock_;
    mutable std::mutex mutex_;
    std::map<std::string, Client> clients_;
    double swept_at_ = 0;
};

// "120ms", "1.5s", "6m0s"
std::string short_duration(double seconds);

}  // namespace hearth::server
