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
        Place(const Needs& needs, DiskTierOptions options) : desk(needs, test::roomy()) {
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
                .complain = [this](const std::string& problem) { complaints.push_back(problem); }};
    }
    std::vector<fs::path> files() const {
        std::vector<fs::path> found;
        for (const auto& entry : fs::directory_iterator(folder)) found.push_back(entry.path());
        return found;
    }

    fs::path folder;
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
        EXPECT_EQ(second.desk.ask(joined(counted(295), {9999})).cached_tokens,
                  second.desk.cache().has_state() ? 290 : 295);
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
        for (size_t at = 0; at < whole.size(); at += 1 + whole.size() / 211) {
            std::string changed = whole;
            changed[at] = char(changed[at] ^ 4);
            EXPECT_FALSE(serves(changed)) << at;
        }
        EXPECT_FALSE(serves(whole + "more"));
        EXPECT_FALSE(serves(""));
    }
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
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    ASSERT_EQ(complaints.size(), 1u);
    EXPECT_NE(complaints[0].find(folder.string()), std::string::npos) << complaints[0];
    EXPECT_EQ(files().size(), 1u);  // no half file stays
    EXPECT_EQ(place.desk.ask(joined(counted(1000, 30'000), {1})).cached_tokens, 1000);
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
