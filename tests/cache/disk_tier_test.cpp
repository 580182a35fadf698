// Kept texts on disk: what is read back is what was written, or nothing.
#include "cache/disk_tier.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "cache/desk.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;
using test::counted;
using test::Desk;
using test::joined;
using test::Needs;
using test::Text;

class DiskTierTest : public testing::Test {
protected:
    void SetUp() override {
        folder = fs::path(testing::TempDir()) /
                 ("kept_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
        fs::remove_all(folder);
    }
    void TearDown() override { fs::remove_all(folder); }

    // A program that was just started.
    struct Place {
        Place(const Needs& needs, DiskTierOptions options, const CacheOptions& cache = test::roomy())
            : desk(needs, cache) {
            auto opened = DiskTier::open(desk.cache(), desk.tree(), std::move(options));
            EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().line());
            if (opened) tier = std::move(*opened);
        }
        PrefixReport ask(const Text& prompt, const Text& answer = {}, const KeepOptions& options = {},
                         const std::vector<int64_t>& callers = {}) {
            const PrefixReport report = desk.ask(prompt, answer, options, callers);
            tier->finished(joined(prompt, answer), options.partition, options.public_tokens);
            return report;
        }
        void write_all() {
            while (tier->has_work()) tier->work();
        }
        Desk desk;
        std::unique_ptr<DiskTier> tier;
    };
    DiskTierOptions options(const std::string& fingerprint = "this build") {
        return {.directory = folder.string(),
                .most_bytes = 1 << 30,
                .fingerprint = fingerprint,
                .least_gain = 1,
                .complain = [this](const std::string& problem) { complaints.push_back(problem); },
                .clock = [this] { return now; }};
    }
    std::vector<fs::path> files() const {
        std::vector<fs::path> found;
        for (const auto& entry : fs::directory_iterator(folder)) found.push_back(entry.path());
        return found;
    }

    fs::path folder;
    double now = 0;
    std::vector<std::string> complaints;
};

TEST_F(DiskTierTest, WhatWasWrittenServesAfterANewStart) {
    const Text prompt = counted(300), answer = counted(50, 900);
    for (const Needs& needs : {test::kPlain, test::kWindowed, test::kOnlyWindows, test::kRecurrent,
                               test::kOnlyRecurrent, test::mixed_needs()}) {
        fs::remove_all(folder);
        {
            Place first(needs, options());
            first.ask(prompt, answer, {}, {100, 290});
            first.write_all();
            EXPECT_EQ(files().size(), 1u);
        }
        Place second(needs, options());
        EXPECT_EQ(second.tier->files(), 1);
        EXPECT_FALSE(second.tier->load(counted(300, 77), "", 0, 0));
        // At the end of the answer, and where the prompt was marked.
        const Text next = joined(joined(prompt, answer), counted(30, 4000));
        ASSERT_TRUE(second.tier->load(next, "", 0, 0));
        EXPECT_TRUE(second.desk.tree().is_sound());
        EXPECT_EQ(second.desk.ask(next).cached_tokens, 350);
        const Text edited = joined(counted(295), {9999});
        second.tier->load(edited, "", second.desk.tree().usable_tokens(edited, ""), 0);
        EXPECT_EQ(second.desk.ask(edited).cached_tokens, second.desk.cache().has_state() ? 290 : 295);
        EXPECT_FALSE(second.tier->load(next, "", 350, 0));  // nothing to gain
        second.desk.expect_nothing_lost();
    }
    EXPECT_TRUE(complaints.empty());
}

TEST_F(DiskTierTest, TornAndChangedFilesAreAsIfTheyWereNotThere) {
    const Text prompt = counted(200);
    for (const Needs& needs : {test::kPlain, test::mixed_needs()}) {
        fs::remove_all(folder);
        {
            Place first(needs, options());
            first.ask(prompt, {}, {}, {100});
            first.write_all();
        }
        ASSERT_EQ(files().size(), 1u);
        const fs::path path = files()[0];
        std::ifstream in(path, std::ios::binary);
        const std::string whole{std::istreambuf_iterator<char>(in), {}};
        const auto serves = [&](const std::string& bytes) {
            std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
            Place second(needs, options());
            const Text next = joined(prompt, {5});
            const bool is_loaded = second.tier->load(next, "", 0, 0);
            second.desk.ask(next);  // looks at what is stored
            second.desk.expect_nothing_lost();
            return is_loaded;
        };
        EXPECT_TRUE(serves(whole));
        for (size_t length = 0; length < whole.size(); length += 1 + whole.size() / 97)
            EXPECT_FALSE(serves(whole.substr(0, length))) << length;
        int served = 0;
        for (size_t at = 0; at < whole.size(); at += 1 + whole.size() / 211) {
            std::string changed = whole;
            changed[at] = char(changed[at] ^ 4);
            // What is not read is not looked at; what is would show.
            const bool is_served = serves(changed);
            EXPECT_TRUE(!is_served || needs.size() > test::kPlain.size()) << at;
            served += is_served;
        }
        EXPECT_LT(served, 100);
        EXPECT_FALSE(serves(whole + "more"));
        EXPECT_FALSE(serves(""));
    }
}

