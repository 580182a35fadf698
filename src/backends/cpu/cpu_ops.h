// The ops of the CPU backend. Each override takes its memory, then hands ranges of rows, heads or tiles to the thread
// pool; the arithmetic is in kernels (linear.h, ops/*_kernels.inc). What has no override is the plain loop of
// ReferenceOps.
#pragma once

#include "backends/cpu/isa.h"
#include "backends/cpu/linear.h"
#include "backends/cpu/ops/rows.h"
#include "backends/cpu/threads.h"
#include "backends/reference/reference_ops.h"

namespace hearth::cpu {

// Groups of rows for a matrix product, or rows as stored for a table that is only looked up.
struct CpuWeight : WeightStorage {
    const LinearKernel* kernel = nullptr;  // null: rows as stored
    int64_t matrix_bytes = 0;              // from expert to expert
    const std::byte* bytes = nullptr;      // in `memory`, or in a mapped file; null when planning
    DeviceMemory memory;                   // none where the file is used

    const std::byte* matrix(int64_t expert) const { return bytes + expert * matrix_bytes; }
};

class CpuOps : public ReferenceOps {
public:
    // `threads` may be more than the pool has only when planning (then nothing runs).
    CpuOps(ScratchArena& arena, ThreadPool& pool, int threads, Isa isa)
        : ReferenceOps(arena), pool_(pool), threads_(threads), isa_(isa), kernels_(row_kernels(isa)) {}
    using Ops::linear;

    Tensor embed(const Step& step, const Weight& table) override;
    Tensor embed_part(const Step& step, const Weight& table, int64_t begin, int64_t width) override;
    void linear(Tensor x, std::span<const Weight* const> weights, std::span<Tensor> results) override;
    Tensor head_linear(Tensor x, const Weight& per_head) override;

    Tensor rms_norm(Tensor x, Tensor scale, float eps) override;
    Tensor layer_norm(Tensor x, Tensor scale, Tensor bias, float eps) override;
    Tensor l2_norm(Tensor x, float eps) override;

    Tensor map(Function f, Tensor x) override;
    Tensor add(Tensor a, Tensor b) override;
    Tensor multiply(Tensor a, Tensor b) override;
    Tensor scale(Tensor x, float factor) override;
    Tensor clamp(Tensor x, float low, float high) override;
    Tensor softcap(Tensor x, float cap) override;
    void add_to(Tensor sum, Tensor x) override;
    void scale_in_place(Tensor x, float factor) override;
    Tensor concat(Tensor a, Tensor b) override;

    Tensor rope(Tensor heads, const Rope& rope, const Step& step) override;
    Tensor position_scale(Tensor x, float beta, int64_t period, int64_t shift, const Step& step) override;
    Tensor attention(Tensor q, Tensor k, Tensor v, const AttentionRule& rule, const KvLayer& kv,
                     const Step& step) override;
    Tensor causal_conv(Tensor x, Tensor taps, Tensor bias, const StateBuffer& state, const Step& step) override;
    Tensor gated_delta_rule(const DeltaInput& in, const StateBuffer& memory, const Step& step) override;
    Tensor mamba(const MambaInput& in, const StateBuffer& state, const Step& step) override;

    Routing route(Tensor logits, const RouteRule& rule) override;
    Tensor expert_linear(Tensor x, const Weight& stack, const Routing& routing) override;
    Tensor expert_add(Tensor x, Tensor rows_by_expert, const Routing& routing) override;
    Tensor expert_scale(Tensor x, const Routing& routing) override;
    Tensor expert_sum(Tensor y, const Routing& routing) override;

    Tensor swiglu(Tensor gate, Tensor up) override;
    Tensor geglu(Tensor gate, Tensor up) override;
    Tensor gate(Tensor x, Tensor gate) override;
    Tensor norm_and_gate(Tensor x, Tensor scale, Tensor gate, float eps) override;
    Tensor causal_conv_silu(Tensor x, Tensor taps, Tensor bias, const StateBuffer& state, const Step& step) override;

protected:
    void weight_row(const Weight& weight, int64_t expert, int64_t row, float* out) const override;

private:
    struct Product;  // one matrix of one linear call
    void run_products(std::span<const Product> products);
    std::byte* take_bytes(int64_t bytes) { return reinterpret_cast<std::byte*>(arena().take((bytes + 3) / 4)); }
    template <class Body>
    void each_run(int64_t rows, int64_t heads, int64_t width, double floats_per_microsecond, Body body);
    Tensor map_times(Function f, Tensor x, Tensor factor);
    Tensor combine(Tensor a, Tensor b, void (*runs)(const float*, const float*, float*, int64_t),
                   void (*value)(const float*, float, float*, int64_t));
    Tensor convolve(Tensor x, Tensor taps, Tensor bias, const StateBuffer& state, const Step& step, bool with_silu);
    struct RopeTable {
        Rope rope;
        std::vector<std::array<int64_t, 4>> positions;
        int64_t width = 0;  // of the cosines of one token; as many sines follow
        std::vector<float> values;
    };
    const RopeTable& rope_table(const Rope& rope, const Step& step);
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
    const RowKernels& kernels_;
    std::vector<RopeTable> rope_tables_;
    size_t next_rope_table_ = 0;
};

}  // namespace hearth::cpu
