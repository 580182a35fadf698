// Everything a model may ask of a device. Calls have eager meaning; a backend may compute at once or record. No value
// comes back and no branch looks at data. Results are new tensors in scratch memory; they live until the innermost
// Scratch guard dies. Equal bits: what a call computes for one token depends on that token and its sequence only, never
// on what else is in the step.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/step.h"
#include "ops/tensor.h"

namespace hearth {

class Ops;

// Memory made after this guard was taken returns when it dies.
class Scratch {
public:
    Scratch(Ops& ops, int64_t mark) : ops_(&ops), mark_(mark) {}
    Scratch(Scratch&& other) noexcept : ops_(other.ops_), mark_(other.mark_) { other.ops_ = nullptr; }
    Scratch& operator=(Scratch&&) = delete;
    ~Scratch();

private:
    Ops* ops_;
    int64_t mark_;
};

enum class Function : uint8_t {
    silu,          // x / (1 + e^-x)
    sigmoid,       // 1 / (1 + e^-x)
    gelu_tanh,     // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    gelu_erf,      // 0.5 x (1 + erf(x / sqrt 2))
    softplus,      // ln(1 + e^x), x itself above 20
    relu_squared,  // max(0, x)^2
    tanh,
};

// Rotation of pairs: pair j turns by positions[axis[j]] * frequency[j]; cos and sin are multiplied by magnitude. Every
// scaling scheme (linear, YaRN, divisor tables, partial rotation) is a choice of frequencies, made once by
// models/rope.h.
struct Rope {
    std::vector<double> frequency;  // one per pair; 0: the pair does not turn
    std::vector<uint8_t> axis;      // which of the four positions; empty: always the first
    float magnitude = 1;
    bool adjacent = false;  // pairs (2j, 2j+1); otherwise (j, j + pairs)
};

struct AttentionRule {
    float scale = 1;
    bool causal = true;
    int64_t window = 0;             // only keys with query - key < window; 0: all
    bool symmetric_window = false;  // bidirectional models: |query - key| <= window
    int64_t chunk = 0;              // only keys of the query's chunk of this many positions; 0: all
    Tensor sinks;                   // [1, heads]: an extra logit per head whose probability is discarded
    float softcap = 0;              // cap * tanh(score / cap); 0: off
};

struct DeltaInput {
    Tensor q, k;      // [tokens, key heads, S], normalised; q already scaled
    Tensor v;         // [tokens, value heads, S]; value head h uses key head h % key heads
    Tensor log_keep;  // [tokens, value heads]: log of the share of memory that is kept, never positive
    Tensor write;     // [tokens, value heads]: how strongly the new value is written
};

struct MambaInput {
    Tensor u;     // [tokens, heads, P]
    Tensor b, c;  // [tokens, groups, N]; head h uses group h / (heads / groups)
    Tensor dt;    // [tokens, heads], after softplus
    Tensor a, d;  // [1, heads]: decay rate (negative) and skip
};

struct RouteRule {
    enum class Gate : uint8_t { softmax, sigmoid, softmax_of_chosen } gate = Gate::softmax;
    int64_t used = 0;         // experts per token; ties take the lower id
    Tensor choice_bias;       // [1, experts]: added for choosing only
    bool renormalise = true;  // weights / max(their sum, least_sum)
    float least_sum = 6.103515625e-5f;
    float scale = 1;
    int64_t groups = 1, groups_used = 1;
};

// For every token the chosen experts in order of rank, and their weights.
struct Routing {
    Tensor ids;      // [tokens, used]: int32 behind the float handle
    Tensor weights;  // [tokens, used]
    int64_t experts = 0;
};

enum class Pooling : uint8_t { mean, first, last };

class Ops {
public:
    virtual ~Ops() = default;
    [[nodiscard]] Scratch scratch() { return Scratch(*this, mark()); }

    // Rows of a table by token id, times its scale (or rows of step.embeddings as they are).
    virtual Tensor embed(const Step& step, const Weight& table) = 0;
    // Columns [begin, begin + width) of such rows of a further table; tokens that are rows of step.embeddings read row
    // 0.
    virtual Tensor embed_part(const Step& step, const Weight& table, int64_t begin, int64_t width) = 0;
    // y = x W^T. Several weights of one input are one call: the input is prepared once.
    virtual void linear(Tensor x, std::span<const Weight* const> weights, std::span<Tensor> results) = 0;
    virtual Tensor head_linear(Tensor x,
                               const Weight& per_head) = 0;  // [t, h, in] x stack of h matrices -> [t, h, out]

