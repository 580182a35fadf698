// A request as HTTP brought it, checked and whole; nothing here knows sockets or JSON.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::server {

struct Header {
    std::string name, value;
};

// Upper and lower case of ASCII are the same here, as in the names of headers.
bool is_same_word(std::string_view a, std::string_view b);
std::string_view without_blanks(std::string_view text);  // at both ends
// %41 -> A; what is no such triple stays as it is.
std::string percent_decoded(std::string_view text);

class RequestRecord;

struct HttpRequest {
    std::string method, path, query;  // path and query as written, the latter without '?'
    std::vector<Header> headers;
    std::string body;
    std::string peer;                       // "127.0.0.1:51234", or "unix"
    std::string id;                         // of this request, for logs and X-Request-Id
    std::shared_ptr<RequestRecord> record;  // what is noted about it; null: nothing
    std::shared_ptr<const void> counted;    // keeps the body among those that the server has room for
    bool keeps_alive = true, is_http_1_0 = false;

    // The value of the first header of that name; nullptr: there is none.
    const std::string* header(std::string_view name) const;
    std::optional<std::string> parameter(std::string_view name) const;  // of the query, decoded
};

}  // namespace hearth::server
