#include "cache/marks.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"

namespace hearth {
namespace {

std::vector<int64_t> places(const std::vector<Mark>& marks) {
    std::vector<int64_t> tokens;
    for (const Mark& mark : marks) tokens.push_back(mark.tokens);
    return tokens;
}

using Places = std::vector<int64_t>;

TEST(Marks, ShortPromptsAreReadInOneGo) {
    EXPECT_EQ(places(choose_marks(0, 500, {}, 512, 9)), Places{});
    EXPECT_EQ(places(choose_marks(19'700, 20'000, {}, 512, 9)), Places{});  // most of it is cached
}

TEST(Marks, CallersPlacesCountUnlessTheyAreCached) {
    const Places callers{100, 200, 300, 450};
    EXPECT_EQ(places(choose_marks(0, 460, callers, 512, 9)), callers);
    EXPECT_EQ(places(choose_marks(200, 460, callers, 512, 9)), (Places{300, 450}));
    EXPECT_EQ(places(choose_marks(0, 460, callers, 512, 2)), (Places{300, 450}));
    EXPECT_EQ(places(choose_marks(0, 460, callers, 512, 0)), Places{});
}

TEST(Marks, LongPromptsAreMarkedAllAlongAndBeforeTheirEnd) {
    EXPECT_EQ(places(choose_marks(0, 2000, {}, 512, 9)), (Places{512, 1024, 1536, 1920}));
    EXPECT_EQ(places(choose_marks(1100, 2000, {}, 512, 9)), (Places{1536, 1920}));
    // What the next turn needs most stays when there is little room: the reply's opening, then what stands before it.
    const Places opening{1990};
    EXPECT_EQ(places(choose_marks(0, 2000, opening, 512, 1)), opening);
    EXPECT_EQ(places(choose_marks(0, 2000, opening, 512, 2)), (Places{1920, 1990}));
    EXPECT_EQ(places(choose_marks(0, 2000, opening, 512, 3)), (Places{1536, 1920, 1990}));
}

TEST(Marks, OldOnesBecomeFewer) {
    const Places chosen = places(choose_marks(0, 100'000, {}, 512, 100));
    EXPECT_LE(chosen.size(), 4u + 9);  // the newest, and one for each doubling of the distance
    EXPECT_EQ(chosen.back(), 99'968);
    EXPECT_EQ(chosen.front(), 512);
    // A border the caller named is worth more than its neighbours of the same age.
    const Places system{700};
    const Places with_system = places(choose_marks(0, 100'000, system, 512, 100));
    EXPECT_EQ(with_system.front(), 700);
    EXPECT_EQ(with_system.size(), chosen.size());
}

// A text that grows turn by turn, thinned after each: wherever a later prompt parts from it, there is a mark not much
// farther from the end, and their number grows like the logarithm of its length.
TEST(Marks, AGrowingTextKeepsOneNearEveryDistance) {
    Rng rng(1);
    std::vector<Mark> marks;
    int64_t end = 0;
    for (int turn = 0; turn < 300; ++turn) {
        const int64_t begin = end;
        end += 50 + int64_t(rng.below(3000));
        const Places opening{end - 40};
        for (const Mark& mark : choose_marks(begin, end, opening, 512, 100)) marks.push_back(mark);
        end += 1 + int64_t(rng.below(800));
        marks.push_back({end, false});
        const std::vector<Mark> before = marks;
        for (const Mark& mark : superfluous_marks(marks, end, 512)) std::erase(marks, mark);
        ASSERT_LE(marks.size(), 4u + 12);
        for (size_t last = 1; last <= 2 && last <= before.size(); ++last)
            ASSERT_EQ(marks[marks.size() - last], before[before.size() - last]);
        for (int64_t distance = 512; distance < end / 2 - 4096; distance = distance * 5 / 4) {
            const auto after = std::ranges::upper_bound(marks, end - distance, {}, &Mark::tokens);
            ASSERT_NE(after, marks.begin()) << "at " << distance << " of " << end;
            ASSERT_LE(end - std::prev(after)->tokens, 6 * distance + 4096) << "at " << distance << " of " << end;
        }
    }
    EXPECT_GT(end, 300'000);
}

}  // namespace
}  // namespace hearth
