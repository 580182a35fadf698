// Who a request comes from, and whether they may use the server.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/api/api_error.h"
#include "server/http/message.h"

namespace hearth::server {

struct Identity {
    std::string name;   // empty: nobody in particular
    std::string owner;  // of what is kept for them; the same for ever, empty where everybody is let in
    std::shared_ptr<RequestRecord> record = nullptr;  // of the request; null: nothing is noted about it
};

// Asked once per request, on a worker thread, by several at a time.
class Access {
public:
    virtual ~Access() = default;
    virtual ApiResult<Identity> admit(const HttpRequest& request) const = 0;
};

// Lets everybody in.
std::unique_ptr<Access> open_access();
// Lets in who knows one of the keys of a file: one a line, empty lines and those that begin with # do not count. The
// key comes as "Authorization: Bearer KEY" or "x-api-key: KEY".
Result<std::vector<std::string>> read_keys(const std::string& path);  // at least one
Result<std::unique_ptr<Access>> key_file_access(const std::string& path);

}  // namespace hearth::server
