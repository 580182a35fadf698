// How often the layer that drafts foresees the token after next, on text that training never saw.
#include <gtest/gtest.h>

#include <algorithm>

#include "ember/ember.h"
#include "models/draft_run.h"

namespace hearth::test {
namespace {

TEST(EmberDrafts, TheTokenAfterNextIsForeseen) {
    const auto engine = open_ember(ember_file(), {.context_tokens = 512});
    ASSERT_TRUE(engine);
    DraftRun run(ember_file(), {});
    ASSERT_TRUE(run.is_ready());
    int next_right = 0, draft_right = 0, agreed = 0, count = 0;
    for (const auto& [ids, is_learnt] : ember_documents(engine->tokenizer())) {
        const DraftedRows trunk = run.trunk(ids);
        const SequenceId sequence = *run.drafts().open();
        const DraftedRows drafts = run.draft(sequence, ids, one_later(trunk.hidden, run.hidden_size()));
        run.drafts().close(sequence);
        const auto best = [&](const DraftedRows& rows, size_t i) {
            const auto row = std::span(rows.logits).subspan(i * run.vocabulary(), run.vocabulary());
            return int32_t(std::ranges::max_element(row) - row.begin());
        };
        for (size_t i = 1; i + 1 < ids.size(); ++i) {
            if (!is_learnt[i + 1]) continue;
            ++count;
            next_right += best(trunk, i) == ids[i + 1];
            draft_right += best(drafts, i) == ids[i + 1];
            agreed += best(drafts, i) == best(trunk, i);
        }
    }
    fmt::print("of {} tokens: {} right, {} drafted right, {} drafts are what the model says itself\n", count,
               next_right, draft_right, agreed);
    EXPECT_GT(count, 1500);
    EXPECT_GE(double(draft_right) / count, 0.5);
    EXPECT_GE(double(agreed) / count, 0.6);
}

}  // namespace
}  // namespace hearth::test
