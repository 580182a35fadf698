#include "models/model_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>

#include "backends/tensor_access.h"
#include "engine/loaded_model.h"

namespace hearth::test {

Routing RoutingTrace::route(Tensor logits, const RouteRule& rule) {
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

ModelRun::ModelRun(const std::string& path, const RunOptions& options) {
    const auto made = make(path, options);
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().line());
    if (!made) return;
    trace_.emplace(backend_->ops());
    forward_ = std::make_unique<Forward>(*model_, *cache_, *backend_, &*trace_);
}

std::vector<float> ModelRun::logits(std::span<const int32_t> tokens, const std::vector<int64_t>& chunks,
                                    int32_t sequence) {
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

Result<> ModelRun::make(const std::string& path, const RunOptions& options) {
    checkpoint_ = TRY(open_checkpoint(path));
    EngineOptions engine{.device = options.device,
                         .isa = options.isa,
                         .threads = options.threads,
                         .kv_type = options.kv,
                         .weights_as_stored = options.weights_as_stored,
                         .mmap = options.mmap};
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

std::vector<int32_t> read_ids(const std::string& path) {
    std::istringstream text(read_text(path));
    return {std::istream_iterator<int32_t>(text), {}};
}

double relative_rms(std::span<const float> a, std::span<const float> b) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        difference += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
        size += double(b[i]) * b[i];
    }
    return std::sqrt(difference / size);
}

double mean_kl(std::span<const float> truth, std::span<const float> other, int64_t vocabulary) {
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
