#include "server/http/parser.h"

#include <fmt/format.h>

#include <algorithm>

namespace hearth::server {

namespace {

constexpr size_t kMostOfChunkLine = 256, kMostOfTrailers = 8 << 10;

// Characters of a method and of a header's name.
bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

bool is_control(char c) {
    return uint8_t(c) < 0x20 || c == 0x7F;
}

bool is_number(std::string_view text, uint64_t& value, int base) {
    if (text.empty() || text.size() > (base == 16 ? 15u : 18u)) return false;
    value = 0;
    for (const char c : text) {
        int digit = c - '0';
        if (base == 16 && c >= 'a' && c <= 'f') digit = c - 'a' + 10;
        if (base == 16 && c >= 'A' && c <= 'F') digit = c - 'A' + 10;
        if (digit < 0 || digit >= base) return false;
        value = value * uint64_t(base) + uint64_t(digit);
    }
    return true;
}

bool names_word(std::string_view list, std::string_view word) {
    while (!list.empty()) {
        const std::string_view one = list.substr(0, list.find(','));
        if (is_same_word(without_blanks(one), word)) return true;
        list.remove_prefix(std::min(list.size(), one.size() + 1));
    }
    return false;
}

}  // namespace

void RequestParser::refuse(int status, std::string message) {
    if (state_ == State::refused) return;
    state_ = State::refused;
    refusal_ = {status, std::move(message)};
}

size_t RequestParser::feed(std::string_view bytes) {
    size_t used = 0;
    while (used < bytes.size() && (state_ == State::head || state_ == State::body)) {
        const std::string_view rest = bytes.substr(used);
        if (state_ == State::head) {
            used += feed_head(rest);
        } else if (is_chunked_) {
            used += feed_chunks(rest);
        } else {
            const size_t count = size_t(std::min<uint64_t>(left_, rest.size()));
            request_.body.append(rest.substr(0, count));
            used += count;
            left_ -= count;
            if (left_ == 0) state_ = State::done;
        }
    }
    return used;
}

size_t RequestParser::feed_head(std::string_view bytes) {
    size_t used = 0;
    for (; used < bytes.size(); ++used) {
        const char c = bytes[used];
        if (!head_.empty() && head_.back() == '\r' && c != '\n') {
            refuse(400, "a carriage return stands alone");
            break;
        }
        if (c == '\n' && (head_.empty() || head_.back() != '\r')) {
            refuse(400, "a line ends with a bare line feed");
            break;
        }
        if (c == '\0') {
            refuse(400, "a zero byte stands in the head");
            break;
        }
        head_ += c;
        if (head_ == "\r\n") head_.clear();  // left over from the request before
        if (head_.size() > limits_.head_bytes) {
            refuse(431, fmt::format("request line and headers are longer than {} bytes", limits_.head_bytes));
            break;
        }
        if (c == '\n' && head_.ends_with("\r\n\r\n")) {
            read_head();
            return used + 1;
        }
    }
    return used;
}

void RequestParser::read_head() {
    std::string_view rest(head_);
    bool is_first = true;
    while (state_ == State::head) {
        const std::string_view line = rest.substr(0, rest.find("\r\n"));
        rest.remove_prefix(line.size() + 2);
        if (line.empty()) break;
        if (!(is_first ? read_request_line(line) : read_header(line))) return;
        is_first = false;
    }
    settle();
}

bool RequestParser::read_request_line(std::string_view line) {
    const size_t first = line.find(' '), last = line.rfind(' ');
    if (first == std::string_view::npos || first == last)
        return refuse(400, "the first line is no request: METHOD TARGET HTTP/1.1"), false;
    request_.method = line.substr(0, first);
    const std::string_view version = line.substr(last + 1);
    if (!is_token(request_.method)) return refuse(400, "the method is no word"), false;
    if (version != "HTTP/1.1" && version != "HTTP/1.0") {
        const bool is_http = version.starts_with("HTTP/");
        return refuse(is_http ? 505 : 400, "the version is not HTTP/1.1"), false;
    }
    request_.is_http_1_0 = version == "HTTP/1.0";
    return read_target(line.substr(first + 1, last - first - 1));
}

bool RequestParser::read_target(std::string_view target) {
    if (target.empty() ||
        std::ranges::any_of(target, [](char c) { return is_control(c) || c == ' ' || uint8_t(c) >= 0x80; }))
        return refuse(400, "the target of the request has characters that must be written as %XX"), false;
    for (const std::string_view scheme : {"http://", "https://"})
        if (target.starts_with(scheme)) {
            target.remove_prefix(scheme.size());
            authority_ = target.substr(0, target.find_first_of("/?"));
            target.remove_prefix(authority_.size());
            if (authority_.empty()) return refuse(400, "the target of the request names no host"), false;
            break;
        }
    target = target.substr(0, target.find('#'));
    const bool is_whole_server = target == "*" && request_.method == "OPTIONS";
    if (!target.starts_with('/') && !is_whole_server && !(authority_.size() > 0 && target.empty()))
        return refuse(400, "the target of the request does not begin with /"), false;
    const size_t question = target.find('?');
    request_.path = target.substr(0, question);
    if (request_.path.empty()) request_.path = "/";
    if (question != std::string_view::npos) request_.query = target.substr(question + 1);
    return true;
}

bool RequestParser::read_header(std::string_view line) {
    if (line[0] == ' ' || line[0] == '\t') return refuse(400, "a header is folded over several lines"), false;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
        return refuse(400, "a header has no name in front of its colon"), false;
    const std::string_view value = without_blanks(line.substr(colon + 1));
    if (std::ranges::any_of(value, [](char c) { return is_control(c) && c != '\t'; }))
        return refuse(400, "a header has control characters"), false;
    if (request_.headers.size() >= limits_.headers)
        return refuse(431, fmt::format("there are more than {} headers", limits_.headers)), false;
    request_.headers.push_back({std::string(line.substr(0, colon)), std::string(value)});
    return true;
}

void RequestParser::settle() {
    if (state_ == State::refused) return;
    const auto count = [&](std::string_view name) {
        return std::ranges::count_if(request_.headers, [&](const Header& one) { return is_same_word(one.name, name); });
    };
    for (const char* name : {"Host", "Content-Length", "Transfer-Encoding", "Origin", "Expect", "Content-Encoding"})
        if (count(name) > 1) return refuse(400, fmt::format("the header {} comes several times", name));
    const std::string* host = request_.header("Host");
    if (!host && !request_.is_http_1_0) return refuse(400, "the header Host is missing");
    if (!authority_.empty() && host && !is_same_word(*host, authority_))
        return refuse(400, "the target of the request names another host than the header Host");

    bool says_close = false, says_keep = false;
    for (const Header& one : request_.headers)
        if (is_same_word(one.name, "Connection")) {
            says_close |= names_word(one.value, "close");
            says_keep |= names_word(one.value, "keep-alive");
        }
    request_.keeps_alive = !says_close && (!request_.is_http_1_0 || says_keep);

    const std::string* length = request_.header("Content-Length");
    const std::string* coding = request_.header("Transfer-Encoding");
    if (length && coding) return refuse(400, "both Content-Length and Transfer-Encoding say how long the body is");
    if (coding && request_.is_http_1_0) return refuse(400, "HTTP/1.0 knows no Transfer-Encoding");
    if (coding && !is_same_word(*coding, "chunked"))
        return refuse(501, "the only Transfer-Encoding understood here is chunked");
    if (length && !is_number(*length, left_, 10)) return refuse(400, "Content-Length is no number");
    if (length && left_ > limits_.body_bytes)
        return refuse(413, fmt::format("the body has {} bytes, at most {} are taken", left_, limits_.body_bytes));
    if (const std::string* encoding = request_.header("Content-Encoding");
        encoding && !is_same_word(*encoding, "identity"))
        return refuse(415, "the body is compressed; send it as it is");
    if (const std::string* expect = request_.header("Expect")) {
        if (!is_same_word(*expect, "100-continue")) return refuse(417, "the only Expect known is 100-continue");
        expects_continue_ = !request_.is_http_1_0;
    }
    is_chunked_ = coding != nullptr;
    state_ = is_chunked_ || left_ > 0 ? State::body : State::done;
}

size_t RequestParser::feed_line(std::string_view bytes) {
    const size_t end = bytes.find('\n');
    const size_t count = end == std::string_view::npos ? bytes.size() : end + 1;
    const size_t most = chunk_ == Chunk::trailer ? kMostOfTrailers : kMostOfChunkLine;
    if (line_.size() + count > most) return refuse(400, "a line of the chunked body is too long"), count;
    line_.append(bytes.substr(0, count));
    has_line_ = end != std::string_view::npos;
    if (!has_line_) return count;
    if (!line_.ends_with("\r\n")) return refuse(400, "a line of the chunked body ends with a bare line feed"), count;
    line_.resize(line_.size() - 2);
    if (std::ranges::any_of(line_, [](char c) { return is_control(c) && c != '\t'; }))
        return refuse(400, "a line of the chunked body has control characters"), count;
    return count;
}

void RequestParser::take_line() {
    if (chunk_ == Chunk::size) {
        // What stands behind a semicolon are extensions, of which none has a meaning here.
        const std::string_view number = without_blanks(std::string_view(line_).substr(0, line_.find(';')));
        if (!is_number(number, left_, 16)) return refuse(400, "the size of a chunk is no hexadecimal number");
        if (request_.body.size() + left_ > limits_.body_bytes)
            return refuse(413, fmt::format("the body is longer than {} bytes", limits_.body_bytes));
        chunk_ = left_ > 0 ? Chunk::data : Chunk::trailer;
    } else if (chunk_ == Chunk::data_end) {
        if (!line_.empty()) return refuse(400, "a chunk is longer than it said");
        chunk_ = Chunk::size;
    } else if (line_.empty()) {
        state_ = State::done;
    } else if ((trailer_bytes_ += line_.size()) > kMostOfTrailers) {
        return refuse(431, "the trailers are too long");
    }
    line_.clear();
}

size_t RequestParser::feed_chunks(std::string_view bytes) {
    if (chunk_ == Chunk::data) {
        const size_t count = size_t(std::min<uint64_t>(left_, bytes.size()));
        request_.body.append(bytes.substr(0, count));
        left_ -= count;
        if (left_ == 0) chunk_ = Chunk::data_end;
        return count;
    }
    has_line_ = false;
    const size_t count = feed_line(bytes);
    if (state_ != State::refused && has_line_) take_line();
    return count;
}

}  // namespace hearth::server
