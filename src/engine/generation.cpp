#include "engine/generation.h"

#include <algorithm>

#include "base/os.h"

namespace hearth {

namespace {

constexpr size_t kLongestPartition = 256;  // every kept page carries it

Result<> check(const Request& request, const ModelInfo& info, int64_t context_tokens) {
    if (!info.generates)
        return fail(ErrorKind::unsupported,
                    fmt::format("models of the family {} read texts and write none", info.architecture),
                    "use `hearth embed` or `hearth rerank`");
    TRY(check_tokens("prompt", request.tokens, info.vocabulary, context_tokens));
    if (request.max_tokens < -1 || request.max_tokens == 0)
        return fail(ErrorKind::bad_request, fmt::format("{} tokens to generate make no sense", request.max_tokens),
                    "ask for at least 1, or -1 for as many as fit");
    const int64_t count = int64_t(request.tokens.size());
    for (size_t i = 0; i < request.keep_at.size(); ++i)
        if (request.keep_at[i] <= (i == 0 ? 0 : request.keep_at[i - 1]) || request.keep_at[i] >= count)
            return fail(ErrorKind::bad_request,
                        fmt::format("the state after {} of {} prompt tokens cannot be kept", request.keep_at[i], count),
                        "name places within the prompt, in ascending order");
    if (request.public_tokens < 0 || request.public_tokens > count)
        return fail(ErrorKind::bad_request,
                    fmt::format("{} of {} prompt tokens cannot be public", request.public_tokens, count),
                    "name no more than there are");
    if (request.partition.size() > kLongestPartition)
        return fail(ErrorKind::bad_request,
                    fmt::format("the name of the cache partition has {} bytes, {} are allowed",
                                request.partition.size(), kLongestPartition),
                    "use a shorter one");
    for (const std::string& stop : request.stop)
        if (stop.empty()) return fail(ErrorKind::bad_request, "a stop string is empty", "leave it away");
    return {};
}

}  // namespace

Result<> check_tokens(std::string_view what, std::span<const int32_t> tokens, int64_t vocabulary,
                      int64_t context_tokens) {
    if (tokens.empty())
        return fail(ErrorKind::bad_request, fmt::format("the {} has no tokens", what), "give some text");
    const int64_t count = int64_t(tokens.size());
    if (count > context_tokens)
        return fail(ErrorKind::bad_request,
                    fmt::format("the {} has {} tokens, the context holds {}", what, count, context_tokens),
                    fmt::format("use --ctx {} or a shorter {}", count + 1, what));
    for (size_t i = 0; i < tokens.size(); ++i)
        if (tokens[i] < 0 || tokens[i] >= vocabulary)
            return fail(ErrorKind::bad_request,
                        fmt::format("token {} of the {} is {}, the vocabulary has the ids 0 to {}", i, what, tokens[i],
                                    vocabulary - 1));
    return {};
}

Generation::Generation(RequestId id, Request request, EventSink sink, const Tokenizer& tokenizer, Sampler sampler)
    : Job(id, std::move(request.tokens), std::move(sink)),
      request_(std::move(request)),
      tokenizer_(tokenizer),
      sampler_(std::move(sampler)),
      stream_(tokenizer, request_.stop) {}

Result<std::unique_ptr<Job>> Generation::make(RequestId id, Request request, EventSink sink, const Tokenizer& tokenizer,
                                              const ModelInfo& info, int64_t context_tokens) {
    TRY(check(request, info, context_tokens));
    Sampler sampler = TRY(Sampler::make(request.sampling, info.vocabulary));
    sampler.accept_prompt(request.tokens);
    std::unique_ptr<Generation> generation(
        new Generation(id, std::move(request), std::move(sink), tokenizer, std::move(sampler)));
    generation->context_tokens_ = context_tokens;
    return generation;
}

Work Generation::work() const {
    Work work{.waiting_tokens = int64_t(tokens_.size()) - done_, .to_boundary = 0, .is_generating = done_ >= to_read_};
    if (boundary_ < request_.boundaries.size()) work.to_boundary = request_.boundaries[boundary_] - done_;
    if (const int64_t to_mark = this->to_mark(); to_mark > 0)
        work.to_boundary = work.to_boundary > 0 ? std::min(work.to_boundary, to_mark) : to_mark;
    return work;
}

int64_t Generation::wanted(int64_t count) const {
    if (request_.logits) return count;
    return done_ + count == int64_t(tokens_.size()) ? 1 : 0;
}

void Generation::begin(double now, const PrefixReport& prefix, std::vector<Mark> marks) {
    Job::begin(now, prefix, std::move(marks));
    boundary_ = 0;
    while (boundary_ < request_.boundaries.size() && request_.boundaries[boundary_] <= done_) ++boundary_;
}

void Generation::take_row(int64_t token, std::span<const float> logits) {
    if (request_.logits) request_.logits(done_ + token, logits);
    if (done_ + token + 1 == int64_t(tokens_.size())) row_.assign(logits.begin(), logits.end());
}

void Generation::passed(int64_t count, double now) {
    const bool was_prompt = done_ < usage_.prompt_tokens;
    advance(count);  // also of one that was cancelled meanwhile: the cache holds them
    if (is_over_) return;
    while (boundary_ < request_.boundaries.size() && request_.boundaries[boundary_] <= done_) ++boundary_;
    if (was_prompt && done_ > told_) {
        told_ = done_;
        Event event{.kind = Event::Kind::progress, .tokens_done = done_, .seconds = seconds(now), .usage = usage_};
        sink_(event);
    }
    if (done_ == int64_t(tokens_.size())) choose();
}

void Generation::choose() {
    if (request_.max_tokens >= 0 && usage_.generated_tokens >= request_.max_tokens)
        return end(FinishReason::max_tokens);
    // What the guide leaves no choice about needs no pass of its own: it rides along with the next one.
    if (append_forced()) return;
    auto sampled = sampler_.sample(row_, request_.guide.get());
    if (!sampled) return fail_with(std::move(sampled).error());
    append(sampled->id, &*sampled);
    append_forced();
}

bool Generation::append_forced() {
    bool any = false;
    while (!is_over_ && request_.guide) {
        const auto forced = request_.guide->forced();
        if (forced.empty()) break;
        append(forced.front(), nullptr);
        any = true;
    }
    return any;
}

void Generation::append(int32_t token, const SampledToken* sampled) {
    const double now = monotonic_seconds();
    if (usage_.generated_tokens == 0) {
        first_token_ = now;
        usage_.prompt_seconds = now - started_;
    }
    last_token_ = now;
    usage_.decode_seconds = last_token_ - first_token_;
    ++usage_.generated_tokens;

    sampler_.accept(token);
    tokens_.push_back(token);
    Event event{.kind = Event::Kind::token, .seconds = seconds(now), .token = token};
    if (sampled) {
        event.logprob = sampled->logprob;
        event.top = sampled->top;
    }
    const bool is_end = !request_.ignore_end && tokenizer_.is_end(token);
    if (request_.guide && !is_end) {
        auto accepted = request_.guide->accept(token, tokenizer_.piece(token), event.guide);
        if (!accepted) return fail_with(std::move(accepted).error());
    }
    if (!is_end) event.text = stream_.push(token);
    sink_(event);

    if (is_end) return end(FinishReason::end);
    if (stream_.stopped()) return end(FinishReason::stop_string);
    if (request_.guide && request_.guide->finished()) return end(FinishReason::end);
    if (request_.detect_loops) {
        if (const auto loop = loops_.accept(token)) {
            loop_ = loop;
            return end(FinishReason::loop);
        }
    }
    if (request_.max_tokens >= 0 && usage_.generated_tokens >= request_.max_tokens)
        return end(FinishReason::max_tokens);
    if (int64_t(tokens_.size()) > context_tokens_) return end(FinishReason::context);
}

void Generation::end(FinishReason reason) {
    if (is_over_) return;
    is_over_ = true;
    Event event{.kind = Event::Kind::finish, .reason = reason, .usage = usage_, .prefix = prefix_};
    event.text = stream_.finish();
    if (reason == FinishReason::stop_string) event.stop_string = stream_.stop_string();
    if (reason == FinishReason::loop) event.loop = loop_;
    if (request_.guide) {
        if (auto finished = request_.guide->finish(event.guide); !finished) {
            is_over_ = false;
            return fail_with(std::move(finished).error());
        }
    }
    sink_(event);
}

void Generation::fail_with(Error error) {
    if (is_over_) return;
    is_over_ = true;
    Event event{.kind = Event::Kind::failed, .usage = usage_, .prefix = prefix_, .error = std::move(error)};
    event.text = stream_.finish();  // what was said is not lost
    sink_(event);
}

}  // namespace hearth
