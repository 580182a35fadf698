// Who is next: shares of clients that always have something waiting, priorities, deadlines, bounds.
#include "server/queue.h"

#include <algorithm>
#include <deque>
#include <map>

#include "base/rng.h"

namespace hearth::test {
namespace {

using server::FairQueue;

std::vector<FairQueue::Ticket> all_of(FairQueue& queue) {
    std::vector<FairQueue::Ticket> order;
    while (const auto next = queue.next()) order.push_back(*next);
    return order;
}

TEST(Queue, ClientsTakeTurnsHoweverMuchTheySend) {
    FairQueue queue(100);
    for (uint64_t i = 0; i < 50; ++i) ASSERT_TRUE(queue.add({.ticket = i, .client = "greedy", .cost = 1000}));
    ASSERT_TRUE(queue.add({.ticket = 100, .client = "modest", .cost = 1000}));
    ASSERT_TRUE(queue.add({.ticket = 101, .client = "modest", .cost = 1000}));
    const auto order = all_of(queue);
    ASSERT_EQ(order.size(), 52u);
    const auto place = [&](uint64_t ticket) { return std::ranges::find(order, ticket) - order.begin(); };
    EXPECT_LE(place(100), 1);
    EXPECT_LE(place(101), 3);
}

TEST(Queue, WhatHasBegunMayGoOnWhereNothingElseHasRoom) {
    FairQueue queue(2);
    ASSERT_TRUE(queue.add({.ticket = 1, .client = "a"}));
    ASSERT_TRUE(queue.add({.ticket = 2, .client = "b"}));
    EXPECT_FALSE(queue.add({.ticket = 3, .client = "c"}));
    EXPECT_TRUE(queue.add({.ticket = 4, .client = "a"}, true));
    EXPECT_FALSE(queue.add({.ticket = 4, .client = "a"}, true));
    EXPECT_FALSE(queue.has_room("c", 1));
    EXPECT_EQ(all_of(queue).size(), 3u);
    EXPECT_TRUE(queue.add({.ticket = 3, .client = "c"}));
}

// Who comes before its turn has it counted, and who was first once is first among its equals again.
TEST(Queue, WhatIsTakenEarlyIsPaidFor) {
    FairQueue queue(100);
    for (uint64_t i = 0; i < 10; ++i) {
        ASSERT_TRUE(queue.add({.ticket = i, .client = "hasty", .cost = 100, .priority = int64_t(i)}));
        ASSERT_TRUE(queue.add({.ticket = 100 + i, .client = "calm", .cost = 100}));
    }
    EXPECT_EQ(queue.first_of("nobody"), nullptr);
    for (uint64_t i = 0; i < 4; ++i) {
        ASSERT_EQ(queue.first_of("hasty")->ticket, i);
        queue.take_early(i);
    }
    ASSERT_TRUE(queue.add({.ticket = 50, .client = "hasty", .cost = 1, .priority = 4, .was_first = true}, true));
    EXPECT_EQ(queue.first_of("hasty")->ticket, 50u);
    const auto order = all_of(queue);
    EXPECT_GE(std::ranges::find(order, 4u) - order.begin(), 4) << "the other client catches up";
    EXPECT_EQ(order.size(), 17u);
}

// Clients that always have something waiting, of very different sizes and numbers, get the same tokens.
TEST(Queue, SharesAreEqualWithinAFewPercent) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        Rng rng(seed);
        FairQueue queue(1000);
        const size_t clients = 2 + rng.next() % 7;
        std::map<uint64_t, std::pair<size_t, int64_t>> sent;  // ticket -> client, cost
        std::vector<int64_t> sizes, served(clients), waiting(clients);
        for (size_t i = 0; i < clients; ++i) sizes.push_back(int64_t(1 + rng.next() % 4000));
        uint64_t ticket = 0;
        int64_t total = 0;
        while (total < 2'000'000) {
            for (size_t client = 0; client < clients; ++client)
                while (waiting[client] < int64_t(1 + client * 3)) {
                    const int64_t cost = 1 + int64_t(rng.next() % uint64_t(sizes[client]));
                    ASSERT_TRUE(queue.add({.ticket = ticket, .client = std::to_string(client), .cost = cost}));
                    sent[ticket++] = {client, cost};
                    ++waiting[client];
                }
            // Several leave before the clients see to it that something waits again, as on a machine.
            const auto next = queue.next();
            ASSERT_TRUE(next);
            const auto [client, cost] = sent.at(*next);
            --waiting[client];
            if (waiting[client] == 0) {  // must not run dry: that would give its turn away
                const int64_t again = 1 + int64_t(rng.next() % uint64_t(sizes[client]));
                ASSERT_TRUE(queue.add({.ticket = ticket, .client = std::to_string(client), .cost = again}));
                sent[ticket++] = {client, again};
                ++waiting[client];
            }
            served[client] += cost;
            total += cost;
        }
        // The first client has one request waiting at a time and thus gives up what is left of each turn.
        const int64_t fair = (total - served[0]) / int64_t(clients - 1);
        for (size_t client = 1; client < clients; ++client)
            EXPECT_NEAR(double(served[client]), double(fair), 0.05 * double(fair) + 4000) << "client " << client;
    }
}

