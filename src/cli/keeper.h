// Keeps a conversation as it goes on, so that it can be gone on with later; opens the store when it is first needed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "store/store.h"

namespace hearth::cli {

class Keeper {
public:
    explicit Keeper(std::string folder) : folder_(std::move(folder)) {}

    // In place of what was kept of this conversation before. Where another program has gone on with it meanwhile, it is
    // kept as one of its own, and a line says so.
    Result<> keep(const Json& messages, const std::string& model, Json settings);
    void begin_another() { kept_ = {}; }  // what is kept next is a new conversation

    // The latest one, or the one whose id begins like this; what is kept from now on goes on with it.
    Result<store::Conversation> take(std::string_view id);
    Result<std::string> list();  // lines for people
    // One, or with "all" every one.
    Result<> remove(std::string_view id);
    const std::string& id() const { return kept_.id; }

private:
    Result<store::Conversations*> conversations();

    std::string folder_;
    std::optional<store::Store> store_;
    store::Conversation kept_;
};

// "5 minutes ago"; milliseconds since 1970.
std::string time_ago(int64_t then, int64_t now);

}  // namespace hearth::cli
