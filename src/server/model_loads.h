// Waits for models in the place of the requests that want them: who asks for a model in memory goes on at once, the
// others hold no thread while theirs is read.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/models.h"
#include "server/workers.h"

namespace hearth::server {

class ModelLoads {
public:
    using Taken = Result<std::shared_ptr<const ServedModel>>;
    struct Wish {
        std::string name;  // of a model, as Models::get() takes it
        std::string by;    // whose wish it is
        // Once: at once on the calling thread where the model is there or nobody knows it, else on a worker.
        std::function<void(Taken)> then;
        std::function<void(double share)> progress = {};  // of reading it, 0 .. 1, every now and then; may be empty
    };

    // `tell_seconds`: between two words about the progress, and before the first.
    ModelLoads(Models& models, Workers& workers, double tell_seconds);
    ~ModelLoads() { stop(); }

    void get(Wish wish);
    // Takes it out of memory, which may take seconds; `then` on a worker. False: somebody uses it.
    void unload(const std::string& name, const std::string& by, std::function<void(bool)> then);
    // Those who wait are told that nothing comes any more, as is everybody who comes later for what is not in memory.
    void stop();

private:
    class Waiting;
    void load();
    void tell();

    Models& models_;
    Workers& workers_;
    const double tell_seconds_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, std::vector<std::shared_ptr<Waiting>>> waiting_;  // by the name of the model
    std::deque<std::string> names_;                                         // of those to be read, in their order
    bool is_stopping_ = false;
    std::thread loader_, teller_;
    std::unique_ptr<Workers> unloader_ = std::make_unique<Workers>(1);  // null: it has stopped
};

}  // namespace hearth::server
