// The cache's bookkeeping against a model that knows what every sequence has said. The device is imaginary: one int per
// token in a page, one number in a slot. A page given out twice or a shared page written to shows up as a history that
// is not the sequence's own.
#include "cache/cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "backends/reference/reference_ops.h"
#include "base/rng.h"
#include "cache/imaginary_backend.h"

namespace hearth {
namespace {

using test::ImaginaryBackend;
using test::kWhole;
using test::kWindow;
using test::mixed_needs;

class Story {
public:
    Story(const CacheOptions& options, uint64_t seed) : options_(options), rng_(seed), needs_(mixed_needs()) {
        auto made = Cache::make(backend_, needs_, options);
        EXPECT_TRUE(made.has_value());
        cache_ = std::move(*made);
    }

    void random_act() {
        const uint64_t act = rng_.below(100);
        if (act < 10) {
            open();
        } else if (act < 80) {
            if (const auto id = any()) step(*id, 1 + int64_t(rng_.below(uint64_t(options_.step_tokens))));
        } else if (act < 92) {
            if (const auto id = any()) fork(*id);
        } else if (const auto id = any()) {
            close(*id);
        }
        check_counts();
    }
    void close_all() {
        while (!told_.empty()) close(told_.begin()->first);
        check_counts();
        for (int64_t group = 0; group < cache_->groups(); ++group)
            EXPECT_EQ(cache_->free_pages(group), cache_->pages(group));
        EXPECT_EQ(cache_->free_slots(), options_.sequences + options_.snapshots);
    }
    int64_t made_steps() const { return made_; }

private:
    std::optional<int32_t> any() {
        if (told_.empty()) return std::nullopt;
        return std::next(told_.begin(), int64_t(rng_.below(told_.size())))->first;
    }

    void open() {
        const bool has_room = int64_t(told_.size()) < options_.sequences;
        ASSERT_EQ(cache_->has_room(), has_room);
        const auto id = cache_->open();
        ASSERT_EQ(id.has_value(), has_room);
        if (!id) {
            EXPECT_EQ(id.error().kind, ErrorKind::out_of_memory);
            return;
        }
        ASSERT_FALSE(told_.contains(*id));
        told_[*id] = {};
        pages_[*id] = std::vector<std::vector<int32_t>>(size_t(cache_->groups()));
        EXPECT_EQ(cache_->length(*id), 0);
    }
    void fork(int32_t from) {
        const bool has_room = int64_t(told_.size()) < options_.sequences;
        const auto id = cache_->fork(from);
        ASSERT_EQ(id.has_value(), has_room);
        if (!id) return;
        ASSERT_FALSE(told_.contains(*id));
        told_[*id] = told_[from];
        pages_[*id] = pages_[from];
        EXPECT_EQ(cache_->length(*id), int64_t(told_[*id].size()));
    }
    void close(int32_t id) {
        cache_->close(id);
        told_.erase(id);
        pages_.erase(id);
    }

    int32_t* cell(int64_t layer, int32_t page, int64_t token) {
        const KvLayer& kv = *cache_->layer(layer).kv;
        return reinterpret_cast<int32_t*>(kv.base + page * kv.page_stride) + token % kPageTokens;
    }

    void step(int32_t id, int64_t tokens) {
        std::vector<int32_t>& text = told_[id];
        const int64_t past = int64_t(text.size());
        SequenceStep step;
        const auto prepared = cache_->prepare(id, tokens, step);
        if (past + tokens > options_.context_tokens) {
            ASSERT_FALSE(prepared.has_value());
            EXPECT_NE(prepared.error().what.find(std::to_string(options_.context_tokens)), std::string::npos);
            EXPECT_NE(prepared.error().what.find(std::to_string(past + tokens)), std::string::npos);
            return;
        }
        ASSERT_TRUE(prepared.has_value()) << prepared.error().line();
        ++made_;
        ASSERT_EQ(step.past, past);
        ASSERT_EQ(step.tokens, tokens);
        check_past(id, step);
        if (rng_.below(8) == 0) return;  // a pass that was given up: nothing is committed

        for (int64_t i = 0; i < tokens; ++i) text.push_back(next_word_++);
        for (int64_t layer = 0; layer < int64_t(needs_.size()); ++layer) {
            const LayerState& state = cache_->layer(layer);
            if (state.kv)
                for (int64_t at = past; at < past + tokens; ++at)
                    *cell(layer, step.pages[size_t(state.kv->group)][size_t(at / kPageTokens)], at) = text[size_t(at)];
            for (const StateBuffer& buffer : state.recurrent)
                for (int64_t i = 0; i < buffer.floats; ++i)
                    buffer.base[step.slot_write * buffer.slot_stride + i] = float(text.back() % 1000003 + i);
        }
        cache_->commit(id, tokens);
        EXPECT_EQ(cache_->length(id), int64_t(text.size()));
        remember_pages(id, step);
    }

