#include "server/embed_service.h"

#include <fmt/format.h>

#include <atomic>
#include <cmath>

#include "base/os.h"
#include "engine/judge.h"
#include "engine/vectors.h"
#include "server/inbox.h"
#include "server/metrics/answer_record.h"

namespace hearth::server {

namespace {

// Texts take places together, as many as a pass reads in one go: short ones would leave it half empty.
constexpr int64_t kBatchTokens = 512;

// What the texts of a job become before they are handed to the engine, and their rows afterwards.
struct ReadingPlan {
    std::shared_ptr<const ServedModel> model;
    std::vector<EmbedRequest> requests;
    TextsRead result;
    std::function<ApiResult<>(std::vector<float> row, TextsRead& result)> take;  // called in order
};

ApiError too_long(const std::string& what, size_t tokens, int64_t context_tokens) {
    return {400,
            fmt::format("{} has {} tokens, the context of this model holds {}; cut it into pieces", what, tokens,
                        context_tokens),
            "context_length_exceeded"};
}

ApiError not_finite() {
    return {500, "what the model made of a text is not finite; download or convert the model again"};
}

// What ends every text stays at the end.
void cut(std::vector<int32_t>& tokens, int64_t context_tokens, const Tokenizer& tokenizer) {
    const int32_t last = tokens.back();
    tokens.resize(size_t(context_tokens));
    if (tokenizer.type(last) == TokenType::control) tokens.back() = last;
}

class EmbedPlanner {
public:
    EmbedPlanner(const EmbedJob& job, ReadingPlan& plan) : job_(job), plan_(plan), reader_(plan.model->texts()) {}

    ApiResult<> run() {
        auto usual = reader_.usual_pooling();
        if (!usual) return std::unexpected(ApiError{400, usual.error().what + "; use /v1/rerank", {}, "model"});
        pooling_ = usual->pooling;
        if (usual->is_guess) plan_.result.notes.emplace_back(kPoolingGuessed);
        if (!job_.role.empty()) {
            auto prefix = reader_.prefix(job_.role);
            if (!prefix)
                return std::unexpected(
                    ApiError{400, prefix.error().what + "; put it in front of the texts yourself", {}, "input_type"});
            prefix_ = std::move(*prefix);
        }
        for (size_t i = 0; i < job_.texts.size(); ++i) API_TRY(add(i));
        plan_.take = [dimensions = job_.dimensions, normalises = job_.normalises](std::vector<float> row,
                                                                                  TextsRead& result) -> ApiResult<> {
            if (!is_finite(row)) return std::unexpected(not_finite());
            if (dimensions > int64_t(row.size()))
                return std::unexpected(
                    ApiError{400,
                             fmt::format("dimensions is {}, the vectors of this model have {}", dimensions, row.size()),
                             {},
                             "dimensions"});
            if (dimensions > 0) row.resize(size_t(dimensions));
            if (normalises) normalise(row);
            result.vectors.push_back(std::move(row));
            return {};
        };
        return {};
    }

private:
    ApiResult<> add(size_t index) {
        const std::string what = job_.texts.size() == 1 ? job_.field : fmt::format("{}[{}]", job_.field, index);
        const EmbedJob::Text& text = job_.texts[index];
        std::vector<int32_t> tokens;
        if (const auto* ids = std::get_if<std::vector<int32_t>>(&text))
            tokens = *ids;
        else
            tokens = API_TRY(reader_.text(prefix_ + std::get<std::string>(text), pooling_));
        const auto refuse = [&](ApiError error) {
            error.param = what;
            return std::unexpected(std::move(error));
        };
        if (tokens.empty()) return refuse({400, what + " has no tokens; give some text"});
        for (const int32_t id : tokens)
            if (id < 0 || id >= plan_.model->engine().model().vocabulary)
                return refuse({400, fmt::format("{} holds {}, which is no token of this model: ids go from 0 to {}",
                                                what, id, plan_.model->engine().model().vocabulary - 1)});
        const int64_t most = plan_.model->engine().plan().context_tokens;
        if (int64_t(tokens.size()) > most) {
            if (!job_.truncates) return refuse(too_long(what, tokens.size(), most));
            plan_.result.notes.push_back(
                fmt::format("{} has {} tokens and was cut to the {} of the context", what, tokens.size(), most));
            cut(tokens, most, reader_.tokenizer());
        }
        plan_.result.tokens += int64_t(tokens.size());
        plan_.requests.push_back({.tokens = std::move(tokens), .pooling = pooling_, .each_row = {}});
        return {};
    }

