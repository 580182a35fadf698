// Files that are no databases, damaged ones, folders that may not be written to, full disks: one clear line each.
#include <signal.h>
#include <sys/resource.h>

#include "base/rng.h"
#include "store/database.h"
#include "store/schema.h"
#include "store_support.h"

namespace hearth::store {
namespace {

void write_file(const std::string& path, std::string_view content) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
}

// A closed store with a dozen conversations of some pages each.
std::string filled_folder() {
    const std::string folder = fresh_folder();
    auto store = Store::open(folder);
    EXPECT_TRUE(store) << line_of(store);
    for (int i = 0; i < 12; ++i) {
        Conversation conversation = dialogue("question " + std::to_string(i) + std::string(30000, 'x'));
        EXPECT_TRUE(store->conversations().save(conversation, 1800000000000 + i * 1000));
    }
    return folder;
}

TEST(Damage, WhatIsNoDatabaseIsNotTouched) {
    const std::string folder = fresh_folder(), path = folder + "/hearth.db";
    const std::string garbage = "Dear diary, " + std::string(5000, '?');
    write_file(path, garbage);
    const auto store = Store::open(folder);
    EXPECT_EQ(kind_of(store), ErrorKind::bad_file);
    EXPECT_EQ(line_of(store), path + " is not a database; restore a backup, or move it away to start anew");
    EXPECT_EQ(test::read_text(path), garbage);
    EXPECT_FALSE(std::filesystem::exists(path + "-wal"));
}

TEST(Damage, FoldersInTheWayAreNamed) {
    const std::string folder = fresh_folder();
    std::filesystem::create_directories(folder + "/hearth.db");
    EXPECT_TRUE(contains(line_of(Store::open(folder)), "hearth.db is not a regular file"));
    write_file(folder + "/file", "x");
    EXPECT_TRUE(contains(line_of(Store::open(folder + "/file")), "is a file where a folder should be"));
    EXPECT_TRUE(contains(line_of(Store::open("")), "HEARTH_HOME"));
}

TEST(Damage, ABrokenPageIsReported) {
    const std::string folder = filled_folder(), path = folder + "/hearth.db";
    std::string bytes = test::read_text(path);
    ASSERT_GT(bytes.size(), 200000u);
    for (size_t at = 3 * 4096; at < bytes.size(); ++at) bytes[at] = char(0xA5);
    write_file(path, bytes);
    auto store = Store::open(folder);
    ASSERT_TRUE(store) << line_of(store);
    const auto list = store->conversations().list(100);
    EXPECT_EQ(kind_of(list), ErrorKind::bad_file);
    EXPECT_EQ(line_of(list), path + " is damaged; restore a backup, or move it away to start anew");
    const auto check = store->check();
    EXPECT_TRUE(contains(line_of(check), "hearth.db is damaged")) << line_of(check);
}

TEST(Damage, NoDamageIsFatal) {
    const std::string whole = test::read_text(filled_folder() + "/hearth.db");
    Rng rng(11);
    int noticed = 0;
    for (int round = 0; round < 60; ++round) {
        std::string bytes = whole;
        if (round % 4 == 0) bytes.resize(rng.below(bytes.size()));
        // Where the structure is: the first pages, and the beginning of any.
        for (int flips = 0; flips < 12 && !bytes.empty(); ++flips) {
            const size_t page = rng.below(2) ? 0 : rng.below(bytes.size() / 4096 + 1) * 4096;
            bytes[std::min(page + rng.below(rng.below(2) ? 120 : 8192), bytes.size() - 1)] = char(rng.next());
        }
        const std::string folder = fresh_folder();
        write_file(folder + "/hearth.db", bytes);
        auto store = Store::open(folder);
        bool is_well = store.has_value();
        if (store) {
            const auto list = store->conversations().list(1000);
            is_well = is_well && list;
            if (list)
                for (const ConversationSummary& entry : *list) {
                    const auto one = store->conversations().load(entry.id);
                    is_well = is_well && one;
                }
            Conversation more = dialogue("one more");
            is_well = is_well && store->conversations().save(more, 1900000000000) && store->check();
        }
        noticed += !is_well;
    }
    EXPECT_GT(noticed, 30);
}

TEST(Damage, StoredTextThatIsNoJsonIsReported) {
    const std::string folder = filled_folder();
    {
        auto database = Database::open(folder + "/hearth.db", schema());
        ASSERT_TRUE(database) << line_of(database);
        auto transaction = (*database)->write();
        ASSERT_TRUE(transaction && transaction->run("UPDATE conversations SET messages = '[1,' || messages"));
        ASSERT_TRUE(transaction->commit());
    }
    auto store = Store::open(folder);
    ASSERT_TRUE(store);
    const auto latest = store->conversations().latest();
    EXPECT_EQ(kind_of(latest), ErrorKind::bad_file);
    EXPECT_TRUE(contains(line_of(latest), "the messages of conversation")) << line_of(latest);
}

// Rights do not stop root: another user asks.
std::string line_of_somebody(const std::string& folder) {
    Child child([&](int output) {
        if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(3);
        auto store = Store::open(folder);
        if (!store) return say(output, store.error().line());
        Conversation conversation = dialogue("May I?");
        say(output, line_of(store->conversations().save(conversation, 1800000000000)));
    });
    const std::string line = child.finish();
    EXPECT_TRUE(child.ended_well());
    return line;
}

TEST(Damage, FoldersThatMayNotBeWrittenToAreNamed) {
    namespace fs = std::filesystem;
    const std::string folder = fresh_folder();
    fs::create_directories(folder);
    fs::permissions(folder, fs::perms(0555));
    std::string line = line_of_somebody(folder);
    EXPECT_TRUE(contains(line, "cannot make the file " + folder + "/hearth.db: Permission denied; ")) << line;
    line = line_of_somebody(folder + "/below");
    EXPECT_TRUE(contains(line, "cannot make the folder " + folder + "/below: Permission denied; ")) << line;
    fs::permissions(folder, fs::perms(0755));

    const std::string filled = filled_folder();
    fs::permissions(filled + "/hearth.db", fs::perms(0444));
    fs::permissions(filled, fs::perms(0555));
    line = line_of_somebody(filled);
    EXPECT_TRUE(contains(line, filled + "/hearth.db or its folder cannot be written to; ")) << line;
    fs::permissions(filled, fs::perms(0755));
}

TEST(Damage, AFullFileRefusesAndKeepsWhatItHas) {
    const std::string path = fresh_folder() + "/hearth.db";
    auto database = Database::open(path, schema());
    ASSERT_TRUE(database) << line_of(database);
    {
        auto transaction = (*database)->write();
        ASSERT_TRUE(transaction && transaction->run("PRAGMA max_page_count = 30"));
    }
    Conversations conversations(**database);
    Conversation small = dialogue("small"), large = dialogue(std::string(1000000, 'x'));
    ASSERT_TRUE(conversations.save(small, 1800000000000));
    const auto refused = conversations.save(large, 1800000001000);
    EXPECT_EQ(kind_of(refused), ErrorKind::device);
    EXPECT_EQ(line_of(refused), "cannot write " + path + ": the disk is full; make room on it");
    EXPECT_TRUE(large.id.empty());
    EXPECT_EQ(conversations.list(10)->size(), 1u);
    const auto again = conversations.save(small, 1800000002000);
    EXPECT_TRUE(again) << line_of(again);
    EXPECT_TRUE((*database)->check());
}

TEST(Damage, AFullDiskRefusesAndKeepsWhatItHas) {
    const std::string folder = filled_folder();
    Child child([&](int output) {
        signal(SIGXFSZ, SIG_IGN);
        auto store = Store::open(folder);
        const rlimit limit{600000, 600000};
        if (!store || setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(3);
        Conversation large = dialogue(std::string(2000000, 'x'));
        say(output, line_of(store->conversations().save(large, 1900000000000)) + "\n");
        Conversation small = dialogue("small");
        say(output, line_of(store->conversations().save(small, 1900000000000)) + "\n");
    });
    EXPECT_EQ(child.finish(), "cannot write " + folder + "/hearth.db: the disk is full; make room on it\n\n");
    EXPECT_TRUE(child.ended_well());
    auto store = Store::open(folder);
    ASSERT_TRUE(store) << line_of(store);
    EXPECT_TRUE(store->check());
    EXPECT_EQ(store->conversations().list(100)->size(), 13u);
}

}  // namespace
}  // namespace hearth::store
