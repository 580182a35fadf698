// Who may talk to the server at all, by the names that a request itself gives: the host it believes to reach (a web
// page elsewhere can make its own name point to this machine) and the page it comes from.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/message.h"
#include "server/http/parser.h"

namespace hearth::server {

struct Gate {
    std::vector<std::string> hosts;    // beside the loopback names; "*": any
    std::vector<std::string> origins;  // "https://chat.example"; "*": any
    bool takes_addresses = false;      // any address in place of a name: the server listens on all of its own

    std::optional<Refusal> refuse(const HttpRequest& request) const;
    // The page of another server that the request comes from and that may read answers; nothing otherwise.
    std::optional<std::string> foreign_origin(const HttpRequest& request) const;
    static bool is_preflight(const HttpRequest& request);
    // What goes with every answer to a page of another server, and with the answer to its question beforehand.
    std::vector<Header> headers(const HttpRequest& request) const;
    static std::vector<Header> preflight_headers(const HttpRequest& request);

private:
    bool knows_host(std::string_view host) const;
    bool knows_origin(std::string_view origin) const;
};

}  // namespace hearth::server
