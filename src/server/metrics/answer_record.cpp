#include "server/metrics/answer_record.h"

#include <algorithm>

#include "base/os.h"
#include "server/metrics/monitor.h"

namespace hearth::server {

std::string_view name_of(LiveRequest::Phase phase) {
    static constexpr std::string_view kNames[] = {"waiting", "prompt", "answer"};
    return kNames[size_t(phase)];
}

AnswerRecord::AnswerRecord(Monitor& monitor, std::shared_ptr<RequestRecord> request, Prompt prompt)
    : monitor_(monitor),
      request_(std::move(request)),
      prompt_(std::move(prompt)),
      metrics_(monitor.metrics().of(prompt_.model)),
      choices_(prompt_.choices),
      unfinished_(int64_t(prompt_.choices)) {
    metrics_.request_choices.observe(double(prompt_.choices));
    monitor_.remember(*this);
}

AnswerRecord::~AnswerRecord() {
    monitor_.forget(*this);
}

void AnswerRecord::event(size_t choice, const Event& event) {
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

void AnswerRecord::count_prompt(Choice& choice, const Event& event) {
    if (!std::exchange(choice.has_run, true)) {
        const int64_t cached = event.usage.cached_tokens;
        metrics_.prefix_queries.add(uint64_t(event.usage.prompt_tokens));
        metrics_.prefix_hits.add(uint64_t(cached));
        metrics_.prompt_tokens_found.add(uint64_t(cached));
        metrics_.prompt_tokens_cached.add(uint64_t(cached));
        // The log tells it as answers do: of the first choice.
        if (&choice == choices_.data()) request_->cached(cached);
        choice.prompt_done = cached;
        prompt_done_ += cached;
    }
    const int64_t more = event.tokens_done - choice.prompt_done;
    if (more <= 0) return;
    choice.prompt_done = event.tokens_done;
    prompt_done_ += more;
    metrics_.prompt_tokens_computed.add(uint64_t(more));
}

void AnswerRecord::count_token(Choice& choice, double now) {
    metrics_.generation_tokens.add();
    ++generated_;
    request_->generated(now);
    if (choice.generated++ == 0) {
        metrics_.prompt_tokens.add(uint64_t(choice.prompt_done));
        metrics_.first_token.observe(now - request_->began());
        double none = 0;
        first_token_.compare_exchange_strong(none, now);
    } else {
        metrics_.inter_token.observe(now - choice.last_token);
        metrics_.inter_token_older_name.observe(now - choice.last_token);
    }
    choice.last_token = now;
}

void AnswerRecord::count_end(const Choice& choice, const Event& event, double now) {
    const bool has_failed = event.kind == Event::Kind::failed;
    const Finished reason = has_failed ? Finished::error : finished_as(event.reason);
    metrics_.finished[size_t(reason)]->add();
    if (reason == Finished::abort) metrics_.cancelled.add();
    // What came from where is told with the end.
    metrics_.found_on_disk.add(uint64_t(event.prefix.disk_tokens));
    metrics_.found_in_memory.add(uint64_t(event.prefix.cached_tokens - event.prefix.disk_tokens));
    if (reason != Finished::abort && reason != Finished::error) {
        // Answers that were given up would make the others look faster than they are.
        const Usage& usage = event.usage;
        if (choice.generated == 0) metrics_.prompt_tokens.add(uint64_t(usage.prompt_tokens));  // read, not answered
        metrics_.whole.observe(now - request_->began());
        metrics_.queue.observe(usage.queue_seconds);
        metrics_.prefill.observe(usage.prompt_seconds);
        metrics_.decode.observe(usage.decode_seconds);
        metrics_.inference.observe(usage.prompt_seconds + usage.decode_seconds);
        metrics_.request_prompt_tokens.observe(double(usage.prompt_tokens));
        metrics_.request_generation_tokens.observe(double(usage.generated_tokens));
        if (choice.generated > 1)
            metrics_.per_output_token.observe(usage.decode_seconds / double(choice.generated - 1));
    }
    request_->finished(has_failed ? "error" : name_of(event.reason));
    --unfinished_;
}

LiveRequest AnswerRecord::live() const {
    LiveRequest live{.id = request_->id(),
                     .model = prompt_.model,
                     .key = request_->key(),
                     .choices = int64_t(prompt_.choices),
                     .prompt_tokens = prompt_.tokens,
                     .prompt_tokens_done = std::min(prompt_done_.load(), prompt_.tokens),
                     .generated_tokens = generated_};
    const double now = monotonic_seconds(), first = first_token_;
    live.seconds = now - request_->began();
    using Phase = LiveRequest::Phase;
    live.phase = first > 0 ? Phase::answer : live.prompt_tokens_done > 0 ? Phase::prompt : Phase::waiting;
    if (first > 0 && live.generated_tokens > live.choices && now > first)
        live.tokens_per_second = double(live.generated_tokens - live.choices) / (now - first);
    return live;
}

}  // namespace hearth::server
