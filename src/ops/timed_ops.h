// Ops that wrap Ops and note how long each call takes and what it had to move and to multiply: what `bench --profile`
// shows. Results are those of the wrapped ones. What else is to be noted of calls derives from it (measuring_ops.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/os.h"
#include "ops/op_cost.h"

namespace hearth {

struct OpTime {
    std::string_view name;
    int64_t calls = 0;
    double seconds = 0;
    OpCost cost;
};

class TimedOps : public Ops {
    // A call that returns a tensor writes it; that is part of what it costs.
    template <class F>
    auto timed(std::string_view name, OpCost cost, F call) {
        const double start = monotonic_seconds();
        auto result = call();
        const double seconds = monotonic_seconds() - start;
        if constexpr (std::same_as<decltype(result), Tensor>) cost.bytes += op_cost::bytes_of(result);
        note(name, seconds, cost);
        return result;
    }

public:
    explicit TimedOps(Ops& inner) : inner_(inner) {}

    const std::vector<OpTime>& times() const { return times_; }
    void reset() { times_.clear(); }
    double seconds() const {
        double sum = 0;
        for (const OpTime& one : times_) sum += one.seconds;
        return sum;
    }
    // Also what is no op: work between them, by its own name.
    void note(std::string_view name, double seconds, const OpCost& cost = {}) {
        auto one = std::ranges::find(times_, name, &OpTime::name);
        if (one == times_.end()) one = times_.insert(one, {.name = name, .cost = {.kind = cost.kind}});
        ++one->calls;
        one->seconds += seconds;
        one->cost += cost;
    }