    // What the step may read is what this sequence has said, whatever others did meanwhile.
    void check_past(int32_t id, const SequenceStep& step) {
        const std::vector<int32_t>& text = told_[id];
        for (int64_t layer = 0; layer < int64_t(needs_.size()); ++layer) {
            const LayerState& state = cache_->layer(layer);
            if (state.kv) {
                const int64_t window = state.kv->geometry.window;
                const int64_t first = window ? std::max<int64_t>(0, step.past - window + 1) : 0;
                for (int64_t at = first; at < step.past; ++at) {
                    const int32_t page = step.pages[size_t(state.kv->group)][size_t(at / kPageTokens)];
                    ASSERT_GE(page, 0);
                    ASSERT_EQ(*cell(layer, page, at), text[size_t(at)])
                        << "layer " << layer << " token " << at << " of entry " << id;
                }
            }
            for (const StateBuffer& buffer : state.recurrent) {
                ASSERT_EQ(step.slot_read < 0, text.empty());
                for (int64_t i = 0; i < buffer.floats && step.slot_read >= 0; ++i)
                    ASSERT_EQ(buffer.base[step.slot_read * buffer.slot_stride + i], float(text.back() % 1000003 + i));
            }
        }
    }
    void remember_pages(int32_t id, const SequenceStep& step) {
        for (size_t group = 0; group < step.pages.size(); ++group)
            pages_[id][group].assign(step.pages[group].begin(), step.pages[group].end());
    }

    // No page is lost: those in use are those that some entry can still reach, but for pages prepared and not yet used.
    void check_counts() {
        EXPECT_EQ(cache_->free_slots(), options_.sequences + options_.snapshots - int64_t(told_.size()));
        for (int64_t group = 0; group < cache_->groups(); ++group) {
            std::set<int32_t> used;
            for (const auto& [id, pages] : pages_)
                for (const int32_t page : pages[size_t(group)])
                    if (page >= 0) used.insert(page);
            const int64_t in_use = cache_->pages(group) - cache_->free_pages(group);
            // A page prepared and not committed belongs to its entry until that is closed.
            const int64_t prepared = (options_.step_tokens / kPageTokens + 2) * int64_t(told_.size());
            if (told_.empty()) {
                EXPECT_EQ(in_use, 0);
            }
            EXPECT_LE(in_use, int64_t(used.size()) + prepared);
        }
    }

    CacheOptions options_;
    Rng rng_;
    std::vector<LayerNeeds> needs_;
    ImaginaryBackend backend_;
    std::unique_ptr<Cache> cache_;
    std::map<int32_t, std::vector<int32_t>> told_;                // entry -> its tokens, one word each
    std::map<int32_t, std::vector<std::vector<int32_t>>> pages_;  // entry -> pages after its last step
    int32_t next_word_ = 1;
    int64_t made_ = 0;
};

TEST(Cache, NothingIsLostOrMixedUpWhateverTheOrder) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        Story story({.context_tokens = 700, .step_tokens = 90, .sequences = 4, .snapshots = 3}, seed);
        for (int act = 0; act < 1500; ++act) {
            story.random_act();
            if (testing::Test::HasFailure()) FAIL() << "seed " << seed << " act " << act;
        }
        EXPECT_GT(story.made_steps(), 200);  // else nothing was tested
        story.close_all();
    }
}

