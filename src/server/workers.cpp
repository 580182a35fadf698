#include "server/workers.h"

namespace hearth::server {

Workers::Workers(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

Workers::~Workers() {
    {
        std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    arrived_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

void Workers::post(std::function<void()> work) {
    {
        std::lock_guard lock(mutex_);
        if (is_stopping_) return;
        waiting_.push_back(std::move(work));
        arrived_.notify_one();  // not later: the work could end all this before
    }
}

void Workers::run() {
    while (true) {
        std::unique_lock lock(mutex_);
        arrived_.wait(lock, [&] { return is_stopping_ || !waiting_.empty(); });
        if (is_stopping_) return;
        const std::function<void()> work = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        work();
    }
}

}  // namespace hearth::server
