#include "backends/cpu/threads.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace hearth {

namespace {

// A step leaves gaps of some microseconds between two jobs; a worker that sleeps costs 5 to 40 us to wake. Beyond this
// it gives the core back.
constexpr auto kWorkerSpin = std::chrono::microseconds(50);
constexpr auto kCallerSpin = std::chrono::microseconds(10);
constexpr auto kCallerYield = std::chrono::microseconds(50);

using Clock = std::chrono::steady_clock;

void pause_cpu() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

void futex_wait(std::atomic<uint32_t>& word, uint32_t while_equal) {
    syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, while_equal, nullptr, nullptr, 0);
}

void futex_wake(std::atomic<uint32_t>& word, int count) {
    syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

// True as soon as `ready` is, false when `limit` has passed.
template <class Ready>
bool spin(std::chrono::microseconds limit, Ready ready) {
    const auto start = Clock::now();
    for (;;) {
        for (int i = 0; i < 16; ++i) {
            if (ready()) return true;
            pause_cpu();
        }
        if (Clock::now() - start > limit) return false;
    }
}

constexpr uint64_t kUnclaimed = 0xFFFFFFFFu;

}  // namespace

ThreadPool::ThreadPool(int threads) {
    for (int thread = 1; thread < threads; ++thread) workers_.emplace_back([this, thread] { worker(thread); });
}

ThreadPool::~ThreadPool() {
    stop_.store(true);
    alarm_.fetch_add(1);
    futex_wake(alarm_, INT32_MAX);
    for (std::thread& worker : workers_) worker.join();
}

int64_t ThreadPool::grain_for(int64_t items, int64_t per_thread) const {
    const int64_t chunks = per_thread * threads();
    return std::max<int64_t>(1, (items + chunks - 1) / chunks);
}

void ThreadPool::run(int64_t items, int64_t grain, Work work) {
    if (items <= 0) return;
    grain = std::max(grain, (items + int64_t(kUnclaimed) - 1) / int64_t(kUnclaimed));
    const auto chunks = uint32_t((items + grain - 1) / grain);
    std::lock_guard lock(turn_);
    if (chunks == 1 || workers_.empty()) {
        for (int64_t begin = 0; begin < items; begin += grain) work(begin, std::min(items, begin + grain), 0);
        return;
    }
    // Nobody reads the job here: every chunk of the previous one is done, and without a chunk it is not looked at.
    job_ = {&work, items, grain, chunks};
    done_.store(0, std::memory_order_relaxed);
    const uint64_t generation = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
    ticket_.store(generation << 32 |
                  chunks);  // sequentially consistent, as is the sleeper's check: one of the two sees the other
    if (const uint32_t sleepers = sleepers_.load()) {
        alarm_.fetch_add(1);
        futex_wake(alarm_, int(std::min(sleepers, chunks - 1)));
    }
    const uint32_t mine = work_through(0);
    if (done_.fetch_add(mine, std::memory_order_acq_rel) + mine != chunks) wait_until_done(chunks);
}

uint32_t ThreadPool::work_through(int thread) {
    uint32_t count = 0;
    uint64_t ticket = ticket_.load(std::memory_order_acquire);
    while (ticket & kUnclaimed) {
        if (!ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel, std::memory_order_acquire))
            continue;
        const int64_t begin = int64_t(job_.chunks - (ticket & kUnclaimed)) * job_.grain;
        (*job_.work)(begin, std::min(job_.items, begin + job_.grain), thread);
        ++count;
        // From another job only after this thread's chunks were reported, and they are not yet: still the same
        // generation.
        ticket = ticket_.load(std::memory_order_acquire);
    }
    return count;
}

void ThreadPool::worker(int thread) {
    for (;;) {
        wait_for_work();
        if (stop_.load(std::memory_order_relaxed)) return;
        const uint32_t count = work_through(thread);
        if (count == 0) continue;
        const uint32_t chunks = job_.chunks;  // stable until the next line
        if (done_.fetch_add(count) + count == chunks && caller_sleeps_.load()) futex_wake(done_, 1);
    }
}

void ThreadPool::wait_for_work() {
    const auto ready = [this] { return (ticket_.load(std::memory_order_relaxed) & kUnclaimed) != 0; };
    if (spin(kWorkerSpin, ready)) return;
    for (;;) {
        const uint32_t alarm = alarm_.load();
        sleepers_.fetch_add(1);
        const bool stay = (ticket_.load() & kUnclaimed) == 0 && !stop_.load();
        if (stay) futex_wait(alarm_, alarm);
        sleepers_.fetch_sub(1);
        if (!stay || stop_.load() || ready()) return;
    }
}

void ThreadPool::wait_until_done(uint32_t chunks) {
    const auto ready = [&] { return done_.load(std::memory_order_acquire) == chunks; };
    if (spin(kCallerSpin, ready)) return;
    // The missing chunk's thread may be waiting for this very core.
    for (const auto start = Clock::now(); Clock::now() - start < kCallerYield;) {
        sched_yield();
        if (ready()) return;
    }
    caller_sleeps_.store(1);
    for (uint32_t done; (done = done_.load()) != chunks;) futex_wait(done_, done);
    caller_sleeps_.store(0);
}

}  // namespace hearth
