// What calls of ops cannot do without, on cases small enough to count by hand.
#include "ops/op_cost.h"

#include <gtest/gtest.h>

namespace hearth {
namespace {

float nothing[1];

Step one_sequence(int64_t past, int64_t tokens) {
    Step step;
    step.sequences.push_back({.tokens = tokens, .past = past});
    return step;
}

TEST(OpCost, AProductReadsTheWeightsOnceAndMultipliesThemWithEveryRow) {
    const Weight weight{.type = DType::q8_0, .out = 4, .in = 64};
    const OpCost cost = op_cost::product(weight, 10, 1);
    EXPECT_EQ(cost.kind, OpKind::matrix);
    EXPECT_EQ(cost.bytes, 4 * 2 * 34);
    EXPECT_EQ(cost.weight_operations, 2 * 10 * 4 * 64);
    EXPECT_EQ(cost.float_operations, 0);
}

TEST(OpCost, AttentionSeesWhatItsRuleLetsItSee) {
    const auto keys = [](const AttentionRule& rule, int64_t at) { return op_cost::keys_seen(rule, at, 100); };
    EXPECT_EQ(keys({}, 41), 42);
    EXPECT_EQ(keys({.causal = false}, 41), 100);
    EXPECT_EQ(keys({.window = 8}, 3), 4);
    EXPECT_EQ(keys({.window = 8}, 41), 8);
    EXPECT_EQ(keys({.causal = false, .window = 8, .symmetric_window = true}, 41), 17);
    EXPECT_EQ(keys({.chunk = 16}, 15), 16);
    EXPECT_EQ(keys({.chunk = 16}, 17), 2);
}

TEST(OpCost, AttentionReadsEveryKeyOnceForAllQueriesOfAStep) {
    const KvLayer kv{.geometry = {.kv_heads = 2, .key_width = 32, .value_width = 64}, .type = KvType::f16};
    const Tensor q = Tensor::dense(nothing, 3, 4, 32), k = Tensor::dense(nothing, 3, 2, 32);
    const OpCost cost = op_cost::attention(q, k, {}, kv, one_sequence(10, 3));
    const double token = 2 * (32 + 64) * 2;
    EXPECT_EQ(cost.kind, OpKind::cache);
    EXPECT_EQ(cost.bytes, 3 * 4 * 32 * 4 + 13 * token + 3 * token);  // queries, keys and values, those that are added
    EXPECT_EQ(cost.float_operations, 2 * 4 * (32 + 64) * (11 + 12 + 13));

    const OpCost windowed = op_cost::attention(q, k, {.window = 4}, kv, one_sequence(10, 3));
    EXPECT_EQ(windowed.bytes, 3 * 4 * 32 * 4 + 6 * token + 3 * token);
    EXPECT_EQ(windowed.float_operations, 2 * 4 * (32 + 64) * 12);

    KvLayer small = kv;
    small.type = KvType::q8_0;
    const OpCost coded = op_cost::attention(q, k, {}, small, one_sequence(10, 3));
    EXPECT_EQ(coded.bytes, 3 * 4 * 32 * 4 + 16 * 2 * (32 + 64) * 34.0 / 32);
}

TEST(OpCost, ARecurrentStateIsReadAndWrittenOncePerSequence) {
    Step step = one_sequence(0, 5);
    step.sequences.push_back({.tokens = 1, .past = 7});
    const OpCost cost = op_cost::recurrent({.floats = 100}, step, 6);
    EXPECT_EQ(cost.kind, OpKind::state);
    EXPECT_EQ(cost.bytes, 2 * 4 * 100 * 2);
    EXPECT_EQ(cost.float_operations, 6);
}

}  // namespace
}  // namespace hearth
