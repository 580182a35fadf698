// The file itself: rights, versions, transactions, values.
#include "store/database.h"

#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "store_support.h"

namespace hearth::store {
namespace {

using Steps = std::vector<std::string_view>;
const Steps kOneTable{"CREATE TABLE notes(number INTEGER, text TEXT, bytes BLOB) STRICT"};

std::unique_ptr<Database> open_or_fail(const std::string& path, const Steps& steps = kOneTable) {
    auto database = Database::open(path, steps);
    EXPECT_TRUE(database) << line_of(database);
    return database ? std::move(*database) : nullptr;
}

// The first column of the first row as text.
std::string ask(Database& database, std::string_view sql) {
    auto transaction = database.read();
    EXPECT_TRUE(transaction) << line_of(transaction);
    auto statement = transaction->prepare(sql);
    EXPECT_TRUE(statement) << line_of(statement);
    const auto row = statement->next();
    EXPECT_TRUE(row) << line_of(row);
    return row && *row ? statement->text(0) : "";
}

Result<> change(Database& database, std::string_view sql, std::initializer_list<Value> values = {}) {
    Transaction transaction = TRY(database.write());
    TRY(transaction.run(sql, values));
    return transaction.commit();
}

int rights(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
    return int(info.st_mode & 0777);
}

TEST(Database, IsForItsOwnerAloneAndSurvivesThePowerGoing) {
    const std::string folder = fresh_folder() + "/below", path = folder + "/notes.db";
    const auto database = open_or_fail(path);
    ASSERT_TRUE(database);
    ASSERT_TRUE(change(*database, "INSERT INTO notes VALUES(1, 'a', x'00')"));
    EXPECT_EQ(rights(folder), 0700);
    for (const char* ending : {"", "-wal", "-shm"}) EXPECT_EQ(rights(path + ending), 0600) << ending;
    EXPECT_EQ(ask(*database, "PRAGMA journal_mode"), "wal");
    EXPECT_EQ(ask(*database, "PRAGMA synchronous"), "3");
    EXPECT_EQ(ask(*database, "PRAGMA foreign_keys"), "1");
    EXPECT_EQ(ask(*database, "PRAGMA application_id"), std::to_string(0x68727468));
    EXPECT_TRUE(database->check());
}

TEST(Database, MigratesFromNothingAndFromAnOlderVersion) {
    const std::string path = fresh_folder() + "/notes.db";
    {
        const auto database = open_or_fail(path);
        ASSERT_TRUE(database);
        EXPECT_EQ(ask(*database, "PRAGMA user_version"), "1");
        ASSERT_TRUE(change(*database, "INSERT INTO notes VALUES(7, 'kept', x'00')"));
    }
    const Steps three{kOneTable[0], "ALTER TABLE notes ADD COLUMN colour TEXT DEFAULT 'red'",
                      "CREATE TABLE second(a INTEGER); INSERT INTO second SELECT number FROM notes"};
    for (int round = 0; round < 2; ++round) {  // the second time nothing is left to do
        const auto database = open_or_fail(path, three);
        ASSERT_TRUE(database);
        EXPECT_EQ(ask(*database, "PRAGMA user_version"), "3");
        EXPECT_EQ(ask(*database, "SELECT text || colour FROM notes"), "keptred");
        EXPECT_EQ(ask(*database, "SELECT count(*) || ':' || max(a) FROM second"), "1:7");
    }
}

TEST(Database, AFailedMigrationLeavesTheFileAsItWas) {
    const std::string path = fresh_folder() + "/notes.db";
    const auto broken = Database::open(path, Steps{kOneTable[0], "CREATE TABLE half(a INTEGER); NONSENSE"});
    EXPECT_TRUE(contains(line_of(broken), "syntax error")) << line_of(broken);
    const auto database = open_or_fail(path);
    ASSERT_TRUE(database);
    EXPECT_EQ(ask(*database, "PRAGMA user_version"), "1");
    EXPECT_EQ(ask(*database, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), "0");
}

TEST(Database, OneOfANewerProgramIsRefusedUntouched) {
    const std::string path = fresh_folder() + "/notes.db";
    ASSERT_TRUE(open_or_fail(path, {kOneTable[0], "CREATE TABLE future(a INTEGER)"}));
    const std::string before = test::read_text(path);
    const auto refused = Database::open(path, kOneTable);
    EXPECT_EQ(kind_of(refused), ErrorKind::unsupported);
    EXPECT_TRUE(contains(line_of(refused), "newer hearth (form 2, this program knows 1)")) << line_of(refused);
    EXPECT_EQ(test::read_text(path), before);
}

TEST(Database, OneOfAnotherProgramIsRefusedUntouched) {
    const std::string path = fresh_folder() + "/notes.db";
    ASSERT_TRUE(change(*open_or_fail(path), "PRAGMA application_id = 77"));
    const std::string before = test::read_text(path);
    const auto refused = Database::open(path, kOneTable);
    EXPECT_EQ(kind_of(refused), ErrorKind::bad_file);
    EXPECT_TRUE(contains(line_of(refused), "is the database of another program")) << line_of(refused);
    EXPECT_EQ(test::read_text(path), before);
}

TEST(Database, WhatIsNotCommittedIsUndone) {
    const auto database = open_or_fail(fresh_folder() + "/notes.db");
    ASSERT_TRUE(database);
    {
        auto transaction = database->write();
        ASSERT_TRUE(transaction);
        ASSERT_TRUE(transaction->run("INSERT INTO notes VALUES(1, 'gone', x'00')"));
        EXPECT_EQ(transaction->changed_rows(), 1);
    }
    EXPECT_EQ(ask(*database, "SELECT count(*) FROM notes"), "0");
    ASSERT_TRUE(change(*database, "INSERT INTO notes VALUES(1, 'there', x'00')"));
    EXPECT_EQ(ask(*database, "SELECT text FROM notes"), "there");
}

TEST(Database, ValuesComeBackAsTheyWere) {
    const auto database = open_or_fail(fresh_folder() + "/notes.db");
    ASSERT_TRUE(database);
    const std::vector<std::byte> bytes{std::byte{0}, std::byte{255}, std::byte{'\''}};
    const std::string text("a\0b'; DROP TABLE notes", 22);
    ASSERT_TRUE(change(*database, "INSERT INTO notes VALUES(?, ?, ?)", {INT64_MIN, text, bytes}));
    ASSERT_TRUE(change(*database, "INSERT INTO notes VALUES(?, ?, ?)",
                       {INT64_MAX, std::string_view(), std::span<const std::byte>()}));
    auto transaction = database->read();
    auto rows = transaction->prepare("SELECT number, text, bytes, text IS NULL OR bytes IS NULL FROM notes");
    ASSERT_TRUE(rows);
    ASSERT_TRUE(rows->next().value());
    EXPECT_EQ(rows->integer(0), INT64_MIN);
    EXPECT_EQ(rows->text(1), text);
    EXPECT_EQ(rows->size_bytes(1), 22);
    EXPECT_EQ(rows->bytes(2), bytes);
    ASSERT_TRUE(rows->next().value());
    EXPECT_EQ(rows->integer(0), INT64_MAX);
    EXPECT_EQ(rows->text(1), "");
    EXPECT_TRUE(rows->bytes(2).empty());
    EXPECT_EQ(rows->integer(3), 0) << "something empty was kept as NULL";
    EXPECT_FALSE(rows->next().value());
    EXPECT_FALSE(transaction->prepare("SELECT ?", {int64_t{1}, int64_t{2}})) << "a value too many was dropped";
}

TEST(Database, ThreadsTakeTurns) {
    const auto database = open_or_fail(fresh_folder() + "/notes.db");
    ASSERT_TRUE(database && change(*database, "INSERT INTO notes VALUES(0, '', x'00')"));
    std::atomic<int> failed = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int round = 0; round < 10; ++round) {
                // Reads, then writes what it read plus one: a lost update shows.
                const auto done = [&]() -> Result<> {
                    Transaction transaction = TRY(database->write());
                    int64_t number = 0;
                    {
                        Statement row = TRY(transaction.prepare("SELECT number FROM notes"));
                        if (TRY(row.next())) number = row.integer(0);
                    }
                    TRY(transaction.run("UPDATE notes SET number = ?", {number + 1}));
                    return transaction.commit();
                }();
                if (!done) ++failed;
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(ask(*database, "SELECT number FROM notes"), "40");
}

TEST(Database, WaitsForAnotherWriter) {
    const std::string path = fresh_folder() + "/notes.db";
    const auto first = open_or_fail(path), second = open_or_fail(path);
    ASSERT_TRUE(first && second);
    std::atomic<bool> is_held = false;
    std::thread holder([&] {
        auto transaction = first->write();
        EXPECT_TRUE(transaction && transaction->run("INSERT INTO notes VALUES(1, '', x'00')"));
        is_held = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(80));
        EXPECT_TRUE(transaction->commit());
    });
    while (!is_held) std::this_thread::yield();
    EXPECT_EQ(ask(*second, "SELECT count(*) FROM notes"), "0") << "a reader saw what is not committed";
    const auto written = change(*second, "INSERT INTO notes VALUES(2, '', x'00')");
    EXPECT_TRUE(written) << line_of(written);
    holder.join();
    EXPECT_EQ(ask(*second, "SELECT sum(number) FROM notes"), "3");
}

TEST(Database, DeletedContentLeavesTheDisk) {
    const std::string path = fresh_folder() + "/notes.db";
    const auto database = open_or_fail(path);
    ASSERT_TRUE(database);
    std::string secret;
    while (secret.size() < 300000) secret += "a secret word. ";
    ASSERT_TRUE(change(*database, "INSERT INTO notes VALUES(1, ?, x'00')", {secret}));
    const auto on_disk = [&] { return test::read_text(path) + test::read_text(path + "-wal"); };
    ASSERT_TRUE(contains(on_disk(), "a secret word"));
    ASSERT_TRUE(change(*database, "DELETE FROM notes"));
    ASSERT_TRUE(database->give_back_freed());
    EXPECT_FALSE(contains(on_disk(), "a secret word"));
    EXPECT_LT(on_disk().size(), 50000u);
}

}  // namespace
}  // namespace hearth::store