TEST(Cache, WithoutSavedStatesEverySequenceHasItsWholeContext) {
    ImaginaryBackend backend;
    const auto needs = mixed_needs();
    auto cache = *Cache::make(backend, needs, {.context_tokens = 1000, .step_tokens = 64, .sequences = 3});
    SequenceStep step;
    for (int round = 0; round < 2; ++round) {
        const SequenceId first = *cache->open();
        ASSERT_TRUE(cache->prepare(first, 64, step) && (cache->commit(first, 64), true));
        std::vector<SequenceId> ids{first, *cache->fork(first), *cache->open()};
        for (const SequenceId id : ids) {
            while (cache->length(id) < 1000) {
                const int64_t tokens = std::min<int64_t>(64, 1000 - cache->length(id));
                ASSERT_TRUE(cache->prepare(id, tokens, step).has_value()) << cache->length(id);
                cache->commit(id, tokens);
            }
            const auto full = cache->prepare(id, 1, step);
            ASSERT_FALSE(full.has_value());
            EXPECT_EQ(full.error().what, "the context holds 1000 tokens, 1001 are needed");
        }
        for (const SequenceId id : ids) cache->close(id);
        for (int64_t group = 0; group < cache->groups(); ++group)
            EXPECT_EQ(cache->free_pages(group), cache->pages(group));
    }
}

TEST(Cache, AWindowFreesWhatItLeavesBehind) {
    ImaginaryBackend backend;
    const auto needs = mixed_needs();
    auto cache = *Cache::make(backend, needs, {.context_tokens = 64000, .step_tokens = 64, .sequences = 1});
    ASSERT_EQ(cache->groups(), 2);
    EXPECT_EQ(cache->pages(0), 1000);
    EXPECT_LT(cache->pages(1), 10);  // not a thousand: 100 tokens, a step, two pages cut at their ends
    const SequenceId id = *cache->open();
    SequenceStep step;
    for (int64_t length = 0; length < 6400; length += 50) {
        ASSERT_TRUE(cache->prepare(id, 50, step).has_value());
        for (int64_t at = std::max<int64_t>(0, length - 99); at < length + 50; ++at)
            ASSERT_GE(step.pages[1][size_t(at / kPageTokens)], 0);
        for (int64_t page = 0; (page + 1) * kPageTokens <= length - 99; ++page)
            ASSERT_EQ(step.pages[1][size_t(page)], -1) << "at " << length;
        cache->commit(id, 50);
    }
    EXPECT_EQ(cache->pages(0) - cache->free_pages(0), 100);
}

// A layer that reads another one's keys costs nothing and finds them where their owner put them.
TEST(Cache, ALayerMayReadTheKeysOfAnother) {
    ImaginaryBackend backend, alone_backend;
    auto needs = mixed_needs();
    const CacheOptions options{.context_tokens = 1000, .step_tokens = 64, .sequences = 2};
    const auto alone = *Cache::make(alone_backend, needs, options);
    needs.push_back({.kv = {}, .state_floats = {}, .shares_kv_of = 3});
    needs.push_back({.kv = {}, .state_floats = {}, .shares_kv_of = 0});
    const auto cache = *Cache::make(backend, needs, options);
    EXPECT_EQ(cache->layer(6).kv, cache->layer(3).kv);
    EXPECT_EQ(cache->layer(7).kv, cache->layer(0).kv);
    EXPECT_EQ(cache->layer(6).kv->geometry, kWindow);
    EXPECT_EQ(cache->layer(5).kv, nullptr);
    EXPECT_EQ(backend.taken, alone_backend.taken);
    EXPECT_EQ(Cache::kv_bytes(backend, needs, options), double(backend.taken[MemoryUse::kv]));
}

