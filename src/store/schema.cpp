#include "store/schema.h"

#include <array>

namespace hearth::store {

std::span<const std::string_view> schema() {
    // Columns that may be long stand last: a list of rows then does not read through them.
    static constexpr std::array<std::string_view, 1> kSteps{R"(
        CREATE TABLE conversations(
            id TEXT PRIMARY KEY NOT NULL, title TEXT NOT NULL, model TEXT NOT NULL,
            created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, revision INTEGER NOT NULL,
            message_count INTEGER NOT NULL, settings TEXT NOT NULL, messages TEXT NOT NULL) STRICT;
        CREATE INDEX conversations_by_age ON conversations(updated_ms DESC, id DESC);

        CREATE TABLE responses(
            id TEXT PRIMARY KEY NOT NULL, previous_id TEXT NOT NULL, owner TEXT NOT NULL,
            created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
            body TEXT NOT NULL, input_items TEXT NOT NULL) STRICT;
        CREATE INDEX responses_by_end ON responses(expires_ms) WHERE expires_ms > 0;

        CREATE TABLE keys(
            id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, salt BLOB NOT NULL, hash BLOB NOT NULL,
            scopes INTEGER NOT NULL, requests_per_minute INTEGER NOT NULL, tokens_per_minute INTEGER NOT NULL,
            concurrency INTEGER NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
            last_used_ms INTEGER NOT NULL, revoked_ms INTEGER NOT NULL) STRICT;
    )"};
    return kSteps;
}

}  // namespace hearth::store
