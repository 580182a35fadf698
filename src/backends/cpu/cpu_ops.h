// The ops of the CPU backend. Each override takes its memory, then hands ranges of rows, heads or tiles to the thread
// pool; the arithmetic is in kernels (linear.h, ops/*_kernels.inc). What has no override is the plain loop of
// ReferenceOps.
#pragma once

#include "backends/cpu/isa.h"
#include "backends/cpu/linear.h"
#include "backends/cpu/threads.h"
#include "backends/reference/reference_ops.h"

namespace hearth::cpu {

// Packed for a matrix product, or rows as stored for a table that is only looked up.
struct CpuWeight : WeightStorage {
    const LinearKernel* kernel = nullptr;  // null: rows as stored
    int64_t matrix_bytes = 0;              // from expert to expert
    DeviceMemory memory;

    const std::byte* matrix(int64_t expert) const { return memory->address + expert * matrix_bytes; }
};

class CpuOps : public ReferenceOps {
public:
    // `threads` may be more than the pool has only when planning (then nothing runs).
    CpuOps(ScratchArena& arena, ThreadPool& pool, int threads, Isa isa)
        : ReferenceOps(arena), pool_(pool), threads_(threads), isa_(isa) {}
    using Ops::linear;

    Tensor embed(const Step& step, const Weight& table) override;
    void linear(Tensor x, std::span<const Weight* const> weights, std::span<Tensor> results) override;
    Tensor head_linear(Tensor x, const Weight& per_head) override;
    Tensor expert_linear(Tensor x, const Weight& stack, const Routing& routing) override;
    Tensor attention(Tensor q, Tensor k, Tensor v, const AttentionRule& rule, const KvLayer& kv,
                     const Step& step) override;
    Tensor gated_delta_rule(const DeltaInput& in, const StateBuffer& memory, const Step& step) override;

protected:
    void weight_row(const Weight& weight, int64_t expert, int64_t row, float* out) const override;

private:
    struct Product;  // one matrix of one linear call
    void run_products(std::span<const Product> products);
    std::byte* take_bytes(int64_t bytes) { return reinterpret_cast<std::byte*>(arena().take((bytes + 3) / 4)); }
    void append_to_cache(Tensor k, Tensor v, const KvLayer& kv, const Step& step);
    Tensor with_touching_heads(Tensor x);  // x, or a copy whose rows are contiguous

    // Work worth less than a fork and join stays on the calling thread.
    template <class Work>
    void run(int64_t items, int64_t grain, double microseconds, Work&& work) {
        if (microseconds < kWorthSharing)
            work(int64_t{0}, items, 0);
        else
            pool_.run(items, grain, work);
    }
    static constexpr double kWorthSharing = 4;

    ThreadPool& pool_;
    int threads_;
    Isa isa_;
};

}  // namespace hearth::cpu
