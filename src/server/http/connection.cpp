#include "server/http/connection.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "server/http/tls.h"

namespace hearth::server {

namespace {

Clock::duration seconds(double count) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(count));
}

// An id that the client chose, if it is harmless in headers and logs.
bool is_fit_for_id(const std::string& text) {
    return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
               c == '.';
    });
}

std::unique_ptr<Wire> wire_of(const HttpOptions& options, bool is_local) {
    if (options.tls && !is_local) return options.tls->accept();
    return std::make_unique<PlainWire>();
}

}  // namespace

Connection::Connection(std::shared_ptr<Shared> shared, Socket socket, std::string peer, bool is_local)
    : shared_(std::move(shared)),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      is_local_(is_local),
      wire_(wire_of(shared_->options, is_local)),
      parser_(shared_->options.limits) {
    ++shared_->connections;
}

Connection::~Connection() {
    forget_exchange();
    leave();
}

void Connection::leave() {
    if (std::exchange(is_open_, false)) --shared_->connections;
}

void Connection::start() {
    wait_for_request();
    is_ready_ = wire_->is_ready();
    if (!is_ready_) deadline_ = silent_since_ + seconds(shared_->options.limits.handshake);
    read();
}

void Connection::start_late() {
    is_late_ = true;
    start();
    deadline_ = silent_since_ + seconds(shared_->options.limits.linger);
}

std::optional<Clock::time_point> Connection::silent_since() const {
    if (is_closed_ || current_ || (has_head_ && !is_lingering_)) return std::nullopt;
    return silent_since_;
}

void Connection::wait_for_request() {
    parser_ = RequestParser(shared_->options.limits);
    has_head_ = false;
    instant_.reset();
    body_read_ = 0;
    silent_since_ = Clock::now();
    deadline_ = silent_since_ + seconds(shared_->options.limits.idle);
}

// A read is pending nearly all the time, so that a client who leaves is noticed while its answer is computed.
void Connection::read() {
    if (is_reading_ || is_closed_) return;
    is_reading_ = true;
    socket_.async_read_some(boost::asio::buffer(buffer_), [self = shared_from_this()](const auto& error, size_t bytes) {
        self->is_reading_ = false;
        if (error) return self->close();
        self->took(bytes);
    });
}

void Connection::took(size_t bytes) {
    if (is_closed_) return;
    if (!is_lingering_) hear({buffer_.data(), bytes});
    read();
}

void Connection::hear(std::string_view from_socket) {
    const Wire::Heard heard = wire_->receive(from_socket, input_);
    if (!is_ready_ && wire_->is_ready()) {
        is_ready_ = true;
        if (!is_late_) wait_for_request();
    }
    if (current_ && input_.size() > shared_->options.limits.ahead_bytes) {
        // Reading goes on, for who leaves must be noticed; what is thrown away is never taken for a request.
        current_->close_afterwards();
        input_.clear();
    }
    if (heard == Wire::Heard::plain && !current_)
        return refuse({400, "this address speaks TLS; write https:// in place of http://"});
    if (heard == Wire::Heard::broken) return current_ || is_writing_ ? close() : linger();
    parse();
    if (heard == Wire::Heard::end) return close();
    write_interim("");
}

void Connection::parse() {
    if (current_ || is_lingering_ || is_closed_ || input_.empty()) return;
    const bool had_begun = parser_.has_begun();
    input_.erase(0, parser_.feed(input_));
    const Limits& limits = shared_->options.limits;
    if (!had_begun && parser_.has_begun()) {
        silent_since_ = Clock::now();
        if (!is_late_) deadline_ = silent_since_ + seconds(limits.head);
    }
    using State = RequestParser::State;
    if (parser_.state() == State::refused) return refuse(parser_.refusal());
    if (parser_.state() == State::head) return;
    const bool is_new = !has_head_;
    if (is_new) look_at_head();
    if (current_) return;  // it was refused
    if (is_new) deadline_ = Clock::now() + seconds(limits.body);
    read_body();
    if (shared_->body_bytes > limits.all_bodies_bytes)
        return refuse({503, "too many large requests are being answered; send this one again later"});
    if (parser_.state() == State::done) begin_exchange();
}

// Every byte buys the time that a slow line needs for it, but nobody saves up: who was fast may not rest for longer.
void Connection::read_body() {
    const Limits& limits = shared_->options.limits;
    const size_t bytes = parser_.body_bytes_read();
    if (!body_) body_ = std::make_shared<CountedBody>(shared_);
    body_->grow(bytes);
    const auto bought = seconds(double(bytes - body_read_) / double(limits.body_rate));
    deadline_ = std::min(deadline_ + bought, Clock::now() + seconds(limits.body));
    body_read_ = bytes;
}

void Connection::look_at_head() {
    has_head_ = true;
    const HttpRequest& request = parser_.request();
    if (shared_->options.instant) instant_ = shared_->options.instant(request);
    if (!instant_ && is_late_)
        return refuse(
            {503, fmt::format("{} connections are open, more are not taken", shared_->options.limits.connections)});
    if (!instant_ && !is_local_)
        if (auto refusal = shared_->gate.refuse(request)) return refuse(std::move(*refusal));
    if (parser_.state() != RequestParser::State::body || !parser_.expects_continue() || !input_.empty()) return;
    if (parser_.body_bytes_read() > 0) return;  // it did not wait
    write_interim("HTTP/1.1 100 Continue\r\n\r\n");
}

