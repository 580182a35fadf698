// What the caller of the engine decides about a loaded model, and what it learns about its memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "ops/step.h"

namespace hearth {

struct EngineOptions {
    std::string device = "cpu";  // "cpu", or "reference": plain loops on floats, slow and the measure of everything
    std::string isa;             // a row of the kernel table; empty: the best this machine runs
    int threads = 0;             // 0: the physical cores this process may use
    KvType kv_type = KvType::f16;
    int64_t context_tokens = 0;  // of one sequence; 0: the largest whose memory fits half of what is free
    int64_t memory_bytes = 0;    // to plan with; 0: what is free
    int64_t sequences = 1;       // answered at the same time
    int64_t step_tokens = 512;   // prompt tokens per pass
    // Weights take the file's bytes where their fast form takes more: slower, the same bits. Without it they do so when
    // nothing else fits into memory.
    bool weights_as_stored = false;
    // Weights that lie in the file as they are used stay there: nothing is copied, and processes share the pages.
    // Slower, the same bits.
    bool mmap = false;
    // What stays of finished texts, for prompts that begin like them: all that running ones leave free, and beside
    // that so many bytes and saved states more.
    int64_t cache_bytes = 0;
    int64_t snapshots = 0;
    int64_t snapshot_every = 512;  // tokens of a long prompt, where states must be saved to go on from
    // Finished texts are also written there, while nothing runs, and read when memory has lost them. Empty: nowhere.
    std::string cache_directory;
    int64_t cache_disk_bytes = int64_t{10} << 30;  // most that all files there take
    // Told on the engine's thread what a person should know: that nothing can be written there any more.
    std::function<void(const std::string&)> notice;
    bool profile = false;         // note the time of every op: Engine::take_profile()
    bool measure_inputs = false;  // note what drives each weight's inputs: Engine::take_input_squares(); slow
    std::function<bool(double share)> progress;  // of loading, 0 .. 1; false gives it up
};

struct MemoryPlan {
    int64_t weights = 0, kv = 0, state = 0, scratch = 0, tokenizer = 0;
    int64_t mapped = 0;  // of the file, used where it is mapped: the system may drop its pages and read them again
    int64_t context_tokens = 0;
    bool weights_as_stored = false;
    // What is taken; `mapped` is not.
    int64_t total() const { return weights + kv + state + scratch + tokenizer; }
};

}  // namespace hearth
