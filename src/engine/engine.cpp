// The engine's thread and its queue. Everything about one request is in generation.cpp or embedding.cpp, about one
// pass in forward.cpp.
#include "engine/engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/os.h"
#include "cache/disk_tier.h"
#include "cache/prefix_tree.h"
#include "engine/dry_breakers.h"
#include "engine/embedding.h"
#include "engine/fingerprint.h"
#include "engine/forward.h"
#include "engine/generation.h"
#include "engine/loaded_model.h"
#include "engine/scheduler.h"

namespace hearth {

std::string_view name_of(FinishReason reason) {
    switch (reason) {
        case FinishReason::end:
            return "end";
        case FinishReason::stop_string:
            return "stop_string";
        case FinishReason::max_tokens:
            return "max_tokens";
        case FinishReason::context:
            return "context";
        case FinishReason::loop:
            return "loop";
        case FinishReason::cancelled:
            return "cancelled";
    }
    return "end";
}

class Engine::Impl {
public:
    static Result<std::unique_ptr<Impl>> start(std::unique_ptr<LoadedModel> loaded) {
        std::unique_ptr<Impl> impl(new Impl(std::move(loaded)));
        const EngineOptions& options = impl->loaded_->options;
        if (!options.cache_directory.empty() && impl->loaded_->model->info().is_causal)
            impl->disk_ = TRY(DiskTier::open(*impl->loaded_->cache, impl->prefixes_,
                                             {.directory = options.cache_directory,
                                              .most_bytes = options.cache_disk_bytes,
                                              .fingerprint = TRY(fingerprint(*impl->loaded_)),
                                              .complain = options.notice}));
        impl->thread_ = std::thread([self = impl.get()] { self->run(); });
        return impl;
    }
    explicit Impl(std::unique_ptr<LoadedModel> loaded)
        : loaded_(std::move(loaded)),
          dry_breakers_(*loaded_->tokenizer, loaded_->model->info().vocabulary),
          timed_(loaded_->backend->ops()),
          measuring_(*loaded_->backend),
          forward_(*loaded_->model, *loaded_->cache, *loaded_->backend, ops_to_use()),
          prefixes_(*loaded_->cache, loaded_->options.snapshot_every) {}
    ~Impl();

    Result<RequestId> submit(Request request, EventSink sink) {
        TRY(dry_breakers_.resolve(request.sampling));
        std::lock_guard lock(mutex_);
        return enqueue(Generation::make(next_id_, std::move(request), std::move(sink), *loaded_->tokenizer,
                                        loaded_->model->info(), loaded_->options.context_tokens));
    }
    Result<RequestId> submit(EmbedRequest request, EventSink sink) {
        std::lock_guard lock(mutex_);
        return enqueue(Embedding::make(next_id_, std::move(request), std::move(sink), loaded_->model->info(),
                                       loaded_->options.context_tokens));
    }
    void cancel(RequestId id);
    void wait(RequestId id);
    bool set_aside(RequestId id);
    bool go_on(RequestId id);
    EngineLoad load();
    void save_kept(double seconds, const std::function<bool()>& gives_up);
    const LoadedModel& loaded() const { return *loaded_; }
    InputSquaresByWeight take_input_squares() {
        std::lock_guard lock(mutex_);
        return measuring_.take();
    }
    std::vector<OpTime> take_profile() {
        std::lock_guard lock(mutex_);
        std::vector<OpTime> times = timed_.times();
        timed_.reset();
        return times;
    }

private:
    Ops* ops_to_use() {
        if (loaded_->options.measure_inputs) return &measuring_;
        return loaded_->options.profile ? &timed_ : nullptr;
    }
    Result<RequestId> enqueue(Result<std::unique_ptr<Job>> job);
    void run();
    void seat(Job& job);
    void rest(std::unique_lock<std::mutex>& lock);
    void keep(const Job& job, const Mark* mark);
    void admit(std::unique_lock<std::mutex>& lock);
    bool look_on_disk(const Job& job, std::unique_lock<std::mutex>& lock);
    bool is_next(RequestId id) const { return !is_quitting_ && !waiting_.empty() && waiting_.front()->id() == id; }
    void retire();
    void set_aside();
    void leave_place(Job& job);
    void pass(std::unique_lock<std::mutex>& lock);
    Job* find(RequestId id);