    virtual Tensor rms_norm(Tensor x, Tensor scale,
                            float eps) = 0;  // over each head's width; no scale: an empty tensor
    virtual Tensor layer_norm(Tensor x, Tensor scale, Tensor bias, float eps) = 0;
    virtual Tensor l2_norm(Tensor x, float eps) = 0;  // x / max(|x|, eps) over each head's width
    virtual Tensor map(Function f, Tensor x) = 0;
    virtual Tensor add(Tensor a, Tensor b) = 0;  // b may be a single row, and a head of width 1 is spread over a head
    virtual Tensor multiply(Tensor a, Tensor b) = 0;  // likewise
    virtual Tensor scale(Tensor x, float factor) = 0;
    virtual Tensor clamp(Tensor x, float low, float high) = 0;
    virtual Tensor softcap(Tensor x, float cap) = 0;  // cap * tanh(x / cap)
    virtual void add_to(Tensor sum, Tensor x) = 0;
    virtual void scale_in_place(Tensor x, float factor) = 0;
    virtual Tensor concat(Tensor a, Tensor b) = 0;  // along the width, heads joined
    virtual Tensor select_rows(Tensor x, std::span<const int32_t> rows) = 0;
    virtual Tensor pool(Tensor x, Pooling how, const Step& step) = 0;  // one row per sequence

    virtual Tensor rope(Tensor heads, const Rope& rope, const Step& step) = 0;
    // factor of a token at position p: 1 + beta * ln(1 + floor((p + shift) / period))
    virtual Tensor position_scale(Tensor x, float beta, int64_t period, int64_t shift, const Step& step) = 0;
    // Appends k and v to the cache first (empty ones: another layer of the same cache already did), then reads only the
    // cache.
    virtual Tensor attention(Tensor q, Tensor k, Tensor v, const AttentionRule& rule, const KvLayer& kv,
                             const Step& step) = 0;

    // Depthwise over time: y_t = sum_j taps[channel][j] * x_{t - (taps-1) + j} (+ bias). taps: [channels, taps]. State:
    // the last taps - 1 rows of x.
    virtual Tensor causal_conv(Tensor x, Tensor taps, Tensor bias, const StateBuffer& state, const Step& step) = 0;
    // Per value head with memory M [value index][key index]: M *= e^log_keep; d = write * (v - M k); M += d k^T; y = M
    // q.
    virtual Tensor gated_delta_rule(const DeltaInput& in, const StateBuffer& memory, const Step& step) = 0;
    // Per head with state S [P][N]: S = e^(dt a) S + dt u b^T; y = S c + d u.
    virtual Tensor mamba(const MambaInput& in, const StateBuffer& state, const Step& step) = 0;

    virtual Routing route(Tensor logits, const RouteRule& rule) = 0;
    // x: [tokens, in] (shared by a token's experts) or [tokens * used, in] -> [tokens * used, out], rows (token, rank).
    // Each row times its expert's factor where the stack has scales.
    virtual Tensor expert_linear(Tensor x, const Weight& stack, const Routing& routing) = 0;
    virtual Tensor expert_add(Tensor x, Tensor rows_by_expert, const Routing& routing) = 0;  // biases [experts, out]
    virtual Tensor expert_scale(Tensor x, const Routing& routing) = 0;  // every (token, rank) row of x times its weight
    virtual Tensor expert_sum(Tensor y, const Routing& routing) = 0;    // weighted sum per token, in order of rank

    // Fused forms: the body is the meaning, the fallback and the test oracle. Override when one kernel does it.
    virtual Tensor swiglu(Tensor gate, Tensor up) { return multiply(map(Function::silu, gate), up); }
    virtual Tensor geglu(Tensor gate, Tensor up) { return multiply(map(Function::gelu_tanh, gate), up); }
    virtual Tensor gate(Tensor x, Tensor gate) { return multiply(x, map(Function::sigmoid, gate)); }
    virtual Tensor norm_and_gate(Tensor x, Tensor scale, Tensor gate, float eps) {
        return multiply(rms_norm(x, scale, eps), map(Function::silu, gate));
    }
    virtual Tensor causal_conv_silu(Tensor x, Tensor taps, Tensor bias, const StateBuffer& state, const Step& step) {
        return map(Function::silu, causal_conv(x, taps, bias, state, step));
    }

    Tensor linear(Tensor x, const Weight& w) {
        const Weight* weights[] = {&w};
        Tensor result[1];
        linear(x, weights, result);
        return scaled(result[0], w);
    }
    template <class... W>
    std::array<Tensor, sizeof...(W)> linears(Tensor x, const W&... w) {
        const Weight* weights[] = {&w...};
        std::array<Tensor, sizeof...(W)> results;
        linear(x, weights, results);
        for (size_t i = 0; i < results.size(); ++i) results[i] = scaled(results[i], *weights[i]);
        return results;
    }

private:
    Tensor scaled(Tensor y, const Weight& w) { return w.scale == 1 ? y : scale(y, w.scale); }

protected:
    friend class Scratch;
    friend class TimedOps;  // hands these two on
    virtual int64_t mark() = 0;
    virtual void release(int64_t mark) = 0;
};

inline Scratch::~Scratch() {
    if (ops_) ops_->release(mark_);
}

}  // namespace hearth
