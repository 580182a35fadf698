#include "store/store.h"

#include "store/database.h"
#include "store/schema.h"

namespace hearth::store {

Result<Store> Store::open(const std::string& folder) {
    if (folder.empty())
        return fail(ErrorKind::bad_request, "there is no folder to keep anything in",
                    "set HOME, or HEARTH_HOME to a folder");
    return Store(TRY(Database::open(folder + "/hearth.db", schema())));
}

Store::Store(std::unique_ptr<Database> database)
    : database_(std::move(database)), conversations_(*database_), responses_(*database_), keys_(*database_) {}

Store::Store(Store&& other) noexcept = default;
Store::~Store() = default;

Result<> Store::check() {
    return database_->check();
}

const std::string& Store::path() const {
    return database_->path();
}

}  // namespace hearth::store
