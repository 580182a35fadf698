// How a sequence is cut into steps, and who else is in them, changes no bit. Saved states are those a shorter run ends
// with.
#include "backends/reference/fixture.h"

namespace hearth::test {
namespace {

TEST(Split, EqualBitsHoweverSplit) {
    for (const SplitCase& op : split_cases()) {
        Reference reference;
        expect_equal_bits_however_split(*reference, op);
    }
}

// Saves at offsets 0, 3 and the end of a chunk, each compared with a run that stops there.
TEST(Split, SavedStatesAreThoseOfShorterRuns) {
    const DeltaCase op{.key_heads = 2, .value_heads = 4, .key_width = 16, .value_width = 8, .totals = {9}};
    const int64_t floats = 4 * 8 * 16;
    auto state_after = [&](int64_t tokens) {
        Reference reference;
        Driver driver(*reference, {9});
        const StateBuffer memory = driver.state(floats, 3);
        std::vector<float> saved;
        driver.adjust = [](Step& step) { step.sequences[0].saves = {{0, 2}, {3, 3}, {9, 4}}; };
        const bool saving = tokens < 0;
        if (!saving) driver.adjust = {};
        auto inputs = op.inputs();
        driver.run({{saving ? 9 : tokens}}, inputs, [&](const Step& step, const std::vector<Tensor>& in) {
            const Tensor y = (*reference)
                                 .ops()
                                 .gated_delta_rule({.q = in[0].heads(2),
                                                    .k = in[1].heads(2),
                                                    .v = in[2].heads(4),
                                                    .log_keep = in[3],
                                                    .write = in[4]},
                                                   memory, step);
            if (saving)
                saved.assign(memory.base + 2 * floats, memory.base + 5 * floats);
            else
                saved.assign(memory.base, memory.base + floats);
            return y;
        });
        return saved;
    };
    const std::vector<float> saved = state_after(-1);
    auto slot = [&](int64_t i) {
        return std::vector<float>(saved.begin() + i * floats, saved.begin() + (i + 1) * floats);
    };
    EXPECT_TRUE(same_bits(slot(0), std::vector<float>(size_t(floats), 0.0f)));
    EXPECT_TRUE(same_bits(slot(1), state_after(3)));
    EXPECT_TRUE(same_bits(slot(2), state_after(9)));
    EXPECT_FALSE(same_bits(slot(1), slot(2)));
}

}  // namespace
}  // namespace hearth::test
