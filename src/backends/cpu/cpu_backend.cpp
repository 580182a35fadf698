#include "backends/cpu/cpu_backend.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/cpu_ops.h"
#include "base/os.h"

namespace hearth {

namespace {

constexpr int kMostThreads = 1024;

class CpuBackend final : public HostBackend {
public:
    CpuBackend(MemoryLedger& ledger, bool planning, std::shared_ptr<ThreadPool> pool, int threads,
               const CpuOptions& options)
        : HostBackend(ledger, planning),
          pool_(std::move(pool)),
          threads_(threads),
          isa_(options.isa),
          weights_as_stored_(options.weights_as_stored),
          mmap_(options.mmap),
          ops_(arena(), *pool_, threads, options.isa) {}
    ~CpuBackend() override { ledger().give(MemoryUse::mapped, mapped_counted_); }

    std::string describe() const override {
        return fmt::format("cpu {}, {} thread{}", cpu::name_of(isa_), threads_, threads_ == 1 ? "" : "s");
    }
    Ops& ops() override { return ops_; }
    bool uses_mapped_files() const override { return mmap_; }
    Result<Weight> load(const StoredWeight& stored, WeightUse use) override;

private:
    Weight use_file(const StoredWeight& stored, WeightUse use, int64_t stored_bytes);

    std::shared_ptr<ThreadPool> pool_;
    int threads_;
    cpu::Isa isa_;
    bool weights_as_stored_, mmap_;
    int64_t mapped_counted_ = 0;
    cpu::CpuOps ops_;
};

Weight CpuBackend::use_file(const StoredWeight& stored, WeightUse use, int64_t stored_bytes) {
    auto weight = std::make_shared<cpu::CpuWeight>();
    if (use != WeightUse::look_up) weight->kernel = &cpu::stored_linear_kernel(stored.type, isa_, stored.in);
    weight->matrix_bytes = stored_bytes / stored.experts;
    weight->bytes = stored.data.data();
    ledger().take(MemoryUse::mapped, stored_bytes);
    mapped_counted_ += stored_bytes;
    return describe_weight(stored, std::move(weight));
}

// Packed for products, also when single rows are looked up besides (tied embeddings: a row is gathered from its group);
// as stored when rows are only looked up.
Result<Weight> CpuBackend::load(const StoredWeight& stored, WeightUse use) {
    const int64_t stored_bytes = TRY(check_weight(stored, is_planning()));
    if (mmap_ && stored.is_mapped) return use_file(stored, use, stored_bytes);
    const int64_t stored_matrix = stored_bytes / stored.experts, stored_row = row_bytes(stored.type, stored.in);
    auto weight = std::make_shared<cpu::CpuWeight>();
    int64_t groups = stored.out;  // of one expert: the units that threads take
    if (use == WeightUse::look_up) {
        weight->matrix_bytes = stored_matrix;
    } else {
        weight->kernel = weights_as_stored_ ? &cpu::smallest_linear_kernel(stored.type, isa_, stored.in)
                                            : &cpu::linear_kernel(stored.type, isa_, stored.in);
        weight->matrix_bytes = cpu::packed_bytes(*weight->kernel, stored.out, stored.in);
        groups = cpu::groups_of(*weight->kernel, stored.out);
    }
    const int64_t group_rows = weight->kernel ? weight->kernel->rows_per_group : 1;
    int64_t bytes;
    if (__builtin_mul_overflow(weight->matrix_bytes, stored.experts, &bytes))
        return fail(ErrorKind::bad_file, fmt::format("the size of tensor {} overflows", stored.name));
    weight->memory = TRY(allocate(bytes, MemoryUse::weights));
    weight->bytes = weight->memory->address;
    if (!is_planning()) {
        pool_->run(groups * stored.experts, pool_->grain_for(groups * stored.experts, 16),
                   [&](int64_t begin, int64_t end, int) {
                       while (begin < end) {
                           const int64_t expert = begin / groups, first = begin % groups,
                                         last = std::min(groups, first + end - begin);
                           const std::byte* from = stored.data.data() + expert * stored_matrix;
                           std::byte* to = weight->memory->address + expert * weight->matrix_bytes;
                           if (weight->kernel)
                               cpu::pack_groups(*weight->kernel, from, stored.out, stored.in, first, last, to);
                           else
                               std::memcpy(to + first * stored_row, from + first * stored_row,
                                           size_t((last - first) * stored_row));
                           if (stored.was_read) {
                               const int64_t rows_at = expert * stored.out + first * group_rows;
                               const int64_t rows =
                                   std::min((last - first) * group_rows, stored.out - first * group_rows);
                               stored.was_read(rows_at * stored_row, rows * stored_row);
                           }
                           begin += last - first;
                       }
                   });
    }
    return describe_weight(stored, std::move(weight));
}

}  // namespace

Result<std::unique_ptr<Backend>> make_cpu_backend(const CpuOptions& options, MemoryLedger& ledger, bool planning) {
    if (options.threads < 0 || options.threads > kMostThreads)
        return fail(ErrorKind::bad_request, fmt::format("{} threads asked for", options.threads),
                    fmt::format("choose 1 to {}", kMostThreads));
    if (!cpu::machine_runs(options.isa))
        return fail(ErrorKind::device,
                    fmt::format("this processor cannot run the {} kernels", cpu::name_of(options.isa)),
                    "leave the choice to the program");
    const int threads = options.pool      ? options.pool->threads()
                        : options.threads ? options.threads
                                          : std::clamp(physical_cores_allowed(), 1, kMostThreads);
    // A planning backend runs nothing, so its pool is the calling thread alone.
    auto pool = planning ? std::make_shared<ThreadPool>(1)
                         : (options.pool ? options.pool : std::make_shared<ThreadPool>(threads));
    return std::make_unique<CpuBackend>(ledger, planning, std::move(pool), threads, options);
}

}  // namespace hearth
