#include "server/embed_service.h"

#include <fmt/format.h>

#include <atomic>
#include <cmath>

#include "engine/judge.h"
#include "engine/vectors.h"
#include "server/inbox.h"
#include "server/metrics/answer_record.h"

namespace hearth::server {

namespace {

// As many at once as keep the engine busy: a queue of all would only be searched and stored, and others wait behind it.
constexpr size_t kTextsAhead = 64;

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
    Reading(Service& service, TextsSink sink) : service_(service), sink_(std::move(sink)) {}

    // False: it is over already.
    template <class Job>
    bool start(const Job& job) {
        record_ = job.identity.record;
        if (auto begun = begin(job); !begun) {
            if (record_) record_->is_rejected(begun.error().code);
            end(std::unexpected(std::move(begun).error()));
        }
        return !is_over_;
    }

    void cancel() override {
        is_cancelled_ = true;
        std::vector<RequestId> ids;
        {
            std::lock_guard lock(mutex_);
            ids = ids_;
        }
        for (const RequestId id : ids) plan_.model->engine().cancel(id);
    }

    void read() {
        while (true) {
            auto events = inbox_->take();
            if (events.empty()) return;
            for (auto& [index, event] : events)
                if (!is_over_) take(index, event);
            if (!is_over_)
                if (auto sent = submit_more(); !sent) end(std::unexpected(std::move(sent).error()));
            if (is_over_) return service_.over(shared_from_this());
        }
    }

private:
    template <class Job>
    ApiResult<> begin(const Job& job) {
        plan_.model = API_TRY(service_.model(job.model));
        plan_.result.model = plan_.model->name();
        API_TRY(plan_texts(job, plan_));
        rows_.resize(plan_.requests.size());
        service_.limits().charge(job.identity, plan_.result.tokens);
        inbox_->wake = [&encoders = service_.encoders(), weak = weak_from_this()] {
            encoders.post([weak] {
                if (const auto self = weak.lock()) self->read();
            });
        };
        return submit_more();
    }

    ApiResult<> submit_more() {
        for (; sent_ < std::min(plan_.requests.size(), done_ + kTextsAhead); ++sent_) {
            EmbedRequest& request = plan_.requests[sent_];
            std::shared_ptr<AnswerRecord> noted;
            if (record_) noted = record_->begins(plan_.model->name(), int64_t(request.tokens.size()), 1);
            const auto sink = [inbox = inbox_, noted, index = sent_](const Event& event) {
                if (noted) noted->event(0, event);
                if (event.kind != Event::Kind::progress) inbox->put({index, event});
            };
            const RequestId id = API_TRY(plan_.model->engine().submit(std::move(request), sink));
            std::lock_guard lock(mutex_);
            ids_.push_back(id);
        }
        if (is_cancelled_) cancel();  // it came while the last ids were not known
        return {};
    }

    void take(size_t index, Event& event) {
        if (event.kind == Event::Kind::failed) return end(std::unexpected(api_error(event.error)));
        if (event.reason == FinishReason::cancelled)
            return end(std::unexpected(ApiError{503, "the request was given up: the server stops", "cancelled"}));
        rows_[index] = std::move(event.embedding);
        if (++done_ < rows_.size()) return;
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
    std::shared_ptr<RequestRecord> record_;
    ReadingPlan plan_;
    using Events = Inbox<std::pair<size_t, Event>>;  // by the number of the text
    const std::shared_ptr<Events> inbox_ = std::make_shared<Events>();
    std::vector<std::vector<float>> rows_;
    size_t sent_ = 0, done_ = 0;
    bool is_over_ = false;  // of the one thread that reads
    std::atomic<bool> is_cancelled_ = false;
    std::mutex mutex_;
    std::vector<RequestId> ids_;
};

template <class Job>
void run_texts(Service& service, const Job& job, TextsSink sink, const WhenGone& when_gone) {
    auto reading = std::make_shared<Reading>(service, std::move(sink));
    service.keep(reading);
    if (!reading->start(job)) return service.over(reading);
    service.encoders().post([reading] { reading->read(); });
    when_gone([&encoders = service.encoders(), weak = std::weak_ptr(reading)] {
        encoders.post([weak] {
            if (const auto one = weak.lock()) one->cancel();
        });
    });
}

}  // namespace

void read_texts(Service& service, const EmbedJob& job, TextsSink sink, const WhenGone& when_gone) {
    run_texts(service, job, std::move(sink), when_gone);
}

void read_texts(Service& service, const RerankJob& job, TextsSink sink, const WhenGone& when_gone) {
    run_texts(service, job, std::move(sink), when_gone);
}

}  // namespace hearth::server
