// Every op as the plainest loop that says what it means, in floats. It documents the vocabulary, is the oracle of the
// fast kernels, and lends them whatever they have no kernel for: a backend derives from ReferenceOps and overrides op
// by op. In a planning backend each op makes its result and leaves: shapes and scratch use are those of the real run.
#pragma once

#include "backends/host.h"

namespace hearth {

class ReferenceOps : public Ops {
public:
    explicit ReferenceOps(ScratchArena& arena) : arena_(arena) {}
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
    Tensor select_rows(Tensor x, std::span<const int32_t> rows) override;
    Tensor pool(Tensor x, Pooling how, const Step& step) override;

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

protected:
    // A dense result in scratch memory, not filled; without memory when planning.
    Tensor make(int64_t rows, int64_t heads, int64_t width) {
        return Tensor::dense(arena_.take(rows * heads * width), rows, heads, width);
    }
    Tensor make_like(Tensor x) { return make(x.rows, x.heads_count, x.width); }
    bool planning() const { return arena_.is_planning(); }
    ScratchArena& arena() { return arena_; }

    int64_t mark() override { return arena_.mark(); }
    void release(int64_t mark) override { arena_.release(mark); }

    // One row of a weight as floats. A backend with its own layout overrides this and keeps every fallback working.
    virtual void weight_row(const Weight& weight, int64_t expert, int64_t row, float* out) const;
    // The body of route for tokens [begin, end): one definition, so that every backend and row chooses alike.
    static void route_tokens(Tensor logits, const RouteRule& rule, const Routing& to, int64_t begin, int64_t end);
    // The body of position_scale.
    static float position_factor(float beta, int64_t period, int64_t position);

private:
    template <class Combine>
    Tensor combine(Tensor a, Tensor b, Combine combine);
    template <class F>
    Tensor each(Tensor x, F f);

    ScratchArena& arena_;
};

// planning: nothing is held and nothing computed, but memory is counted.
std::unique_ptr<Backend> make_reference_backend(MemoryLedger& ledger, bool planning);

}  // namespace hearth
