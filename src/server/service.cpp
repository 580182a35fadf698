#include "server/service.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/os.h"
#include "server/answer_reader.h"
#include "server/inbox.h"
#include "server/metrics/answer_record.h"
#include "server/prepare.h"

namespace hearth::server {

namespace {

// What happens to one choice of a request.
struct Happened {
    enum class What : uint8_t {
        begun,    // the engine has it
        event,    // the engine said something of it
        refused,  // the engine does not take it, or it may not begin any more
        left,     // it was cancelled while it waited
    } what = What::event;
    size_t choice = 0;
    Event event = {};
    ApiError error = {};
};

// What an answer may cost at most is seldom what it costs; who names no limit is expected to want this much.
constexpr int64_t kUsualAnswer = 1024, kMostExpected = 4096;

int64_t expected_tokens(const ModelRequest& request, const PromptInfo& info) {
    const int64_t wanted = request.max_tokens < 0 ? kUsualAnswer : std::min(request.max_tokens, kMostExpected);
    return std::min(wanted, info.context_tokens - info.prompt_tokens);
}

ApiError given_up() {
    return {503, "the answer was given up: the server stops", "cancelled"};
}

}  // namespace

class Service::Run final : public Running, public std::enable_shared_from_this<Run> {
public:
    using Loaded = std::shared_ptr<const ServedModel>;

    Run(Service& service, std::unique_ptr<AnswerSink> sink, std::shared_ptr<RequestRecord> record)
        : service_(service), sink_(std::move(sink)), record_(std::move(record)), arrived_(monotonic_seconds()) {}
    ~Run() override { settle(); }

    void loading(double share) {
        std::lock_guard lock(mutex_);  // start() and cancel() wait until it is said
        if (waits_for_model_) sink_->loading(share);
    }

    void start(ApiResult<Loaded> model, ModelRequest request) {
        if (!stops_waiting_for_model()) return;  // it was given up meanwhile
        auto begun = model ? begin(std::move(*model), std::move(request)) : std::unexpected(std::move(model).error());
        if (begun) return service_.encoders_.post([self = shared_from_this()] { self->read(); });
        if (record_) record_->is_rejected(begun.error().code);
        end_early(begun.error());
    }

    void cancel() override {
        is_cancelled_ = true;
        if (stops_waiting_for_model()) return end_early(given_up());
        std::vector<FairQueue::Ticket> tickets;
        {
            std::lock_guard lock(mutex_);
            tickets = tickets_;
        }
        for (size_t choice = 0; choice < tickets.size(); ++choice)
            if (admission_->leave(tickets[choice]) && !id_of(choice)) leaves(choice);  // else it was set aside
        for (size_t choice = 0; choice < tickets.size(); ++choice)
            if (const auto id = id_of(choice)) model_->engine().cancel(*id);
    }

    void read() {
        while (true) {
            auto all = inbox_->take();
            if (all.empty()) return;
            for (Happened& one : all)
                if (!is_over_) take(one);
            if (is_over_) return service_.over(shared_from_this());
        }
    }

private:
    bool stops_waiting_for_model() {
        std::lock_guard lock(mutex_);
        return std::exchange(waits_for_model_, false);
    }

    // Nobody reads yet.
    void end_early(const ApiError& error) {
        is_over_ = true;
        settle();
        sink_->failed(error);
        service_.over(shared_from_this());
    }

    ApiResult<> begin(Loaded model, ModelRequest request) {
        const bool has_scores = request.logprobs >= 0;
        model_ = std::move(model);
        Prepared prepared = API_TRY(prepare(*model_, request));
        info_ = std::move(prepared.info);
        for (size_t choice = 0; choice < prepared.requests.size(); ++choice)
            answers_.emplace_back(model_->engine().tokenizer(), prepared.is_chat, prepared.begins_in_thought,
                                  has_scores);
        left_ = answers_.size();
        if (record_) noted_ = record_->begins(model_->name(), info_.prompt_tokens, answers_.size());
        requests_ = std::move(prepared.requests);
        inbox_->wake = [&encoders = service_.encoders_, weak = weak_from_this()] {
            encoders.post([weak] {
                if (const auto self = weak.lock()) self->read();
            });
        };
        return enter(request);
    }

