// One client's connection. Everything in it runs on the I/O thread. Only connection.cpp and listener.cpp include this:
// Asio is slow to compile.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>

#include "server/http/exchange.h"
#include "server/http/gate.h"
#include "server/http/http_server.h"
#include "server/http/parser.h"

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
    size_t body_bytes = 0;  // of the I/O thread, as is what follows
    uint64_t next_request = 1;
    std::string id_prefix;
};

class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(std::shared_ptr<Shared> shared, Socket socket, std::string peer, bool is_local);
    ~Connection();

    void start();
    void start_refusing(Refusal refusal);
    void check(Clock::time_point now);  // time limits
    void drain();                       // ends now, or after the answer that is on its way
    void close();

private:
    void read();
    void took(size_t bytes);
    void parse();
    void look_at_head();
    void count_body(size_t bytes);  // that this connection's request holds
    void begin_exchange();
    std::shared_ptr<Exchange> open_exchange(HttpRequest& request);
    void refuse(Refusal refusal);
    void flush();
    void write_some();
    void wrote(size_t bytes);
    void end_exchange();
    void forget_exchange();
    void wait_for_request();
    void linger();

    std::shared_ptr<Shared> shared_;
    Socket socket_;
    const std::string peer_;
    const bool is_local_;  // a Unix socket: no browser gets there
    std::array<char, 16 << 10> buffer_;
    std::string input_;  // read, not yet parsed
    RequestParser parser_;
    std::optional<InstantAnswer> instant_;
    std::shared_ptr<Exchange> current_;
    std::string writing_;
    size_t written_ = 0, body_bytes_ = 0;
    bool is_reading_ = false, is_writing_ = false, has_head_ = false, is_lingering_ = false, is_closed_ = false;
    bool is_counted_ = false;  // as busy
    bool is_interim_ = false;  // what is being written is no part of an answer
    Clock::time_point deadline_, request_began_, last_write_;
};

}  // namespace hearth::server
