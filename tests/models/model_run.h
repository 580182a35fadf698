// A model on a backend, fed in whatever chunks a test likes: logits of every token, without the engine's thread around
// it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "backends/tensor_access.h"
#include "cache/cache.h"
#include "engine/forward.h"
#include "engine/loaded_model.h"
#include "engine/plan.h"
#include "ops/timed_ops.h"
#include "support/shared_data.h"

namespace hearth::test {

struct RunOptions {
    std::string device = "cpu", isa;
    int threads = 2;
    KvType kv = KvType::f32;
    int64_t context = 512, sequences = 1, snapshots = 0;
};

// Notes which experts every token chose, layer by layer, in ascending order.
class RoutingTrace final : public TimedOps {
public:
    using TimedOps::TimedOps;
    Routing route(Tensor logits, const RouteRule& rule) override {
        const Routing routing = TimedOps::route(logits, rule);
        for (int64_t row = 0; row < routing.ids.rows; ++row) {
            const size_t token = size_t(first_token + row);
            if (chosen.size() <= token) chosen.resize(token + 1);
            std::vector<int32_t> ids;
            for (int64_t rank = 0; rank < routing.ids.width; ++rank) ids.push_back(id_at(routing.ids, row, rank));
            std::ranges::sort(ids);
            chosen[token].insert(chosen[token].end(), ids.begin(), ids.end());
        }
        return routing;
    }

    int64_t first_token = 0;                   // of the pass that runs
    std::vector<std::vector<int32_t>> chosen;  // per token; empty without experts
};

class ModelRun {
public:
    ModelRun(const std::string& path, const RunOptions& options) {
        const auto made = make(path, options);
        EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().line());
        if (!made) return;
        trace_.emplace(backend_->ops());
        forward_ = std::make_unique<Forward>(*model_, *cache_, *backend_, &*trace_);
    }

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
                              int32_t sequence = -1) {
        const bool own = sequence < 0;
        if (own) sequence = *cache_->open();
        std::vector<float> all;
        size_t chunk = 0;
        trace_->chosen.clear();
        for (int64_t done = 0; done < int64_t(tokens.size()); ++chunk) {
            const int64_t size = chunks[std::min(chunk, chunks.size() - 1)];
            const int64_t count = std::min<int64_t>(size, int64_t(tokens.size()) - done);
            trace_->first_token = done;
            const ForwardPart part{sequence, tokens.subspan(size_t(done), size_t(count)), count};
            auto ran = forward_->run(std::span(&part, 1), [&](int64_t, int64_t, std::span<const float> row) {
                all.insert(all.end(), row.begin(), row.end());
            });
            EXPECT_TRUE(ran.has_value()) << (ran ? "" : ran.error().line());
            if (!ran) break;
            done += count;
        }
        if (own) cache_->close(sequence);
        return all;
    }

private:
    Result<> make(const std::string& path, const RunOptions& options) {
        checkpoint_ = TRY(open_checkpoint(path));
        EngineOptions engine{
            .device = options.device, .isa = options.isa, .threads = options.threads, .kv_type = options.kv};
        engine.sequences = options.sequences;
        engine.snapshots = options.snapshots;
        auto planner = TRY(Planner::make(checkpoint_, engine));
        plan_ = TRY(planner->plan(options.context));
        backend_ = TRY(make_backend(engine, ledger_, false));
        model_ = TRY(load_model(checkpoint_, *backend_, {}, options.context));
        TRY(backend_->reserve_scratch(plan_.scratch));
        const CacheOptions cache{.kv_type = options.kv,
                                 .context_tokens = options.context,
                                 .step_tokens = 512,
                                 .sequences = options.sequences,
                                 .snapshots = options.snapshots};
        cache_ = TRY(Cache::make(*backend_, model_->needs(), cache));
        return {};
    }

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
inline std::vector<int32_t> read_ids(const std::string& path) {
    std::istringstream text(read_text(path));
    return {std::istream_iterator<int32_t>(text), {}};
}

// |a - b| / |b| in the root mean square.
inline double relative_rms(std::span<const float> a, std::span<const float> b) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        difference += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
        size += double(b[i]) * b[i];
    }
    return std::sqrt(difference / size);
}

// Mean over rows of the Kullback-Leibler divergence of softmax(other) from softmax(truth).
inline double mean_kl(std::span<const float> truth, std::span<const float> other, int64_t vocabulary) {
    double sum = 0;
    const int64_t rows = int64_t(truth.size()) / vocabulary;
    const auto log_total = [](std::span<const float> row) {
        double best = row[0], total = 0;
        for (const float value : row) best = std::max(best, double(value));
        for (const float value : row) total += std::exp(value - best);
        return best + std::log(total);
    };
    for (int64_t row = 0; row < rows; ++row) {
        const auto p = truth.subspan(size_t(row * vocabulary), size_t(vocabulary));
        const auto q = other.subspan(size_t(row * vocabulary), size_t(vocabulary));
        const double p_total = log_total(p), q_total = log_total(q);
        for (size_t i = 0; i < p.size(); ++i) {
            const double log_p = p[i] - p_total;
            sum += std::exp(log_p) * (log_p - (q[i] - q_total));
        }
    }
    return sum / double(rows);
}

}  // namespace hearth::test