    const EmbedJob& job_;
    ReadingPlan& plan_;
    const TextReader& reader_;
    Pooling pooling_ = Pooling::mean;
    std::string prefix_;
};

ApiResult<> plan_texts(const EmbedJob& job, ReadingPlan& plan) {
    return EmbedPlanner(job, plan).run();
}

ApiResult<> plan_texts(const RerankJob& job, ReadingPlan& plan) {
    auto judge = Judge::make(plan.model->texts());
    if (!judge)
        return std::unexpected(ApiError{
            400, judge.error().what + "; use a reranker, or compare the vectors of /v1/embeddings", {}, "model"});
    if (judge->judges_by_words())
        plan.result.notes.emplace_back(
            "the file has no classification head; a score is how likely the model says yes and not no");
    const int64_t most = plan.model->engine().plan().context_tokens;
    for (size_t i = 0; i < job.documents.size(); ++i) {
        auto tokens = API_TRY(judge->tokens(job.query, job.documents[i]));
        const std::string what = fmt::format("documents[{}]", i);
        ApiError error = too_long(what + " with its query", tokens.size(), most);
        error.param = what;
        if (int64_t(tokens.size()) > most) return std::unexpected(std::move(error));
        plan.result.tokens += int64_t(tokens.size());
        plan.requests.push_back(judge->request(std::move(tokens)));
    }
    plan.take = [judge = *judge](const std::vector<float>& row, TextsRead& result) -> ApiResult<> {
        const double score = judge.score(row);
        if (!std::isfinite(score)) return std::unexpected(not_finite());
        result.scores.push_back(score);
        return {};
    };
    return {};
}

class Reading final : public Running, public std::enable_shared_from_this<Reading> {
public:
    Reading(Service& service, TextsSink sink, Identity identity, Turn turn)
        : service_(service),
          sink_(std::move(sink)),
          identity_(std::move(identity)),
          turn_(turn),
          record_(identity_.record),
          arrived_(monotonic_seconds()) {}

    template <class Job>
    void start(ApiResult<std::shared_ptr<const ServedModel>> model, const Job& job) {
        auto begun = model ? begin(std::move(*model), job) : std::unexpected(std::move(model).error());
        if (begun) return service_.encoders().post([self = shared_from_this()] { self->read(); });
        if (record_) record_->is_rejected(begun.error().code);
        end(std::unexpected(std::move(begun).error()));
        service_.over(shared_from_this());
    }

    void cancel() override {
        is_cancelled_ = true;
        std::vector<RequestId> ids;
        std::vector<std::pair<FairQueue::Ticket, size_t>> tickets;
        {
            std::lock_guard lock(mutex_);
            ids = ids_;
            tickets = tickets_;
        }
        for (const auto& [ticket, batch] : tickets)
            if (admission_->leave(ticket)) leaves(batch);
        for (const RequestId id : ids) plan_.model->engine().cancel(id);
    }

