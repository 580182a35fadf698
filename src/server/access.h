// Who may ask this server at all, and for what. How keys are kept is decided by whoever makes the Access.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/os.h"
#include "base/result.h"
#include "server/api/api_error.h"
#include "server/http/message.h"
#include "store/keys.h"

namespace hearth::server {

struct Identity {
    std::string id;     // whose share of the machine its requests are: a key, or the address they come from
    std::string name;   // empty: nobody in particular
    std::string owner;  // of what is kept for them; the same for ever, empty where everybody is let in
    store::Scopes scopes;
    std::optional<store::KeyLimits> limits;           // none: those that the server has for all
    std::shared_ptr<RequestRecord> record = nullptr;  // of the request; null: nothing is noted about it
};

// Asked once per request, on a worker thread, by several at a time.
class Access {
public:
    virtual ~Access() = default;
    virtual ApiResult<Identity> admit(const HttpRequest& request) const = 0;
};

// Lets everybody in. Each address is one client; only this machine's may manage.
std::unique_ptr<Access> open_access();
// Lets in who knows one of the keys of a file: one a line, empty lines and those that begin with # do not count. The
// key comes as "Authorization: Bearer KEY" or "x-api-key: KEY".
Result<std::vector<std::string>> read_keys(const std::string& path);  // at least one
Result<std::unique_ptr<Access>> key_file_access(const std::string& path);

struct StoreAccessOptions {
    std::string folder;              // of the store; it need not exist yet, and is not made
    std::unique_ptr<Access> others;  // asked for whom the store does not know; null: nobody, once there is a key
    double look_again_seconds = 1;   // after which a key that was revoked is known to be
    std::function<double()> clock = monotonic_seconds;
};
// Lets in who knows a key of the store. As long as there never was one, everybody gets in, unless there are `others`.
class StoreAccess : public Access {
public:
    static Result<std::unique_ptr<StoreAccess>> open(StoreAccessOptions options);
    // Owners (see Identity) whose keys were revoked: what is kept for them is found by nobody any more.
    virtual Result<std::vector<std::string>> gone_owners() const = 0;
    virtual bool wants_keys() const = 0;  // now
};

// What a request brings as its key; empty: nothing.
std::string key_of(const HttpRequest& request);
ApiError no_key_error();
ApiError unknown_key_error();

}  // namespace hearth::server
