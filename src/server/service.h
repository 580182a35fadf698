// Runs requests on models: makes the prompt, fits it into the context, submits it, and brings the engine's events to
// the request's sink on threads where that may take its time.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "server/api/api_error.h"
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
    // `encoders`: where sinks are called.
    Service(Models& models, Workers& encoders) : models_(models), encoders_(encoders) {}

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

    void cancel_all();
    void wait_until_idle();

private:
    class Run;

    Models& models_;
    Workers& encoders_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::shared_ptr<Running>> running_;
};

}  // namespace hearth::server