// What may stand under a file's name where the power went and the disk had the name before the bytes: any sectors of
// them, zeros or what another file left there in place of the others, and any length.
std::string torn(const std::string& whole, const std::string& other, Rng& rng) {
    constexpr size_t kSector = 512;
    std::string left = whole;
    if (rng.below(3) == 0) left.resize(rng.below(whole.size() + 1));
    const uint64_t lost_of_8 = rng.below(9);
    for (size_t at = 0; at < left.size(); at += kSector) {
        const size_t count = std::min(kSector, left.size() - at);
        if (rng.below(8) >= lost_of_8) continue;
        const bool is_stale = rng.below(2) && at + count <= other.size();
        left.replace(at, count, is_stale ? other.substr(at, count) : std::string(count, '\0'));
    }
    return left;
}

TEST_F(DiskTierTest, WhatALossOfPowerLeavesIsNeverUsedAndReplaced) {
    const auto read = [](const fs::path& path) {
        std::ifstream in(path, std::ios::binary);
        return std::string{std::istreambuf_iterator<char>(in), {}};
    };
    const Text prompt = counted(330), next = joined(prompt, {5}), neighbour = counted(330, 40'000);
    for (const Needs& needs : {test::kPlain, test::kWindowed, test::kOnlyRecurrent, test::mixed_needs()}) {
        fs::remove_all(folder);
        const auto write = [&](const Text& text) {
            Place place(needs, options());
            place.ask(text, {}, {}, {100});
            place.write_all();
        };
        write(prompt);
        ASSERT_EQ(files().size(), 1u);
        const fs::path path = files()[0], part = path.string() + ".77-1.part";
        write(neighbour);
        ASSERT_EQ(files().size(), 2u);
        const fs::path other_path = files()[files()[0] == path];
        const std::string whole = read(path), other = read(other_path);
        int used = 0;
        Rng rng(whole.size());
        for (int round = 0; round < 60; ++round) {
            const std::string left = torn(whole, other, rng);
            // Under its own name, or under that of a file that was still being written.
            const bool is_renamed = rng.below(4) > 0;
            fs::remove(path);
            std::ofstream(is_renamed ? path : part, std::ios::binary | std::ios::trunc) << left;
            Place second(needs, options());
            const bool is_loaded = second.tier->load(next, "", 0, 0);
            EXPECT_EQ(is_loaded, is_renamed && left == whole) << round;
            used += is_loaded;
            ASSERT_TRUE(second.tier->load(joined(neighbour, {5}), "", 0, 0)) << round;
            second.desk.ask(next);  // looks at what is stored
            second.desk.expect_nothing_lost();
            if (is_loaded) continue;
            write(prompt);
            Place third(needs, options());
            EXPECT_TRUE(third.tier->load(next, "", 0, 0)) << round;
        }
        EXPECT_LT(used, 30);
    }
    EXPECT_TRUE(complaints.empty());
}

TEST_F(DiskTierTest, OnlyTheSameModelAndPartitionFindIt) {
    const Text prompt = counted(300), next = joined(prompt, {5});
    {
        Place first(test::kPlain, options());
        first.ask(prompt, {}, {.partition = "a", .public_tokens = 130});
        first.write_all();
    }
    EXPECT_EQ(Place(test::kPlain, options("another build")).tier->files(), 0);
    Place second(test::kPlain, options());
    ASSERT_TRUE(second.tier->load(next, "b", 0, 0));
    EXPECT_EQ(second.desk.tree().open(next, "b", 0).report.cached_tokens, 130);
    Place third(test::kPlain, options());
    ASSERT_TRUE(third.tier->load(next, "a", 0, 0));
    EXPECT_EQ(third.desk.ask(next, {}, {.partition = "a"}).cached_tokens, 300);
    EXPECT_EQ(files().size(), 1u);
}

TEST_F(DiskTierTest, TheDirectoryHoldsNoMoreThanAllowed) {
    DiskTierOptions bounded = options();
    bounded.most_bytes = 30'000;
    Place place(test::kRecurrent, bounded);
    for (int32_t text = 0; text < 40; ++text) {
        place.ask(counted(200 + text * 7, text * 10'000));
        place.write_all();
        uintmax_t bytes = 0;
        for (const fs::path& file : files()) bytes += fs::file_size(file);
        ASSERT_LE(bytes, 30'000u);
        ASSERT_EQ(int64_t(files().size()), place.tier->files());
    }
    EXPECT_GT(place.tier->files(), 3);
    Place after(test::kRecurrent, bounded);
    EXPECT_TRUE(after.tier->load(joined(counted(200 + 39 * 7, 390'000), {1}), "", 0, 0));  // the last
    EXPECT_FALSE(after.tier->load(joined(counted(200), {1}), "", 0, 0));                   // the first
    bounded.most_bytes = 100;
    Place nothing(test::kRecurrent, bounded);
    nothing.ask(counted(3000, 1'000'000));
    nothing.write_all();
    EXPECT_TRUE(complaints.empty());
}

TEST_F(DiskTierTest, AGrowingTextIsOneFile) {
    Place place(test::kPlain, options());
    for (int64_t tokens = 100; tokens < 1000; tokens += 100) {
        place.ask(counted(tokens));
        place.write_all();
        EXPECT_EQ(files().size(), 1u);
    }
    place.ask(counted(900));  // there already
    EXPECT_TRUE(place.tier->has_work());
    place.write_all();
    EXPECT_EQ(files().size(), 1u);
}

// With states of its own every file of a beginning might be of use, but not all of them are worth their room.
TEST_F(DiskTierTest, AConversationThatGrowsIsAFewFiles) {
    Text talk = counted(300);
    {
        Place place(test::kRecurrent, options());
        for (int32_t turn = 0; turn < 30; ++turn) {
            const Text prompt = joined(talk, counted(50, 10'000 + 100 * turn));
            place.ask(prompt, counted(50, 10'050 + 100 * turn), {}, {300, int64_t(prompt.size()) - 5});
            talk = joined(prompt, counted(50, 10'050 + 100 * turn));
            place.write_all();
            EXPECT_LE(files().size(), 6u) << turn;
        }
    }
    Place after(test::kRecurrent, options());
    ASSERT_TRUE(after.tier->load(joined(talk, {5}), "", 0, 0));
    EXPECT_EQ(after.desk.ask(joined(talk, {5})).cached_tokens, 3300);
    // Whoever begins anew with the same system text finds it in any of the files.
    const Text branch = joined(counted(300), {7, 8});
    ASSERT_TRUE(Place(test::kRecurrent, options()).tier->load(branch, "", 0, 0));
    // Out of the middle not all is read again.
    Place third(test::kRecurrent, options());
    Text edited(talk.begin(), talk.begin() + 2600);
    edited.push_back(5);
    ASSERT_TRUE(third.tier->load(edited, "", 0, 0));
    EXPECT_GE(third.desk.ask(edited).cached_tokens, 1000);
}

TEST_F(DiskTierTest, WhatMemoryLosesMeanwhileIsNotWritten) {
    Place place(test::kRecurrent, options());
    for (int pieces = 0; pieces < 6; ++pieces) {
        place.ask(counted(300, 1000 * pieces));
        for (int piece = 0; piece < pieces; ++piece) place.tier->work();
        place.desk.tree().clear();
        place.write_all();
        EXPECT_TRUE(files().empty()) << pieces;
    }
    EXPECT_TRUE(complaints.empty());
}

TEST_F(DiskTierTest, WhatAKilledProcessLeftIsIgnoredAndGoesAfterAWhile) {
    fs::create_directories(folder);
    const fs::path old_part = folder / "0.kept.1-1.part", young_part = folder / "0.kept.2-1.part";
    std::ofstream(old_part) << "half";
    std::ofstream(young_part) << "half";
    fs::last_write_time(old_part, fs::file_time_type::clock::now() - std::chrono::hours(2));
    Place place(test::kPlain, options());
    EXPECT_FALSE(fs::exists(old_part));
    EXPECT_TRUE(fs::exists(young_part));  // perhaps another process writes it
    EXPECT_EQ(place.tier->files(), 0);
}

TEST_F(DiskTierTest, AFullDiskIsToldOnceAndMemoryServesOn) {
    Place place(test::kPlain, options());
    place.ask(counted(300));
    place.write_all();
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    rlimit little = before;
    little.rlim_cur = 5000;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &little), 0);
    for (int32_t text = 1; text < 4; ++text) {
        place.ask(counted(1000, text * 10'000));
        place.write_all();
    }
    now += 61;  // still full, and told already
    place.ask(counted(1000, 50'000));
    place.write_all();
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    ASSERT_EQ(complaints.size(), 1u);
    EXPECT_NE(complaints[0].find(folder.string()), std::string::npos) << complaints[0];
    EXPECT_EQ(files().size(), 1u);  // no half file stays
    EXPECT_EQ(place.desk.ask(joined(counted(1000, 30'000), {1})).cached_tokens, 1000);
    place.ask(counted(1000, 60'000));  // there is room again, but it is not looked for all the time
    EXPECT_FALSE(place.tier->has_work());
    now += 61;
    place.ask(counted(1000, 70'000));
    place.write_all();
    EXPECT_EQ(files().size(), 2u);
}

// The window's page of a point that was given up serves another text now, which went on in it.
TEST_F(DiskTierTest, APageThatServesAnotherTextMeanwhileIsNotWritten) {
    const Text text = counted(300), other = joined(counted(140), counted(100, 5000));
    for (const Needs& needs : {test::kWindowed, test::mixed_needs()})
        for (int pieces = 1; pieces < 12; ++pieces) {
            fs::remove_all(folder);
            Place first(needs, options());
            first.ask(text, {}, {}, {190});
            for (int piece = 0; piece < pieces && first.tier->has_work(); ++piece) first.tier->work();
            ASSERT_TRUE(first.desk.tree().give_up_page(1));
            ASSERT_EQ(first.desk.tree().size().points, 1);
            first.desk.ask(other, {}, {}, {140});
            first.write_all();
            ASSERT_EQ(files().size(), 1u) << pieces;
            Place second(needs, options());
            const Text next = joined(text, {5});
            ASSERT_TRUE(second.tier->load(next, "", 0, 0));
            EXPECT_EQ(second.desk.ask(next).cached_tokens, 300);  // looks at what is stored
            Place third(needs, options());
            const Text edited = joined(counted(195), {5});
            third.tier->load(edited, "", 0, 0);
            third.desk.ask(edited);
            third.desk.expect_nothing_lost();
        }
}

TEST_F(DiskTierTest, NoMoreIsReadThanThePromptCanUse) {
    {
        Place first(test::mixed_needs(), options());
        first.ask(counted(3000), {}, {}, {2000});
        first.write_all();
    }
    {
        Place second(test::mixed_needs(), options());
        ASSERT_TRUE(second.tier->load(joined(counted(2500), {5}), "", 0, 0));
        EXPECT_EQ(second.desk.tree().size().points, 1);
        EXPECT_LE(second.desk.tree().size().tokens, 2500);
        second.desk.ask(joined(counted(2500), {5}));
        second.desk.expect_nothing_lost();
    }
    {
        Place first(test::kPlain, options());
        first.ask(counted(3000));
        first.write_all();
    }
    Place second(test::kPlain, options());
    second.desk.ask(counted(130));
    const int64_t free = second.desk.cache().free_pages(0);
    const Text prompt = joined(counted(300), {5});
    ASSERT_TRUE(second.tier->load(prompt, "", 130, 0));
    EXPECT_EQ(second.desk.tree().size().tokens, 300);
    // Two pages were there, the third is replaced by one that holds more, two more come.
    EXPECT_EQ(free - second.desk.cache().free_pages(0), 2);
    EXPECT_EQ(second.desk.ask(prompt).cached_tokens, 300);
}

TEST_F(DiskTierTest, ATextLongerThanTheContextServesWithItsBeginning) {
    {
        Place first(test::kRecurrent, options());
        first.ask(counted(3000), {}, {}, {2900});
        first.write_all();
    }
    CacheOptions small = test::roomy();
    small.context_tokens = 2950;
    Place second(test::kRecurrent, options(), small);
    EXPECT_EQ(second.tier->files(), 1);
    const Text prompt = joined(counted(2910), {5});
    ASSERT_TRUE(second.tier->load(prompt, "", 0, 0));
    EXPECT_EQ(second.desk.ask(prompt).cached_tokens, 2900);
}

// Piece by piece, while others use the cache and the kept texts change.
TEST_F(DiskTierTest, OthersGoOnWhileATextIsRead) {
    const Text text = counted(1000), next = joined(text, {5});
    for (const Needs& needs : {test::kPlain, test::kWindowed, test::kRecurrent, test::mixed_needs()}) {
        fs::remove_all(folder);
        {
            Place first(needs, options());
            first.ask(text);
            first.write_all();
        }
        Place second(needs, options(), {.context_tokens = 1200, .step_tokens = 100, .sequences = 2, .snapshots = 1});
        const auto found = second.tier->find(next, "", 0);
        ASSERT_TRUE(found.has_value());
        ASSERT_TRUE(second.tier->begin_reading(*found, next, ""));
        int pieces = 0;
        while (second.tier->read_on(1, 0) == DiskTier::Progress::goes_on) {
            second.desk.ask(counted(150 + 20 * pieces, 3000 * pieces));
            ++pieces;
        }
        EXPECT_GT(pieces, needs[0].kv ? 5 : 0);
        EXPECT_EQ(second.desk.ask(next).cached_tokens, 1000);
        // Given up half way, nothing of it stays.
        second.desk.tree().clear();
        ASSERT_TRUE(second.tier->begin_reading(*found, next, ""));
        EXPECT_EQ(second.tier->read_on(1, 0), DiskTier::Progress::goes_on);
        second.tier->stop_reading();
        second.desk.expect_nothing_lost();
        EXPECT_EQ(files().size(), 1u);
    }
}

TEST_F(DiskTierTest, WhatFailsForNowIsThereLater) {
    const Text text = counted(300), next = joined(text, {5});
    {
        Place first(test::kPlain, options());
        first.ask(text);
        first.write_all();
    }
    Place second(test::kPlain, options());
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    rlimit none = before;
    none.rlim_cur = 0;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    const bool is_loaded = second.tier->load(next, "", 0, 0);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_FALSE(is_loaded);
    EXPECT_EQ(files().size(), 1u);
    EXPECT_TRUE(second.tier->load(next, "", 0, 0));
    second.desk.expect_nothing_lost();
}

TEST_F(DiskTierTest, ADirectoryThatGoesAwayIsSurvived) {
    Place place(test::kPlain, options());
    place.ask(counted(300));
    place.write_all();
    fs::remove_all(folder);
    EXPECT_FALSE(place.tier->load(joined(counted(300), {5}), "", 0, 0));
    place.ask(counted(400, 1000));
    place.write_all();
    EXPECT_EQ(complaints.size(), 1u);
    fs::create_directories(folder);
    now += 61;
    place.ask(counted(500, 2000));
    place.write_all();
    EXPECT_EQ(files().size(), 1u);
}

// What was used last stays where there is not room for all, although it is written first.
TEST_F(DiskTierTest, EverythingThatIsKeptIsSaved) {
    for (const Needs& needs : {test::kPlain, test::mixed_needs()}) {
        fs::remove_all(folder);
        Place first(needs, options());
        for (int32_t text = 0; text < 7; ++text) first.desk.ask(counted(300, text * 1000), {}, {.partition = "p"});
        first.desk.ask(joined(counted(300, 2000), counted(20, 9000)), {}, {.partition = "p"});
        first.tier->save_all();
        first.write_all();
        EXPECT_EQ(files().size(), 7u);
        uintmax_t bytes = 0;
        for (const fs::path& file : files()) bytes = std::max(bytes, fs::file_size(file));
        fs::remove_all(folder);
        DiskTierOptions little = options();
        little.most_bytes = int64_t(bytes) * 3 + 100;
        Place second(needs, little);
        for (int32_t text = 0; text < 7; ++text) second.desk.ask(counted(300, text * 1000), {}, {.partition = "p"});
        second.tier->save_all();
        second.write_all();
        const auto is_found = [&](int32_t text) {
            return Place(needs, little).tier->find(joined(counted(300, text * 1000), {5}), "p", 0).has_value();
        };
        EXPECT_TRUE(is_found(6) && is_found(5) && is_found(4));
        EXPECT_FALSE(is_found(3) || is_found(0));
        // The first to make room is then what was used longest ago.
        Place third(needs, little);
        third.ask(counted(300, 20'000));
        third.write_all();
        EXPECT_TRUE(is_found(6));
        EXPECT_FALSE(is_found(4));
    }
}

TEST_F(DiskTierTest, ADirectoryThatCannotBeMadeIsAnError) {
    fs::create_directories(folder);
    std::ofstream(folder / "file") << "x";
    Desk desk(test::kPlain, test::roomy());
    DiskTierOptions wrong = options();
    wrong.directory = (folder / "file" / "deeper").string();
    const auto opened = DiskTier::open(desk.cache(), desk.tree(), wrong);
    ASSERT_FALSE(opened.has_value());
    EXPECT_NE(opened.error().line().find("deeper"), std::string::npos);
}

}  // namespace
}  // namespace hearth