    // Every choice takes a place of its own.
    ApiResult<> enter(const ModelRequest& request) {
        identity_ = request.identity;
        wants_cache_report_ = request.wants_cache_report;
        const int64_t expected = expected_tokens(request, info_);
        std::vector<Admission::Applicant> applicants;
        std::vector<FairQueue::Ticket> tickets;
        for (size_t choice = 0; choice < requests_.size(); ++choice) {
            requests_[choice].partition = partition();
            Admission::Applicant& one = applicants.emplace_back();
            one.entry = {.ticket = service_.next_ticket(),
                         .client = identity_.id,
                         .cost = info_.prompt_tokens + expected,
                         .priority = request.turn.priority};
            if (request.turn.deadline_ms) one.entry.deadline = arrived_ + double(*request.turn.deadline_ms) / 1000;
            one.start = [weak = weak_from_this(), choice] {
                const auto self = weak.lock();
                return self && self->submit(choice);
            };
            one.set_aside = [weak = weak_from_this(), choice] {
                const auto self = weak.lock();
                return self && self->set_aside(choice);
            };
            one.go_on = [weak = weak_from_this(), choice] {
                const auto self = weak.lock();
                return self && self->go_on(choice);
            };
            one.late = [inbox = inbox_, noted = noted_, choice, deadline = request.turn.deadline_ms.value_or(0)] {
                refuse(*inbox, noted.get(), choice,
                       {503, fmt::format("the answer could not begin within deadline_ms, {} ms", deadline),
                        "deadline_exceeded", "deadline_ms"});
            };
            tickets.push_back(one.entry.ticket);
        }
        charged_ = info_.prompt_tokens + expected * int64_t(requests_.size());
        service_.limits_.charge(identity_, charged_);
        admission_ = service_.admission_of(*model_);
        {
            std::lock_guard lock(mutex_);
            tickets_ = std::move(tickets);
            ids_.resize(tickets_.size());
        }
        API_TRY(admission_->enter(std::move(applicants)));
        if (is_cancelled_) cancel();  // it came before all this was known
        return {};
    }

    // What one client has said is found in the cache by nobody else, not even by how long an answer takes, nor on the
    // disk by whoever has its place in a file of keys by then.
    std::string partition() const { return identity_.owner.empty() ? identity_.id : identity_.owner; }

    static void refuse(Inbox<Happened>& inbox, AnswerRecord* noted, size_t choice, ApiError error) {
        Event event;
        event.kind = Event::Kind::failed;
        if (noted) noted->event(choice, event);
        inbox.put({Happened::What::refused, choice, {}, std::move(error)});
    }
    // It was cancelled before the engine had it.
    void leaves(size_t choice) {
        Happened left{Happened::What::left, choice};
        left.event.kind = Event::Kind::finish;
        left.event.reason = FinishReason::cancelled;
        left.event.usage.prompt_tokens = info_.prompt_tokens;
        if (noted_) noted_->event(choice, left.event);
        inbox_->put(std::move(left));
    }

    std::optional<RequestId> id_of(size_t choice) {
        std::lock_guard lock(mutex_);
        return ids_[choice];
    }
    bool set_aside(size_t choice) {
        const auto id = id_of(choice);
        if (!id || !model_->engine().set_aside(*id)) return false;
        if (noted_) noted_->is_set_aside();
        return true;
    }
    bool go_on(size_t choice) {
        const auto id = id_of(choice);
        return id && model_->engine().go_on(*id);
    }

    // On the thread that made room. False: the place stays free.
    bool submit(size_t choice) {
        if (is_cancelled_) {
            leaves(choice);
            return false;
        }
        const double now = monotonic_seconds();
        auto sink = [inbox = inbox_, noted = noted_, choice, &errands = service_.errands_, admission = admission_, now,
                     ticket = tickets_[choice], waited = now - arrived_](const Event& event) {
            Happened happened{Happened::What::event, choice, event};
            happened.event.usage.queue_seconds += waited;
            if (noted) noted->event(choice, happened.event);
            // Not here: whoever is next is handed to the engine, which this is a thread of. Before the client hears of
            // the end, for it may have more to ask.
            if (event.kind == Event::Kind::finish || event.kind == Event::Kind::failed)
                errands.post([=] { admission->release(ticket, monotonic_seconds() - now); });
            inbox->put(std::move(happened));
        };
        const auto id = model_->engine().submit(std::move(requests_[choice]), std::move(sink));
        if (!id) {
            refuse(*inbox_, noted_.get(), choice, api_error(id.error()));
            return false;
        }
        {
            std::lock_guard lock(mutex_);
            ids_[choice] = *id;
        }
        inbox_->put({Happened::What::begun, choice});
        if (is_cancelled_) model_->engine().cancel(*id);
        return true;
    }

    void take(Happened& one) {
        if (one.what == Happened::What::refused) {
            if (record_) record_->is_rejected(one.error.code);
            return fail_with(one.error);
        }
        if (one.what == Happened::What::left && !has_begun_) return fail_with(given_up());
        if (one.event.kind == Event::Kind::failed && one.what == Happened::What::event)
            return fail_with(api_error(one.event.error));
        if (!std::exchange(has_begun_, true)) sink_->begin(info_);
        if (one.what != Happened::What::begun) take(one.choice, one.event);
    }

