// A client that hides nothing: bytes in, bytes out, and answers taken apart by hand. For tests of everything that the
// server says.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace hearth::test {

struct HttpAnswer {
    int status = 0;  // 0: none came
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;                 // of a chunked answer: the chunks together
    std::vector<std::string> chunks;  // as they were sent
    bool is_whole = false;            // the body ended as its head said

    std::string header(std::string_view name) const;  // "" when there is none
    Json json() const;                                // null where the body is no JSON
    // Of a stream of server-sent events: what stands behind "data: ".
    std::vector<std::string> events() const;
};

class HttpClient {
public:
    explicit HttpClient(int port, const char* address = "127.0.0.1");
    explicit HttpClient(const std::string& unix_socket);
    HttpClient(HttpClient&& other) noexcept;
    HttpClient& operator=(HttpClient&& other) noexcept;
    static HttpClient over(int socket);  // that is connected already
    ~HttpClient();

    bool is_connected() const { return socket_ >= 0; }
    bool send(std::string_view bytes);  // all of them; false: the other side is gone, or reads nothing for 20 s
    HttpAnswer receive(double seconds = 20, bool is_head = false);          // the next answer
    std::string receive_until(std::string_view text, double seconds = 20);  // raw bytes up to and with the text
    bool is_closed_within(double seconds);  // by the other side, what it sent before is dropped
    void close();
    void reset();  // the rude way

private:
    HttpClient() = default;
    bool fill(double until);  // more bytes; false: end, or too late
    int socket_ = -1;
    std::string read_;  // and not yet used
};

std::string get_request(const std::string& path, const std::string& headers = "");
std::string post_request(const std::string& path, const std::string& body, const std::string& headers = "");
// One request on a connection of its own.
HttpAnswer http_get(int port, const std::string& path, const std::string& headers = "");
HttpAnswer http_post(int port, const std::string& path, const std::string& body, const std::string& headers = "");

}  // namespace hearth::test
