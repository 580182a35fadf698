// Runs requests on models: makes the prompt, fits it into the context, hands it to the engine when its turn has come,
// and brings the engine's events to the request's sink on threads where that may take its time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "server/admission.h"
#include "server/api/api_error.h"
#include "server/limits.h"
#include "server/model_loads.h"
#include "server/models.h"
#include "server/request.h"
#include "server/workers.h"

namespace hearth::server {

// Gets a function that cancels, to be called once nobody wants the answer, from any thread (HttpReply::on_gone).
using WhenGone = std::function<void(std::function<void()> cancel)>;

// A request at work.
class Running {
public:
    virtual ~Running() = default;
    virtual void cancel() = 0;  // from any thread; takes as long as the engine needs to look up
};

class Service {
public:
    // `encoders`: where sinks are called. `most_waiting`: requests for a model beside those that are being answered.
    Service(Models& models, ModelLoads& loads, Workers& encoders, RateLimits& limits, size_t most_waiting = 256);

    // Does all that comes before the queue on the calling thread, or on a worker once the model is loaded. What goes
    // wrong goes to the sink. The answer goes on without the caller.
    void run(ModelRequest request, std::unique_ptr<AnswerSink> sink, const WhenGone& when_gone = {});

    Models& models() { return models_; }
    // One of them for `then`, on this thread where it is in memory, else on a worker once it is loaded: with the code
    // and the field that clients expect of an error.
    using WithModel = std::function<void(ApiResult<std::shared_ptr<const ServedModel>>)>;
    void with_model(const std::string& name, const Identity& who, WithModel then,
                    std::function<void(double share)> progress = {});
    // `then`, on a worker, is told whether it is out of memory: what somebody uses stays.
    void unload(const std::string& name, const Identity& who, std::function<void(bool)> then);

    // For requests of another kind (embed_service.h): from keep() to over() they are kept, and cancelled and waited for
    // with the rest.
    void keep(std::shared_ptr<Running> run);
    void over(const std::shared_ptr<Running>& run);
    Workers& encoders() { return encoders_; }
    // For what takes a moment and must not wait behind answers that are encoded: cancels, places that are handed on.
    Workers& errands() { return errands_; }
    RateLimits& limits() { return limits_; }
    std::shared_ptr<Admission> admission_of(const ServedModel& model);
    FairQueue::Ticket next_ticket() { return next_ticket_++; }

    // Told what whoever runs this server should know; before the first request.
    void tell(std::function<void(const std::string&)> notice) { cache_watch_.notice = std::move(notice); }

    int64_t waiting(const std::string& model);  // requests whose turn has not come

    void cancel_all();
    void wait_until_idle();

private:
    class Run;

    Models& models_;
    ModelLoads& loads_;
    Workers& encoders_;
    RateLimits& limits_;
    const size_t most_waiting_;
    CacheWatch cache_watch_;
    std::atomic<FairQueue::Ticket> next_ticket_ = 1;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::shared_ptr<Running>> running_;
    std::map<std::string, std::shared_ptr<Admission>> admissions_;  // by the name of the model
    Workers errands_{1};
};

}  // namespace hearth::server