    void take(size_t choice, Event& event) {
        if (event.kind == Event::Kind::progress) return sink_->progress(event.tokens_done);
        if (event.kind == Event::Kind::token) ++generated_;
        AnswerPart part;
        answers_[choice].take(event, part);
        if (!part.events.empty() || !part.scores.empty()) sink_->part(int64_t(choice), part);
        if (event.kind != Event::Kind::finish) return;
        is_over_ = --left_ == 0;
        if (is_over_) settle();
        AnswerEnd end = answers_[choice].end(event);
        const CacheWatch::Prompt prompt{.partition = partition(),
                                        .client = identity_.name.empty() ? identity_.id : identity_.name,
                                        .model = info_.model,
                                        .places = info_.places.get(),
                                        .counts = choice == 0};
        auto cache = service_.cache_watch_.look(event.prefix, prompt, model_->engine().tokenizer());
        if (wants_cache_report_) end.cache = std::move(cache);
        sink_->ended(int64_t(choice), end);
    }

    void fail_with(const ApiError& error) {
        is_over_ = true;
        cancel();
        settle();
        sink_->failed(error);
    }

    // What was charged in advance becomes what it was. Before the client hears of the end: its next request counts on
    // it.
    void settle() {
        const int64_t used = has_begun_ ? info_.prompt_tokens + generated_ : 0;
        const int64_t charged = std::exchange(charged_, 0);
        if (charged != 0) service_.limits_.charge(identity_, used - charged);
    }

    Service& service_;
    std::unique_ptr<AnswerSink> sink_;
    std::shared_ptr<RequestRecord> record_;
    std::shared_ptr<AnswerRecord> noted_;
    bool wants_cache_report_ = false;
    const double arrived_;
    Identity identity_;
    PromptInfo info_;
    std::shared_ptr<const ServedModel> model_;
    std::shared_ptr<Admission> admission_;
    const std::shared_ptr<Inbox<Happened>> inbox_ = std::make_shared<Inbox<Happened>>();
    std::vector<Request> requests_;  // until the engine has them
    std::vector<AnswerReader> answers_;
    size_t left_ = 0;
    int64_t charged_ = 0, generated_ = 0;
    bool has_begun_ = false, is_over_ = false;  // of the one thread that reads
    bool waits_for_model_ = true;               // with mutex_, as are
    std::atomic<bool> is_cancelled_ = false;
    std::mutex mutex_;
    std::vector<std::optional<RequestId>> ids_;  // of the choices that the engine has
    std::vector<FairQueue::Ticket> tickets_;
};

Service::Service(Models& models, ModelLoads& loads, Workers& encoders, RateLimits& limits, size_t most_waiting)
    : models_(models), loads_(loads), encoders_(encoders), limits_(limits), most_waiting_(most_waiting) {}

std::shared_ptr<Admission> Service::admission_of(const ServedModel& model) {
    std::lock_guard lock(mutex_);
    std::shared_ptr<Admission>& found = admissions_[model.name()];
    if (!found) found = std::make_shared<Admission>(model.engine().options().sequences, most_waiting_);
    return found;
}

int64_t Service::waiting(const std::string& model) {
    std::shared_ptr<Admission> admission;
    {
        std::lock_guard lock(mutex_);
        if (const auto found = admissions_.find(model); found != admissions_.end()) admission = found->second;
    }
    return admission ? admission->waiting() : 0;
}

void Service::run(ModelRequest request, std::unique_ptr<AnswerSink> sink, const WhenGone& when_gone) {
    const auto run = std::make_shared<Run>(*this, std::move(sink), request.identity.record);
    keep(run);
    if (when_gone)
        when_gone([this, weak = std::weak_ptr(run)] {
            errands_.post([weak] {
                if (const auto one = weak.lock()) one->cancel();
            });
        });
    const auto kept = std::make_shared<ModelRequest>(std::move(request));
    with_model(
        kept->model, kept->identity,
        [run, kept](ApiResult<Run::Loaded> model) { run->start(std::move(model), std::move(*kept)); },
        [run](double share) { run->loading(share); });
}

void Service::with_model(const std::string& name, const Identity& who, WithModel then,
                         std::function<void(double share)> progress) {
    auto take = [then = std::move(then)](ModelLoads::Taken model) {
        if (model) return then(std::move(*model));
        ApiError error = api_error(model.error());
        if (model.error().kind == ErrorKind::not_found) error.code = "model_not_found";
        if (model.error().kind == ErrorKind::cancelled) error.status = 503;
        error.param = "model";
        then(std::unexpected(std::move(error)));
    };
    loads_.get({.name = name, .by = who.id, .then = std::move(take), .progress = std::move(progress)});
}

void Service::unload(const std::string& name, const Identity& who, std::function<void(bool)> then) {
    loads_.unload(name, who.id, std::move(then));
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
    std::map<std::string, std::shared_ptr<Admission>> admissions;
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return running_.empty(); });
        admissions = admissions_;
    }
    // Some were given up and are not out of the engine yet.
    for (const auto& [name, admission] : admissions) admission->wait_until_empty();
}

}  // namespace hearth::server
