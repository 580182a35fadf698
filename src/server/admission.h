// The door of one model: as many requests as its engine answers at the same time are inside, the others wait in a
// FairQueue that decides who is next. Where all places are taken, a request sets aside one of the same client that has
// a lower priority: that one waits again, and goes on when its turn has come.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "server/api/api_error.h"
#include "server/queue.h"

namespace hearth::server {

class Admission {
public:
    struct Applicant {
        FairQueue::Entry entry;
        // Its turn has come: begins, on the thread that made room. False: it does not want the place any more.
        std::function<bool()> start;
        std::function<void()> late;  // the deadline is over; on a thread of the Admission, must return soon
        // Gives its place up, and goes on; false: it is over. Both must return soon. Empty: it keeps its place.
        std::function<bool()> set_aside = {}, go_on = {};
    };

    Admission(int64_t places, size_t most_waiting);
    ~Admission();

    // All of them, or none: 429 when so many wait already. Some may start before it returns.
    ApiResult<> enter(std::vector<Applicant> applicants);
    void enter_more(std::vector<Applicant> applicants);  // of a request that has begun: they are not refused
    int64_t places() const { return places_; }
    bool leave(FairQueue::Ticket ticket);                    // waits no longer; false: it does not wait
    void release(FairQueue::Ticket ticket, double seconds);  // it is over, so long after it started
    void wait_until_empty();
    int64_t waiting() const;

private:
    void add(std::vector<Applicant> applicants, bool is_more);  // with mutex_
    void hand_on();
    std::optional<FairQueue::Ticket> make_place();  // with mutex_
    void watch_deadlines();
    ApiError full() const;

    const int64_t places_;
    mutable std::mutex mutex_;
    std::condition_variable changed_, emptied_;
    FairQueue queue_;
    std::map<FairQueue::Ticket, Applicant> applicants_, inside_;
    double usual_seconds_ = 0;  // that one is inside
    bool is_stopping_ = false;
    std::thread watcher_;  // runs once somebody has a deadline
};

}  // namespace hearth::server
