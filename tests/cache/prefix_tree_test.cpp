// What is kept of texts against a model that knows them all: every sequence that continues somewhere finds there what
// it would have computed itself. What an imaginary device stores for a token is a hash of all tokens up to it, so
// anything mixed up shows.
#include "cache/prefix_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "base/rng.h"
#include "cache/desk.h"

namespace hearth {
namespace {

using test::counted;
using test::Desk;
using test::joined;
using test::kOnlyRecurrent;
using test::kOnlyWindows;
using test::kPlain;
using test::kRecurrent;
using test::kWhole;
using test::kWindowed;
using test::Needs;
using test::random_text;
using test::roomy;
using test::Text;

TEST(PrefixTree, WithoutStatesAnyTokenOfATextWillDo) {
    Desk desk(kPlain, roomy());
    desk.ask(counted(300));
    for (const int64_t common : {299, 257, 256, 100, 64, 63, 1}) {
        const Text prompt = joined(counted(common), counted(50, 5000));
        auto found = desk.tree().open(prompt, "", 0);
        ASSERT_TRUE(found.sequence.has_value());
        EXPECT_EQ(found.report.cached_tokens, common);
        desk.read(*found.sequence, prompt, int64_t(prompt.size()));
        desk.cache().close(*found.sequence);
    }
    EXPECT_EQ(desk.ask(counted(300)).cached_tokens, 299);  // the last token is always computed
    EXPECT_EQ(desk.ask(counted(100)).cached_tokens, 99);
    EXPECT_EQ(desk.ask(counted(50, 7)).cached_tokens, 0);
    desk.expect_nothing_lost();
}

TEST(PrefixTree, AWindowMustStillBeThere) {
    Desk desk(kWindowed, roomy());
    desk.ask(counted(600));
    // 100 tokens before the end are held, in whole pages.
    EXPECT_EQ(desk.ask(joined(counted(595), {9999})).cached_tokens, 595);
    EXPECT_EQ(desk.ask(joined(counted(300), {9999})).cached_tokens, 0);
    desk.ask(joined(counted(300), {8888}), {}, {}, {300});  // now there is a point
    EXPECT_EQ(desk.ask(joined(counted(300), {7777})).cached_tokens, 300);
    EXPECT_EQ(desk.ask(joined(counted(450), {7777})).cached_tokens, 300);  // its own window is gone
    desk.expect_nothing_lost();
}

TEST(PrefixTree, RecurrentStatesServeWhereTheyWereSaved) {
    for (const Needs& needs : {kRecurrent, kOnlyRecurrent, test::mixed_needs()}) {
        Desk desk(needs, roomy());
        desk.ask(counted(200), counted(50, 900), {}, {70, 150});
        EXPECT_EQ(desk.ask(joined(counted(199), {9999})).cached_tokens, 150);
        EXPECT_EQ(desk.ask(joined(counted(149), {9999})).cached_tokens, 70);
        EXPECT_EQ(desk.ask(joined(counted(69), {9999})).cached_tokens, 0);
        EXPECT_EQ(desk.ask(joined(joined(counted(200), counted(50, 900)), {1, 2})).cached_tokens, 250);
        EXPECT_EQ(desk.ask(joined(counted(150), {5})).cached_tokens, 150);
        desk.expect_nothing_lost();
    }
}

// The state at the end of a text moves on into the sequence that continues it, where there is no room for both.
TEST(PrefixTree, OneSlotIsEnoughForADialogue) {
    Desk desk(kRecurrent, {.context_tokens = 4000, .step_tokens = 100, .sequences = 1});
    Text text;
    for (int turn = 0; turn < 5; ++turn) {
        const int64_t known = int64_t(text.size());
        text = joined(text, counted(100, turn * 1000));
        EXPECT_EQ(desk.ask(text).cached_tokens, known);
    }
    EXPECT_EQ(desk.backend.copied_states, 0);
    desk.expect_nothing_lost();
}

// The second turn of a long conversation in which the last tokens changed, for what Qwen 3.5, Gemma 4 and Nemotron
// keep; and changes farther back, which cost more, but not all.
TEST(PrefixTree, ALongConversationIsNotReadAgain) {
    const auto windows = [](int64_t window) {
        return Needs{{.kv = KvGeometry{1, 4, 4, window}, .state_floats = {}}, {.kv = kWhole, .state_floats = {}}};
    };
    for (const Needs& needs : {kRecurrent, windows(512), windows(1024), kOnlyRecurrent, kPlain})
        for (const int64_t length : {20'000, 20'063, 20'490})
            for (const int64_t snapshots : {2, 12}) {
                const CacheOptions options{.context_tokens = 32'000,
                                           .step_tokens = 512,
                                           .sequences = 1,
                                           .snapshots = snapshots,
                                           .kept_tokens = 32'000};
                const auto replayed = [&](int64_t changed, int64_t answer, const std::vector<int64_t>& callers) {
                    Desk desk(needs, options);
                    desk.only_counts = true;
                    desk.ask(counted(length), counted(answer, 50'000), {}, callers);
                    const Text other = joined(counted(length - changed), counted(changed, 90'000));
                    const int64_t cached = desk.ask(other).cached_tokens;
                    EXPECT_LE(cached, length - changed);
                    return length - cached;
                };
                for (const int64_t answer : {0, 2000}) {
                    EXPECT_LE(replayed(20, answer, {}), 512) << length;
                    EXPECT_LE(replayed(20, answer, {length - 5}), 512) << length;
                }
                if (snapshots < 12) continue;
                for (const int64_t changed : {600, 4000, 9000})
                    EXPECT_LE(replayed(changed, 300, {}), 4 * changed + 1024) << length;
            }
}

TEST(PrefixTree, PartitionsSeeTheirOwnAndWhatIsPublic) {
    for (const Needs& needs : {kPlain, kRecurrent, kWindowed}) {
        Desk desk(needs, roomy());
        const Text secret = counted(200);
        desk.ask(secret, {}, {.partition = "a"}, {100, 150});
        EXPECT_EQ(desk.ask(joined(counted(150), {7}), {}, {.partition = "a"}).cached_tokens, 150);
        const PrefixReport other = desk.ask(joined(counted(150), {8}), {}, {.partition = "b"});
        EXPECT_EQ(other.cached_tokens, 0);
        EXPECT_EQ(other.common_tokens, 0);
        EXPECT_FALSE(other.difference.has_value());
        EXPECT_EQ(desk.ask(joined(counted(150), {9})).cached_tokens, 0);

        // In the middle of a page: the rest of the page stays private.
        const Text opening = counted(100, 3000);
        desk.ask(joined(opening, counted(90, 100)), {}, {.partition = "a", .public_tokens = 100}, {100, 160});
        EXPECT_EQ(desk.ask(joined(opening, {5}), {}, {.partition = "b"}).cached_tokens, 100);
        const PrefixReport beyond = desk.ask(joined(opening, counted(90, 100)), {}, {.partition = "c"});
        EXPECT_EQ(beyond.cached_tokens, 100);
        EXPECT_EQ(beyond.common_tokens, 100);
        EXPECT_FALSE(beyond.difference.has_value());  // else c would learn how a's text goes on
        desk.expect_nothing_lost();
    }
}

// Three agents in turns, with as many states as a server has by default: whoever begins anew with the system text of
// one finds it read.
TEST(PrefixTree, SystemTextsOutlastLongConversations) {
    CacheOptions options = roomy(8);
    options.sequences = 4;
    for (const Needs& needs : {kRecurrent, kWindowed}) {
        Desk desk(needs, options);
        std::vector<Text> talks;
        for (int32_t agent = 0; agent < 3; ++agent) talks.push_back(counted(945, agent * 10'000));
        for (int32_t turn = 0; turn < 8; ++turn)
            for (int32_t agent = 0; agent < 3; ++agent) {
                Text& talk = talks[size_t(agent)];
                talk = joined(talk, counted(40, agent * 10'000 + 2000 + turn * 100));
                const Text answer = counted(40, agent * 10'000 + 2050 + turn * 100);
                std::vector<int64_t> borders;
                for (int64_t at = 945; at < int64_t(talk.size()); at += 80) borders.push_back(at);
                const int64_t known = desk.ask(talk, answer, {}, borders).cached_tokens;
                EXPECT_GE(known, turn > 0 ? int64_t(talk.size()) - 120 : 0) << "turn " << turn;
                talk = joined(talk, answer);
            }
        for (int32_t agent = 0; agent < 3; ++agent)
            EXPECT_GE(desk.ask(joined(counted(945, agent * 10'000), {7, 8, 9})).cached_tokens, 945) << agent;
        // Where nothing but such texts comes, they make room for each other.
        for (int32_t other = 0; other < 40; ++other) desk.ask(counted(200, 100'000 + other * 1000), {}, {}, {150});
        EXPECT_EQ(desk.ask(joined(counted(150, 139'000), {7})).cached_tokens, 150);
        desk.expect_nothing_lost();
    }
}

TEST(PrefixTree, TheReportNamesTheFirstTokenThatDiffers) {
    Desk desk(kRecurrent, roomy());
    PrefixReport report = desk.ask(counted(200), {}, {.now = 10}, {64});
    EXPECT_EQ(report.prompt_tokens, 200);
    EXPECT_EQ(report.common_tokens, 0);
    EXPECT_FALSE(report.difference.has_value());
    Text edited = counted(220);
    edited[130] = 4444;
    report = desk.ask(edited, {}, {.now = 25});
    EXPECT_EQ(report.prompt_tokens, 220);
    EXPECT_EQ(report.cached_tokens, 64);
    EXPECT_EQ(report.common_tokens, 130);
    ASSERT_TRUE(report.difference.has_value());
    EXPECT_EQ(*report.difference,
              (PrefixReport::Difference{
                  .at = 130, .prompt_token = 4444, .kept_token = 130, .age_seconds = 15, .resumes = true}));
    // The closest of several, the latest of equals; none where one only goes on.
    edited[130] = 5555;
    report = desk.ask(edited, {}, {.now = 26});
    EXPECT_EQ(report.difference->kept_token, 4444);
    EXPECT_EQ(report.difference->age_seconds, 1);
    EXPECT_TRUE(
        desk.ask(joined(joined(counted(60), {1, 2, 3, 4, 5}), joined(counted(30, 80), {6}))).difference->resumes);
    EXPECT_FALSE(desk.ask(joined(joined(counted(60), {1, 2, 3}), joined(counted(20, 80), {6}))).difference->resumes);
    EXPECT_FALSE(desk.ask(joined(counted(60), counted(100, 7000))).difference->resumes);
    EXPECT_EQ(desk.ask(joined(counted(200), {1})).difference, std::nullopt);
    report = desk.ask({77, 78});
    EXPECT_EQ(report.difference->at, 0);
    EXPECT_EQ(report.difference->prompt_token, 77);
    EXPECT_EQ(report.difference->kept_token, 0);
}

TEST(PrefixTree, TwoWhoReadTheSameAtOnceKeepItOnce) {
    for (const Needs& needs : {kPlain, kRecurrent, kWindowed}) {
        Desk desk(needs, roomy());
        const Text text = joined(counted(300), {});
        const SequenceId first = *desk.cache().open(), second = *desk.cache().open();
        desk.read(first, text, 300);
        desk.read(second, text, 300);
        const int64_t before = desk.cache().free_pages(0);
        desk.tree().keep(first, text, {});
        const PrefixTree::Size once = desk.tree().size();
        desk.tree().keep(second, text, {});
        EXPECT_EQ(desk.tree().size().nodes, once.nodes);
        EXPECT_EQ(desk.tree().size().points, once.points);
        EXPECT_EQ(desk.cache().free_pages(0), before + 4);  // its four full pages are those of the first now
        desk.read(second, joined(text, counted(100, 600)), 400);
        desk.read(first, joined(text, counted(100, 800)), 400);
        desk.tree().keep_and_close(first, joined(text, counted(100, 800)), {});
        desk.tree().keep_and_close(second, joined(text, counted(100, 600)), {});
        EXPECT_TRUE(desk.tree().is_sound());
        EXPECT_EQ(desk.ask(joined(joined(text, counted(100, 600)), {1})).cached_tokens, 400);
        EXPECT_EQ(desk.ask(joined(joined(text, counted(100, 800)), {1})).cached_tokens, 400);
        desk.expect_nothing_lost();
    }
}

// Eleven pages of room: what was used last stays, and of a text its beginning, which others share.
TEST(PrefixTree, TheLeastUsedGoesFirstAndLeavesBeforeTheirStems) {
    Desk desk(kPlain, {.context_tokens = 704, .step_tokens = 64, .sequences = 1});
    const Text stem = counted(128);
    for (int32_t branch = 0; branch < 3; ++branch) desk.ask(joined(stem, counted(128, 1000 * (branch + 1))));
    EXPECT_EQ(desk.tree().size().nodes, 2 + 3 * 2);
    EXPECT_EQ(desk.ask(joined(stem, counted(128, 1000))).cached_tokens, 255);  // used again
    desk.ask(counted(256, 50'000));                                            // a page too many
    EXPECT_EQ(desk.tree().size().nodes, 11);
    EXPECT_EQ(desk.ask(joined(stem, counted(128, 1000))).cached_tokens, 255);
    EXPECT_EQ(desk.ask(joined(stem, counted(128, 3000))).cached_tokens, 255);
    EXPECT_EQ(desk.ask(joined(stem, counted(128, 2000))).cached_tokens, 128);
    desk.ask(counted(704, 70'000));
    EXPECT_EQ(desk.tree().size().nodes, 11);
    EXPECT_EQ(desk.ask(joined(stem, {5})).cached_tokens, 0);
    desk.expect_nothing_lost();
}

TEST(PrefixTree, AShortMarkInALongTextIsNotStoredAgain) {
    for (const Needs& needs : {kPlain, kRecurrent}) {
        Desk desk(needs, roomy());
        desk.ask(counted(200));
        const int64_t nodes = desk.tree().size().nodes;
        desk.ask(counted(130));
        EXPECT_EQ(desk.tree().size().nodes, nodes);
        desk.ask(counted(210));  // the last page is filled further, not taken anew
        EXPECT_EQ(desk.tree().size().nodes, nodes);
        EXPECT_EQ(desk.tree().size().tokens, 210);
        desk.expect_nothing_lost();
    }
}

// Random prompts that share beginnings, in random partitions, read side by side, given up half way, forked, in caches
// with much room and with none.
class Crowd {
public:
    Crowd(const Needs& needs, uint64_t seed)
        : rng_(seed), desk_(needs, random_options(), 1 + int64_t(rng_.below(200))) {}

    void act() {
        const uint64_t act = rng_.below(100);
        if (act < 25 && desk_.cache().has_room())
            arrive();
        else if (act < 85)
            go_on();
        else if (act < 90)
            fork();
        else if (act < 95)
            give_up();
        EXPECT_TRUE(desk_.tree().is_sound());
    }
    void leave() {
        while (!readers_.empty()) give_up();
        desk_.expect_nothing_lost();
    }
    int64_t finished = 0, cached = 0, read = 0;

private:
    struct Reader {
        SequenceId id;
        Text text;
        int64_t prompt_tokens;
        std::vector<Mark> marks;
        std::string partition;
        int64_t public_tokens;
    };
    struct Kept {
        Text text;
        std::string partition;
        int64_t public_tokens;
        int64_t visible_to(const std::string& other) const {
            return other == partition ? int64_t(text.size()) : std::min(public_tokens, int64_t(text.size()));
        }
    };

    CacheOptions random_options() {
        return {.context_tokens = 400,
                .step_tokens = 70,
                .sequences = 1 + int64_t(rng_.below(4)),
                .snapshots = int64_t(rng_.below(3)) * int64_t(rng_.below(6)),
                .kept_tokens = int64_t(rng_.below(3)) * 500};
    }

    Text some_prompt() {
        Text prompt;
        if (!kept_.empty() && rng_.below(5) > 0) {
            prompt = kept_[rng_.below(kept_.size())].text;
            if (rng_.below(2)) prompt.resize(rng_.below(prompt.size() + 1));
            if (prompt.size() > 300) prompt.clear();
        }
        return joined(prompt, random_text(rng_, 1 + int64_t(rng_.below(60))));
    }

    void arrive() {
        Reader reader{.text = some_prompt(), .partition = std::string(rng_.below(3), 'x')};
        reader.prompt_tokens = int64_t(reader.text.size());
        if (rng_.below(4) == 0) reader.public_tokens = int64_t(rng_.below(reader.text.size() + 1));
        const auto found = desk_.tree().open(reader.text, reader.partition, 0);
        check(reader, found);
        reader.id = found.sequence ? *found.sequence : *desk_.cache().open();
        cached += found.report.cached_tokens;
        std::vector<int64_t> callers;
        for (int64_t at = 1; at < reader.prompt_tokens; at += 1 + int64_t(rng_.below(100))) callers.push_back(at);
        reader.marks = desk_.tree().marks(found.report.cached_tokens, reader.prompt_tokens, callers);
        reader.text = joined(reader.text, random_text(rng_, int64_t(rng_.below(40))));
        readers_.push_back(std::move(reader));
    }

    void check(const Reader& reader, const PrefixTree::Found& found) {
        const PrefixReport& report = found.report;
        EXPECT_EQ(found.sequence.has_value(), report.cached_tokens > 0);
        EXPECT_LE(report.cached_tokens, report.common_tokens);
        EXPECT_LT(report.cached_tokens, reader.prompt_tokens);
        const std::span<const int32_t> prompt = reader.text;
        const auto is_known = [&](std::span<const int32_t> beginning) {
            return std::ranges::any_of(kept_, [&](const Kept& one) {
                return one.visible_to(reader.partition) >= int64_t(beginning.size()) &&
                       std::ranges::equal(std::span(one.text).first(beginning.size()), beginning);
            });
        };
        if (report.common_tokens > 0) {
            EXPECT_TRUE(is_known(prompt.first(size_t(report.common_tokens)))) << "of another partition";
        }
        if (report.difference) {
            const auto at = size_t(report.difference->at);
            EXPECT_EQ(report.difference->at, report.common_tokens);
            EXPECT_EQ(report.difference->prompt_token, prompt[at]);
            EXPECT_NE(report.difference->kept_token, prompt[at]);
            Text known(prompt.begin(), prompt.begin() + int64_t(at));
            known.push_back(report.difference->kept_token);
            EXPECT_TRUE(is_known(known)) << "of another partition";
        }
    }

    KeepOptions options_of(const Reader& reader) const {
        return {.partition = reader.partition, .public_tokens = reader.public_tokens};
    }
    void note(const Reader& reader, int64_t tokens) {
        kept_.push_back({Text(reader.text.begin(), reader.text.begin() + tokens), reader.partition,
                         std::min(tokens, reader.public_tokens)});
    }

    void go_on() {
        if (readers_.empty()) return;
        const size_t index = rng_.below(readers_.size());
        Reader& reader = readers_[index];
        const int64_t done = desk_.cache().length(reader.id);
        int64_t to = std::min(done + 1 + int64_t(rng_.below(70)), int64_t(reader.text.size()));
        const auto mark = std::ranges::find_if(reader.marks, [&](const Mark& one) { return one.tokens > done; });
        if (mark != reader.marks.end()) to = std::min(to, mark->tokens);
        read += to - done;
        desk_.read(reader.id, reader.text, to);
        if (testing::Test::HasFatalFailure()) return;
        const bool is_marked = mark != reader.marks.end() && mark->tokens == to;
        if (is_marked || (!desk_.tree().needs_points() && rng_.below(2))) {
            desk_.tree().keep(reader.id, std::span(reader.text).first(size_t(to)), options_of(reader));
            note(reader, to);
        }
        if (to < int64_t(reader.text.size())) return;
        ++finished;
        note(reader, to);
        desk_.tree().keep_and_close(reader.id, reader.text, options_of(reader));
        readers_.erase(readers_.begin() + int64_t(index));
    }

    void fork() {
        if (readers_.empty() || !desk_.cache().has_room()) return;
        Reader reader = readers_[rng_.below(readers_.size())];
        const int64_t done = desk_.cache().length(reader.id);
        const auto forked = desk_.cache().fork(reader.id);
        ASSERT_TRUE(forked.has_value());
        reader.id = *forked;
        reader.marks.clear();
        reader.text.resize(size_t(done));
        reader.text = joined(reader.text, random_text(rng_, 1 + int64_t(rng_.below(30))));
        reader.public_tokens = std::min(reader.public_tokens, done);
        readers_.push_back(std::move(reader));
    }

    // In the middle of a pass: its pages may have been taken already.
    void give_up() {
        if (readers_.empty()) return;
        const size_t index = rng_.below(readers_.size());
        const Reader& reader = readers_[index];
        const int64_t done = desk_.cache().length(reader.id);
        SequenceStep step;
        if (done < int64_t(reader.text.size()) && rng_.below(2)) {
            ASSERT_TRUE(desk_.cache().prepare(reader.id, 1, step).has_value());
        }
        if (done > 0 && !desk_.cache().has_state() && rng_.below(2)) {
            desk_.tree().keep_and_close(reader.id, std::span(reader.text).first(size_t(done)), options_of(reader));
            note(reader, done);
        } else {
            desk_.cache().close(reader.id);
        }
        readers_.erase(readers_.begin() + int64_t(index));
    }

    Rng rng_;
    Desk desk_;
    std::vector<Reader> readers_;
    std::vector<Kept> kept_;  // all that ever was
};

TEST(PrefixTree, WhoeverComesAndGoesReadsWhatIsHis) {
    for (const Needs& needs :
         {kPlain, kWindowed, kOnlyWindows, kRecurrent, kOnlyRecurrent, Needs(test::mixed_needs())}) {
        int64_t finished = 0, cached = 0, read = 0;
        for (uint64_t seed = 1; seed <= 25; ++seed) {
            Crowd crowd(needs, seed);
            for (int act = 0; act < 500; ++act) {
                crowd.act();
                if (testing::Test::HasFailure()) FAIL() << "seed " << seed << " act " << act;
            }
            crowd.leave();
            finished += crowd.finished, cached += crowd.cached, read += crowd.read;
        }
        EXPECT_GT(finished, 500);  // else nothing was tested
        EXPECT_GT(cached, read / 100);
    }
}

}  // namespace
}  // namespace hearth
