// The process's one thread pool. Work is cut into chunks that threads claim one by one; the caller takes part and waits
// for claimed chunks to finish, never for a thread to show up, so that a worker which lost its core to another process
// holds up nothing but the chunk it had in hand.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace hearth {

// A callable borrowed for the length of a call.
template <class Signature>
class function_ref;
template <class R, class... Args>
class function_ref<R(Args...)> {
public:
    template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, function_ref>) function_ref(F&& f)  // NOLINT: meant to convert
        : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* object, Args... args) -> R {
              return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
          }) {}
    R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

private:
    void* object_;
    R (*call_)(void*, Args...);
};

class ThreadPool {
public:
    explicit ThreadPool(int threads);  // at least 1; the caller of run() is one of them
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threads() const { return int(workers_.size()) + 1; }

    // Calls work(begin, end, thread) for disjoint ranges that cover [0, items), each `grain` items long (the last may
    // be shorter); `thread` is below threads() and no two calls run under the same number at once. Returns when all are
    // done, and what they wrote is visible. Not to be called from inside itself; calls from several threads take turns.
    using Work = function_ref<void(int64_t begin, int64_t end, int thread)>;
    void run(int64_t items, int64_t grain, Work work);

    // A grain that makes about `per_thread` chunks for every thread.
    int64_t grain_for(int64_t items, int64_t per_thread) const;

private:
    struct Job {
        const Work* work = nullptr;
        int64_t items = 0, grain = 1;
        uint32_t chunks = 0;
    };

    uint32_t work_through(int thread);  // claims and does chunks until none are left; how many it did
    void worker(int thread);
    void wait_for_work();
    void wait_until_done(uint32_t chunks);

    // Ticket: generation in the upper half, chunks nobody has claimed yet in the lower. Claiming is one
    // compare-and-swap of both, so a late thread cannot take a chunk of a job it has not seen; the job is read only
    // with a chunk of it in hand.
    alignas(64) std::atomic<uint64_t> ticket_{0};
    alignas(64) std::atomic<uint32_t> done_{0};  // chunks finished; the caller's futex
    std::atomic<uint32_t> caller_sleeps_{0};
    alignas(64) std::atomic<uint32_t> alarm_{0};  // the workers' futex
    std::atomic<uint32_t> sleepers_{0};
    std::atomic<bool> stop_{false};
    alignas(64) Job job_;
    std::mutex turn_;
    std::vector<std::thread> workers_;
};

}  // namespace hearth
