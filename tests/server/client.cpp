#include "server/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

namespace hearth::test {

namespace {

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool is_ready(int socket, short event, double until) {
    pollfd poll_for{socket, event, 0};
    const double left = std::max(until - now(), 0.0);
    return poll(&poll_for, 1, int(left * 1000)) == 1;
}

bool is_same_name(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return std::tolower(x) == std::tolower(y); });
}

}  // namespace

std::string HttpAnswer::header(std::string_view name) const {
    for (const auto& [key, value] : headers)
        if (is_same_name(key, name)) return value;
    return {};
}

Json HttpAnswer::json() const {
    auto parsed = Json::parse(body);
    return parsed ? std::move(*parsed) : Json();
}

std::vector<std::string> HttpAnswer::events() const {
    std::vector<std::string> found;
    for (size_t at = 0; at < body.size();) {
        const size_t end = std::min(body.find("\n\n", at), body.size());
        const std::string event = body.substr(at, end - at);
        // It may have a name in front.
        const size_t data = event.starts_with("event: ") ? event.find('\n') + 1 : 0;
        if (event.compare(data, 6, "data: ") == 0) found.push_back(event.substr(data + 6));
        at = end + 2;
    }
    return found;
}

HttpClient::HttpClient(int port, const char* address) {
    const bool is_six = std::string_view(address).find(':') != std::string_view::npos;
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(uint16_t(port));
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(uint16_t(port));
    if (is_six)
        inet_pton(AF_INET6, address, &six.sin6_addr);
    else
        inet_pton(AF_INET, address, &four.sin_addr);
    socket_ = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    const auto* where = is_six ? reinterpret_cast<const sockaddr*>(&six) : reinterpret_cast<const sockaddr*>(&four);
    if (connect(socket_, where, socklen_t(is_six ? sizeof six : sizeof four)) != 0) close();
}

HttpClient::HttpClient(const std::string& unix_socket) {
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    std::strncpy(where.sun_path, unix_socket.c_str(), sizeof where.sun_path - 1);
    socket_ = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(socket_, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) close();
}

HttpClient::HttpClient(HttpClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), read_(std::move(other.read_)) {}

HttpClient& HttpClient::operator=(HttpClient&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(read_, other.read_);
    return *this;
}

HttpClient HttpClient::over(int socket) {
    HttpClient client;
    client.socket_ = socket;
    return client;
}

HttpClient::~HttpClient() {
    close();
}

void HttpClient::close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

void HttpClient::reset() {
    const linger at_once{1, 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
}

bool HttpClient::send(std::string_view bytes) {
    while (!bytes.empty()) {
        if (!is_ready(socket_, POLLOUT, now() + 20)) return false;
        const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(size_t(sent));
    }
    return true;
}

bool HttpClient::fill(double until) {
    char buffer[16384];
    if (socket_ < 0 || !is_ready(socket_, POLLIN, until)) return false;
    const ssize_t got = recv(socket_, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    read_.append(buffer, size_t(got));
    return true;
}

std::string HttpClient::receive_until(std::string_view text, double seconds) {
    const double until = now() + seconds;
    while (read_.find(text) == std::string::npos)
        if (!fill(until)) return {};
    std::string found = read_.substr(0, read_.find(text) + text.size());
    read_.erase(0, found.size());
    return found;
}

HttpAnswer HttpClient::receive(double seconds, bool is_head) {
    const double until = now() + seconds;
    HttpAnswer answer;
    const std::string head = receive_until("\r\n\r\n", seconds);
    if (!head.starts_with("HTTP/1.1 ") || head.size() < 12) return answer;
    answer.status = std::atoi(head.c_str() + 9);
    for (size_t at = head.find("\r\n") + 2; at + 2 < head.size();) {
        const size_t end = head.find("\r\n", at), colon = head.find(": ", at);
        answer.headers.emplace_back(head.substr(at, colon - at), head.substr(colon + 2, end - colon - 2));
        at = end + 2;
    }
    if (is_head || answer.status == 204 || answer.status == 100) {
        answer.is_whole = true;
    } else if (answer.header("Transfer-Encoding") == "chunked") {
        while (true) {
            const std::string line = receive_until("\r\n", until - now());
            if (line.empty()) return answer;
            const size_t size = size_t(std::stoul(line, nullptr, 16));
            while (read_.size() < size + 2)
                if (!fill(until)) return answer;
            if (size > 0) answer.chunks.push_back(read_.substr(0, size));
            answer.body += read_.substr(0, size);
            read_.erase(0, size + 2);
            if (size == 0) break;
        }
        answer.is_whole = true;
    } else if (const std::string length = answer.header("Content-Length"); !length.empty()) {
        const size_t size = size_t(std::stoul(length));
        while (read_.size() < size)
            if (!fill(until)) return answer;
        answer.body = read_.substr(0, size);
        read_.erase(0, size);
        answer.is_whole = true;
    } else {
        while (fill(until)) {
        }
        answer.body = std::exchange(read_, {});
        answer.is_whole = is_closed_within(0);
    }
    return answer;
}

bool HttpClient::is_closed_within(double seconds) {
    const double until = now() + seconds;
    char buffer[16384];
    while (is_ready(socket_, POLLIN, until))
        if (recv(socket_, buffer, sizeof buffer, 0) <= 0) return true;
    return false;
}

std::string get_request(const std::string& path, const std::string& headers) {
    return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
}

std::string post_request(const std::string& path, const std::string& body, const std::string& headers) {
    return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
}

HttpAnswer http_get(int port, const std::string& path, const std::string& headers) {
    HttpClient client(port);
    client.send(get_request(path, headers));
    return client.receive();
}

HttpAnswer http_post(int port, const std::string& path, const std::string& body, const std::string& headers) {
    HttpClient client(port);
    client.send(post_request(path, body, headers));
    return client.receive();
}

}  // namespace hearth::test