    std::unique_ptr<LoadedModel> loaded_;
    DryBreakerTable dry_breakers_;
    TimedOps timed_;
    MeasuringOps measuring_;
    Forward forward_;
    PrefixTree prefixes_;             // only the engine's thread touches it
    std::unique_ptr<DiskTier> disk_;  // likewise; null: kept texts stay in memory
    // The job for whose prompt the disk was asked last, and what memory had of it before.
    struct Asked {
        RequestId job = 0;
        int64_t memory_tokens = 0;
        bool is_reading = false;
    } asked_;

    // Guards everything below, and every call into a Job but next_tokens and take_row, which the running pass
    // makes.
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::unique_ptr<Job>> waiting_;
    std::vector<std::unique_ptr<Job>> active_;  // oldest first
    std::vector<std::unique_ptr<Job>> aside_;   // without a place, until they may go on
    std::vector<Job*> in_pass_;
    PromptPace pace_;
    std::atomic<bool> abandon_pass_ = false;  // nobody wants the running pass any more
    RequestId next_id_ = 1;
    bool is_quitting_ = false;
    enum class Saving : uint8_t { no, wanted, begun } saving_ = Saving::no;
    std::thread thread_;
};

Engine::Impl::~Impl() {
    {
        std::lock_guard lock(mutex_);
        is_quitting_ = true;
        for (auto& job : waiting_) job->end(FinishReason::cancelled);
        for (auto& job : active_) job->end(FinishReason::cancelled);
        for (auto& job : aside_) job->end(FinishReason::cancelled);
        abandon_pass_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

Result<RequestId> Engine::Impl::enqueue(Result<std::unique_ptr<Job>> job) {
    waiting_.push_back(TRY(std::move(job)));
    changed_.notify_all();
    return next_id_++;
}

Job* Engine::Impl::find(RequestId id) {
    for (auto& job : waiting_)
        if (job->id() == id) return job.get();
    for (const auto* jobs : {&active_, &aside_})
        for (const auto& job : *jobs)
            if (job->id() == id) return job.get();
    return nullptr;
}

void Engine::Impl::cancel(RequestId id) {
    std::lock_guard lock(mutex_);
    Job* job = find(id);
    if (!job) return;
    job->end(FinishReason::cancelled);
    if (std::ranges::all_of(in_pass_, &Job::is_over)) abandon_pass_ = true;
    std::erase_if(waiting_, [](const auto& one) { return one->is_over(); });
    std::erase_if(aside_, [](const auto& one) { return one->is_over(); });
    changed_.notify_all();
}

bool Engine::Impl::set_aside(RequestId id) {
    std::lock_guard lock(mutex_);
    Job* job = find(id);
    if (!job || job->is_over() || job->is_set_aside || !job->can_be_set_aside()) return false;
    job->is_set_aside = true;
    changed_.notify_all();
    return true;
}

bool Engine::Impl::go_on(RequestId id) {
    std::lock_guard lock(mutex_);
    Job* job = find(id);
    if (!job || job->is_over() || !job->is_set_aside) return false;
    job->is_set_aside = false;
    const auto found = std::ranges::find(aside_, job, &std::unique_ptr<Job>::get);
    if (found == aside_.end()) return true;  // it still has its place
    waiting_.push_back(std::move(*found));
    aside_.erase(found);
    changed_.notify_all();
    return true;
}

// Between two passes.
void Engine::Impl::set_aside() {
    for (auto& job : active_)
        if (job->is_set_aside) leave_place(*job);
    const auto move_aside = [&](auto& jobs) {
        for (auto& job : jobs)
            if (job->is_set_aside) aside_.push_back(std::move(job));
        std::erase(jobs, nullptr);
    };
    move_aside(active_);
    move_aside(waiting_);
}

void Engine::Impl::wait(RequestId id) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !find(id); });
}

