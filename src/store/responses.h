// What a stateful API keeps between two requests: each response with the input that led to it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hearth::store {

class Database;

struct StoredResponse {
    std::string id;           // as the client knows it
    std::string previous_id;  // what it goes on from; empty: nothing
    std::string owner;        // id of the key it was asked for with; empty: there are no keys
    int64_t created_ms = 0;   // since 1970
    int64_t expires_ms = 0;   // 0: never
    Json body;
    Json input_items = Json::array();
};

struct ChainLimits {
    int64_t responses = 200;
    int64_t bytes = int64_t{128} << 20;  // of stored JSON
};

// Only its owner can tell that a response exists; to others, and after its time, it is not found.
class Responses {
public:
    explicit Responses(Database& database) : database_(&database) {}

    Result<> put(const StoredResponse& response);  // new, or in place of the owner's own of that id
    Result<StoredResponse> get(std::string_view id, std::string_view owner, int64_t now_ms);
    Result<> remove(std::string_view id, std::string_view owner, int64_t now_ms);

    // The response and all that it goes on from, the first one first. An error where one of them is gone or where they
    // are more than the limits.
    Result<std::vector<StoredResponse>> chain(std::string_view id, std::string_view owner, int64_t now_ms,
                                              ChainLimits limits = {});
    Result<int64_t> purge_expired(int64_t now_ms);  // how many went

private:
    Database* database_;
};

}  // namespace hearth::store