    void read() {
        while (true) {
            auto all = inbox_->take();
            if (all.empty()) return;
            for (Happened& one : all)
                if (!is_over_) take(one);
            if (!is_over_)
                if (auto more = next_batches(); !more.empty()) admission_->enter_more(std::move(more));
            if (is_cancelled_) cancel();  // it came while the last tickets were not known
            if (is_over_) return service_.over(shared_from_this());
        }
    }

private:
    // Texts that take one place together: as many as fill a pass. `left` of them are with the engine.
    struct Batch {
        size_t begin = 0, end = 0;
        int64_t tokens = 0;
        FairQueue::Ticket ticket = 0;
        std::shared_ptr<std::atomic<size_t>> left;
    };
    struct Happened {
        size_t text = 0;
        Event event;
        std::optional<ApiError> refused;
    };

    template <class Job>
    ApiResult<> begin(std::shared_ptr<const ServedModel> model, const Job& job) {
        plan_.model = std::move(model);
        plan_.result.model = plan_.model->name();
        API_TRY(plan_texts(job, plan_));
        rows_.resize(plan_.requests.size());
        make_batches();
        inbox_->wake = [&encoders = service_.encoders(), weak = weak_from_this()] {
            encoders.post([weak] {
                if (const auto self = weak.lock()) self->read();
            });
        };
        admission_ = service_.admission_of(*plan_.model);
        API_TRY(admission_->enter(next_batches()));
        service_.limits().charge(identity_, plan_.result.tokens);
        if (is_cancelled_) cancel();  // it came before all this was known
        return {};
    }

    void make_batches() {
        for (size_t text = 0; text < plan_.requests.size(); ++text) {
            if (batches_.empty() || batches_.back().tokens >= kBatchTokens)
                batches_.push_back({.begin = text, .end = text, .left = {}});
            batches_.back().end = text + 1;
            batches_.back().tokens += int64_t(plan_.requests[text].tokens.size());
        }
    }

    // As many wait or are read as there are places: the others' turns come in between.
    std::vector<Admission::Applicant> next_batches() {
        std::vector<Admission::Applicant> applicants;
        const size_t most = std::min(batches_.size(), batches_done_ + size_t(admission_->places()));
        for (; batches_sent_ < most; ++batches_sent_) {
            Admission::Applicant& one = applicants.emplace_back();
            batches_[batches_sent_].ticket = service_.next_ticket();
            one.entry = {.ticket = batches_[batches_sent_].ticket,
                         .client = identity_.id,
                         .cost = batches_[batches_sent_].tokens,
                         .priority = turn_.priority};
            if (turn_.deadline_ms && batches_sent_ == 0) {
                one.entry.deadline = arrived_ + double(*turn_.deadline_ms) / 1000;
                one.late = [inbox = inbox_, ms = *turn_.deadline_ms] {
                    inbox->put({0,
                                {},
                                ApiError{503, fmt::format("the reading could not begin within deadline_ms, {} ms", ms),
                                         "deadline_exceeded", "deadline_ms"}});
                };
            }
            one.start = [weak = weak_from_this(), batch = batches_sent_] {
                const auto self = weak.lock();
                return self && self->submit(batch);
            };
            std::lock_guard lock(mutex_);
            tickets_.emplace_back(one.entry.ticket, batches_sent_);
        }
        return applicants;
    }

    // On the thread that made room. False: the place stays free.
    bool submit(size_t index) {
        Batch& batch = batches_[index];
        if (is_cancelled_) return leaves(index), false;
        batch.left = std::make_shared<std::atomic<size_t>>(batch.end - batch.begin);
        for (size_t text = batch.begin; text < batch.end; ++text) {
            const auto id = submit_text(text, batch);
            if (!id) {
                inbox_->put({text, {}, api_error(id.error())});
                // Those behind it are not begun; who holds the place is the last that was.
                const size_t others = batch.end - text;
                return batch.left->fetch_sub(others) > others;
            }
            std::lock_guard lock(mutex_);
            ids_.push_back(*id);
        }
        if (is_cancelled_) cancel();
        return true;
    }

