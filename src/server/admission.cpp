#include "server/admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

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
        const size_t free = size_t(places_) - std::min(inside_.size(), size_t(places_));
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

void Admission::release(FairQueue::Ticket ticket, double seconds) {
    {
        std::lock_guard lock(mutex_);
        usual_seconds_ += (seconds - usual_seconds_) * (usual_seconds_ == 0 ? 1 : 0.1);
        // Who was set aside and is over has no place to give.
        if (inside_.erase(ticket) == 0 && queue_.remove(ticket)) applicants_.erase(ticket);
    }
    hand_on();
    std::lock_guard lock(mutex_);
    emptied_.notify_all();
}

void Admission::wait_until_empty() {
    std::unique_lock lock(mutex_);
    emptied_.wait(lock, [&] { return inside_.empty() && queue_.size() == 0; });
}

void Admission::hand_on() {
    while (true) {
        Applicant next;
        {
            std::lock_guard lock(mutex_);
            if (is_stopping_) return;
            const auto ticket = int64_t(inside_.size()) < places_ ? queue_.next() : make_place();
            if (!ticket) return;
            next = inside_.insert(applicants_.extract(*ticket)).position->second;
        }
        const bool is_late = next.entry.deadline <= monotonic_seconds();
        if (is_late) next.late();
        if (!is_late && next.start()) continue;
        std::lock_guard lock(mutex_);
        inside_.erase(next.entry.ticket);
        emptied_.notify_all();
    }
}

// Whoever is set aside has paid for its turn; it waits for another one, before its equals.
std::optional<FairQueue::Ticket> Admission::make_place() {
    if (queue_.size() == 0) return std::nullopt;
    std::vector<const Applicant*> last_first;
    for (const auto& [ticket, one] : inside_)
        if (one.set_aside) last_first.push_back(&one);
    std::ranges::sort(last_first, std::greater(),
                      [](const Applicant* one) { return std::pair(one->entry.priority, one->entry.ticket); });
    for (const Applicant* one : last_first) {
        const FairQueue::Entry* hasty = queue_.first_of(one->entry.client);
        if (!hasty || hasty->priority >= one->entry.priority || !one->set_aside()) continue;
        const FairQueue::Ticket ticket = hasty->ticket;
        auto node = inside_.extract(one->entry.ticket);
        Applicant& waits = node.mapped();
        waits.start = waits.go_on;
        waits.entry.cost = 1;
        waits.entry.deadline = std::numeric_limits<double>::infinity();
        waits.entry.was_first = true;
        queue_.add(waits.entry, true);
        applicants_.insert(std::move(node));
        queue_.take_early(ticket);
        return ticket;
    }
    return std::nullopt;
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
