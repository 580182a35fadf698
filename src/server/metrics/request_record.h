// What is noted of one HTTP request while it is worked on. All who work on it hold the record; when the last one lets
// go, the request is counted and logged. So an answer that goes on without its client is still told to its end.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "engine/engine.h"
#include "server/metrics/access_log.h"

namespace hearth::server {

class Monitor;
class AnswerRecord;

class RequestRecord : public std::enable_shared_from_this<RequestRecord> {
public:
    RequestRecord(Monitor& monitor, AccessEntry entry, std::string route);
    ~RequestRecord();

    const std::optional<TraceContext>& trace() const { return entry_.trace; }
    const std::string& id() const { return entry_.id; }
    std::string key() const;
    double began() const { return began_; }

    // Of HTTP. From any thread.
    void is_routed(std::string route);  // the endpoint's path, with its {name}
    void is_admitted(std::string key);  // the name of the key
    void is_rejected(const std::string& reason);
    void answers(int status);
    void sent(size_t bytes);
    void ends(bool is_whole);  // no byte goes out any more; the first call counts

    // A prompt is about to go to a model, for so many answers to it. Some requests bring several prompts.
    std::shared_ptr<AnswerRecord> begins(const std::string& model, int64_t prompt_tokens, size_t choices);

    // Of answers, from the engine's thread.
    void cached(int64_t tokens) { cached_ += tokens; }
    void generated(double now);  // one token
    void finished(std::string_view reason);

private:
    Monitor& monitor_;
    const double began_;

    mutable std::mutex mutex_;  // guards the texts that come later, and counts of prompts
    AccessEntry entry_;
    std::string route_;

    std::atomic<int> status_ = 0;
    std::atomic<int64_t> bytes_ = 0;
    std::atomic<bool> has_ended_ = false, is_whole_ = false;
    std::atomic<double> ended_ = 0;
    std::atomic<int64_t> generated_ = 0, cached_ = 0;
    std::atomic<double> first_token_ = 0;  // when; 0: not yet
};

}  // namespace hearth::server
