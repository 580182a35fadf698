// One answer on its way: handlers fill it from any thread, the connection empties it on the I/O thread.
#pragma once

#include <mutex>

#include "server/http/limits.h"
#include "server/http/reply.h"

namespace hearth::server {

class Exchange final : public ReplyChannel {
public:
    // `wake`: something changed that the connection should look at; called from any thread, without any lock.
    Exchange(const HttpRequest& request, std::vector<Header> always, size_t most_unsent, std::function<void()> wake);

    void send(int status, std::string_view content_type, std::string body, std::vector<Header> headers) override;
    void begin_stream(std::string_view content_type, std::vector<Header> headers) override;
    bool write(std::string_view bytes) override;
    void finish() override;
    void on_gone(std::function<void()> callback) override;
    bool is_gone() const override;
    void abandon() override;
    std::string id() const override { return id_; }

    // Of the connection.
    std::string take();          // bytes to be written now
    void written(size_t bytes);  // of those taken
    bool is_over() const;        // finished, and all of it is written
    void ends_whole();           // it is over
    bool is_overrun() const;     // the client does not read: the connection must end at once
    bool is_broken() const;      // nobody finishes the answer: the connection must end behind what was said
    bool closes() const;         // the connection ends after the answer
    void close_afterwards();
    void lose();  // the client is gone
    bool beat();  // a silent stream of events says that it lives; false: it is none

private:
    std::string head(int status, std::string_view content_type, const std::vector<Header>& headers,
                     std::string_view framing) const;
    void append(std::string_view bytes);  // to a stream
    bool is_all_written() const { return is_finished_ && out_.empty() && in_flight_ == 0; }

    const std::string id_;
    const std::shared_ptr<RequestRecord> record_;
    const bool is_head_, is_http_1_0_;
    const std::vector<Header> always_;
    const size_t most_unsent_;
    const std::function<void()> wake_;

    mutable std::mutex mutex_;
    std::string out_;
    size_t in_flight_ = 0;
    bool has_begun_ = false, is_finished_ = false, is_gone_ = false, is_overrun_ = false;
    bool is_broken_ = false, closes_ = false;
    bool is_event_stream_ = false;
    std::function<void()> on_gone_;
};

// An error that no dialect has a say in, in the form that most clients understand.
std::string plain_error_body(int status, std::string_view message);

}  // namespace hearth::server
