// The backend for the processor: weights re-laid at load for its kernels, one thread pool, every op as fast as we know
// how.
#pragma once

#include <memory>

#include "backends/cpu/isa.h"
#include "backends/cpu/threads.h"
#include "ops/backend.h"

namespace hearth {

struct CpuOptions {
    int threads = 0;                   // 0: the physical cores this process may use
    cpu::Isa isa = cpu::chosen_isa();  // which row of the kernel table
    bool weights_as_stored = false;    // where that takes less memory: slower, the same bits
    bool mmap = false;                 // weights that lie in a mapped file stay there: slower, the same bits
    std::shared_ptr<ThreadPool> pool;  // the process's pool; none: the backend starts its own
};

// planning: nothing is held, computed or started, but memory is counted exactly as the real backend would take it.
Result<std::unique_ptr<Backend>> make_cpu_backend(const CpuOptions& options, MemoryLedger& ledger, bool planning);

}  // namespace hearth
