// The database of a build without SQLite: it cannot be opened, so nothing else here is ever reached.
#include "store/database.h"

namespace hearth::store {

namespace {
std::unexpected<Error> no_database() {
    return fail(ErrorKind::unsupported, "this hearth was built without SQLite and keeps nothing",
                "build it on the machine that it runs on");
}
}  // namespace

Statement::Statement(Statement&& other) noexcept : database_(other.database_), statement_(other.statement_) {}

Statement::~Statement() = default;

Result<bool> Statement::next() {
    return no_database();
}

int64_t Statement::integer(int) const {
    return 0;
}

std::string Statement::text(int) const {
    return {};
}

std::vector<std::byte> Statement::bytes(int) const {
    return {};
}

int64_t Statement::size_bytes(int) const {
    return 0;
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(other.database_), lock_(std::move(other.lock_)), is_open_(other.is_open_) {}

Transaction::~Transaction() = default;

Result<Statement> Transaction::prepare(std::string_view, std::initializer_list<Value>) {
    return no_database();
}

Result<> Transaction::run(std::string_view, std::initializer_list<Value>) {
    return no_database();
}

int64_t Transaction::changed_rows() const {
    return 0;
}

Result<> Transaction::commit() {
    return no_database();
}

Result<std::unique_ptr<Database>> Database::open(const std::string&, std::span<const std::string_view>) {
    return no_database();
}

Database::~Database() = default;

Result<Transaction> Database::read() {
    return no_database();
}

Result<Transaction> Database::write() {
    return no_database();
}

Result<> Database::check() {
    return no_database();
}

Result<> Database::give_back_freed() {
    return no_database();
}

}  // namespace hearth::store