TEST(Cache, SkippingGoesAsDeepAsTheContextWithAWindowToo) {
    ImaginaryBackend backend;
    const auto needs = mixed_needs();
    auto cache = *Cache::make(backend, needs, {.context_tokens = 64000, .step_tokens = 64, .sequences = 1});
    const SequenceId id = *cache->open();
    ASSERT_TRUE(cache->skip(id, 63950).has_value());
    EXPECT_EQ(cache->length(id), 63950);
    SequenceStep step;
    ASSERT_TRUE(cache->prepare(id, 50, step).has_value());
    EXPECT_EQ(step.past, 63950);
    EXPECT_GE(step.slot_read, 0);
    for (int64_t at = 63950 - 99; at < 64000; ++at) EXPECT_GE(step.pages[1][size_t(at / kPageTokens)], 0);
    EXPECT_FALSE(cache->skip(id, 51).has_value());
    cache->close(id);
    for (int64_t group = 0; group < cache->groups(); ++group) EXPECT_EQ(cache->free_pages(group), cache->pages(group));
}

// Someone who holds every page of a closed sequence, and all slots that are free.
class Holder final : public Reclaimer {
public:
    explicit Holder(Cache& cache) : cache_(cache) { cache.set_reclaimer(this); }
    bool give_up_page(int64_t group) override {
        if (pages.empty()) return false;
        cache_.give_page(group, pages.back());
        pages.pop_back();
        return true;
    }
    bool give_up_slot() override {
        if (slots.empty()) return false;
        cache_.give_slot(slots.back());
        slots.pop_back();
        return true;
    }
    std::vector<int32_t> pages, slots;

private:
    Cache& cache_;
};

TEST(Cache, WhatIsHeldWithoutNeedIsGivenUpForASequence) {
    ImaginaryBackend backend;
    const std::vector<LayerNeeds> needs{{.kv = kWhole, .state_floats = {3}}};
    auto cache =
        *Cache::make(backend, needs, {.context_tokens = 640, .step_tokens = 640, .sequences = 1, .snapshots = 1});
    Holder holder(*cache);
    SequenceStep step;
    const SequenceId first = *cache->open();
    ASSERT_TRUE(cache->prepare(first, 640, step).has_value());
    cache->commit(first, 640);
    for (const int32_t page : cache->pages_of(first, 0)) {
        cache->share_page(0, page);
        holder.pages.push_back(page);
    }
    cache->close(first);
    for (int32_t slot; (slot = cache->take_free_slot()) >= 0;) holder.slots.push_back(slot);
    EXPECT_EQ(holder.slots.size(), 2u);
    const auto second = cache->open();
    ASSERT_TRUE(second.has_value());
    EXPECT_EQ(holder.slots.size(), 1u);
    ASSERT_TRUE(cache->prepare(*second, 100, step).has_value());
    EXPECT_EQ(holder.pages.size(), 9u);  // one of the 11 was free
    ASSERT_TRUE(cache->prepare(*second, 640, step).has_value());
    EXPECT_EQ(holder.pages.size(), 1u);
    cache->close(*second);
    holder.give_up_page(0);
    holder.give_up_slot();
    EXPECT_EQ(cache->free_pages(0), cache->pages(0));
    EXPECT_EQ(cache->free_slots(), 2);
}

// Who took a page goes on in it behind what others share; only they need a copy.
TEST(Cache, ASharedLastPageIsCopiedByThoseWhoDidNotTakeIt) {
    ImaginaryBackend backend;
    const std::vector<LayerNeeds> needs{{.kv = kWhole, .state_floats = {}}};
    auto cache = *Cache::make(backend, needs, {.context_tokens = 640, .step_tokens = 64, .sequences = 3});
    SequenceStep step;
    const SequenceId first = *cache->open();
    ASSERT_TRUE(cache->prepare(first, 40, step).has_value());
    cache->commit(first, 40);
    const SequenceId second = *cache->fork(first), third = *cache->fork(second);
    ASSERT_TRUE(cache->prepare(first, 10, step).has_value());
    EXPECT_EQ(backend.copied_pages, 0);
    ASSERT_TRUE(cache->prepare(second, 10, step).has_value());
    EXPECT_EQ(backend.copied_pages, 1);
    cache->close(first);
    ASSERT_TRUE(cache->prepare(third, 10, step).has_value());
    EXPECT_EQ(backend.copied_pages, 1);  // it is the last to read it
    EXPECT_NE(cache->pages_of(second, 0)[0], cache->pages_of(third, 0)[0]);
}

