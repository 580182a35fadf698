// A model on a backend, fed in whatever chunks a test likes: logits of every token, without the engine's thread around
// it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/cache.h"
#include "engine/forward.h"
#include "engine/plan.h"
#include "ops/timed_ops.h"
#include "support/shared_data.h"

namespace hearth::test {

struct RunOptions {
    std::string device = "cpu", isa;
    int threads = 2;
    KvType kv = KvType::f32;
    int64_t context = 512, sequences = 1, snapshots = 0;
    bool weights_as_stored = false, mmap = false;
};

// Notes which experts every token chose, layer by layer, in ascending order.
class RoutingTrace final : public TimedOps {
public:
    using TimedOps::TimedOps;
    Routing route(Tensor logits, const RouteRule& rule) override;

    int64_t first_token = 0;                   // of the pass that runs
    std::vector<std::vector<int32_t>> chosen;  // per token; empty without experts
};

class ModelRun {
public:
    ModelRun(const std::string& path, const RunOptions& options);

    bool is_ready() const { return forward_ != nullptr; }
    Cache& cache() { return *cache_; }
    Forward& forward() { return *forward_; }
    const MemoryPlan& plan() const { return plan_; }
    const MemoryLedger& ledger() const { return ledger_; }
    const Backend& backend() const { return *backend_; }
    // By the tokens of the last call of logits().
    const std::vector<std::vector<int32_t>>& chosen_experts() const { return trace_->chosen; }
    int64_t vocabulary() const { return model_->info().vocabulary; }

    // Logits of all tokens, [tokens][vocabulary], fed in passes of these sizes (the last one repeats).
    std::vector<float> logits(std::span<const int32_t> tokens, const std::vector<int64_t>& chunks,
                              int32_t sequence = -1);

private:
    Result<> make(const std::string& path, const RunOptions& options);

    Checkpoint checkpoint_;
    MemoryPlan plan_;
    MemoryLedger ledger_;
    std::unique_ptr<Backend> backend_;
    std::unique_ptr<Model> model_;
    std::unique_ptr<Cache> cache_;
    std::optional<RoutingTrace> trace_;
    std::unique_ptr<Forward> forward_;
};

// Ids between any white space.
std::vector<int32_t> read_ids(const std::string& path);

// |a - b| / |b| in the root mean square.
double relative_rms(std::span<const float> a, std::span<const float> b);

// Mean over rows of the Kullback-Leibler divergence of softmax(other) from softmax(truth).
double mean_kl(std::span<const float> truth, std::span<const float> other, int64_t vocabulary);

}  // namespace hearth::test
