#include "server/model_loads.h"

#include <chrono>
#include <utility>

namespace hearth::server {

// Somebody who waits: told once, and be it that nobody is left who could bring the model.
class ModelLoads::Waiting {
public:
    explicit Waiting(Wish wish) : wish_(std::move(wish)) {}
    Waiting(const Waiting&) = delete;
    ~Waiting() { take(fail(ErrorKind::cancelled, "the model is not loaded: the server stops")); }

    const std::string& by() const { return wish_.by; }
    void take(Taken model) {
        if (const auto then = std::exchange(wish_.then, {})) then(std::move(model));
    }
    void progress(double share) const {
        if (wish_.progress) wish_.progress(share);
    }

private:
    Wish wish_;
};

ModelLoads::ModelLoads(Models& models, Workers& workers, double tell_seconds)
    : models_(models), workers_(workers), tell_seconds_(tell_seconds), loader_([this] { load(); }), teller_([this] {
          tell();
      }) {}

void ModelLoads::stop() {
    {
        std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    changed_.notify_all();
    models_.give_up_loading();
    if (loader_.joinable()) loader_.join();
    if (teller_.joinable()) teller_.join();
    unloader_.reset();
    std::map<std::string, std::vector<std::shared_ptr<Waiting>>> left;
    std::lock_guard lock(mutex_);
    left.swap(waiting_);
}

void ModelLoads::get(Wish wish) {
    if (auto there = models_.at_once(wish.name)) return wish.then(std::move(*there));
    std::string name = models_.full_name(wish.name);
    const auto waiting = std::make_shared<Waiting>(std::move(wish));
    std::lock_guard lock(mutex_);
    if (is_stopping_) return;
    auto& all = waiting_[name];
    all.push_back(waiting);
    if (all.size() > 1) return;
    names_.push_back(std::move(name));
    changed_.notify_all();
}

void ModelLoads::unload(const std::string& name, const std::string& by, std::function<void(bool)> then) {
    std::lock_guard lock(mutex_);
    if (is_stopping_) return;
    unloader_->post([this, name, by, then = std::move(then)] {
        const bool is_gone = models_.unload(name, by);
        workers_.post([then, is_gone] { then(is_gone); });
    });
}

void ModelLoads::load() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [&] { return is_stopping_ || !names_.empty(); });
        if (is_stopping_) return;
        const std::string name = std::move(names_.front());
        names_.pop_front();
        const std::string by = waiting_.at(name).front()->by();
        lock.unlock();
        Taken model = models_.get(name, by);
        lock.lock();
        const auto all = std::move(waiting_.extract(name).mapped());
        lock.unlock();
        // Nothing but their requests may hold it: else it would still count as used when they have their answers.
        for (const auto& one : all)
            workers_.post(
                [one, own = &one == &all.back() ? std::move(model) : model]() mutable { one->take(std::move(own)); });
        lock.lock();
    }
}

void ModelLoads::tell() {
    std::unique_lock lock(mutex_);
    while (!is_stopping_) {
        changed_.wait(lock, [&] { return is_stopping_ || !waiting_.empty(); });
        changed_.wait_for(lock, std::chrono::duration<double>(tell_seconds_), [&] { return is_stopping_; });
        const auto all = waiting_;
        lock.unlock();
        for (const auto& [name, list] : all)
            for (const auto& one : list) one->progress(models_.loading_share(name));
        lock.lock();
    }
}

}  // namespace hearth::server
