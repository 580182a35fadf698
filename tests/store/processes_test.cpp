// Several processes with one file, and processes that end in the middle of a word.
#include <signal.h>

#include <set>
#include <sstream>

#include "base/rng.h"
#include "store_support.h"

namespace hearth::store {
namespace {

TEST(Processes, MayMakeAndFillTheSameFileAtOnce) {
    for (int round = 0; round < 4; ++round) {
        const std::string folder = fresh_folder();
        const auto fill = [&](int output) {
            auto store = Store::open(folder);
            if (!store) return say(output, store.error().line());
            for (int i = 0; i < 3; ++i) {
                Conversation conversation = dialogue("from one of them");
                const auto saved = store->conversations().save(conversation, 1800000000000);
                if (!saved) return say(output, saved.error().line());
            }
        };
        Child first(fill), second(fill), third(fill);
        for (Child* child : {&first, &second, &third}) {
            EXPECT_EQ(child->finish(), "");
            EXPECT_TRUE(child->ended_well());
        }
        auto store = Store::open(folder);
        ASSERT_TRUE(store) << line_of(store);
        EXPECT_EQ(store->conversations().list(100)->size(), 9u);
    }
}

TEST(Processes, WhatWasAcknowledgedSurvivesAKill) {
    const std::string folder = fresh_folder();
    std::set<std::string> acknowledged;
    Rng rng(5);
    for (int round = 0; round < 8; ++round) {
        Child child([&](int output) {
            auto store = Store::open(folder);
            if (!store) return say(output, "failed: " + store.error().line() + "\n");
            for (int i = 0;; ++i) {
                Conversation conversation = dialogue(std::string(size_t(i % 7) * 3000, 'x') + std::to_string(i));
                const auto saved = store->conversations().save(conversation, 1800000000000 + round * 100000 + i);
                say(output, (saved ? conversation.id : "failed: " + saved.error().line()) + "\n");
            }
        });
        char first = 0;
        ASSERT_EQ(read(child.output, &first, 1), 1);  // it has begun
        usleep(useconds_t(5000 + rng.below(50000)));
        ASSERT_EQ(kill(child.process, SIGKILL), 0);
        std::istringstream ids(first + child.finish());
        EXPECT_TRUE(WIFSIGNALED(child.status));
        for (std::string id; std::getline(ids, id);) {
            EXPECT_FALSE(id.starts_with("failed")) << id;
            acknowledged.insert(id);
        }
    }
    ASSERT_GE(acknowledged.size(), 8u);
    auto store = Store::open(folder);
    ASSERT_TRUE(store) << line_of(store);
    const auto check = store->check();
    EXPECT_TRUE(check) << line_of(check);
    for (const std::string& id : acknowledged) EXPECT_TRUE(store->conversations().load(id)) << id;
    // At most the one that each round was writing is there besides.
    EXPECT_LE(store->conversations().list(100000)->size(), acknowledged.size() + 8);
}

}  // namespace
}  // namespace hearth::store
