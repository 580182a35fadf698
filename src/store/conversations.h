// Saved dialogues of the terminal chat.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hearth::store {

class Database;

struct ConversationSummary {
    std::string id;  // save() gives it; its first characters tell when it began
    std::string
        title;  // one line without control characters; save() takes one from the first question where it is empty
    std::string model;
    int64_t created_ms = 0;  // since 1970
    int64_t updated_ms = 0;
    int64_t message_count = 0;
};

struct Conversation : ConversationSummary {
    Json messages = Json::array();   // in OpenAI's form
    Json settings = Json::object();  // whatever the chat wants to find again
    int64_t revision = 0;            // how often it was saved
};

class Conversations {
public:
    explicit Conversations(Database& database) : database_(&database) {}

    // Keeps it as new where it has no id, else in place of what was kept under its id. Refused where somebody else has
    // saved it meanwhile (bad_request) or removed it (not_found); with an empty id it can be kept as another. Fills in
    // id, title, times, count and revision.
    Result<> save(Conversation& conversation, int64_t now_ms);

    // Wherever an id is asked for, its first characters do, if no other id begins so. Case does not matter.
    Result<Conversation> load(std::string_view id);
    Result<> remove(std::string_view id);
    Result<> remove_all();

    Result<std::optional<Conversation>> latest();
    Result<std::vector<ConversationSummary>> list(int64_t most);  // latest first

private:
    Database* database_;
};

// The first words of the first question; empty where there is none yet.
std::string title_of(const Json& messages);

}  // namespace hearth::store