TEST(Queue, NobodyStarves) {
    Rng rng(7);
    FairQueue queue(200);
    std::map<uint64_t, std::pair<std::string, int>> waiting;  // who, and how many were served since it came
    uint64_t ticket = 0;
    int most = 0;
    for (int round = 0; round < 20000; ++round) {
        for (uint64_t i = rng.next() % 4; i > 0; --i) {
            const std::string client = std::to_string(rng.next() % 6);
            const int64_t cost = rng.next() % 10 == 0 ? 8000 : int64_t(1 + rng.next() % 500);
            if (queue.add({.ticket = ticket, .client = client, .cost = cost})) waiting[ticket] = {client, 0};
            ++ticket;
        }
        if (rng.next() % 8 == 0 && !waiting.empty()) {  // somebody leaves
            const uint64_t one = waiting.begin()->first;
            ASSERT_TRUE(queue.remove(one));
            ASSERT_FALSE(queue.remove(one));
            waiting.erase(one);
        }
        if (const auto next = queue.next()) {
            ASSERT_TRUE(waiting.erase(*next));
            for (auto& [one, state] : waiting) most = std::max(most, ++state.second);
        }
        ASSERT_EQ(queue.size(), waiting.size());
        ASSERT_LE(queue.size(), 200u);
    }
    // Of 200 that wait at most, each has its turn after a few times as many: 6 clients, costs of 8000 beside 250.
    EXPECT_LT(most, 6 * 200);
    EXPECT_EQ(all_of(queue).size(), waiting.size());
}

TEST(Queue, PrioritiesCountWithinAClientOnly) {
    FairQueue queue(10);
    queue.add({.ticket = 1, .client = "a", .cost = 500, .priority = 0});
    queue.add({.ticket = 2, .client = "a", .cost = 500, .priority = -5});
    queue.add({.ticket = 3, .client = "a", .cost = 500, .priority = 0});
    queue.add({.ticket = 4, .client = "b", .cost = 500, .priority = 100});
    const auto order = all_of(queue);
    ASSERT_EQ(order.size(), 4u);
    EXPECT_EQ(order[0], 2u);
    EXPECT_EQ(order[1], 4u);  // b has its turn whatever a thinks of its own
    EXPECT_EQ(order[2], 1u);
    EXPECT_EQ(order[3], 3u);
}

TEST(Queue, DeadlinesAreOverInOrder) {
    FairQueue queue(10);
    EXPECT_TRUE(std::isinf(queue.first_deadline()));
    queue.add({.ticket = 1, .client = "a", .deadline = 5});
    queue.add({.ticket = 2, .client = "b", .deadline = 3});
    queue.add({.ticket = 3, .client = "b"});
    EXPECT_EQ(queue.first_deadline(), 3);
    EXPECT_TRUE(queue.take_late(2.9).empty());
    EXPECT_EQ(queue.take_late(4), std::vector<FairQueue::Ticket>{2});
    EXPECT_EQ(queue.first_deadline(), 5);
    EXPECT_EQ(queue.next(), 1u);
    EXPECT_TRUE(std::isinf(queue.first_deadline()));
    EXPECT_EQ(queue.next(), 3u);
    EXPECT_EQ(queue.next(), std::nullopt);
}

TEST(Queue, OneClientCannotFillIt) {
    FairQueue queue(90);
    uint64_t ticket = 0;
    while (queue.add({.ticket = ticket, .client = "greedy"})) ++ticket;
    EXPECT_EQ(ticket, 80u);  // eight times what it left free
    EXPECT_FALSE(queue.has_room("greedy", 1));
    EXPECT_TRUE(queue.has_room("other", 9));
    EXPECT_FALSE(queue.has_room("other", 10));
    EXPECT_TRUE(queue.add({.ticket = 1000, .client = "other"}));
    // Who leaves makes room at once.
    EXPECT_TRUE(queue.remove(3));
    EXPECT_TRUE(queue.remove(4));
    EXPECT_TRUE(queue.add({.ticket = 1001, .client = "greedy"}));
    FairQueue none(0);
    EXPECT_FALSE(none.add({.ticket = 1, .client = "a"}));
}

// Costs far above what a turn allows do not make it slow or unfair.
TEST(Queue, LargeRequestsPayForThemselves) {
    FairQueue queue(200);
    for (uint64_t i = 0; i < 10; ++i) queue.add({.ticket = i, .client = "large", .cost = int64_t{1} << 40});
    for (uint64_t i = 10; i < 110; ++i) queue.add({.ticket = i, .client = "small", .cost = int64_t{1} << 36});
    const auto order = all_of(queue);
    ASSERT_EQ(order.size(), 110u);
    // 16 of the small ones cost as much as a large one.
    for (size_t i = 0; i < 15; ++i) EXPECT_GE(order[i], 10u);
    EXPECT_LT(std::ranges::find(order, 0u) - order.begin(), 18);
    EXPECT_LT(std::ranges::find(order, 1u) - order.begin(), 36);
}

}  // namespace
}  // namespace hearth::test
