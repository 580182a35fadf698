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
#include "server/models.h"
#include "server/request.h"
#include "server/workers.h"

namespace hearth::server {

// A request at work.
class Running {
public:
    virtual ~Running() = default;
    virtual void cancel() = 0;  // from any thread; takes as long as the engine needs to look up
};

class Service {
public:
    // `encoders`: where sinks are called. `most_waiting`: requests for a model beside those that are being answered.
    Service(Models& models, Workers& encoders, RateLimits& limits, size_t most_waiting = 256);

    // Does all that comes before the queue on the calling thread (loading a model, too). What goes wrong goes to the
    // sink. The answer goes on without the caller; null: it is over already.
    std::shared_ptr<Running> run(ModelRequest request, std::unique_ptr<AnswerSink> sink);
    // The same for an answer that nobody needs once `gone` says so: hand it a function that cancels, from any thread
    // and at once (HttpReply::on_gone).
    void run(ModelRequest request, std::unique_ptr<AnswerSink> sink,
             const std::function<void(std::function<void()> cancel)>& when_gone);

    Models& models() { return models_; }
    // One of them, loaded if need be; the error has the code and the field that clients expect.
    ApiResult<std::shared_ptr<const ServedModel>> model(const std::string& name);

    // For requests of another kind (embed_service.h): from keep() to over() they are kept, and cancelled and waited for
    // with the rest.
    void keep(std::shared_ptr<Running> run);
    void over(const std::shared_ptr<Running>& run);
    Workers& encoders() { return encoders_; }
    RateLimits& limits() { return limits_; }

    // Told what whoever runs this server should know; before the first request.
    void tell(std::function<void(const std::string&)> notice) { cache_watch_.notice = std::move(notice); }

    int64_t waiting(const std::string& model);  // requests whose turn has not come

    void cancel_all();
    void wait_until_idle();

private:
    class Run;
    std::shared_ptr<Admission> admission_of(const ServedModel& model);

    Models& models_;
    Workers& encoders_;
    RateLimits& limits_;
    const size_t most_waiting_;
    CacheWatch cache_watch_;
    std::atomic<FairQueue::Ticket> next_ticket_ = 1;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::shared_ptr<Running>> running_;
    std::map<std::string, std::shared_ptr<Admission>> admissions_;  // by the name of the model
};

}  // namespace hearth::server
