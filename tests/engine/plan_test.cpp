// Does the plan hold for whatever the scheduler may build? On devices that hold nothing, so that deep contexts cost
// nothing either.
#include "engine/plan.h"

#include "base/rng.h"
#include "engine/forward.h"
#include "files/gguf.h"
#include "support/shared_data.h"

namespace hearth {
namespace {

class PlanTest : public testing::TestWithParam<std::tuple<std::string, std::string>> {
protected:
    void SetUp() override {
        NEED_SHARED("reference/qwen35/dense_r1.gguf");
        auto opened = open_gguf(test::shared_path("reference/" + std::get<0>(GetParam()) + ".gguf"));
        ASSERT_TRUE(opened.has_value());
        checkpoint = std::move(*opened);
    }
    EngineOptions options() const {
        return {.device = std::get<1>(GetParam()), .threads = 3, .sequences = 5, .step_tokens = 200, .snapshots = 2};
    }
    Checkpoint checkpoint;
};
INSTANTIATE_TEST_SUITE_P(Engine, PlanTest,
                         testing::Combine(testing::Values("qwen35/dense_r1", "qwen35/moe", "qwen35/q4_k_m",
                                                          "gemma4/g4-e2b"),
                                          testing::Values("reference", "cpu")));

TEST_P(PlanTest, NoPassNeedsMoreScratchThanPlanned) {
    const EngineOptions options = this->options();
    auto planner = Planner::make(checkpoint, options);
    ASSERT_TRUE(planner.has_value());
    Rng rng(1);
    for (const int64_t context : {256, 5000, 100000}) {
        const auto plan = (*planner)->plan(context);
        ASSERT_TRUE(plan.has_value());
        MemoryLedger ledger;
        const auto backend = *make_backend(options, ledger, true);
        const auto model = *load_model(checkpoint, *backend);
        const auto cache = *Cache::make(*backend, model->needs(),
                                        {.kv_type = options.kv_type,
                                         .context_tokens = context,
                                         .step_tokens = options.step_tokens,
                                         .sequences = options.sequences,
                                         .snapshots = options.snapshots});
        EXPECT_EQ(ledger.bytes(MemoryUse::kv), plan->kv);
        EXPECT_EQ(ledger.bytes(MemoryUse::state), plan->state);
        Forward forward(*model, *cache, *backend);
        const std::vector<int32_t> tokens(size_t(options.step_tokens), 1);
        for (int round = 0; round < 300; ++round) {
            std::vector<ForwardPart> parts;
            int64_t left = options.step_tokens;
            for (int64_t count = 1 + int64_t(rng.below(5)); count > 0; --count) {
                const int64_t most = rng.below(2) ? 1 : left - (count - 1);
                const int64_t size = count == 1 && rng.below(2) ? left : 1 + int64_t(rng.below(uint64_t(most)));
                left -= size;
                const SequenceId id = *cache->open();
                const int64_t deepest = context - size;
                ASSERT_TRUE(cache->skip(id, rng.below(2) ? deepest : int64_t(rng.below(uint64_t(deepest)))));
                parts.push_back({id, std::span(tokens).first(size_t(size)),
                                 rng.below(2) ? size : int64_t(rng.below(uint64_t(size) + 1))});
            }
            ASSERT_TRUE(forward.run(parts, [](int64_t, int64_t, std::span<const float>) {}).has_value());
            for (const ForwardPart& part : parts) cache->close(part.sequence);
            ASSERT_LE(backend->scratch_peak_bytes(), plan->scratch)
                << "context " << context << ", " << parts.size() << " parts, " << left << " tokens left";
        }
        EXPECT_GT(backend->scratch_peak_bytes(), plan->scratch / 2);  // a plan that is merely huge proves nothing
    }
}

TEST_P(PlanTest, TheLargestContextIsTheLargest) {
    auto made = Planner::make(checkpoint, options());
    ASSERT_TRUE(made.has_value());
    Planner& planner = **made;
    const int64_t whole = planner.info().context_tokens;
    int64_t last = 0;
    for (const int64_t context : {int64_t{256}, std::min<int64_t>(1024, whole / 2), whole}) {
        const int64_t total = planner.plan(context)->total();
        EXPECT_GT(total, last);
        EXPECT_LE(planner.least_bytes(context), double(total));
        last = total;
    }
    for (const int64_t context : {int64_t{512}, std::min<int64_t>(2560, whole - 256)}) {
        const int64_t exactly = planner.plan(context)->total();
        EXPECT_EQ(*planner.largest_context(exactly), context);
        EXPECT_LT(*planner.largest_context(exactly - 1), context);
    }
    EXPECT_EQ(*planner.largest_context(last), whole);
    EXPECT_EQ(*planner.largest_context(int64_t{1} << 60), whole);
    EXPECT_EQ(*planner.largest_context(0), 0);
}

}  // namespace
}  // namespace hearth
