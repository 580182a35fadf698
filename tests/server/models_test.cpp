// Several models within limits: who makes room for whom, and what happens to those in use.
#include "server/models.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/os.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

using namespace hearth::server;

class SeveralModels : public testing::Test {
protected:
    // The same small file under three names.
    void serve(ModelLimits limits) {
        const std::string path = installed_file();
        std::vector<ModelSpec> specs;
        for (const char* name : {"a", "b", "c"})
            specs.push_back({.name = name, .path = path, .open = [this, path](const LoadProgress&) {
                                 ++loads_;
                                 EngineOptions options;
                                 options.context_tokens = 256;
                                 options.threads = 1;
                                 return Engine::open(path, options);
                             }});
        auto made = Models::make(std::move(specs), limits, [this](const ModelNews& news) {
            std::lock_guard lock(mutex_);
            news_.push_back((news.is_loaded ? "+" : "-") + news.model + " by " + news.by +
                            (news.why.empty() ? "" : ": " + news.why));
        });
        ASSERT_TRUE(made);
        models_ = std::move(*made);
    }
    static std::string installed_file() { return data_path("../../data/ember.gguf"); }
    std::shared_ptr<const ServedModel> get(const std::string& name) {
        auto model = models_->get(name);
        EXPECT_TRUE(model) << model.error().line();
        return model ? *model : nullptr;
    }
    std::string loaded() const {
        std::string names;
        for (const auto& entry : models_->list())
            if (entry.model) names += entry.name;
        return names;
    }

    std::vector<std::string> news() {
        std::lock_guard lock(mutex_);
        return std::exchange(news_, {});
    }

    std::atomic<int> loads_ = 0;
    std::mutex mutex_;
    std::vector<std::string> news_;
    std::unique_ptr<Models> models_;
};

TEST_F(SeveralModels, TheIdlestMakesRoom) {
    serve({.most = 2});
    for (const char* name : {"a", "b", "a"}) get(name);
    EXPECT_EQ(loads_, 2);
    get("c");
    EXPECT_EQ(loaded(), "ac");
    const auto held = get("a");
    get("b");
    EXPECT_EQ(loaded(), "ab");
    get("c");
    EXPECT_EQ(loaded(), "ac");  // b was used later than a, but a is held
    EXPECT_EQ(loads_, 5);
}

TEST_F(SeveralModels, ItIsToldWhoseWishItWas) {
    serve({.most = 1, .idle_seconds = 0.1});
    models_->get("a", "key 1");
    models_->get("b", "key 2");
    EXPECT_EQ(news(), (std::vector<std::string>{"+a by key 1", "-a by key 2: to make room for b", "+b by key 2"}));
    const double until = monotonic_seconds() + 10;
    while (!loaded().empty() && monotonic_seconds() < until) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(news(), (std::vector<std::string>{"-b by the server: nobody used it"}));
    serve({});
    get("c");
    models_->unload("c", "key 3");
    EXPECT_EQ(news(), (std::vector<std::string>{"+c by the server", "-c by key 3: it was asked for"}));
}

TEST_F(SeveralModels, MemoryIsALimitToo) {
    serve({});
    const int64_t each = get("a")->engine().plan().total();
    serve({.memory_bytes = each + each / 2});
    get("a");
    get("b");
    EXPECT_EQ(loaded(), "b");
    serve({.memory_bytes = 4 * each});
    for (const char* name : {"a", "b", "c"}) get(name);
    EXPECT_EQ(loaded(), "abc");
}

TEST_F(SeveralModels, WhileAllAreInUseARequestWaits) {
    serve({.most = 1, .patience = 20});
    auto held = get("a");
    std::atomic<bool> is_there = false;
    std::thread waiting([&] {
        get("b");
        is_there = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    EXPECT_FALSE(is_there);
    EXPECT_EQ(loaded(), "a");
    EXPECT_TRUE(models_->get("a"));  // who wants what is there does not wait behind it
    held = nullptr;
    waiting.join();
    EXPECT_EQ(loaded(), "b");

    serve({.most = 1, .patience = 0.1});
    held = get("a");
    const auto refused = models_->get("b");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::out_of_memory);
    EXPECT_NE(refused.error().what.find("in use"), std::string::npos);
}

TEST_F(SeveralModels, WhatNobodyUsesIsUnloaded) {
    serve({.idle_seconds = 0.2});
    auto held = get("a");
    get("b");
    const double until = monotonic_seconds() + 10;
    while (loaded() != "a" && monotonic_seconds() < until) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(loaded(), "a");
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_EQ(loaded(), "a");  // it is held
    EXPECT_FALSE(models_->unload("a"));
    held = nullptr;
    EXPECT_TRUE(models_->unload("a"));
    EXPECT_EQ(loaded(), "");
    EXPECT_TRUE(models_->unload("nosuch"));
}

}  // namespace
}  // namespace hearth::test