EngineLoad Engine::Impl::load() {
    const auto pages_for = [](int64_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; };
    const EngineOptions& options = loaded_->options;
    EngineLoad load{.pages = options.sequences * pages_for(options.context_tokens), .page_tokens = kPageTokens};
    std::lock_guard lock(mutex_);
    load.waiting = int64_t(waiting_.size() + aside_.size());
    for (const auto& job : active_) {
        if (job->is_over()) continue;
        ++load.running;
        load.pages_used += pages_for(job->done());
    }
    return load;
}

// A place in the cache, which has room: if possible one that already holds the beginning of the prompt.
void Engine::Impl::seat(Job& job) {
    Cache& cache = *loaded_->cache;
    const double now = monotonic_seconds();
    const Reuse reuse = job.reuse();
    PrefixReport report{.prompt_tokens = int64_t(job.known_tokens().size())};
    if (reuse.reads) {
        const PrefixTree::Found found = prefixes_.open(job.known_tokens(), reuse.partition, now);
        job.sequence = found.sequence;
        report = found.report;
        if (asked_.job == job.id())
            report.disk_tokens = std::max<int64_t>(0, report.cached_tokens - asked_.memory_tokens);
    }
    if (!job.sequence) job.sequence = *cache.open();
    std::vector<Mark> marks;
    if (const int64_t prompt = int64_t(job.prompt().size()); reuse.keeps && report.cached_tokens < prompt)
        marks = prefixes_.marks(report.cached_tokens, prompt, reuse.keep_at);
    job.begin(now, report, std::move(marks));
}

// What a pass has read serves later prompts at once: where states must be saved, at its marks, else to its end.
void Engine::Impl::keep(const Job& job, const Mark* mark) {
    const Reuse reuse = job.reuse();
    if (!reuse.keeps) return;
    if (prefixes_.needs_points() ? !mark : job.done() > int64_t(job.prompt().size())) return;
    prefixes_.keep(*job.sequence, job.done_tokens(),
                   {.partition = reuse.partition,
                    .public_tokens = reuse.public_tokens,
                    .is_callers = mark && mark->is_callers,
                    .now = monotonic_seconds()});
}

void Engine::Impl::admit(std::unique_lock<std::mutex>& lock) {
    if (asked_.is_reading && !is_next(asked_.job)) {  // it was cancelled
        disk_->stop_reading();
        asked_.is_reading = false;
    }
    while (!waiting_.empty() && loaded_->cache->has_room()) {
        if (!look_on_disk(*waiting_.front(), lock)) return;
        if (waiting_.empty()) return;  // it was cancelled meanwhile
        seat(*waiting_.front());
        active_.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
    }
}

// False: the job must wait, for what is read for it, while others have their passes. Nobody is admitted in its place:
// the pages and the state that are being read are those of a sequence, and for so many there is room. The lock is given
// back while something is read; others may submit and cancel then, this job too.
bool Engine::Impl::look_on_disk(const Job& job, std::unique_lock<std::mutex>& lock) {
    constexpr int64_t kBytesAtOnce = int64_t{8} << 20;
    const Reuse reuse = job.reuse();
    const RequestId id = job.id();
    if (!disk_ || !reuse.reads) return true;
    if (asked_.job != id) {
        asked_ = {.job = id, .memory_tokens = prefixes_.usable_tokens(job.prompt(), reuse.partition)};
        const auto found = disk_->find(job.prompt(), reuse.partition, asked_.memory_tokens);
        if (!found) return true;
        const std::vector<int32_t> prompt(job.prompt().begin(), job.prompt().end());
        const std::string partition(reuse.partition);
        lock.unlock();
        asked_.is_reading = disk_->begin_reading(*found, prompt, partition);
        lock.lock();
    }
    while (asked_.is_reading && is_next(id)) {
        lock.unlock();
        asked_.is_reading = disk_->read_on(kBytesAtOnce, monotonic_seconds()) == DiskTier::Progress::goes_on;
        lock.lock();
        if (asked_.is_reading && !active_.empty()) return false;
    }
    return is_next(id);
}

