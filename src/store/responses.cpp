#include "store/responses.h"

#include <algorithm>

#include "store/database.h"
#include "store/stored_json.h"

namespace hearth::store {

namespace {

constexpr size_t kMostIdBytes = 128;
constexpr int64_t kMostBodyBytes = 64 << 20, kMostInputBytes = 64 << 20;

bool is_id(std::string_view id) {
    return !id.empty() && id.size() <= kMostIdBytes &&
           std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::unexpected<Error> no_response(std::string_view id) {
    return fail(ErrorKind::not_found,
                is_id(id) ? fmt::format("there is no response {}", id) : "there is no response of that id",
                "it may have expired or been deleted; send the whole conversation instead");
}

Result<StoredResponse> read_response(Transaction& transaction, std::string_view id, std::string_view owner,
                                     int64_t now_ms, int64_t& bytes_left) {
    if (!is_id(id)) return no_response(id);
    Statement row = TRY(
        transaction.prepare("SELECT id, previous_id, owner, created_ms, expires_ms, body, input_items FROM responses "
                            "WHERE id = ? AND owner = ? AND (expires_ms = 0 OR expires_ms > ?)",
                            {id, owner, now_ms}));
    if (!TRY(row.next())) return no_response(id);
    bytes_left -= row.size_bytes(5) + row.size_bytes(6);
    if (bytes_left < 0)
        return fail(ErrorKind::bad_request, fmt::format("response {} and those before it are too large together", id),
                    "begin a new conversation");
    StoredResponse response;
    response.id = row.text(0);
    response.previous_id = row.text(1);
    response.owner = row.text(2);
    response.created_ms = row.integer(3);
    response.expires_ms = row.integer(4);
    response.body = TRY(stored_json(row.text(5), "the contents of response " + response.id));
    response.input_items = TRY(stored_json(row.text(6), "the input items of response " + response.id));
    return response;
}

}  // namespace

Result<> Responses::put(const StoredResponse& response) {
    if (!is_id(response.id) || (!response.previous_id.empty() && !is_id(response.previous_id)))
        return fail(ErrorKind::bad_request,
                    fmt::format("the id of a response is 1 to {} characters without spaces", kMostIdBytes));
    const std::string body = TRY(text_to_store(response.body, kMostBodyBytes, "the contents of a response"));
    const std::string items =
        TRY(text_to_store(response.input_items, kMostInputBytes, "the input items of a response"));
    Transaction transaction = TRY(database_->write());
    TRY(transaction.run(
        "INSERT INTO responses VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(id) DO UPDATE SET "
        "previous_id = ?2, created_ms = ?4, expires_ms = ?5, body = ?6, input_items = ?7 "
        "WHERE owner = ?3",
        {response.id, response.previous_id, response.owner, response.created_ms, response.expires_ms, body, items}));
    if (transaction.changed_rows() == 0)
        return fail(ErrorKind::bad_request, fmt::format("the id {} is taken", response.id), "choose another");
    return transaction.commit();
}

Result<StoredResponse> Responses::get(std::string_view id, std::string_view owner, int64_t now_ms) {
    Transaction transaction = TRY(database_->read());
    int64_t bytes_left = kMostBodyBytes + kMostInputBytes;
    return read_response(transaction, id, owner, now_ms, bytes_left);
}

Result<> Responses::remove(std::string_view id, std::string_view owner, int64_t now_ms) {
    {
        Transaction transaction = TRY(database_->write());
        TRY(transaction.run("DELETE FROM responses WHERE id = ? AND owner = ? AND (expires_ms = 0 OR expires_ms > ?)",
                            {id, owner, now_ms}));
        if (transaction.changed_rows() == 0) return no_response(id);
        TRY(transaction.commit());
    }
    // It is gone; the space on the disk may come back later.
    (void)database_->give_back_freed();
    return {};
}

Result<std::vector<StoredResponse>> Responses::chain(std::string_view id, std::string_view owner, int64_t now_ms,
                                                     ChainLimits limits) {
    Transaction one_state = TRY(database_->read());
    std::vector<StoredResponse> chain;
    int64_t bytes_left = limits.bytes;
    for (std::string next(id); chain.empty() || !next.empty(); next = chain.back().previous_id) {
        if (int64_t(chain.size()) >= limits.responses)
            return fail(ErrorKind::bad_request, fmt::format("more than {} responses belong together", limits.responses),
                        "begin a new conversation");
        chain.push_back(TRY(read_response(one_state, next, owner, now_ms, bytes_left)));
    }
    std::reverse(chain.begin(), chain.end());
    return chain;
}

Result<int64_t> Responses::purge_expired(int64_t now_ms) {
    constexpr int64_t kAtOnce = 200;  // so that others who want to write need not wait for all of them
    int64_t gone = 0;
    for (int64_t latest = kAtOnce; latest == kAtOnce; gone += latest) {
        Transaction transaction = TRY(database_->write());
        TRY(
            transaction.run("DELETE FROM responses WHERE rowid IN (SELECT rowid FROM responses "
                            "WHERE expires_ms > 0 AND expires_ms <= ? LIMIT ?)",
                            {now_ms, kAtOnce}));
        latest = transaction.changed_rows();
        TRY(transaction.commit());
    }
    if (gone > 0) TRY(database_->give_back_freed());
    return gone;
}

}  // namespace hearth::store
