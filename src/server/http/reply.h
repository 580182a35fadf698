// What a handler answers with. A copyable handle that any thread may use, one call at a time; the answer goes out on
// the server's I/O thread. A request whose handles are all gone before it was finished gets an error instead of
// silence.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/message.h"

namespace hearth::server {

// What stands behind the handle: a connection, or a test.
class ReplyChannel {
public:
    virtual ~ReplyChannel() = default;
    virtual void send(int status, std::string_view content_type, std::string body, std::vector<Header> headers) = 0;
    virtual void begin_stream(std::string_view content_type, std::vector<Header> headers) = 0;
    virtual bool write(std::string_view bytes) = 0;
    virtual void finish() = 0;
    virtual void on_gone(std::function<void()> callback) = 0;
    virtual bool is_gone() const = 0;
    virtual void abandon() = 0;                    // no handle is left
    virtual std::string id() const { return {}; }  // of the request
};

class HttpReply {
public:
    HttpReply() = default;
    explicit HttpReply(std::shared_ptr<ReplyChannel> channel) : guard_(std::make_shared<Guard>(std::move(channel))) {}

    // A whole answer; it ends the request.
    void send(int status, std::string_view content_type, std::string body, std::vector<Header> headers = {}) const {
        guard_->channel->send(status, content_type, std::move(body), std::move(headers));
    }
    // An answer in pieces, status 200: write() any number of times, then finish(). A stream of "text/event-stream" is
    // kept alive by comments when it is silent, so each write() must hold whole events.
    void begin_stream(std::string_view content_type, std::vector<Header> headers = {}) const {
        guard_->channel->begin_stream(content_type, std::move(headers));
    }
    // False: the client is gone, or did not read what it was sent before; nothing that is written arrives any more.
    bool write(std::string_view bytes) const { return guard_->channel->write(bytes); }
    void finish() const { guard_->channel->finish(); }

    // Called once, on the I/O thread (it must return at once), when the client leaves before the answer is finished; on
    // this thread if it has already left.
    void on_gone(std::function<void()> callback) const { guard_->channel->on_gone(std::move(callback)); }
    bool is_gone() const { return guard_->channel->is_gone(); }

    std::string id() const { return guard_->channel->id(); }  // of the request, for forms of errors that hold it

private:
    struct Guard {
        explicit Guard(std::shared_ptr<ReplyChannel> it) : channel(std::move(it)) {}
        Guard(const Guard&) = delete;
        ~Guard() { channel->abandon(); }
        std::shared_ptr<ReplyChannel> channel;
    };
    std::shared_ptr<Guard> guard_;
};

}  // namespace hearth::server
