// Sockets that listen, and the thread behind them.
#include <sys/socket.h>
#include <sys/stat.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <future>
#include <random>
#include <thread>

#include "base/os.h"
#include "server/http/connection.h"

namespace hearth::server {

namespace asio = boost::asio;
using asio::ip::tcp;
using Local = asio::local::stream_protocol;

namespace {

std::string shown(const tcp::endpoint& endpoint) {
    const std::string address = endpoint.address().to_string();
    return endpoint.address().is_v6() ? fmt::format("[{}]:{}", address, endpoint.port())
                                      : fmt::format("{}:{}", address, endpoint.port());
}

std::string random_prefix() {
    std::random_device device;
    return fmt::format("{:08x}{:04x}-", device(), device() & 0xFFFF);
}

}  // namespace

class HttpServer::Impl {
public:
    explicit Impl(HttpOptions options) : shared_(std::make_shared<Shared>()), timer_(shared_->context) {
        shared_->gate.hosts = options.allowed_hosts;
        shared_->gate.origins = options.allowed_origins;
        shared_->id_prefix = random_prefix();
        shared_->options = std::move(options);
    }

    ~Impl() {
        if (!thread_.joinable()) return;
        asio::post(shared_->context, [this] {
            is_closing_ = true;
            stop_accepting();
            timer_.cancel();
            for (const auto& weak : connections_)
                if (const auto one = weak.lock()) one->close();
            work_.reset();  // the thread ends once everything that is pending has been called back
        });
        thread_.join();
        std::error_code ignored;
        if (is_socket_ours_) std::filesystem::remove(shared_->options.unix_socket, ignored);
    }

    Result<> listen(std::vector<std::string>& addresses, int& port) {
        int inherited_port = 0;
        for (const int socket : shared_->options.inherited) TRY(adopt(socket, addresses, inherited_port));
        for (const std::string& host : shared_->options.hosts) TRY(listen_on(host, addresses, port));
        if (!shared_->options.unix_socket.empty()) TRY(listen_on_path(addresses));
        if (addresses.empty())
            return fail(ErrorKind::bad_request, "there is no address to listen on", "give --host or --unix-socket");
        if (shared_->options.hosts.empty()) port = inherited_port;
        return {};
    }

    void start() {
        work_.emplace(shared_->context.get_executor());
        for (auto& acceptor : acceptors_) accept(*acceptor);
        for (auto& acceptor : locals_) accept(*acceptor);
        tick();
        thread_ = std::thread([this] {
            prefer_this_thread();
            shared_->context.run();
        });
    }

    void begin_drain() {
        asio::post(shared_->context, [this] {
            boost::system::error_code ignored;
            for (size_t i = 0; i < adopted_; ++i) acceptors_[i]->close(ignored);
            for (size_t i = 0; i < adopted_locals_; ++i) locals_[i]->close(ignored);
            for (const auto& weak : connections_)
                if (const auto one = weak.lock()) one->drain();
            shared_->is_draining = true;  // last: other threads look at it
        });
    }
    const std::vector<std::string>& notes() const { return notes_; }
    std::function<HttpLoad()> load() const {
        return [shared = shared_] { return HttpLoad{shared->connections, shared->busy}; };
    }
    void end_accepting() {
        std::promise<void> done;
        asio::post(shared_->context, [&] {
            stop_accepting();
            done.set_value();
        });
        done.get_future().wait();
    }
    bool is_idle() const { return shared_->is_draining && shared_->busy == 0; }
    double seconds_since_life() const { return monotonic_seconds() - shared_->last_tick; }

private:
    Result<> listen_on(const std::string& host, std::vector<std::string>& addresses, int& port) {
        boost::system::error_code error;
        tcp::resolver resolver(shared_->context);
        const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
        if (error || found.empty())
            return fail(ErrorKind::not_found, fmt::format("--host {} is no address of this machine", host),
                        "give 127.0.0.1, ::1 or an address that `ip address` lists");
        if (!shared_->options.may_leave_loopback)
            for (const auto& entry : found)
                if (!entry.endpoint().address().is_loopback())
                    return fail(ErrorKind::bad_request,
                                fmt::format("--host {} lets other machines in, and nothing asks them for a key", host),
                                "make one with `hearth keys add`, or give --api-key-file FILE, or --insecure if that "
                                "is what you want");
        size_t bound = 0;
        for (const auto& entry : found) {
            tcp::endpoint endpoint = entry.endpoint();
            endpoint.port(uint16_t(port));
            auto acceptor = bind_to(endpoint, error);
            if (!error) {
                take(std::move(acceptor), addresses, port);
                ++bound;
                continue;
            }
            const std::string why = fmt::format("cannot listen on {}: {}", shown(endpoint), error.message());
            // A name may have addresses of both kinds where the machine has one: localhost with IPv6 switched off.
            if (found.size() > 1 && is_absent_here(error))
                notes_.push_back(fmt::format("{} (one of the addresses of --host {})", why, host));
            else
                return fail(ErrorKind::bad_request, why,
                            is_absent_here(error) ? "give an address that `ip address` lists"
                                                  : "stop the other program, or give another --port (0: any free one)");
        }
        if (bound == 0) return fail(ErrorKind::bad_request, notes_.back(), "give an address that `ip address` lists");
        shared_->gate.hosts.push_back(host);
        return {};
    }