    using Ops::linear;
    Tensor embed(const Step& step, const Weight& table) override {
        return timed("embed", op_cost::look_up(table, double(step.tokens()), double(table.in)),
                     [&] { return inner_.embed(step, table); });
    }
    Tensor embed_part(const Step& step, const Weight& table, int64_t begin, int64_t width) override {
        return timed("embed_part", op_cost::look_up(table, double(step.tokens()), double(width)),
                     [&] { return inner_.embed_part(step, table, begin, width); });
    }
    void linear(Tensor x, std::span<const Weight* const> weights, std::span<Tensor> results) override {
        OpCost cost{.kind = OpKind::matrix, .bytes = op_cost::bytes_of(x)};
        for (const Weight* weight : weights) cost += op_cost::product(*weight, double(x.rows), 1);
        timed(x.rows > 1 ? "linear, many rows" : "linear, one row", cost,
              [&] { return inner_.linear(x, weights, results), 0; });
    }
    Tensor head_linear(Tensor x, const Weight& w) override {
        const double matrices = double(w.experts);
        return timed("head_linear", op_cost::product(w, double(x.rows) * matrices, matrices),
                     [&] { return inner_.head_linear(x, w); });
    }
    Tensor rms_norm(Tensor x, Tensor scale, float eps) override {
        return timed("rms_norm", op_cost::moved(x), [&] { return inner_.rms_norm(x, scale, eps); });
    }
    Tensor layer_norm(Tensor x, Tensor scale, Tensor bias, float eps) override {
        return timed("layer_norm", op_cost::moved(x), [&] { return inner_.layer_norm(x, scale, bias, eps); });
    }
    Tensor l2_norm(Tensor x, float eps) override {
        return timed("l2_norm", op_cost::moved(x), [&] { return inner_.l2_norm(x, eps); });
    }
    Tensor map(Function f, Tensor x) override {
        return timed("map", op_cost::moved(x), [&] { return inner_.map(f, x); });
    }
    Tensor add(Tensor a, Tensor b) override {
        return timed("add", op_cost::moved(a, b), [&] { return inner_.add(a, b); });
    }
    Tensor multiply(Tensor a, Tensor b) override {
        return timed("multiply", op_cost::moved(a, b), [&] { return inner_.multiply(a, b); });
    }
    Tensor scale(Tensor x, float factor) override {
        return timed("scale", op_cost::moved(x), [&] { return inner_.scale(x, factor); });
    }
    Tensor clamp(Tensor x, float low, float high) override {
        return timed("clamp", op_cost::moved(x), [&] { return inner_.clamp(x, low, high); });
    }
    Tensor softcap(Tensor x, float cap) override {
        return timed("softcap", op_cost::moved(x), [&] { return inner_.softcap(x, cap); });
    }
    void add_to(Tensor sum, Tensor x) override {
        timed("add_to", op_cost::moved(sum, sum, x), [&] { return inner_.add_to(sum, x), 0; });
    }
    void scale_in_place(Tensor x, float factor) override {
        timed("scale_in_place", op_cost::moved(x, x), [&] { return inner_.scale_in_place(x, factor), 0; });
    }
    Tensor concat(Tensor a, Tensor b) override {
        return timed("concat", op_cost::moved(a, b), [&] { return inner_.concat(a, b); });
    }
    Tensor select_rows(Tensor x, std::span<const int32_t> rows) override {
        return timed("select_rows", op_cost::moved(x.row_range(0, int64_t(rows.size()))),
                     [&] { return inner_.select_rows(x, rows); });
    }
    Tensor pool(Tensor x, Pooling how, const Step& step) override {
        return timed("pool", op_cost::moved(x), [&] { return inner_.pool(x, how, step); });
    }
    Tensor rope(Tensor heads, const Rope& rope, const Step& step) override {
        return timed("rope", op_cost::moved(heads), [&] { return inner_.rope(heads, rope, step); });
    }
    Tensor position_scale(Tensor x, float beta, int64_t period, int64_t shift, const Step& step) override {
        return timed("position_scale", op_cost::moved(x),
                     [&] { return inner_.position_scale(x, beta, period, shift, step); });
    }
    Tensor attention(Tensor q, Tensor k, Tensor v, const AttentionRule& rule, const KvLayer& kv,
                     const Step& step) override {
        return timed("attention", op_cost::attention(q, k, rule, kv, step),
                     [&] { return inner_.attention(q, k, v, rule, kv, step); });
    }
    Tensor causal_conv(Tensor x, Tensor taps, Tensor bias, const StateBuffer& state, const Step& step) override {
        return timed("causal_conv", op_cost::convolution(x, taps, state, step),
                     [&] { return inner_.causal_conv(x, taps, bias, state, step); });
    }
    Tensor gated_delta_rule(const DeltaInput& in, const StateBuffer& memory, const Step& step) override {
        return timed("gated_delta_rule", op_cost::delta(in, memory, step),
                     [&] { return inner_.gated_delta_rule(in, memory, step); });
    }
    Tensor mamba(const MambaInput& in, const StateBuffer& state, const Step& step) override {
        return timed("mamba", op_cost::mamba(in, state, step), [&] { return inner_.mamba(in, state, step); });
    }
    Routing route(Tensor logits, const RouteRule& rule) override {
        return timed("route", op_cost::moved(logits), [&] { return inner_.route(logits, rule); });
    }
    Tensor expert_linear(Tensor x, const Weight& stack, const Routing& routing) override {
        // Which experts were chosen is not looked at: as many as can be.
        const double rows = double(routing.ids.count()), read = std::min(rows, double(stack.experts));
        return timed("expert_linear", op_cost::product(stack, rows, read),
                     [&] { return inner_.expert_linear(x, stack, routing); });
    }
    Tensor expert_add(Tensor x, Tensor rows_by_expert, const Routing& routing) override {
        return timed("expert_add", op_cost::moved(x), [&] { return inner_.expert_add(x, rows_by_expert, routing); });
    }
    Tensor expert_scale(Tensor x, const Routing& routing) override {
        return timed("expert_scale", op_cost::moved(x), [&] { return inner_.expert_scale(x, routing); });
    }
    Tensor expert_sum(Tensor y, const Routing& routing) override {
        return timed("expert_sum", op_cost::moved(y), [&] { return inner_.expert_sum(y, routing); });
    }
    Tensor swiglu(Tensor gate, Tensor up) override {
        return timed("swiglu", op_cost::moved(gate, up), [&] { return inner_.swiglu(gate, up); });
    }
    Tensor geglu(Tensor gate, Tensor up) override {
        return timed("geglu", op_cost::moved(gate, up), [&] { return inner_.geglu(gate, up); });
    }
    Tensor gate(Tensor x, Tensor by) override {
        return timed("gate", op_cost::moved(x, by), [&] { return inner_.gate(x, by); });
    }
    Tensor norm_and_gate(Tensor x, Tensor scale, Tensor by, float eps) override {
        return timed("norm_and_gate", op_cost::moved(x, by), [&] { return inner_.norm_and_gate(x, scale, by, eps); });
    }
    Tensor causal_conv_silu(Tensor x, Tensor taps, Tensor bias, const StateBuffer& state, const Step& step) override {
        return timed("causal_conv_silu", op_cost::convolution(x, taps, state, step),
                     [&] { return inner_.causal_conv_silu(x, taps, bias, state, step); });
    }

protected:
    int64_t mark() override { return inner_.mark(); }
    void release(int64_t mark) override { inner_.release(mark); }

private:
    Ops& inner_;
    std::vector<OpTime> times_;
};

}  // namespace hearth
