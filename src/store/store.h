// All that must last, behind one door: saved conversations, stored responses, keys of the API. They lie in one file,
// hearth.db; nothing outside this room knows that it is SQLite's.
//
// A Store may be used by many threads, and many processes may have one of the same folder; what a call has done is on
// the disk when it returns. Not to be taken across fork().
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "store/conversations.h"
#include "store/keys.h"
#include "store/responses.h"

namespace hearth::store {

class Store {
public:
    // The folder is made where it is missing; the file is for its owner alone.
    static Result<Store> open(const std::string& folder);
    Store(Store&& other) noexcept;
    ~Store();

    Conversations& conversations() { return conversations_; }
    Responses& responses() { return responses_; }
    Keys& keys() { return keys_; }

    Result<> check();  // reads everything; the error names the first damage
    const std::string& path() const;

private:
    explicit Store(std::unique_ptr<Database> database);

    std::unique_ptr<Database> database_;
    Conversations conversations_;
    Responses responses_;
    Keys keys_;
};

}  // namespace hearth::store