std::shared_ptr<Exchange> Connection::open_exchange(HttpRequest& request) {
    request.peer = peer_;
    const std::string* chosen = request.header("X-Request-Id");
    request.id =
        chosen && is_fit_for_id(*chosen) ? *chosen : shared_->id_prefix + std::to_string(shared_->next_request++);
    if (shared_->is_draining || is_late_) request.keeps_alive = false;
    if (shared_->options.record) request.record = shared_->options.record(request);
    std::vector<Header> always = is_local_ ? std::vector<Header>{} : shared_->gate.headers(request);
    auto wake = [shared = shared_, weak = weak_from_this()] {
        boost::asio::post(shared->context, [weak] {
            if (const auto self = weak.lock()) self->flush();
        });
    };
    is_counted_ = !shared_->is_draining;
    if (is_counted_) ++shared_->busy;
    current_ = std::make_shared<Exchange>(request, std::move(always), shared_->options.limits.unsent_bytes, wake);
    last_write_ = Clock::now();
    return current_;
}

void Connection::begin_exchange() {
    HttpRequest request = parser_.take();
    request.counted = body_;
    const auto exchange = open_exchange(request);
    if (instant_) return exchange->send(instant_->status, instant_->content_type, std::move(instant_->body), {});
    if (Gate::is_preflight(request)) return exchange->send(204, "", "", Gate::preflight_headers(request));
    shared_->options.handle(std::move(request), HttpReply(exchange));
}

// What follows on this connection cannot be trusted to be a request.
void Connection::refuse(Refusal refusal) {
    HttpRequest request = parser_.take();
    request.keeps_alive = false;
    request.body.clear();
    body_.reset();
    input_.clear();
    const auto exchange = open_exchange(request);
    if (shared_->options.refuse) return shared_->options.refuse(HttpReply(exchange), request.path, refusal);
    exchange->send(refusal.status, "application/json", plain_error_body(refusal.status, refusal.message), {});
}

void Connection::flush() {
    if (is_closed_ || is_lingering_ || !current_) return;
    if (current_->is_overrun()) return close();
    if (is_writing_) return;
    writing_ = current_->take();
    if (!writing_.empty()) return begin_writing();
    if (current_->is_broken()) return close();
    if (current_->is_over()) end_exchange();
}

// Words that are no part of an answer: these, and those of the wire itself, which go along with whatever is written.
void Connection::write_interim(std::string_view words) {
    if (is_closed_ || is_lingering_) return;
    writing_ += words;
    if (is_writing_ || (writing_.empty() && wire_->outgoing({}).empty())) return;
    is_interim_ = true;
    begin_writing();
}

void Connection::begin_writing() {
    is_writing_ = true;
    written_ = 0;
    last_write_ = Clock::now();
    write_some();
}

void Connection::write_some() {
    const std::string_view bytes = wire_->outgoing(std::string_view(writing_).substr(written_));
    if (bytes.empty()) return written_ < writing_.size() ? close() : wrote_all();
    socket_.async_write_some(boost::asio::buffer(bytes.data(), bytes.size()),
                             [self = shared_from_this()](const auto& error, size_t count) {
                                 if (error) return self->close();
                                 self->wrote(count);
                             });
}

void Connection::wrote(size_t bytes) {
    if (is_closed_) return;
    last_write_ = Clock::now();
    written_ += wire_->sent(bytes);
    write_some();
}

void Connection::wrote_all() {
    is_writing_ = false;
    if (current_ && !is_interim_) current_->written(written_);
    is_interim_ = false;
    writing_.clear();
    if (is_lingering_)
        ::shutdown(socket_.native_handle(), SHUT_WR);
    else
        flush();
}

void Connection::end_exchange() {
    current_->ends_whole();
    const bool closes = current_->closes() || shared_->is_draining;
    forget_exchange();
    if (closes) return linger();
    wait_for_request();
    parse();
    read();
}

void Connection::forget_exchange() {
    current_.reset();
    if (std::exchange(is_counted_, false)) --shared_->busy;
    body_.reset();  // whoever has the request holds it, too
}

// Closing at once would throw away what the client has not read yet, if it is still sending.
void Connection::linger() {
    is_lingering_ = true;
    silent_since_ = Clock::now();
    deadline_ = silent_since_ + seconds(shared_->options.limits.linger);
    wire_->end();
    is_interim_ = true;
    begin_writing();
    read();
}

void Connection::check(Clock::time_point now) {
    const Limits& limits = shared_->options.limits;
    if (is_closed_) return;
    if (is_lingering_) {
        if (now > deadline_) close();
    } else if (current_) {
        if (is_writing_ && now - last_write_ > seconds(limits.write)) return close();
        if (!is_writing_ && now - last_write_ > seconds(limits.heartbeat)) current_->beat();
    } else if (now > deadline_) {
        if (!parser_.has_begun()) return close();
        refuse({408, "the request did not arrive in time"});
    }
}

void Connection::drain() {
    if (current_)
        current_->close_afterwards();
    else if (!parser_.has_begun())
        close();
}

void Connection::close() {
    if (is_closed_) return;
    is_closed_ = true;
    leave();
    if (!is_writing_) {
        // So that TLS can tell the end from a line that was cut; where it does not fit in, nobody waits.
        wire_->end();
        if (const std::string_view last = wire_->outgoing({}); !last.empty())
            ::send(socket_.native_handle(), last.data(), last.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    boost::system::error_code ignored;
    socket_.close(ignored);
    const auto gone = current_;
    forget_exchange();
    if (gone) gone->lose();
}

}  // namespace hearth::server
