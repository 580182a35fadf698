#include "server/api/responses_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/os.h"
#include "base/sha256.h"

namespace hearth::server {

namespace {

constexpr int64_t kHour = 3'600'000, kKeptMs = 30 * 24 * kHour;
constexpr size_t kMostReferredBytes = 128 << 20;
constexpr std::string_view kResponsePrefix = "resp_";

void add_items(const Json* list, std::map<std::string, const Json*>& items) {
    if (!list || !list->is_array()) return;
    for (const Json& item : list->items())
        if (const Json* id = item.find("id"); id && id->is_string()) items.emplace(id->as_string(), &item);
}

}  // namespace

ApiResult<std::string> new_response_id() {
    std::array<std::byte, 24> bytes;
    API_TRY(secure_random(bytes));
    return std::string(kResponsePrefix) + hex_text(bytes);
}

std::string new_item_id(std::string_view kind, std::string_view response_id, std::string_view place) {
    response_id.remove_prefix(std::min(kResponsePrefix.size(), response_id.size()));
    return fmt::format("{}_{}_{}", kind, response_id, place);
}

ResponseKeeper::ResponseKeeper(std::shared_ptr<store::Store> store) : store_(std::move(store)) {
    if (store_) writer_.post([this] { purge_now_and_then(); });
}

ApiError ResponseKeeper::absent(const std::string& id) const {
    if (!keeps()) return {404, "this server keeps no responses; send the whole conversation as input", "not_kept"};
    return {404, fmt::format("there is no response {}; it may have expired or been deleted", id), "response_not_found"};
}

ApiResult<store::StoredResponse> ResponseKeeper::get(const std::string& id, const std::string& owner) const {
    if (!keeps()) return std::unexpected(absent(id));
    auto found = store_->responses().get(id, owner, unix_milliseconds());
    if (!found && found.error().kind == ErrorKind::not_found) return std::unexpected(absent(id));
    return API_TRY(std::move(found));
}

ApiResult<std::vector<store::StoredResponse>> ResponseKeeper::chain(const std::string& id,
                                                                    const std::string& owner) const {
    ApiError error = absent(id);
    if (keeps()) {
        auto found = store_->responses().chain(id, owner, unix_milliseconds());
        if (found) return std::move(*found);
        error = api_error(found.error());
        if (error.status == 404) error.code = "previous_response_not_found";
        if (error.status == 400) error.code = "conversation_too_long";
    }
    error.param = "previous_response_id";
    return std::unexpected(std::move(error));
}

ApiResult<> ResponseKeeper::remove(const std::string& id, const std::string& owner) const {
    if (!keeps()) return std::unexpected(absent(id));
    auto removed = store_->responses().remove(id, owner, unix_milliseconds());
    if (!removed && removed.error().kind == ErrorKind::not_found) return std::unexpected(absent(id));
    API_TRY(std::move(removed));
    return {};
}

std::expected<Json, std::string> ReferredItems::find(const std::string& id) {
    const std::string absent = fmt::format("refers to {}, which is not kept here", id);
    const size_t begin = id.find('_'), end = id.rfind('_');
    if (begin == end) return std::unexpected(absent);
    const std::string response_id = std::string(kResponsePrefix) + id.substr(begin + 1, end - begin - 1);
    const Looked* looked = look(response_id);
    const auto found = looked ? looked->items.find(id) : std::map<std::string, const Json*>::const_iterator();
    if (!looked || found == looked->items.end()) return std::unexpected(absent);
    bytes_ += found->second->dump().size();
    if (bytes_ > kMostReferredBytes)
        return std::unexpected(std::string("and the references before it take more than 128 MiB to look up"));
    return *found->second;
}

// Each response once, however references to several of them take turns.
const ReferredItems::Looked* ReferredItems::look(const std::string& response_id) {
    const auto [place, is_new] = looked_.try_emplace(response_id);
    if (!is_new) return place->second.get();
    auto response = keeper_.get(response_id, owner_);
    if (!response) return nullptr;
    auto looked = std::make_unique<Looked>();
    looked->response = std::move(*response);
    add_items(looked->response.body.find("output"), looked->items);
    add_items(&looked->response.input_items, looked->items);
    bytes_ += looked->response.body.dump().size() + looked->response.input_items.dump().size();
    place->second = std::move(looked);
    return place->second.get();
}

void ResponseKeeper::keep(store::StoredResponse response, std::function<void(const Result<>&)> then) {
    auto taken = std::make_shared<store::StoredResponse>(std::move(response));
    writer_.post([this, taken, then = std::move(then)] {
        taken->created_ms = unix_milliseconds();
        taken->expires_ms = taken->created_ms + kKeptMs;
        then(store_->responses().put(*taken));
        purge_now_and_then();
    });
}

// Nobody finds what has expired, so that what cannot be removed now may wait for the next time.
void ResponseKeeper::purge_now_and_then() {
    const int64_t now_ms = unix_milliseconds();
    if (now_ms - purged_ms_ < kHour) return;
    purged_ms_ = now_ms;
    (void)store_->responses().purge_expired(now_ms);
}

}  // namespace hearth::server
