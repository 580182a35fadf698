// Asks a running server one question: for commands that look at it. Blocking, without TLS.
#pragma once

#include <string>

#include "base/result.h"

namespace hearth::server {

struct ServerAddress {
    std::string host, port, unix_socket;
    std::string base;  // a path in front of all others, where a proxy gives the server one

    // "http://127.0.0.1:11435", "http://[::1]:11435", "unix:/run/hearth.sock"
    static Result<ServerAddress> parse(const std::string& url);
    std::string text() const;
    std::string host_in_url() const;  // an IPv6 address in brackets
};

struct Fetched {
    int status = 0;
    std::string body;
};

// `key`: sent as a bearer token; empty: none. The answer must be there after so many seconds.
Result<Fetched> http_get(const ServerAddress& server, const std::string& path, const std::string& key, double seconds);

}  // namespace hearth::server
