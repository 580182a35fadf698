#include "server/metrics/request_record.h"

#include "base/os.h"
#include "server/metrics/monitor.h"

namespace hearth::server {

std::string_view name_of(LiveRequest::Phase phase) {
    static constexpr std::string_view kNames[] = {"waiting", "prompt", "answer"};
    return kNames[size_t(phase)];
}

RequestRecord::RequestRecord(Monitor& monitor, AccessEntry entry, std::string route)
    : monitor_(monitor), began_(monotonic_seconds()), entry_(std::move(entry)), route_(std::move(route)) {}

RequestRecord::~RequestRecord() {
    if (metrics_) monitor_.forget(*this);
    constexpr int kClientLeft = 499;
    entry_.status = status_ > 0 ? status_.load() : kClientLeft;
    entry_.bytes = bytes_;
    entry_.is_whole = is_whole_;
    entry_.seconds = (has_ended_ ? ended_.load() : monotonic_seconds()) - began_;
    entry_.cached_tokens = cached_;
    entry_.generated_tokens = generated_;
    if (first_token_ > 0) entry_.first_token_seconds = first_token_ - began_;
    monitor_.close(std::move(entry_), route_);
}

void RequestRecord::is_routed(std::string route) {
    std::lock_guard lock(mutex_);
    route_ = std::move(route);
}

void RequestRecord::is_admitted(std::string key) {
    std::lock_guard lock(mutex_);
    entry_.key = std::move(key);
}

void RequestRecord::is_rejected(const std::string& reason) {
    monitor_.metrics().rejected(reason.empty() ? "invalid_request" : reason).add();
}

void RequestRecord::answers(int status) {
    status_ = status;
}

void RequestRecord::sent(size_t bytes) {
    bytes_ += int64_t(bytes);
}

void RequestRecord::ends(bool is_whole) {
    if (has_ended_) return;  // only the connection's thread comes here
    ended_ = monotonic_seconds();
    is_whole_ = is_whole;
    has_ended_ = true;
}

void RequestRecord::begins(const std::string& model, int64_t prompt_tokens, size_t choices) {
    metrics_ = &monitor_.metrics().of(model);
    metrics_->request_choices.observe(double(choices));
    choices_.resize(choices);
    {
        std::lock_guard lock(mutex_);
        entry_.model = model;
        entry_.prompt_tokens = prompt_tokens;
        entry_.choices = int64_t(choices);
    }
    unfinished_ = int64_t(choices);
    monitor_.remember(*this);
}

void RequestRecord::event(size_t choice, const Event& event) {
    Choice& one = choices_[choice];
    const double now = monotonic_seconds();
    switch (event.kind) {
        case Event::Kind::progress:
            return count_prompt(one, event);
        case Event::Kind::token:
            return count_token(one, now);
        case Event::Kind::finish:
        case Event::Kind::failed:
            return count_end(one, event, now);
    }
}

void RequestRecord::count_prompt(Choice& choice, const Event& event) {
    if (!std::exchange(choice.has_run, true)) {
        const int64_t cached = event.usage.cached_tokens;
        metrics_->prefix_queries.add(uint64_t(event.usage.prompt_tokens));
        metrics_->prefix_hits.add(uint64_t(cached));
        metrics_->prompt_tokens_found.add(uint64_t(cached));
        metrics_->prompt_tokens_cached.add(uint64_t(cached));
        // The log tells it as answers do: of the first choice.
        if (&choice == choices_.data()) cached_ = cached;
        choice.prompt_done = cached;
        prompt_done_ += cached;
    }
    const int64_t more = event.tokens_done - choice.prompt_done;
    if (more <= 0) return;
    choice.prompt_done = event.tokens_done;
    prompt_done_ += more;
    metrics_->prompt_tokens_computed.add(uint64_t(more));
}

void RequestRecord::count_token(Choice& choice, double now) {
    metrics_->generation_tokens.add();
    ++generated_;
    if (choice.generated++ == 0) {
        metrics_->prompt_tokens.add(uint64_t(choice.prompt_done));
        metrics_->first_token.observe(now - began_);
        double none = 0;
        first_token_.compare_exchange_strong(none, now);
    } else {
        metrics_->inter_token.observe(now - choice.last_token);
        metrics_->inter_token_older_name.observe(now - choice.last_token);
    }
    choice.last_token = now;
}

void RequestRecord::count_end(const Choice& choice, const Event& event, double now) {
    const bool has_failed = event.kind == Event::Kind::failed;
    const Finished reason = has_failed ? Finished::error : finished_as(event.reason);
    metrics_->finished[size_t(reason)]->add();
    if (reason == Finished::abort) metrics_->cancelled.add();
    if (reason != Finished::abort && reason != Finished::error) {
        // Answers that were given up would make the others look faster than they are.
        const Usage& usage = event.usage;
        if (choice.generated == 0) metrics_->prompt_tokens.add(uint64_t(usage.prompt_tokens));  // read, not answered
        metrics_->whole.observe(now - began_);
        metrics_->queue.observe(usage.queue_seconds);
        metrics_->prefill.observe(usage.prompt_seconds);
        metrics_->decode.observe(usage.decode_seconds);
        metrics_->inference.observe(usage.prompt_seconds + usage.decode_seconds);
        metrics_->request_prompt_tokens.observe(double(usage.prompt_tokens));
        metrics_->request_generation_tokens.observe(double(usage.generated_tokens));
        if (choice.generated > 1)
            metrics_->per_output_token.observe(usage.decode_seconds / double(choice.generated - 1));
    }
    if (&choice == choices_.data() || has_failed) {
        std::lock_guard lock(mutex_);
        entry_.finish_reason = has_failed ? "error" : std::string(name_of(event.reason));
    }
    --unfinished_;
}

LiveRequest RequestRecord::live() const {
    LiveRequest live;
    {
        std::lock_guard lock(mutex_);
        live.id = entry_.id;
        live.model = entry_.model;
        live.key = entry_.key;
        live.choices = entry_.choices;
        live.prompt_tokens = entry_.prompt_tokens;
    }
    const double now = monotonic_seconds(), first = first_token_;
    live.prompt_tokens_done = std::min(prompt_done_.load(), live.prompt_tokens);
    live.generated_tokens = generated_;
    live.seconds = now - began_;
    using Phase = LiveRequest::Phase;
    live.phase = first > 0 ? Phase::answer : prompt_done_ > 0 ? Phase::prompt : Phase::waiting;
    if (live.generated_tokens > live.choices && now > first)
        live.tokens_per_second = double(live.generated_tokens - live.choices) / (now - first);
    return live;
}

}  // namespace hearth::server
