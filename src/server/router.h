// Which handler answers which method and path: one line per endpoint. Errors that come before a handler (no such path,
// no such method, no key) are told in the form of the dialect that the path belongs to.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/access.h"
#include "server/http/message.h"
#include "server/http/reply.h"
#include "server/limits.h"

namespace hearth::server {

// A request with all that its handler needs.
struct Call {
    HttpRequest request;
    HttpReply reply;
    Identity identity;
    std::string name;  // what stands in the path's {name}, decoded
};

// What can be asked for, and with which scopes.
struct Endpoint {
    std::string method, path;  // with {name} where it takes one
    store::Scopes scopes;
};

using Handler = std::function<void(Call)>;  // on a worker thread
using ErrorWriter = void (*)(const HttpReply& reply, const ApiError& error);

class Router {
public:
    // The path may end with {name}, which takes the rest, with slashes in it. GET answers HEAD too. Who has one of the
    // scopes may ask; what is sent with POST counts against limits.
    void add(std::string_view method, std::string_view path, store::Scopes scopes, Handler handler);
    // How errors below a path are told; the longest prefix counts.
    void tell_errors(std::string_view prefix, ErrorWriter writer);

    void handle(HttpRequest request, HttpReply reply, const Access& access, RateLimits& limits) const;
    ErrorWriter error_writer(std::string_view path) const;
    std::vector<Endpoint> endpoints() const;

private:
    struct Route {
        std::string method, path;
        bool takes_rest = false;
        store::Scopes scopes;
        Handler handler;
        bool fits(std::string_view asked) const;
    };
    static void answer(const Route& route, Call call, RateLimits& limits, ErrorWriter tell);
    std::vector<Route> routes_;
    std::vector<std::pair<std::string, ErrorWriter>> writers_;
};

}  // namespace hearth::server
