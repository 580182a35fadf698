// Reads HTTP/1.1 requests from bytes as they arrive. Stricter than most: whatever two programs on the way could
// understand differently is refused, so that no request can be hidden in another one (both Content-Length and
// Transfer-Encoding, several lengths, folded headers, bare line feeds, codings other than chunked). Trailers are
// dropped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/http/limits.h"
#include "server/http/message.h"

namespace hearth::server {

// Why HTTP itself says no: a status and a sentence.
struct Refusal {
    int status = 400;
    std::string message;
};

class RequestParser {
public:
    enum class State : uint8_t { head, body, done, refused };

    explicit RequestParser(const Limits& limits) : limits_(limits) {}

    // Takes what belongs to this request from the front of `bytes` and returns how many those were.
    size_t feed(std::string_view bytes);

    State state() const { return state_; }
    const Refusal& refusal() const { return refusal_; }
    bool has_begun() const { return state_ != State::head || !head_.empty(); }
    bool expects_continue() const { return expects_continue_; }  // once the head is there
    const HttpRequest& request() const { return request_; }      // without its body before State::done
    size_t body_bytes_read() const { return request_.body.size(); }
    HttpRequest take() { return std::move(request_); }

private:
    enum class Chunk : uint8_t { size, data, data_end, trailer };

    void refuse(int status, std::string message);
    size_t feed_head(std::string_view bytes);
    size_t feed_chunks(std::string_view bytes);
    size_t feed_line(std::string_view bytes);
    void take_line();
    void read_head();
    bool read_request_line(std::string_view line);
    bool read_header(std::string_view line);
    bool read_target(std::string_view target);
    void settle();  // what the headers together mean

    Limits limits_;
    State state_ = State::head;
    Refusal refusal_;
    HttpRequest request_;
    std::string head_, authority_;
    bool expects_continue_ = false, is_chunked_ = false;
    uint64_t left_ = 0;  // of the body, or of the chunk
    Chunk chunk_ = Chunk::size;
    std::string line_;
    size_t trailer_bytes_ = 0;
    bool has_line_ = false;
};

}  // namespace hearth::server