    Result<RequestId> submit_text(size_t text, const Batch& batch) {
        EmbedRequest& request = plan_.requests[text];
        std::shared_ptr<AnswerRecord> noted;
        if (record_) noted = record_->begins(plan_.model->name(), int64_t(request.tokens.size()), 1);
        const double now = monotonic_seconds();
        auto sink = [inbox = inbox_, noted, text, left = batch.left, ticket = batch.ticket, now, admission = admission_,
                     &errands = service_.errands()](const Event& event) {
            if (noted) noted->event(0, event);
            if (event.kind == Event::Kind::progress) return;
            if (left->fetch_sub(1) == 1) errands.post([=] { admission->release(ticket, monotonic_seconds() - now); });
            inbox->put({text, event, {}});
        };
        return plan_.model->engine().submit(std::move(request), std::move(sink));
    }

    // A batch whose turn does not come any more.
    void leaves(size_t batch) {
        Event event;
        event.kind = Event::Kind::finish;
        event.reason = FinishReason::cancelled;
        inbox_->put({batches_[batch].begin, std::move(event), {}});
    }

    void take(Happened& one) {
        if (one.refused) {
            if (record_) record_->is_rejected(one.refused->code);
            return end(std::unexpected(std::move(*one.refused)));
        }
        if (one.event.kind == Event::Kind::failed) return end(std::unexpected(api_error(one.event.error)));
        if (one.event.reason == FinishReason::cancelled)
            return end(std::unexpected(ApiError{503, "the request was given up: the server stops", "cancelled"}));
        rows_[one.text] = std::move(one.event.embedding);
        ++done_;
        while (batches_done_ < batches_.size() && done_ >= batches_[batches_done_].end) ++batches_done_;
        if (done_ < rows_.size()) return;
        for (auto& row : rows_)
            if (auto taken = plan_.take(std::move(row), plan_.result); !taken)
                return end(std::unexpected(std::move(taken).error()));
        end(std::move(plan_.result));
    }

    void end(const ApiResult<TextsRead>& result) {
        is_over_ = true;
        cancel();  // what of it is still with the engine
        sink_(result);
        sink_ = nullptr;  // it may hold the client's connection
    }

    Service& service_;
    TextsSink sink_;
    const Identity identity_;
    const Turn turn_;
    std::shared_ptr<RequestRecord> record_;
    const double arrived_;
    ReadingPlan plan_;
    std::shared_ptr<Admission> admission_;
    const std::shared_ptr<Inbox<Happened>> inbox_ = std::make_shared<Inbox<Happened>>();
    std::vector<std::vector<float>> rows_;
    std::vector<Batch> batches_;
    size_t batches_sent_ = 0, batches_done_ = 0, done_ = 0;
    bool is_over_ = false;  // of the one thread that reads
    std::atomic<bool> is_cancelled_ = false;
    std::mutex mutex_;
    std::vector<RequestId> ids_;
    std::vector<std::pair<FairQueue::Ticket, size_t>> tickets_;
};

template <class Job>
void run_texts(Service& service, Job job, TextsSink sink, const WhenGone& when_gone) {
    const auto reading = std::make_shared<Reading>(service, std::move(sink), job.identity, job.turn);
    service.keep(reading);
    when_gone([&errands = service.errands(), weak = std::weak_ptr(reading)] {
        errands.post([weak] {
            if (const auto one = weak.lock()) one->cancel();
        });
    });
    const auto kept = std::make_shared<Job>(std::move(job));
    service.with_model(kept->model, kept->identity,
                       [reading, kept](ApiResult<std::shared_ptr<const ServedModel>> model) {
                           reading->start(std::move(model), *kept);
                       });
}

}  // namespace

void read_texts(Service& service, EmbedJob job, TextsSink sink, const WhenGone& when_gone) {
    run_texts(service, std::move(job), std::move(sink), when_gone);
}

void read_texts(Service& service, RerankJob job, TextsSink sink, const WhenGone& when_gone) {
    run_texts(service, std::move(job), std::move(sink), when_gone);
}

}  // namespace hearth::server