    static bool is_absent_here(const boost::system::error_code& error) {
        using boost::system::errc::errc_t;
        return error == errc_t::address_family_not_supported || error == errc_t::protocol_not_supported ||
               error == errc_t::address_not_available;
    }

    std::unique_ptr<tcp::acceptor> bind_to(const tcp::endpoint& endpoint, boost::system::error_code& error) {
        auto acceptor = std::make_unique<tcp::acceptor>(shared_->context);
        acceptor->open(endpoint.protocol(), error);
        if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
        if (!error && endpoint.protocol() == tcp::v6()) acceptor->set_option(asio::ip::v6_only(true), error);
        if (!error) acceptor->bind(endpoint, error);
        if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
        return acceptor;
    }

    void take(std::unique_ptr<tcp::acceptor> acceptor, std::vector<std::string>& addresses, int& port) {
        const tcp::endpoint bound = acceptor->local_endpoint();
        port = bound.port();
        if (bound.address().is_unspecified()) shared_->gate.takes_addresses = true;
        shared_->gate.hosts.push_back(bound.address().to_string());
        addresses.push_back((shared_->options.tls ? "https://" : "http://") + shown(bound));
        acceptors_.push_back(std::move(acceptor));
    }

    // A socket on which whoever started us listens already.
    Result<> adopt(int socket, std::vector<std::string>& addresses, int& port) {
        sockaddr_storage address{};
        socklen_t size = sizeof address;
        boost::system::error_code error;
        if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) address.ss_family = AF_UNSPEC;
        if (address.ss_family == AF_UNIX) {
            auto acceptor = std::make_unique<Local::acceptor>(shared_->context);
            acceptor->assign(Local(), socket, error);
            if (!error) addresses.push_back("unix:" + acceptor->local_endpoint().path());
            locals_.push_back(std::move(acceptor));
            ++adopted_locals_;
        } else if (address.ss_family == AF_INET || address.ss_family == AF_INET6) {
            auto acceptor = std::make_unique<tcp::acceptor>(shared_->context);
            acceptor->assign(address.ss_family == AF_INET ? tcp::v4() : tcp::v6(), socket, error);
            if (!error && !shared_->options.may_leave_loopback && !acceptor->local_endpoint().address().is_loopback())
                return fail(ErrorKind::bad_request,
                            fmt::format("the socket {} that was handed over lets other machines in, and nothing asks "
                                        "them for a key",
                                        shown(acceptor->local_endpoint())),
                            "give --api-key-file FILE, or --insecure if that is what you want");
            if (!error) take(std::move(acceptor), addresses, port);
            ++adopted_;
        } else {
            error = asio::error::address_family_not_supported;
        }
        if (error)
            return fail(
                ErrorKind::bad_request,
                fmt::format("cannot listen on descriptor {}, which was handed over: {}", socket, error.message()),
                "use ListenStream= with an address or a path in the .socket unit");
        return {};
    }

    Result<> listen_on_path(std::vector<std::string>& addresses) {
        const std::string& path = shared_->options.unix_socket;
        boost::system::error_code error;
        if (path.size() > 100)
            return fail(ErrorKind::bad_request, fmt::format("the path {} is too long for a Unix socket", path),
                        "use one of at most 100 bytes");
        std::error_code ignored;
        if (std::filesystem::is_socket(path, ignored)) {
            // Left over from a server that was killed, unless somebody answers.
            Local::socket probe(shared_->context);
            probe.connect(Local::endpoint(path), error);
            if (!error)
                return fail(ErrorKind::bad_request, fmt::format("another server listens on {}", path),
                            "stop it, or give another --unix-socket");
            std::filesystem::remove(path, ignored);
        }
        auto acceptor = std::make_unique<Local::acceptor>(shared_->context);
        acceptor->open(Local(), error);
        if (!error) acceptor->bind(Local::endpoint(path), error);
        if (!error && ::chmod(path.c_str(), 0600) != 0) error.assign(errno, boost::system::system_category());
        if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
        if (error)
            return fail(ErrorKind::bad_request, fmt::format("cannot listen on {}: {}", path, error.message()),
                        "give another --unix-socket");
        is_socket_ours_ = true;
        locals_.push_back(std::move(acceptor));
        addresses.push_back("unix:" + path);
        return {};
    }

