#include "server/http/client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/os.h"
#include "server/http/message.h"

namespace hearth::server {

namespace {

class Line {
public:
    Line(const ServerAddress& server, double until) : server_(server), until_(until) {}
    ~Line() {
        if (socket_ >= 0) ::close(socket_);
    }
    Line(const Line&) = delete;

    Result<> connect() {
        if (!server_.unix_socket.empty()) return connect_to_path();
        addrinfo hints{};
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* found = nullptr;
        if (const int code = getaddrinfo(server_.host.c_str(), server_.port.c_str(), &hints, &found); code != 0)
            return fail(ErrorKind::not_found, fmt::format("cannot find {}: {}", server_.host, gai_strerror(code)),
                        "check the host of --url");
        Result<> connected;
        for (const addrinfo* one = found; one; one = one->ai_next) {
            connected = connect_to(one->ai_family, one->ai_addr, one->ai_addrlen);
            if (connected) break;
        }
        freeaddrinfo(found);
        return connected;
    }

    Result<> send(std::string_view bytes) {
        while (!bytes.empty()) {
            if (!is_ready(POLLOUT)) return too_late();
            const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count < 0 && errno != EINTR && errno != EAGAIN) return lost();
            bytes.remove_prefix(size_t(std::max<ssize_t>(count, 0)));
        }
        return {};
    }

    // Until the other side says no more.
    Result<std::string> receive_all() {
        constexpr size_t kMost = size_t{16} << 20;
        std::string all;
        char buffer[16 << 10];
        while (true) {
            if (!is_ready(POLLIN)) return too_late();
            const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
            if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            if (count < 0) return lost();
            if (count == 0) return all;
            if (all.size() + size_t(count) > kMost)
                return fail(ErrorKind::bad_file, server_.text() + " sends more than 16 MiB", "check --url");
            all.append(buffer, size_t(count));
        }
    }

private:
    Result<> connect_to_path() {
        sockaddr_un where{};
        where.sun_family = AF_UNIX;
        if (server_.unix_socket.size() >= sizeof where.sun_path)
            return fail(ErrorKind::bad_request, fmt::format("the path {} is too long", server_.unix_socket));
        std::copy(server_.unix_socket.begin(), server_.unix_socket.end(), where.sun_path);
        return connect_to(AF_UNIX, reinterpret_cast<const sockaddr*>(&where), sizeof where);
    }

    Result<> connect_to(int family, const sockaddr* where, socklen_t size) {
        if (socket_ >= 0) ::close(socket_);
        socket_ = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (socket_ < 0) return lost();
        if (::connect(socket_, where, size) == 0) return {};
        int problem = errno;
        if (problem == EINPROGRESS) {
            if (!is_ready(POLLOUT)) return too_late();
            socklen_t length = sizeof problem;
            getsockopt(socket_, SOL_SOCKET, SO_ERROR, &problem, &length);
        }
        if (problem == 0) return {};
        return fail(ErrorKind::not_found, fmt::format("nobody answers at {}: {}", server_.text(), strerror(problem)),
                    "start one with `hearth serve`, or give --url");
    }

    bool is_ready(short event) const {
        while (true) {
            const double left = until_ - monotonic_seconds();
            if (left <= 0) return false;
            pollfd one{socket_, event, 0};
            const int ready = ::poll(&one, 1, int(left * 1000) + 1);
            if (ready > 0) return true;
            if (ready < 0 && errno != EINTR) return true;  // the call that follows says what is wrong
        }
    }
    std::unexpected<Error> too_late() const {
        return fail(ErrorKind::device, server_.text() + " did not answer in time");
    }
    std::unexpected<Error> lost() const {
        return fail(ErrorKind::device, fmt::format("lost {}: {}", server_.text(), strerror(errno)));
    }

