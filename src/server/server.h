// The server as a whole: listens, routes, answers until it is told to stop. Public header of the room.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/access.h"
#include "server/http/http_server.h"
#include "server/metrics/access_log.h"
#include "server/models.h"
#include "server/router.h"

namespace hearth::store {
class Store;
}

namespace hearth::server {

struct ServerOptions {
    HttpOptions http;  // but for what it calls
    std::vector<ModelSpec> models;
    ModelLimits model_limits;
    std::unique_ptr<Access> access;  // null: everybody
    bool loads_at_start = true;      // false: a model is loaded when it is first asked for
    store::KeyLimits limits;         // of clients that have none of their own
    size_t most_waiting = 256;       // requests for a model beside those that are being answered
    bool is_strict = false;          // unknown fields of requests are errors
    int workers = 4;
    std::shared_ptr<store::Store> store;  // where responses are kept; null: nowhere
    std::string version;
    AccessLogOptions access_log;
    // Told what whoever runs the server should know, from any thread; may be empty.
    std::function<void(const std::string&)> notice;
    Models::Tell tell_models;  // who had which model loaded and unloaded; may be empty
};

class Server {
public:
    // Listens, then loads the models on this thread; /readyz says when that is done.
    static Result<std::unique_ptr<Server>> start(ServerOptions options);
    ~Server();  // gives up what still runs

    const std::vector<std::string>& addresses() const;
    const std::vector<std::string>& notes() const;  // about them (HttpServer)
    int port() const;
    Models& models();
    std::vector<Endpoint> endpoints() const;  // all there are, but for the instant answers

    // Nothing new is taken: /readyz and every other request are told so (503). Waits for the answers that are on their
    // way; those that are not ready in time, or when `is_urgent` says so, are given up, and their clients told. False:
    // there were such. Afterwards nobody listens any more.
    bool drain(double seconds, const std::function<bool()>& is_urgent = {});
    // Whether connections are being looked after; for a watchdog.
    bool is_alive() const;

private:
    class Impl;
    explicit Server(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace hearth::server
