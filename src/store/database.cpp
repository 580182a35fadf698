#include "store/database.h"

#include <sqlite3.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>

#include "base/private_files.h"

namespace hearth::store {

namespace {

constexpr int kApplicationId = 0x68727468;  // "hrth": tells our files from those of other programs
constexpr int kBusyMs = 5000;
constexpr int kMostRowBytes = 256 << 20;

bool is_disk_full(int code, int system_code) {
    if ((code & 0xff) == SQLITE_FULL) return true;
    return (code & 0xff) == SQLITE_IOERR && (system_code == ENOSPC || system_code == EDQUOT || system_code == EFBIG);
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement::~Statement() {
    sqlite3_finalize(statement_);
}

Result<bool> Statement::next() {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return database_->failure(code);
}

int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_, column);
}

std::string Statement::text(int column) const {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return text ? std::string(text, size_t(sqlite3_column_bytes(statement_, column))) : std::string();
}

std::vector<std::byte> Statement::bytes(int column) const {
    const auto* bytes = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
    if (!bytes) return {};
    return {bytes, bytes + sqlite3_column_bytes(statement_, column)};
}

int64_t Statement::size_bytes(int column) const {
    return sqlite3_column_bytes(statement_, column);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(other.database_), lock_(std::move(other.lock_)), is_open_(std::exchange(other.is_open_, false)) {}

Transaction::~Transaction() {
    // After some failures, a full disk for one, SQLite has rolled back already.
    if (is_open_ && sqlite3_get_autocommit(database_->connection_) == 0)
        sqlite3_exec(database_->connection_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Result<Statement> Transaction::prepare(std::string_view sql, std::initializer_list<Value> values) {
    return database_->prepare(sql, values);
}

Result<> Transaction::run(std::string_view sql, std::initializer_list<Value> values) {
    Statement statement = TRY(prepare(sql, values));
    while (TRY(statement.next())) {
    }
    return {};
}

int64_t Transaction::changed_rows() const {
    return sqlite3_changes64(database_->connection_);
}

Result<> Transaction::commit() {
    TRY(database_->execute("COMMIT"));
    is_open_ = false;
    return {};
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path,
                                                 std::span<const std::string_view> migrations) {
    // Absolute, so that no path is taken for a URI or for ":memory:".
    std::error_code failed;
    const std::filesystem::path absolute = std::filesystem::absolute(path, failed);
    if (failed) return fail(ErrorKind::bad_file, fmt::format("cannot open {}: {}", path, failed.message()));
    TRY(make_private_folder(absolute.parent_path()));
    TRY(make_private_file(absolute));  // SQLite gives its journal the same rights
    std::unique_ptr<Database> database(new Database(absolute));
    TRY(database->connect());
    TRY(database->recognise(migrations.size()));
    TRY(database->configure());
    TRY(database->migrate(migrations));
    return database;
}

Database::~Database() {
    sqlite3_close(connection_);
}

Result<> Database::connect() {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (const int code = sqlite3_open_v2(path_.c_str(), &connection_, flags, nullptr); code != SQLITE_OK)
        return failure(code);
    if (sqlite3_db_readonly(connection_, "main") == 1) return failure(SQLITE_READONLY);
    sqlite3_busy_timeout(connection_, kBusyMs);
    sqlite3_limit(connection_, SQLITE_LIMIT_LENGTH, kMostRowBytes);
    // The file may come from anybody: nothing written in its schema is run as code, and damage is looked for.
    sqlite3_db_config(connection_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(connection_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    sqlite3_db_config(connection_, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
    sqlite3_db_config(connection_, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
    return execute("PRAGMA cell_size_check = ON");
}

// Before anything is changed in it: is the file new, or ours and not from the future?
Result<> Database::recognise(size_t known_versions) {
    Transaction one_state = TRY(read());
    const auto number = [&](std::string_view sql) -> Result<int64_t> {
        Statement statement = TRY(one_state.prepare(sql));
        return TRY(statement.next()) ? statement.integer(0) : 0;
    };
    const int64_t application = TRY(number("PRAGMA application_id"));
    const int64_t version = TRY(number("PRAGMA user_version"));
    const int64_t tables = TRY(number("SELECT count(*) FROM sqlite_schema"));
    const bool is_new = application == 0 && version == 0 && tables == 0;
    if (!is_new && application != kApplicationId)
        return fail(ErrorKind::bad_file, path_ + " is the database of another program",
                    "move it away, or let HEARTH_HOME name another folder");
    if (version < 0 || version > int64_t(known_versions))
        return fail(ErrorKind::unsupported,
                    fmt::format("{} was written by a newer hearth (form {}, this program knows {})", path_, version,
                                known_versions),
                    "use the newer program, or let HEARTH_HOME name another folder");
    return {};
}

Result<> Database::configure() {
    // The first only matters while the file is empty. Deleted content is overwritten, not only forgotten.
    TRY(
        execute("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;"
                "PRAGMA journal_size_limit = 4194304"));
    // The write-ahead log lets others read while one writes. Where the file system cannot have it (no shared memory)
    // SQLite stays with its older journal, which is as safe. This statement alone does not wait for others by itself.
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(kBusyMs);
    while (true) {
        const int code = sqlite3_exec(connection_, "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr);
        if (code == SQLITE_OK) break;
        if ((code & 0xff) != SQLITE_BUSY || std::chrono::steady_clock::now() > give_up) return failure(code);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    // NORMAL would lose the last acknowledged writes when the power goes; there are few writes, so syncing each costs
    // little. EXTRA also syncs the folder once a journal is removed: one that came back would undo what was
    // acknowledged. With the log it is FULL.
    return execute("PRAGMA synchronous = EXTRA");
}

Result<> Database::migrate(std::span<const std::string_view> migrations) {
    for (size_t version = 0; version < migrations.size(); ++version) {
        Transaction step = TRY(write());
        {
            // Asked again under the lock: another process may have gone this step meanwhile.
            Statement current = TRY(step.prepare("PRAGMA user_version"));
            if (TRY(current.next()) && current.integer(0) > int64_t(version)) continue;
        }
        TRY(execute(std::string(migrations[version]).c_str()));
        TRY(execute(
            fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, version + 1).c_str()));
        TRY(step.commit());
    }
    return {};
}

Result<Transaction> Database::read() {
    return begin("BEGIN DEFERRED");
}

Result<Transaction> Database::write() {
    return begin("BEGIN IMMEDIATE");
}

Result<Transaction> Database::begin(const char* sql) {
    std::unique_lock lock(mutex_);
    TRY(execute(sql));
    return Transaction(*this, std::move(lock));
}

Result<> Database::check() {
    Transaction one_state = TRY(read());
    Statement report = TRY(one_state.prepare("PRAGMA integrity_check(1)"));
    const bool has_report = TRY(report.next());
    if (const std::string first = has_report ? report.text(0) : ""; first != "ok")
        return fail(ErrorKind::bad_file, fmt::format("{} is damaged: {}", path_, first.substr(0, first.find('\n'))),
                    "restore a backup, or move it away to start anew");
    return {};
}

Result<> Database::give_back_freed() {
    const std::scoped_lock lock(mutex_);
    // Others who read or write at this moment are not waited for: free pages are used again, and whoever closes the
    // file last empties the journal.
    sqlite3_busy_timeout(connection_, 0);
    int code = sqlite3_exec(connection_, "PRAGMA incremental_vacuum", nullptr, nullptr, nullptr);
    if (code == SQLITE_OK)
        code = sqlite3_wal_checkpoint_v2(connection_, "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    sqlite3_busy_timeout(connection_, kBusyMs);
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) return failure(code);
    return {};
}

Result<> Database::execute(const char* sql) {
    const int code = sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return failure(code);
    return {};
}

Result<Statement> Database::prepare(std::string_view sql, std::initializer_list<Value> values) {
    sqlite3_stmt* prepared = nullptr;
    if (const int code = sqlite3_prepare_v2(connection_, sql.data(), int(sql.size()), &prepared, nullptr);
        code != SQLITE_OK)
        return failure(code);
    Statement statement(*this, prepared);
    int place = 0;
    for (const Value& value : values) {
        ++place;
        int code = SQLITE_OK;
        if (const auto* number = std::get_if<int64_t>(&value)) {
            code = sqlite3_bind_int64(prepared, place, *number);
        } else if (const auto* text = std::get_if<std::string_view>(&value)) {
            // Without a pointer it would bind NULL.
            code = sqlite3_bind_text64(prepared, place, text->data() ? text->data() : "", text->size(),
                                       SQLITE_TRANSIENT, SQLITE_UTF8);
        } else {
            const auto& bytes = std::get<std::span<const std::byte>>(value);
            code = bytes.empty() ? sqlite3_bind_zeroblob(prepared, place, 0)
                                 : sqlite3_bind_blob64(prepared, place, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
        }
        if (code != SQLITE_OK) return failure(code);
    }
    return statement;
}

std::unexpected<Error> Database::failure(int code) const {
    // SQLite remembers the system's code, but not where a commit failed to write.
    const int latest = errno, remembered = connection_ ? sqlite3_system_errno(connection_) : 0;
    const int system_code = remembered == 0 && (code & 0xff) == SQLITE_IOERR ? latest : remembered;
    const std::string system = system_code ? std::generic_category().message(system_code) : sqlite3_errstr(code);
    if (is_disk_full(code, system_code))
        return fail(ErrorKind::device, fmt::format("cannot write {}: the disk is full", path_), "make room on it");
    switch (code & 0xff) {
        case SQLITE_NOTADB:
            return fail(ErrorKind::bad_file, path_ + " is not a database",
                        "restore a backup, or move it away to start anew");
        case SQLITE_CORRUPT:
            return fail(ErrorKind::bad_file, path_ + " is damaged", "restore a backup, or move it away to start anew");
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return fail(ErrorKind::device, path_ + " is in use by another process", "try again when that is done");
        case SQLITE_READONLY:
            return fail(ErrorKind::bad_file, fmt::format("{} or its folder cannot be written to", path_),
                        "give yourself the right to, or let HEARTH_HOME name another folder");
        case SQLITE_CANTOPEN:
            return fail(ErrorKind::bad_file, fmt::format("cannot open {}: {}", path_, system),
                        "check the rights of the file and of its folder");
        case SQLITE_IOERR:
            return fail(ErrorKind::device, fmt::format("cannot read or write {}: {}", path_, system), "check the disk");
        case SQLITE_NOMEM:
            return fail(ErrorKind::out_of_memory, "no memory is left to read " + path_);
        case SQLITE_TOOBIG:
            return fail(ErrorKind::bad_request, fmt::format("too much at once for {}", path_));
        default:
            return fail(ErrorKind::bad_file,
                        fmt::format("{}: {}", path_, connection_ ? sqlite3_errmsg(connection_) : sqlite3_errstr(code)));
    }
}

}  // namespace hearth::store
