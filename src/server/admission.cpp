#include "server/admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/os.h"

namespace hearth::server {

Admission::Admission(int64_t places, size_t most_waiting)
    : places_(std::max<int64_t>(places, 1)),
      // Whoever finds a place free waits for a moment, too.
      queue_(most_waiting + size_t(places_)) {}

Admission::~Admission() {
    {
        std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    changed_.notify_all();
    if (watcher_.joinable()) watcher_.join();
}

ApiError Admission::full() const {
    const double seconds = double(queue_.size()) * usual_seconds_ / double(places_);
    const int64_t retry = std::clamp<int64_t>(int64_t(std::ceil(seconds)), 1, 600);
    return {.status = 429,
            .message = fmt::format("{} requests wait for this model already; come again in {} s", queue_.size(), retry),
            .code = "queue_full",
            .retry_seconds = retry};
}

ApiResult<> Admission::enter(std::vector<Applicant> applicants) {
    {
        std::lock_guard lock(mutex_);
        if (applicants.empty()) return {};
        if (applicants.size() > queue_.most_waiting())
            return std::unexpected(ApiError{
                400, fmt::format("this asks for {} answers, {} are the most that may wait and begin here at once",
                                 applicants.size(), queue_.most_waiting())});
        // Those that begin at once do not wait.
        const size_t free = size_t(places_ - std::min(inside_, places_));
        const size_t most = queue_.most_waiting() - size_t(places_) + free;
        if (queue_.size() + applicants.size() > most || !queue_.has_room(applicants[0].entry.client, applicants.size()))
            return std::unexpected(full());
        add(std::move(applicants), false);
    }
    changed_.notify_all();
    hand_on();
    return {};
}

void Admission::enter_more(std::vector<Applicant> applicants) {
    {
        std::lock_guard lock(mutex_);
        add(std::move(applicants), true);
    }
    changed_.notify_all();
    hand_on();
}

void Admission::add(std::vector<Applicant> applicants, bool is_more) {
    for (Applicant& one : applicants) {
        if (std::isfinite(one.entry.deadline) && !watcher_.joinable())
            watcher_ = std::thread([this] { watch_deadlines(); });
        queue_.add(one.entry, is_more);
        const FairQueue::Ticket ticket = one.entry.ticket;
        applicants_.emplace(ticket, std::move(one));
    }
}

bool Admission::leave(FairQueue::Ticket ticket) {
    std::lock_guard lock(mutex_);
    applicants_.erase(ticket);
    const bool waited = queue_.remove(ticket);
    emptied_.notify_all();
    return waited;
}

void Admission::release(double seconds) {
    {
        std::lock_guard lock(mutex_);
        usual_seconds_ += (seconds - usual_seconds_) * (usual_seconds_ == 0 ? 1 : 0.1);
        --inside_;
    }
    hand_on();
    std::lock_guard lock(mutex_);
    emptied_.notify_all();
}

void Admission::wait_until_empty() {
    std::unique_lock lock(mutex_);
    emptied_.wait(lock, [&] { return inside_ == 0 && queue_.size() == 0; });
}

void Admission::hand_on() {
    while (true) {
        Applicant next;
        {
            std::lock_guard lock(mutex_);
            if (inside_ >= places_ || is_stopping_) return;
            const auto ticket = queue_.next();
            if (!ticket) return;
            next = std::move(applicants_.extract(*ticket).mapped());
            ++inside_;
        }
        const bool is_late = next.entry.deadline <= monotonic_seconds();
        if (is_late) next.late();
        if (!is_late && next.start()) continue;
        std::lock_guard lock(mutex_);
        --inside_;
        emptied_.notify_all();
    }
}

void Admission::watch_deadlines() {
    std::unique_lock lock(mutex_);
    while (!is_stopping_) {
        const double wait = queue_.first_deadline() - monotonic_seconds();
        if (std::isinf(wait))
            changed_.wait(lock);
        else if (wait > 0)
            changed_.wait_for(lock, std::chrono::duration<double>(wait));
        std::vector<Applicant> late;
        for (const FairQueue::Ticket ticket : queue_.take_late(monotonic_seconds()))
            late.push_back(std::move(applicants_.extract(ticket).mapped()));
        if (late.empty()) continue;
        lock.unlock();
        for (const Applicant& one : late) one.late();
        late.clear();
        lock.lock();
        emptied_.notify_all();
    }
}

int64_t Admission::waiting() const {
    std::lock_guard lock(mutex_);
    return int64_t(queue_.size());
}

}  // namespace hearth::server
