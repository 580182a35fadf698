// The listening side: sockets, connections and their limits. One thread of its own parses and writes and does nothing
// else, so that instant answers come at once whatever the rest of the program does.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/http/gate.h"
#include "server/http/limits.h"
#include "server/http/message.h"
#include "server/http/parser.h"
#include "server/http/reply.h"

namespace hearth::server {

class Tls;

struct InstantAnswer {
    int status = 200;
    std::string content_type, body;
};

struct HttpLoad {
    int connections = 0, busy = 0;  // busy: those with a request that is not answered yet
};

struct HttpOptions {
    std::vector<std::string> hosts;  // names or addresses to listen on
    int port = 0;                    // 0: a free one
    std::string unix_socket;         // a path; empty: none
    std::vector<int> inherited;      // descriptors of sockets that listen already; they are closed here
    bool may_leave_loopback = false;
    std::shared_ptr<Tls> tls;  // for all that comes over TCP; null: plain HTTP
    std::vector<std::string> allowed_hosts, allowed_origins;
    Limits limits;
    // Both on the I/O thread, so they must return at once: `handle` hands the work to other threads, `instant` answers
    // questions that need no work (and of anybody: it is asked before hosts and origins are looked at).
    std::function<void(HttpRequest, HttpReply)> handle;
    std::function<std::optional<InstantAnswer>(const HttpRequest&)> instant;
    // Likewise; where what becomes of a request is noted. May be empty.
    std::function<std::shared_ptr<RequestRecord>(const HttpRequest&)> record;
    // Likewise; how it is told that HTTP itself or a limit says no, to whoever asked for that path (empty where nobody
    // could tell). May be empty.
    std::function<void(const HttpReply&, const std::string& path, const Refusal&)> refuse;
};

class HttpServer {
public:
    static Result<std::unique_ptr<HttpServer>> start(HttpOptions options);
    ~HttpServer();  // closes all connections at once

    // "http://127.0.0.1:11435" (with TLS https), "unix:/run/hearth.sock"
    const std::vector<std::string>& addresses() const { return addresses_; }
    // What a person should know about them: addresses of a name that this machine does not have.
    const std::vector<std::string>& notes() const { return notes_; }
    int port() const { return port_; }       // 0: none, only a Unix socket
    std::function<HttpLoad()> load() const;  // from any thread, also after the end of the server

    // Idle connections are closed, the others after the answer they are at. New ones still get answers, one each, but
    // for those to inherited sockets: they wait there for whoever listens next.
    void begin_drain();
    bool is_idle() const;                  // all answers that were on their way when the drain began are given
    bool wait_until_idle(double seconds);  // false: some still are not
    void stop_accepting();                 // no more connections at all
    double seconds_since_life() const;     // since the I/O thread last looked at its clock

private:
    class Impl;
    explicit HttpServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
    std::vector<std::string> addresses_, notes_;
    int port_ = 0;
};

}  // namespace hearth::server
