// One SQLite file: opened safely, brought to the form this program knows, and used in transactions only.
//
// Threads share a Database: a transaction holds its lock from begin to end, so they take turns, and a thread that
// begins a second one inside its first waits for ever. Processes share the file; one that finds it busy waits for five
// seconds. What commit() has acknowledged is on the disk, also when the power goes. Nothing of it may be used across
// fork().
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace hearth::store {

class Database;

// What a `?` of a statement stands for; copied when it is bound.
using Value = std::variant<int64_t, std::string_view, std::span<const std::byte>>;

class Statement {
public:
    Statement(Statement&& other) noexcept;
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;
    ~Statement();

    Result<bool> next();  // whether there is one more row; the columns below are those of that row
    int64_t integer(int column) const;
    std::string text(int column) const;
    std::vector<std::byte> bytes(int column) const;
    int64_t size_bytes(int column) const;  // of a text, without copying it

private:
    friend class Database;
    Statement(Database& database, sqlite3_stmt* statement) : database_(&database), statement_(statement) {}

    Database* database_;
    sqlite3_stmt* statement_;
};

// Undone at the end of its life unless commit() succeeded. Its statements must not outlive it.
class Transaction {
public:
    Transaction(Transaction&& other) noexcept;
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    ~Transaction();

    Result<Statement> prepare(std::string_view sql, std::initializer_list<Value> values = {});
    Result<> run(std::string_view sql, std::initializer_list<Value> values = {});
    int64_t changed_rows() const;  // by the latest run()
    Result<> commit();

private:
    friend class Database;
    Transaction(Database& database, std::unique_lock<std::mutex> lock) : database_(&database), lock_(std::move(lock)) {}

    Database* database_;
    std::unique_lock<std::mutex> lock_;
    bool is_open_ = true;
};

class Database {
public:
    // Makes folder and file where they are missing, both for their owner alone. `migrations` lead from one version of
    // the file's form to the next, each as SQL; a file's version is the number of those it has seen. A file that has
    // seen more is refused untouched.
    static Result<std::unique_ptr<Database>> open(const std::string& path,
                                                  std::span<const std::string_view> migrations);
    ~Database();

    Result<Transaction> read();   // sees one state of the file throughout
    Result<Transaction> write();  // one at a time among all processes

    Result<> check();            // reads everything; the error names the first damage
    Result<> give_back_freed();  // what was deleted leaves the disk, the journal beside the file included
    const std::string& path() const { return path_; }

private:
    friend class Statement;
    friend class Transaction;
    explicit Database(std::string path) : path_(std::move(path)) {}

    Result<> connect();
    Result<> recognise(size_t known_versions);
    Result<> configure();
    Result<> migrate(std::span<const std::string_view> migrations);
    Result<Transaction> begin(const char* sql);
    Result<> execute(const char* sql);
    Result<Statement> prepare(std::string_view sql, std::initializer_list<Value> values);
    std::unexpected<Error> failure(int code) const;

    std::string path_;
    sqlite3* connection_ = nullptr;
    std::mutex mutex_;
};

}  // namespace hearth::store
