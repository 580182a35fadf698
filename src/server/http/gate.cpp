#include "server/http/gate.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

namespace hearth::server {

namespace {

// "localhost:80" -> "localhost", "[::1]:80" -> "::1"
std::string host_alone(std::string_view host) {
    if (host.starts_with('[')) return std::string(host.substr(1, host.find(']') - 1));
    return std::string(host.substr(0, host.rfind(':')));
}

bool is_address(const std::string& host) {
    in6_addr buffer;
    return inet_pton(AF_INET, host.c_str(), &buffer) == 1 || inet_pton(AF_INET6, host.c_str(), &buffer) == 1;
}

bool is_loopback(const std::string& host) {
    in_addr four;
    in6_addr six;
    if (is_same_word(host, "localhost")) return true;
    if (inet_pton(AF_INET, host.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

}  // namespace

bool Gate::knows_host(std::string_view full) const {
    const std::string host = host_alone(full);
    if (is_loopback(host)) return true;
    if (takes_addresses && is_address(host)) return true;
    return std::ranges::any_of(hosts, [&](const std::string& one) {
        return one == "*" || is_same_word(one, host) || is_same_word(one, full);
    });
}

bool Gate::knows_origin(std::string_view origin) const {
    return std::ranges::any_of(origins,
                               [&](const std::string& one) { return one == "*" || is_same_word(one, origin); });
}

std::optional<std::string> Gate::foreign_origin(const HttpRequest& request) const {
    const std::string* origin = request.header("Origin");
    const std::string* host = request.header("Host");
    if (!origin) return std::nullopt;
    if (host && (is_same_word(*origin, "http://" + *host) || is_same_word(*origin, "https://" + *host)))
        return std::nullopt;
    return *origin;
}

std::optional<Refusal> Gate::refuse(const HttpRequest& request) const {
    if (const std::string* host = request.header("Host"); host && !knows_host(*host))
        return Refusal{403, fmt::format("this server does not go by the name {}; allow it with --allow-host", *host)};
    if (const auto origin = foreign_origin(request); origin && !knows_origin(*origin))
        return Refusal{403, fmt::format("pages of {} may not use this server; allow it with --allow-origin", *origin)};
    return std::nullopt;
}

bool Gate::is_preflight(const HttpRequest& request) {
    return request.method == "OPTIONS" && request.header("Origin") && request.header("Access-Control-Request-Method");
}

std::vector<Header> Gate::headers(const HttpRequest& request) const {
    const auto origin = foreign_origin(request);
    if (!origin || !knows_origin(*origin)) return {};
    return {{"Access-Control-Allow-Origin", *origin},
            {"Access-Control-Expose-Headers", "X-Request-Id, Retry-After"},
            {"Vary", "Origin"}};
}

std::vector<Header> Gate::preflight_headers(const HttpRequest& request) {
    std::vector<Header> headers{{"Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS"},
                                {"Access-Control-Max-Age", "600"}};
    if (const std::string* asked = request.header("Access-Control-Request-Headers"))
        headers.push_back({"Access-Control-Allow-Headers", *asked});
    return headers;
}

}  // namespace hearth::server
