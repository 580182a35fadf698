// Where responses are kept from one request to the next, each for the owner it was made for. Without a store: nowhere.
#pragma once

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/api/api_error.h"
#include "server/workers.h"
#include "store/store.h"

namespace hearth::server {

class ResponseKeeper {
public:
    explicit ResponseKeeper(std::shared_ptr<store::Store> store);
    bool keeps() const { return store_ != nullptr; }

    ApiResult<store::StoredResponse> get(const std::string& id, const std::string& owner) const;
    // It and all that it goes on from, the first one first.
    ApiResult<std::vector<store::StoredResponse>> chain(const std::string& id, const std::string& owner) const;
    ApiResult<> remove(const std::string& id, const std::string& owner) const;

    // Writes it on a thread that may wait for the disk, and there says how it went. Dropped, with `then`, where the
    // server ends before.
    void keep(store::StoredResponse response, std::function<void(const Result<>& kept)> then);

private:
    ApiError absent(const std::string& id) const;
    void purge_now_and_then();

    const std::shared_ptr<store::Store> store_;
    int64_t purged_ms_ = 0;  // of the writer's thread
    Workers writer_{1};
};

// Items of any responses of an owner, by the ids that new_item_id() gave them; for one request, which may make the disk
// work only so much.
class ReferredItems {
public:
    ReferredItems(const ResponseKeeper& keeper, std::string owner) : keeper_(keeper), owner_(std::move(owner)) {}
    // The error says why not, as the end of a sentence.
    std::expected<Json, std::string> find(const std::string& id);

private:
    struct Looked {
        store::StoredResponse response;
        std::map<std::string, const Json*> items;  // of its output and its input, by their ids
    };
    const Looked* look(const std::string& response_id);  // null: it is not kept

    const ResponseKeeper& keeper_;
    const std::string owner_;
    std::map<std::string, std::unique_ptr<Looked>> looked_;  // null: it is not kept
    size_t bytes_ = 0;
};

// "resp_3f..": nobody can guess one.
ApiResult<std::string> new_response_id();
// "msg_3f.._2": names the response that it belongs to. `place`: "2" in its output, "in2" in its input.
std::string new_item_id(std::string_view kind, std::string_view response_id, std::string_view place);

}  // namespace hearth::server