void Engine::Impl::leave_place(Job& job) {
    Cache& cache = *loaded_->cache;
    const Reuse reuse = job.reuse();
    // A pass that was given up spoils the recurrent state, and nothing of what pages hold already.
    const bool is_whole = job.is_state_whole() || !cache.has_state();
    if (reuse.keeps && is_whole && job.done() > 0) {
        if (disk_ && job.is_over()) disk_->finished(job.done_tokens(), reuse.partition, reuse.public_tokens);
        prefixes_.keep_and_close(
            *job.sequence, job.done_tokens(),
            {.partition = reuse.partition, .public_tokens = reuse.public_tokens, .now = monotonic_seconds()});
    } else {
        cache.close(*job.sequence);
    }
    job.sequence.reset();
}

void Engine::Impl::retire() {
    for (auto& job : active_)
        if (job->is_over()) leave_place(*job);
    std::erase_if(active_, [](const auto& job) { return job->is_over(); });
}

void Engine::Impl::run() {
    std::unique_lock lock(mutex_);
    while (!is_quitting_) {
        retire();
        set_aside();
        admit(lock);
        changed_.notify_all();
        if (!active_.empty())
            pass(lock);
        else
            rest(lock);
    }
    retire();
}

// Nobody asks for anything: time to write.
void Engine::Impl::rest(std::unique_lock<std::mutex>& lock) {
    if (!waiting_.empty()) return;
    if (saving_ == Saving::wanted) {
        saving_ = Saving::begun;
        disk_->save_all();
    }
    if (disk_ && disk_->has_work()) {
        lock.unlock();
        disk_->work();
        lock.lock();
        return;
    }
    if (saving_ == Saving::begun) {
        saving_ = Saving::no;
        changed_.notify_all();
    }
    changed_.wait(lock, [&] { return is_quitting_ || !waiting_.empty() || saving_ == Saving::wanted; });
}

void Engine::Impl::save_kept(double seconds, const std::function<bool()>& gives_up) {
    const double until = monotonic_seconds() + seconds;
    std::unique_lock lock(mutex_);
    if (!disk_) return;
    saving_ = Saving::wanted;
    changed_.notify_all();
    const auto is_over = [&] { return saving_ == Saving::no; };
    while (!changed_.wait_for(lock, std::chrono::milliseconds(50), is_over)) {
        if (monotonic_seconds() > until) break;
        lock.unlock();
        const bool is_given_up = gives_up && gives_up();
        lock.lock();
        if (is_given_up) break;
    }
    saving_ = Saving::no;
}

