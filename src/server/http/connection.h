// One client's connection. Everything in it runs on the I/O thread. Only connection.cpp and listener.cpp include this:
// Asio is slow to compile.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>

#include "server/http/exchange.h"
#include "server/http/gate.h"
#include "server/http/http_server.h"
#include "server/http/parser.h"
#include "server/http/wire.h"

namespace hearth::server {

using Clock = std::chrono::steady_clock;
using Socket = boost::asio::generic::stream_protocol::socket;

// What all connections share. Alive as long as anybody holds a reply.
struct Shared {
    boost::asio::io_context context{1};
    HttpOptions options;
    Gate gate;
    std::atomic<int> connections = 0;
    std::atomic<int> busy = 0;  // those with a request that is not answered yet and came before the drain
    std::atomic<bool> is_draining = false;
    std::atomic<double> last_tick = 0;
    std::atomic<size_t> body_bytes = 0;  // of requests that are read or answered, or whose client left before that
    uint64_t next_request = 1;           // of the I/O thread, as is what follows
    std::string id_prefix;
};

// The body of one request among those of all. As long as anybody holds it, its bytes are taken.
class CountedBody {
public:
    explicit CountedBody(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
    CountedBody(const CountedBody&) = delete;
    ~CountedBody() { shared_->body_bytes -= bytes_; }
    void grow(size_t bytes) {  // to so many
        shared_->body_bytes += bytes - bytes_;
        bytes_ = bytes;
    }

private:
    const std::shared_ptr<Shared> shared_;
    size_t bytes_ = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(std::shared_ptr<Shared> shared, Socket socket, std::string peer, bool is_local);
    ~Connection();

    void start();
    void start_late();                  // there is no room for it: it gets instant answers, and refusals
    void check(Clock::time_point now);  // time limits
    void drain();                       // ends now, or after the answer that is on its way
    void close();
    // Since when it waits for somebody to say what he wants; nothing: it does not.
    std::optional<Clock::time_point> silent_since() const;

private:
    void read();
    void took(size_t bytes);
    void hear(std::string_view from_socket);
    void parse();
    void look_at_head();
    void read_body();
    void begin_exchange();
    std::shared_ptr<Exchange> open_exchange(HttpRequest& request);
    void refuse(Refusal refusal);
    void flush();
    void begin_writing();
    void write_interim(std::string_view words);
    void write_some();
    void wrote(size_t bytes);
    void wrote_all();
    void end_exchange();
    void forget_exchange();
    void leave();
    void wait_for_request();
    void linger();

    std::shared_ptr<Shared> shared_;
    Socket socket_;
    const std::string peer_;
    const bool is_local_;  // a Unix socket: no browser gets there
    const std::unique_ptr<Wire> wire_;
    std::array<char, 16 << 10> buffer_;
    std::string input_;  // read, not yet parsed
    RequestParser parser_;
    std::optional<InstantAnswer> instant_;
    std::shared_ptr<Exchange> current_;
    std::string writing_;
    size_t written_ = 0, body_read_ = 0;
    std::shared_ptr<CountedBody> body_;
    bool is_reading_ = false, is_writing_ = false, has_head_ = false, is_lingering_ = false, is_closed_ = false;
    bool is_counted_ = false;  // as busy
    bool is_ready_ = false;    // for requests
    bool is_open_ = true;      // and counted as such
    bool is_late_ = false;
    bool is_interim_ = false;  // what is being written is no part of an answer
    Clock::time_point deadline_, silent_since_, last_write_;
};

}  // namespace hearth::server