    const ServerAddress& server_;
    const double until_;
    int socket_ = -1;
};

std::unexpected<Error> no_http(const ServerAddress& server) {
    return fail(ErrorKind::bad_file, server.text() + " does not answer in HTTP", "check --url");
}

// "Content-Length: 12" among the lines of a head; nothing where it is not said.
Result<std::optional<size_t>> length_in(std::string_view head, const ServerAddress& server) {
    while (!head.empty()) {
        const size_t end = std::min(head.find("\r\n"), head.size());
        const std::string_view line = head.substr(0, end), name = line.substr(0, line.find(':'));
        if (is_same_word(name, "Transfer-Encoding")) return no_http(server);
        if (is_same_word(name, "Content-Length") && name.size() < line.size()) {
            const std::string_view text = without_blanks(line.substr(name.size() + 1));
            size_t length = 0;
            const auto read = std::from_chars(text.data(), text.data() + text.size(), length);
            if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return no_http(server);
            return length;
        }
        head.remove_prefix(std::min(end + 2, head.size()));
    }
    return std::nullopt;
}

Result<Fetched> take_apart(const std::string& answer, const ServerAddress& server) {
    const size_t end = answer.find("\r\n\r\n");
    Fetched fetched;
    if (!answer.starts_with("HTTP/1.") || answer.size() < 12 || end == std::string::npos) return no_http(server);
    const auto read = std::from_chars(answer.data() + 9, answer.data() + 12, fetched.status);
    if (read.ec != std::errc() || read.ptr != answer.data() + 12) return no_http(server);
    fetched.body = answer.substr(end + 4);
    const auto length = TRY(length_in(std::string_view(answer).substr(0, end), server));
    if (length && *length != fetched.body.size())
        return fail(ErrorKind::device, server.text() + " ended in the middle of its answer");
    return fetched;
}

}  // namespace

Result<ServerAddress> ServerAddress::parse(const std::string& url) {
    const auto wrong = [&](const char* why) {
        return fail(ErrorKind::bad_request, fmt::format("--url {} {}", url, why),
                    "write http://HOST:PORT or unix:PATH");
    };
    ServerAddress address;
    if (std::ranges::any_of(url, [](char c) { return uint8_t(c) <= 0x20 || c == 0x7F; }))
        return wrong("has blanks or control characters in it");
    if (url.starts_with("unix:")) {
        address.unix_socket = url.substr(5);
        if (address.unix_socket.empty()) return wrong("names no path");
        return address;
    }
    constexpr std::string_view kScheme = "http://";
    if (url.starts_with("https://")) return wrong("asks for TLS, which this command does not speak");
    if (!url.starts_with(kScheme)) return wrong("does not begin with http:// or unix:");
    std::string_view rest = std::string_view(url).substr(kScheme.size());
    const size_t slash = std::min(rest.find('/'), rest.size());
    address.base = rest.substr(slash);
    while (address.base.ends_with('/')) address.base.pop_back();
    rest = rest.substr(0, slash);
    if (rest.starts_with('[')) {
        const size_t end = rest.find(']');
        if (end == std::string_view::npos) return wrong("has no end of its address");
        address.host = rest.substr(1, end - 1);
        rest.remove_prefix(end + 1);
    } else {
        const size_t colon = std::min(rest.find(':'), rest.size());
        address.host = rest.substr(0, colon);
        rest.remove_prefix(colon);
    }
    address.port = rest.empty() ? "80" : std::string(rest.substr(1));
    int number = 0;
    const auto read = std::from_chars(address.port.data(), address.port.data() + address.port.size(), number);
    if (address.host.empty()) return wrong("names no host");
    if ((!rest.empty() && rest[0] != ':') || read.ec != std::errc() || number < 1 || number > 65535 ||
        read.ptr != address.port.data() + address.port.size())
        return wrong("has no port between 1 and 65535");
    return address;
}

std::string ServerAddress::host_in_url() const {
    return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

std::string ServerAddress::text() const {
    if (!unix_socket.empty()) return "unix:" + unix_socket;
    return fmt::format("http://{}:{}{}", host_in_url(), port, base);
}

Result<Fetched> http_get(const ServerAddress& server, const std::string& path, const std::string& key, double seconds) {
    Line line(server, monotonic_seconds() + seconds);
    TRY(line.connect());
    const std::string host = server.unix_socket.empty() ? server.host_in_url() : "localhost";
    // HTTP/1.0: the answer comes in one piece and the connection ends with it.
    std::string request = fmt::format("GET {}{} HTTP/1.0\r\nHost: {}{}\r\n", server.base, path, host,
                                      server.port.empty() ? "" : ":" + server.port);
    if (!key.empty()) request += fmt::format("Authorization: Bearer {}\r\n", key);
    TRY(line.send(request + "\r\n"));
    return take_apart(TRY(line.receive_all()), server);
}

}  // namespace hearth::server
