// A cache on an imaginary device, what is kept in it, and sequences that read texts the way the engine does. What the
// device stores for a token is a hash of all tokens up to it, so anything mixed up shows.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "cache/imaginary_backend.h"
#include "cache/prefix_tree.h"

namespace hearth::test {

using Text = std::vector<int32_t>;
using Needs = std::vector<LayerNeeds>;

inline const Needs kPlain{{.kv = kWhole, .state_floats = {}}, {.kv = kWhole, .state_floats = {}}};
inline const Needs kWindowed{{.kv = kWhole, .state_floats = {}}, {.kv = kWindow, .state_floats = {}}};
inline const Needs kOnlyWindows{{.kv = kWindow, .state_floats = {}}};
inline const Needs kRecurrent{{.kv = kWhole, .state_floats = {}}, {.kv = {}, .state_floats = {5}}};
inline const Needs kOnlyRecurrent{{.kv = {}, .state_floats = {3, 20}}};

inline int32_t hash_after(int32_t hash, int32_t token) {
    return int32_t(uint32_t(hash) * 2654435761u + uint32_t(token) * 40503u + 977u);
}
// Of every beginning of the text; [0] of the empty one.
inline std::vector<int32_t> hashes_of(std::span<const int32_t> text) {
    std::vector<int32_t> hashes{1};
    for (const int32_t token : text) hashes.push_back(hash_after(hashes.back(), token));
    return hashes;
}

inline Text random_text(Rng& rng, int64_t tokens, int32_t alphabet = 3) {
    Text text;
    for (int64_t i = 0; i < tokens; ++i) text.push_back(int32_t(rng.below(uint64_t(alphabet))));
    return text;
}
inline Text counted(int64_t tokens, int32_t first = 0) {
    Text text;
    for (int64_t i = 0; i < tokens; ++i) text.push_back(first + int32_t(i));
    return text;
}
inline Text joined(Text a, const Text& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

class Desk {
public:
    Desk(Needs needs, const CacheOptions& options, int64_t snapshot_every = 512)
        : needs_(std::move(needs)),
          cache_(*Cache::make(backend, needs_, options)),
          tree_(std::make_unique<PrefixTree>(*cache_, snapshot_every)) {}

    ImaginaryBackend backend;
    bool only_counts = false;  // without a look at what is stored: quick
    Cache& cache() { return *cache_; }
    PrefixTree& tree() { return *tree_; }

    // Computes tokens `from`.. of the text; what was there before must be theirs.
    void read(SequenceId id, const Text& text, int64_t to) {
        const std::vector<int32_t> hashes = hashes_of(text);
        SequenceStep step;
        while (cache_->length(id) < to) {
            const int64_t past = cache_->length(id);
            const int64_t tokens = std::min(cache_->options().step_tokens, to - past);
            const auto prepared = cache_->prepare(id, tokens, step);
            ASSERT_TRUE(prepared.has_value()) << prepared.error().line();
            ASSERT_EQ(step.past, past);
            if (!only_counts) {
                check_past(step, hashes);
                write(step, hashes);
            }
            cache_->commit(id, tokens);
        }
    }

    // A whole request: what was found of it, read to its marks, kept, answered.
    PrefixReport ask(const Text& prompt, const Text& answer = {}, const KeepOptions& options = {},
                     const std::vector<int64_t>& callers = {}) {
        auto found = tree_->open(prompt, options.partition, options.now);
        const SequenceId id = found.sequence ? *found.sequence : *cache_->open();
        const Text all = joined(prompt, answer);
        for (const Mark& mark : tree_->marks(found.report.cached_tokens, int64_t(prompt.size()), callers)) {
            read(id, all, mark.tokens);
            KeepOptions marked = options;
            marked.is_callers = mark.is_callers;
            tree_->keep(id, std::span(all).first(size_t(mark.tokens)), marked);
        }
        read(id, all, int64_t(all.size()));
        tree_->keep_and_close(id, all, options);
        EXPECT_TRUE(tree_->is_sound());
        return found.report;
    }

    // No page and no slot but those that are kept is in use.
    void expect_only_kept() {
        const PrefixTree::Size size = tree_->size();
        EXPECT_EQ(cache_->free_slots(),
                  cache_->options().sequences + cache_->options().snapshots - (cache_->has_state() ? size.points : 0));
        // Texts of two partitions may share a page that one of them went on writing to.
        for (int64_t group = 0; group < cache_->groups(); ++group)
            EXPECT_LE(cache_->pages(group) - cache_->free_pages(group), size.nodes);
    }
    void expect_nothing_lost() {
        expect_only_kept();
        tree_->clear();
        EXPECT_EQ(tree_->size().nodes + tree_->size().points, 0);
        expect_only_kept();
        for (int64_t group = 0; group < cache_->groups(); ++group)
            EXPECT_EQ(cache_->free_pages(group), cache_->pages(group));
    }

private:
    int32_t& cell(const KvLayer& kv, const SequenceStep& step, int64_t at) {
        const int32_t page = step.pages[size_t(kv.group)][size_t(at / kPageTokens)];
        EXPECT_GE(page, 0);
        return reinterpret_cast<int32_t*>(kv.base + page * kv.page_stride)[at % kPageTokens];
    }
    static float state_value(int32_t hash, int64_t i) { return float((hash & 0xfffff) + i); }

    void check_past(const SequenceStep& step, const std::vector<int32_t>& hashes) {
        for (int64_t layer = 0; layer < int64_t(needs_.size()); ++layer) {
            const LayerState& state = cache_->layer(layer);
            if (state.kv) {
                const int64_t window = state.kv->geometry.window;
                for (int64_t at = window ? std::max<int64_t>(0, step.past - window + 1) : 0; at < step.past; ++at)
                    ASSERT_EQ(cell(*state.kv, step, at), hashes[size_t(at + 1)] + int32_t(layer)) << "token " << at;
            }
            ASSERT_EQ(step.slot_read < 0, step.past == 0);
            for (const StateBuffer& buffer : state.recurrent)
                for (int64_t i = 0; i < buffer.floats && step.past > 0; ++i)
                    ASSERT_EQ(buffer.base[step.slot_read * buffer.slot_stride + i],
                              state_value(hashes[size_t(step.past)], i));
        }
    }
    void write(const SequenceStep& step, const std::vector<int32_t>& hashes) {
        for (int64_t layer = 0; layer < int64_t(needs_.size()); ++layer) {
            const LayerState& state = cache_->layer(layer);
            if (state.kv)
                for (int64_t at = step.past; at < step.past + step.tokens; ++at)
                    cell(*state.kv, step, at) = hashes[size_t(at + 1)] + int32_t(layer);
            for (const StateBuffer& buffer : state.recurrent)
                for (int64_t i = 0; i < buffer.floats; ++i)
                    buffer.base[step.slot_write * buffer.slot_stride + i] =
                        state_value(hashes[size_t(step.past + step.tokens)], i);
        }
    }

    Needs needs_;
    std::unique_ptr<Cache> cache_;
    std::unique_ptr<PrefixTree> tree_;
};

inline CacheOptions roomy(int64_t snapshots = 30) {
    return {.context_tokens = 4000, .step_tokens = 100, .sequences = 3, .snapshots = snapshots, .kept_tokens = 6400};
}

}  // namespace hearth::test
