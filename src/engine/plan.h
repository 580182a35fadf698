// What a model will take from memory, known before anything is taken: one dry run of the code that later runs, on a
// backend that holds nothing.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "cache/cache.h"
#include "engine/options.h"
#include "files/checkpoint.h"
#include "models/model.h"
#include "ops/backend.h"

namespace hearth {

constexpr int64_t kSmallestContext = 256;  // worth a start

class Planner {
public:
    static Result<std::unique_ptr<Planner>> make(const Checkpoint& checkpoint, const EngineOptions& options);

    const ModelInfo& info() const { return model_->info(); }
    void set_tokenizer_bytes(int64_t bytes) { tokenizer_bytes_ = bytes; }
    Result<MemoryPlan> plan(int64_t context_tokens);
    // The cache of a context of this many tokens.
    CacheOptions cache_options(int64_t context_tokens) const;
    // A lower bound of plan(context_tokens).total() that costs nothing, for contexts nobody has checked yet.
    double least_bytes(int64_t context_tokens) const;
    // Whether `bytes` suffice for the context that was asked for, or for the smallest.
    Result<bool> fits(int64_t bytes);
    // Bytes of the file that the weights stay in.
    int64_t mapped_bytes() const { return ledger_.bytes(MemoryUse::mapped); }
    // The largest context, up to the model's own, whose plan stays below `bytes`; 0: not even the smallest does.
    Result<int64_t> largest_context(int64_t bytes);

private:
    explicit Planner(const EngineOptions& options) : options_(options) {}
    Result<> dry_run(Backend& backend, Cache& cache, std::span<const int64_t> tokens_per_sequence);
    Result<> dry_run(Backend& backend, Cache& cache, std::span<const int64_t> tokens_per_sequence, RowKind kind);

    EngineOptions options_;
    int64_t tokenizer_bytes_ = 0;
    MemoryLedger ledger_;
    std::unique_ptr<Backend> backend_;
    std::unique_ptr<Model> model_;
    int64_t weight_bytes_ = 0;
};

// The chosen device's backend; the one place that decides between devices.
Result<std::unique_ptr<Backend>> make_backend(const EngineOptions& options, MemoryLedger& ledger, bool planning);

}  // namespace hearth
