// A model that is ready to run: the file, its tokenizer, the device, the weights on it, the caches, and the plan they
// follow.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "cache/cache.h"
#include "engine/options.h"
#include "files/checkpoint.h"
#include "models/model.h"
#include "ops/backend.h"
#include "text/tokenizer.h"

namespace hearth {

// Whatever container the path names.
Result<Checkpoint> open_checkpoint(const std::string& path);

struct LoadedModel {
    static Result<std::unique_ptr<LoadedModel>> load(Checkpoint checkpoint, const EngineOptions& options);
    MemoryPlan taken() const;

    // Destroyed from the bottom up: what comes later uses what comes before.
    Checkpoint checkpoint;
    EngineOptions options;
    MemoryPlan plan;
    std::unique_ptr<Tokenizer> tokenizer;
    MemoryLedger ledger;
    std::unique_ptr<Backend> backend;
    std::unique_ptr<Model> model;
    std::unique_ptr<Cache> cache;
    std::jthread page_reader;  // while the first pass is being prepared, where weights stay in the file
};

}  // namespace hearth
