// A model and the layer of its own that drafts, fed in whatever chunks a test likes.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/drafter.h"
#include "models/model_run.h"

namespace hearth::test {

struct DraftedRows {
    std::vector<float> hidden, logits;
};

// A model and its drafter, each with a cache; walks either through a chunk of tokens.
class DraftRun {
public:
    DraftRun(const std::string& path, const RunOptions& options);

    bool is_ready() const { return is_ready_; }
    int64_t hidden_size() const { return model_->info().hidden; }
    size_t vocabulary() const { return size_t(model_->info().vocabulary); }
    Cache& drafts() { return *draft_cache_; }

    DraftedRows trunk(std::span<const int32_t> tokens);
    // `before`: a hidden row for each token.
    DraftedRows draft(SequenceId sequence, std::span<const int32_t> tokens, std::span<const float> before);

private:
    Result<> make(const std::string& path, const RunOptions& options);
    template <class Walked, class Embed>
    DraftedRows walk(const Walked& walked, int64_t layers, Cache& cache, SequenceId id, std::span<const int32_t> tokens,
                     Embed embed);
    std::vector<float> read(Tensor rows);

    bool is_ready_ = false;
    uint64_t serial_ = 0;
    Checkpoint checkpoint_;
    MemoryLedger ledger_;
    std::unique_ptr<Backend> backend_;
    std::unique_ptr<Model> model_;
    std::unique_ptr<Drafter> drafter_;
    std::unique_ptr<Cache> cache_, draft_cache_;
};

// A row of zeros, then all but the last of these: what a drafter that reads the same tokens is fed with.
std::vector<float> one_later(std::span<const float> rows, int64_t width);

}  // namespace hearth::test