    template <class Acceptor>
    void accept(Acceptor& acceptor) {
        acceptor.async_accept([this, &acceptor](const boost::system::error_code& error, auto socket) {
            if (!acceptor.is_open()) return;
            if (error) {
                // Mostly too many open files: a moment later there may be some.
                auto pause = std::make_shared<asio::steady_timer>(shared_->context, std::chrono::milliseconds(50));
                pause->async_wait([this, &acceptor, pause](const auto&) {
                    if (acceptor.is_open()) accept(acceptor);
                });
                return;
            }
            welcome(std::move(socket));
            accept(acceptor);
        });
    }

    void welcome(tcp::socket socket) {
        boost::system::error_code error;
        const tcp::endpoint peer = socket.remote_endpoint(error);
        if (error) return;
        socket.set_option(tcp::no_delay(true), error);
        add(Socket(std::move(socket)), shown(peer), false);
    }
    void welcome(Local::socket socket) { add(Socket(std::move(socket)), "unix", true); }

    void add(Socket socket, std::string peer, bool is_local) {
        const int most = int(shared_->options.limits.connections);
        if (shared_->connections >= most) close_longest_silent();
        if (shared_->connections >= 2 * most) return;  // not even a refusal
        const bool is_full = shared_->connections >= most;
        auto connection = std::make_shared<Connection>(shared_, std::move(socket), std::move(peer), is_local);
        connections_.push_back(connection);
        if (is_full)
            connection->start_late();
        else
            connection->start();
    }

    // Who says nothing must not keep out who has something to say.
    void close_longest_silent() {
        std::shared_ptr<Connection> longest;
        std::optional<Clock::time_point> since;
        for (const auto& weak : connections_) {
            auto one = weak.lock();
            const auto silent = one ? one->silent_since() : std::nullopt;
            if (!silent || (since && *since <= *silent)) continue;
            longest = std::move(one);
            since = silent;
        }
        if (longest) longest->close();
    }

    void stop_accepting() {
        boost::system::error_code ignored;
        for (auto& acceptor : acceptors_) acceptor->close(ignored);
        for (auto& acceptor : locals_) acceptor->close(ignored);
    }

    void tick() {
        shared_->last_tick = monotonic_seconds();
        timer_.expires_after(std::chrono::microseconds(int64_t(shared_->options.limits.tick * 1e6)));
        timer_.async_wait([this](const auto&) {
            if (is_closing_) return;
            const Clock::time_point now = Clock::now();
            std::erase_if(connections_, [&](const auto& weak) { return weak.expired(); });
            for (const auto& weak : connections_)
                if (const auto one = weak.lock()) one->check(now);
            tick();
        });
    }

    std::shared_ptr<Shared> shared_;
    std::vector<std::unique_ptr<tcp::acceptor>> acceptors_;
    std::vector<std::unique_ptr<Local::acceptor>> locals_;
    size_t adopted_ = 0, adopted_locals_ = 0;  // of both, those that were handed over; they come first
    asio::steady_timer timer_;
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
    std::vector<std::weak_ptr<Connection>> connections_;
    std::vector<std::string> notes_;
    bool is_closing_ = false, is_socket_ours_ = false;
    std::thread thread_;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpOptions options) {
    int port = options.port;
    auto impl = std::make_unique<Impl>(std::move(options));
    std::vector<std::string> addresses;
    TRY(impl->listen(addresses, port));
    impl->start();
    std::vector<std::string> notes = impl->notes();
    std::unique_ptr<HttpServer> server(new HttpServer(std::move(impl)));
    server->notes_ = std::move(notes);
    server->addresses_ = std::move(addresses);
    server->port_ = port;
    return server;
}

std::function<HttpLoad()> HttpServer::load() const {
    return impl_->load();
}

void HttpServer::begin_drain() {
    impl_->begin_drain();
}
bool HttpServer::is_idle() const {
    return impl_->is_idle();
}
void HttpServer::stop_accepting() {
    impl_->end_accepting();
}
double HttpServer::seconds_since_life() const {
    return impl_->seconds_since_life();
}

bool HttpServer::wait_until_idle(double seconds) {
    const double until = monotonic_seconds() + seconds;
    while (!impl_->is_idle()) {
        if (monotonic_seconds() >= until) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

}  // namespace hearth::server