void Engine::Impl::pass(std::unique_lock<std::mutex>& lock) {
    std::vector<Work> work;
    for (const auto& job : active_) work.push_back(job->work());
    const std::vector<Share> shares = share_out(work, loaded_->options.step_tokens, pace_.beside_answers());

    std::vector<ForwardPart> parts;
    in_pass_.clear();
    for (const Share& share : shares) {
        Job& job = *active_[size_t(share.work)];
        in_pass_.push_back(&job);
        parts.push_back({*job.sequence, job.next_tokens(share.tokens), job.wanted(share.tokens), job.row_kind()});
    }
    abandon_pass_ = false;
    int64_t answer_tokens = 0, prompt_tokens = 0;
    for (const Share& share : shares)
        (work[size_t(share.work)].is_generating ? answer_tokens : prompt_tokens) += share.tokens;

    const double in_ops = timed_.seconds();
    lock.unlock();
    const double begin = monotonic_seconds();
    // A pass reads the weights that stay in the file; should that have been cut short, they are not touched again.
    Result<> whole = loaded_->plan.mapped > 0 ? loaded_->checkpoint.check_whole() : Result<>();
    auto passed = whole ? forward_.run(
                              parts,
                              [&](int64_t part, int64_t token, std::span<const float> row) {
                                  in_pass_[size_t(part)]->take_row(token, row);
                              },
                              &abandon_pass_)
                        : std::unexpected(std::move(whole).error());
    const double now = monotonic_seconds();
    lock.lock();
    if (loaded_->options.profile) timed_.note("between ops", now - begin - (timed_.seconds() - in_ops));

    if (passed && *passed) pace_.passed(now - begin, prompt_tokens, answer_tokens);
    for (size_t i = 0; i < in_pass_.size(); ++i) {
        if (passed && *passed) {
            in_pass_[i]->passed(shares[i].tokens, now);
            keep(*in_pass_[i], in_pass_[i]->reached_mark());
            continue;
        }
        in_pass_[i]->lose_state();
        if (!passed) in_pass_[i]->fail_with(passed.error());
    }
    in_pass_.clear();
    if (loaded_->options.profile) timed_.note("choose tokens", monotonic_seconds() - now);
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::open(const std::string& path, const EngineOptions& options) {
    return open(TRY(open_checkpoint(path)), options);
}

Result<std::unique_ptr<Engine>> Engine::open(Checkpoint checkpoint, const EngineOptions& options) {
    auto loaded = TRY(LoadedModel::load(std::move(checkpoint), options));
    return std::unique_ptr<Engine>(new Engine(TRY(Impl::start(std::move(loaded)))));
}

Result<RequestId> Engine::submit(Request request, EventSink sink) {
    return impl_->submit(std::move(request), std::move(sink));
}
Result<RequestId> Engine::submit(EmbedRequest request, EventSink sink) {
    return impl_->submit(std::move(request), std::move(sink));
}
void Engine::cancel(RequestId id) {
    impl_->cancel(id);
}
bool Engine::set_aside(RequestId id) {
    return impl_->set_aside(id);
}
bool Engine::go_on(RequestId id) {
    return impl_->go_on(id);
}
void Engine::wait(RequestId id) {
    impl_->wait(id);
}
void Engine::save_kept(double seconds, const std::function<bool()>& gives_up) {
    impl_->save_kept(seconds, gives_up);
}
std::vector<OpTime> Engine::take_profile() {
    return impl_->take_profile();
}
InputSquaresByWeight Engine::take_input_squares() {
    return impl_->take_input_squares();
}
const ModelInfo& Engine::model() const {
    return impl_->loaded().model->info();
}
const Tokenizer& Engine::tokenizer() const {
    return *impl_->loaded().tokenizer;
}
const Checkpoint& Engine::checkpoint() const {
    return impl_->loaded().checkpoint;
}
const MemoryPlan& Engine::plan() const {
    return impl_->loaded().plan;
}
MemoryPlan Engine::taken() const {
    return impl_->loaded().taken();
}
const EngineOptions& Engine::options() const {
    return impl_->loaded().options;
}
EngineLoad Engine::load() const {
    return impl_->load();
}
std::string Engine::device() const {
    return impl_->loaded().backend->describe();
}

double Engine::bytes_per_token(int64_t depth) const {
    const LoadedModel& loaded = impl_->loaded();
    double bytes = loaded.model->info().bytes_per_token;
    for (const LayerNeeds& needs : loaded.model->needs()) {
        if (needs.kv) {
            const int64_t tokens = needs.kv->window > 0 ? std::min(depth, needs.kv->window) : depth;
            bytes +=
                double(loaded.backend->kv_page_bytes(*needs.kv, loaded.options.kv_type)) * double(tokens) / kPageTokens;
        }
        for (const int64_t floats : needs.state_floats) bytes += 2.0 * sizeof(float) * double(floats);
    }
    return bytes;
}

}  // namespace hearth