TEST(Cache, TooManySequencesAreRefused) {
    ImaginaryBackend backend;
    const auto needs = mixed_needs();
    auto cache = *Cache::make(backend, needs, {.context_tokens = 64, .sequences = 2, .snapshots = 1});
    ASSERT_TRUE(cache->open().has_value() && cache->open().has_value());
    const auto third = cache->open();
    ASSERT_FALSE(third.has_value());
    EXPECT_NE(third.error().what.find("all 2 sequences"), std::string::npos);
}

TEST(Cache, MemoryIsWhatWasForetold) {
    ImaginaryBackend backend;
    const auto needs = mixed_needs();
    const CacheOptions options{
        .context_tokens = 5000, .step_tokens = 100, .sequences = 3, .snapshots = 2, .kept_tokens = 6400};
    const auto cache = Cache::make(backend, needs, options);
    ASSERT_TRUE(cache.has_value());
    EXPECT_EQ((*cache)->pages(0), 3 * 79 + 2 + 100);
    EXPECT_EQ(double(backend.taken[MemoryUse::kv]), Cache::kv_bytes(backend, needs, options));
    // Five entries of two quantities, each rounded up to a cache line of 16 floats.
    EXPECT_EQ(backend.taken[MemoryUse::state], 5 * (16 + 48) * int64_t(sizeof(float)));
}

TEST(Cache, KeptBytesBecomeSnapshotsAndPages) {
    ImaginaryBackend backend;
    const CacheOptions options{.context_tokens = 5000, .step_tokens = 100, .sequences = 3, .snapshots = 1};
    const auto taken = [&](const std::vector<LayerNeeds>& needs, const CacheOptions& wanted) {
        backend.taken.clear();
        EXPECT_TRUE(Cache::make(backend, needs, wanted).has_value());
        return backend.taken[MemoryUse::kv] + backend.taken[MemoryUse::state];
    };
    const std::vector<LayerNeeds> plain{{.kv = kWhole, .state_floats = {}}},
        recurrent{{.kv = {}, .state_floats = {160}}};
    for (const auto& needs : {mixed_needs(), plain, recurrent})
        for (const int64_t bytes : {0, 100, 3000, 100'000, 1'000'000}) {
            const CacheOptions kept = with_kept_bytes(backend, needs, options, bytes);
            const int64_t more = taken(needs, kept) - taken(needs, options);
            EXPECT_LE(more, bytes);
            // Two layers' pages, or a snapshot, is what may be left over.
            EXPECT_GE(more, bytes - 5000) << bytes;
            if (bytes < 1'000'000) continue;
            EXPECT_EQ(kept.kept_tokens > 0, needs[0].kv.has_value());
            EXPECT_EQ(kept.snapshots > 10, needs.size() != plain.size() || !needs[0].kv);
        }
}

TEST(Cache, AbsurdContextsAreRefusedBeforeAnythingIsTaken) {
    MemoryLedger ledger;
    const auto planning = make_reference_backend(ledger, true);
    const auto needs = mixed_needs();
    for (const int64_t context : {int64_t{1} << 34, int64_t{1} << 40, int64_t{1} << 55}) {
        const CacheOptions options{.context_tokens = context};
        EXPECT_GT(Cache::kv_bytes(*planning, needs, options), 1e11);
        const auto made = Cache::make(*planning, needs, options);
        ASSERT_FALSE(made.has_value());
        EXPECT_NE(made.error().what.find(std::to_string(context)), std::string::npos);
    }
    EXPECT_EQ(ledger.total(), 0);
}

TEST(Cache, EveryRefusedAllocationIsAnErrorOfItsOwn) {
    const auto needs = mixed_needs();
    for (int refused = 0; refused < 4; ++refused) {  // two groups, two recurrent quantities
        ImaginaryBackend backend;
        backend.refuse_after = refused;
        const auto made = Cache::make(backend, needs, {.context_tokens = 64});
        ASSERT_FALSE(made.has_value());
        EXPECT_EQ(made.error().what, "imaginary memory is full");
    }
}

}  // namespace
}  // namespace hearth
