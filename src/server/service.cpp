#include "server/service.h"

#include <atomic>

#include "server/answer_reader.h"
#include "server/inbox.h"
#include "server/metrics/answer_record.h"
#include "server/prepare.h"

namespace hearth::server {

class Service::Run final : public Running, public std::enable_shared_from_this<Run> {
public:
    Run(Service& service, std::unique_ptr<AnswerSink> sink) : service_(service), sink_(std::move(sink)) {}

    // False: it is over already.
    bool start(ModelRequest request) {
        record_ = request.identity.record;
        if (auto begun = begin(std::move(request)); !begun) {
            if (record_) record_->is_rejected(begun.error().code);
            cancel();
            is_over_ = true;
            sink_->failed(begun.error());
            return false;
        }
        return true;
    }

    void cancel() override {
        is_cancelled_ = true;
        std::vector<RequestId> ids;
        {
            std::lock_guard lock(mutex_);
            ids = ids_;
        }
        for (const RequestId id : ids) model_->engine().cancel(id);
    }

    void read() {
        while (true) {
            auto events = inbox_->take();
            if (events.empty()) return;
            for (auto& [choice, event] : events)
                if (!is_over_) take(choice, event);
            if (is_over_) return service_.over(shared_from_this());
        }
    }

private:
    ApiResult<> begin(ModelRequest request) {
        const bool has_scores = request.logprobs >= 0;
        model_ = API_TRY(service_.model(request.model));
        Prepared prepared = API_TRY(prepare(*model_, request));
        const PromptInfo& info = prepared.info;
        if (info.prompt_tokens >= info.context_tokens)
            return std::unexpected(ApiError{
                400,
                fmt::format("the prompt has {} tokens, the context holds {} and an answer needs some too; shorten it, "
                            "or start the server with a larger --ctx",
                            info.prompt_tokens, info.context_tokens),
                "context_length_exceeded", "messages"});
        for (size_t choice = 0; choice < prepared.requests.size(); ++choice)
            answers_.emplace_back(model_->engine().tokenizer(), prepared.is_chat, prepared.begins_in_thought,
                                  has_scores);
        left_ = answers_.size();
        std::shared_ptr<AnswerRecord> noted;
        if (record_) noted = record_->begins(model_->name(), info.prompt_tokens, answers_.size());
        inbox_->wake = [&encoders = service_.encoders_, weak = weak_from_this()] {
            encoders.post([weak] {
                if (const auto self = weak.lock()) self->read();
            });
        };
        for (size_t choice = 0; choice < prepared.requests.size(); ++choice) {
            const RequestId id = API_TRY(model_->engine().submit(std::move(prepared.requests[choice]),
                                                                 [inbox = inbox_, noted, choice](const Event& event) {
                                                                     if (noted) noted->event(choice, event);
                                                                     inbox->put(choice, event);
                                                                 }));
            std::lock_guard lock(mutex_);
            ids_.push_back(id);
        }
        if (is_cancelled_) cancel();  // it came while the ids were not known
        sink_->begin(info);
        return {};
    }

    void take(size_t choice, const Event& event) {
        switch (event.kind) {
            case Event::Kind::progress:
                return sink_->progress(event.tokens_done);
            case Event::Kind::token:
                return hand_on(choice, event);
            case Event::Kind::finish:
                hand_on(choice, event);
                sink_->ended(int64_t(choice), answers_[choice].end(event));
                is_over_ = --left_ == 0;
                return;
            case Event::Kind::failed:
                is_over_ = true;
                cancel();
                return sink_->failed(api_error(event.error));
        }
    }

    void hand_on(size_t choice, const Event& event) {
        AnswerPart part;
        answers_[choice].take(event, part);
        if (!part.events.empty() || !part.scores.empty()) sink_->part(int64_t(choice), part);
    }

    Service& service_;
    std::unique_ptr<AnswerSink> sink_;
    std::shared_ptr<RequestRecord> record_;
    std::shared_ptr<const ServedModel> model_;
    const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
    std::vector<AnswerReader> answers_;
    size_t left_ = 0;
    bool is_over_ = false;  // of the one thread that reads
    std::atomic<bool> is_cancelled_ = false;
    std::mutex mutex_;
    std::vector<RequestId> ids_;
};

std::shared_ptr<Running> Service::run(ModelRequest request, std::unique_ptr<AnswerSink> sink) {
    auto run = std::make_shared<Run>(*this, std::move(sink));
    keep(run);
    if (!run->start(std::move(request))) {
        over(run);
        return nullptr;
    }
    encoders_.post([run] { run->read(); });
    return run;
}

void Service::run(ModelRequest request, std::unique_ptr<AnswerSink> sink,
                  const std::function<void(std::function<void()> cancel)>& when_gone) {
    const std::weak_ptr<Running> running = run(std::move(request), std::move(sink));
    when_gone([&encoders = encoders_, running] {
        encoders.post([running] {
            if (const auto one = running.lock()) one->cancel();
        });
    });
}

ApiResult<std::shared_ptr<const ServedModel>> Service::model(const std::string& name) {
    auto model = models_.get(name);
    if (model) return std::move(*model);
    ApiError error = api_error(model.error());
    if (model.error().kind == ErrorKind::not_found) error.code = "model_not_found";
    error.param = "model";
    return std::unexpected(std::move(error));
}

void Service::keep(std::shared_ptr<Running> run) {
    std::lock_guard lock(mutex_);
    running_.insert(std::move(run));
}

void Service::over(const std::shared_ptr<Running>& run) {
    std::lock_guard lock(mutex_);
    running_.erase(run);
    changed_.notify_all();
}

void Service::cancel_all() {
    std::set<std::shared_ptr<Running>> all;
    {
        std::lock_guard lock(mutex_);
        all = running_;
    }
    for (const auto& run : all) run->cancel();
}

void Service::wait_until_idle() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return running_.empty(); });
}

}  // namespace hearth::server
