// Buckets of requests and tokens by a clock of the test's own.
#include "server/limits.h"

namespace hearth::test {
namespace {

using server::Header;
using server::Identity;
using server::RateLimits;

struct Fixture {
    double now = 100;
    RateLimits limits{{}, [this] { return now; }};
    Identity client(const std::string& id, store::KeyLimits own) const {
        return {.id = id, .name = id, .scopes = {}, .limits = own};
    }
    std::string header(const Identity& identity, const std::string& name) const {
        for (const Header& one : limits.headers(identity))
            if (one.name == name) return one.value;
        return "";
    }
};

TEST(RateLimits, WithoutLimitsNothingIsCounted) {
    Fixture f;
    for (int i = 0; i < 1000; ++i) {
        const auto admitted = f.limits.admit(f.client("a", {}));
        ASSERT_TRUE(admitted);
        EXPECT_EQ(*admitted, nullptr);
    }
    EXPECT_TRUE(f.limits.headers(f.client("a", {})).empty());
}

TEST(RateLimits, RequestsOfAMinute) {
    Fixture f;
    const Identity a = f.client("a", {.requests_per_minute = 30});
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(f.limits.admit(a)) << i;
    EXPECT_EQ(f.header(a, "x-ratelimit-limit-requests"), "30");
    EXPECT_EQ(f.header(a, "x-ratelimit-remaining-requests"), "0");
    EXPECT_EQ(f.header(a, "x-ratelimit-reset-requests"), "1m0s");
    EXPECT_EQ(f.header(a, "x-ratelimit-limit-tokens"), "");
    const auto refused = f.limits.admit(a);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().status, 429);
    EXPECT_EQ(refused.error().code, "rate_limit_exceeded");
    EXPECT_EQ(refused.error().retry_seconds, 2);  // 30 a minute: one every 2 seconds
    EXPECT_NE(refused.error().message.find("30 requests a minute"), std::string::npos);
    // Another client is not concerned.
    EXPECT_TRUE(f.limits.admit(f.client("b", {.requests_per_minute = 1})));
    f.now += 1.9;
    EXPECT_FALSE(f.limits.admit(a));
    f.now += 0.2;
    EXPECT_TRUE(f.limits.admit(a));
    EXPECT_FALSE(f.limits.admit(a));
    f.now += 1000;  // a minute's worth is the most that is saved up
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(f.limits.admit(a)) << i;
    EXPECT_FALSE(f.limits.admit(a));
}

TEST(RateLimits, TokensAreChargedAndGivenBack) {
    Fixture f;
    const Identity a = f.client("a", {.tokens_per_minute = 600});
    ASSERT_TRUE(f.limits.admit(a));
    f.limits.charge(a, 1600);  // more than there is: it may, once
    const auto refused = f.limits.admit(a);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().retry_seconds, 101);  // 1001 tokens at 10 a second
    EXPECT_NE(refused.error().message.find("600 tokens a minute"), std::string::npos);
    EXPECT_EQ(f.header(a, "x-ratelimit-remaining-tokens"), "0");
    f.limits.charge(a, 200 - 1600);  // what it really was
    EXPECT_EQ(f.header(a, "x-ratelimit-remaining-tokens"), "400");
    EXPECT_EQ(f.header(a, "x-ratelimit-reset-tokens"), "20s");
    EXPECT_TRUE(f.limits.admit(a));
    f.now += 10;
    EXPECT_EQ(f.header(a, "x-ratelimit-remaining-tokens"), "500");
}

TEST(RateLimits, DebtIsRemembered) {
    Fixture f;
    const Identity a = f.client("a", {.tokens_per_minute = 60});
    { ASSERT_TRUE(f.limits.admit(a)); }
    f.limits.charge(a, 660);
    f.now += 300;
    for (int i = 0; i < 20000; ++i) (void)f.limits.admit(f.client("x" + std::to_string(i), {.requests_per_minute = 1}));
    EXPECT_FALSE(f.limits.admit(a));
    f.now += 302;
    EXPECT_TRUE(f.limits.admit(a));
}

TEST(RateLimits, SomeAtOnce) {
    Fixture f;
    const Identity a = f.client("a", {.concurrency = 2});
    auto first = f.limits.admit(a), second = f.limits.admit(a);
    ASSERT_TRUE(first && second);
    EXPECT_FALSE(f.limits.admit(a));
    f.now += 7;
    (*first)->over();
    first->reset();  // does not count twice
    auto third = f.limits.admit(a);
    ASSERT_TRUE(third);
    const auto refused = f.limits.admit(a);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().retry_seconds, 7);  // as long as the one before took
    EXPECT_NE(refused.error().message.find("2 requests at once"), std::string::npos);
    second->reset();
    EXPECT_TRUE(f.limits.admit(a));
}

// However many addresses come, memory stays bounded: the last ones share one place.
TEST(RateLimits, ManyPeersShareWhatIsLeft) {
    Fixture f;
    std::vector<std::shared_ptr<RateLimits::Admitted>> held;
    int refused = 0;
    for (int i = 0; i < 20000; ++i) {
        auto one = f.limits.admit(f.client(std::to_string(i), {.concurrency = 1}));
        if (one)
            held.push_back(std::move(*one));
        else
            ++refused;
    }
    EXPECT_GT(refused, 1000);
    EXPECT_GT(held.size(), 10000u);
    held.clear();
    f.now += 100;
    EXPECT_TRUE(f.limits.admit(f.client("new", {.concurrency = 1})));
}

TEST(RateLimits, UsualOnesAreForWhoHasNoneOfItsOwn) {
    RateLimits limits({.requests_per_minute = 1}, [] { return 1.0; });
    const Identity peer{.id = "from 10.0.0.1", .name = {}, .scopes = {}, .limits = {}};
    EXPECT_TRUE(limits.admit(peer));
    EXPECT_FALSE(limits.admit(peer));
    const Identity key{.id = "key", .name = {}, .scopes = {}, .limits = store::KeyLimits{}};
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(limits.admit(key));
}

TEST(RateLimits, DurationsAreThoseOfOpenai) {
    EXPECT_EQ(server::short_duration(0), "0ms");
    EXPECT_EQ(server::short_duration(0.12), "120ms");
    EXPECT_EQ(server::short_duration(1), "1s");
    EXPECT_EQ(server::short_duration(1.5), "1.5s");
    EXPECT_EQ(server::short_duration(360), "6m0s");
}

}  // namespace
}  // namespace hearth::test
