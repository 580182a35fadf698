// What is asked of every backend: ops as data. Each case has its inputs (host floats made from a seed, so that an
// independent loop can use them too) and a way to run it on any backend. op_cases() lists all with a name and the kind
// of agreement that is owed to the reference; split_cases() those that must give equal bits however their sequences are
// cut into steps.
#pragma once

#include "backends/op_rig.h"

namespace hearth::test {

struct LinearCase {
    DType type;
    int64_t tokens, out, in;

    std::vector<float> input() const { return random_floats(tokens * in, 1); }
    std::vector<std::byte> weight_bytes() const { return random_weight_bytes(type, out * in, 2); }
    std::vector<float> run(Backend& backend) const {
        const Weight weight = load_random(backend, type, {1, out, in}, 2);
        return read(backend, backend.ops().linear(load_tensor(backend, input(), tokens), weight));
    }
};

struct AttentionCase {
    int64_t heads, kv_heads, key_width, value_width;
    KvType kv = KvType::f32;
    std::vector<int64_t> totals = {70, 3, 133};
    bool causal = true, symmetric = false, sinks = false;
    int64_t window = 0, chunk = 0;
    float softcap = 0;
    int64_t span_begin = 0, span_end = 0;  // a bidirectional span in every sequence long enough

    bool can_be_split() const { return causal && span_end == 0; }
    KvGeometry geometry() const { return {kv_heads, key_width, value_width, window}; }
    int64_t all_tokens() const { return std::accumulate(totals.begin(), totals.end(), int64_t{0}); }
    float scale() const { return 1 / std::sqrt(float(key_width)); }
    Rows q() const { return {random_floats(all_tokens() * heads * key_width, 11, 1.5f), heads * key_width}; }
    Rows k() const { return {random_floats(all_tokens() * kv_heads * key_width, 12, 1.5f), kv_heads * key_width}; }
    Rows v() const { return {random_floats(all_tokens() * kv_heads * value_width, 13), kv_heads * value_width}; }
    std::vector<float> sink_logits() const { return random_floats(heads, 14, 2); }

    std::vector<float> run(Backend& backend, const Schedule& schedule) const {
        Driver driver(backend, totals);
        if (span_end > 0)
            driver.adjust = [this](Step& step) {
                for (size_t token = 0; token < step.kv_index.size(); ++token)
                    if (step.kv_index[token] >= span_begin && step.kv_index[token] < span_end)
                        step.span_end[token] = span_end;
            };
        const KvLayer layer = driver.kv_layer(geometry(), kv);
        AttentionRule rule{.scale = scale(),
                           .causal = causal,
                           .window = window,
                           .symmetric_window = symmetric,
                           .chunk = chunk,
                           .softcap = softcap};
        if (sinks) rule.sinks = load_tensor(backend, sink_logits(), 1);
        return driver.run(schedule, {q(), k(), v()}, [&](const Step& step, const std::vector<Tensor>& in) {
            return backend.ops().attention(in[0].heads(heads), in[1].heads(kv_heads), in[2].heads(kv_heads), rule,
                                           layer, step);
        });
    }
    std::vector<float> run(Backend& backend) const { return run(backend, whole(totals)); }
};

struct RopeCase {
    int64_t heads, width, pairs;
    bool adjacent = false, axes = false;
    float magnitude = 1;
    int64_t tokens = 9, stride = 1237;  // positions are multiples of the stride: large angles count

    Rope rope() const {
        Rope rope{.magnitude = magnitude, .adjacent = adjacent};
        for (int64_t pair = 0; pair < pairs; ++pair) {
            rope.frequency.push_back(pair == 3 ? 0 : std::pow(1e6, -double(pair) / double(pairs)));
            if (axes) rope.axis.push_back(uint8_t(pair % 4));
        }
        return rope;
    }
    static std::array<int64_t, 4> position(int64_t index, int64_t stride) {
        return {index * stride, index * stride + 5, 2 * index, 3};
    }
    std::vector<float> input() const { return random_floats(tokens * heads * width, 21); }
    std::vector<float> run(Backend& backend) const {
        Driver driver(backend, {tokens});
        driver.adjust = [this](Step& step) {
            for (size_t i = 0; i < step.positions.size(); ++i) step.positions[i] = position(step.kv_index[i], stride);
        };
        return driver.run(whole({tokens}), {{input(), heads * width}},
                          [&](const Step& step, const std::vector<Tensor>& in) {
                              return backend.ops().rope(in[0].heads(heads), rope(), step);
                          });
    }
};

struct ConvCase {
    int64_t channels, taps;
    bool bias = false, silu = false;
    std::vector<int64_t> totals = {75, 1, 140};

    int64_t all_tokens() const { return std::accumulate(totals.begin(), totals.end(), int64_t{0}); }
    Rows input() const { return {random_floats(all_tokens() * channels, 31), channels}; }
    std::vector<float> tap_values() const { return random_floats(channels * taps, 32); }
    std::vector<float> bias_values() const { return random_floats(channels, 33); }
    std::vector<float> run(Backend& backend, const Schedule& schedule) const {
        Driver driver(backend, totals);
        const StateBuffer state = driver.state((taps - 1) * channels);
        const Tensor w = load_tensor(backend, tap_values(), channels);
        const Tensor b = bias ? load_tensor(backend, bias_values(), 1) : Tensor();
        return driver.run(schedule, {input()}, [&](const Step& step, const std::vector<Tensor>& in) {
            return silu ? backend.ops().causal_conv_silu(in[0], w, b, state, step)
                        : backend.ops().causal_conv(in[0], w, b, state, step);
        });
    }
    std::vector<float> run(Backend& backend) const { return run(backend, whole(totals)); }
};

struct DeltaCase {
    int64_t key_heads, value_heads, key_width, value_width;
    std::vector<int64_t> totals = {75, 1, 140};

    int64_t all_tokens() const { return std::accumulate(totals.begin(), totals.end(), int64_t{0}); }
    // q, k, v, log_keep, write: keys of length near one and decays from none to total, as trained heads have them.
    std::vector<Rows> inputs() const {
        const float unit = 1 / std::sqrt(float(key_width));
        std::vector<Rows> rows{{random_floats(all_tokens() * key_heads * key_width, 41, unit), key_heads * key_width},
                               {random_floats(all_tokens() * key_heads * key_width, 42, unit), key_heads * key_width},
                               {random_floats(all_tokens() * value_heads * value_width, 43), value_heads * value_width},
                               {random_floats(all_tokens() * value_heads, 44, 2), value_heads},
                               {random_floats(all_tokens() * value_heads, 45, 2), value_heads}};
        for (float& keep : rows[3].values) keep = -std::exp(keep - 2);
        for (float& write : rows[4].values) write = 1 / (1 + std::exp(-write));
        return rows;
    }
    std::vector<float> run(Backend& backend, const Schedule& schedule) const {
        Driver driver(backend, totals);
        const StateBuffer memory = driver.state(value_heads * value_width * key_width);
        return driver.run(schedule, inputs(), [&](const Step& step, const std::vector<Tensor>& in) {
            return backend.ops().gated_delta_rule({.q = in[0].heads(key_heads),
                                                   .k = in[1].heads(key_heads),
                                                   .v = in[2].heads(value_heads),
                                                   .log_keep = in[3],
                                                   .write = in[4]},
                                                  memory, step);
        });
    }
    std::vector<float> run(Backend& backend) const { return run(backend, whole(totals)); }
};

struct MambaCase {
    int64_t heads, width, groups, n;
    std::vector<int64_t> totals = {75, 1, 140};

    int64_t all_tokens() const { return std::accumulate(totals.begin(), totals.end(), int64_t{0}); }
    std::vector<Rows> inputs() const {  // u, b, c, dt
        std::vector<Rows> rows{{random_floats(all_tokens() * heads * width, 51), heads * width},
                               {random_floats(all_tokens() * groups * n, 52), groups * n},
                               {random_floats(all_tokens() * groups * n, 53), groups * n},
                               {random_floats(all_tokens() * heads, 54), heads}};
        for (float& dt : rows[3].values) dt = std::log1p(std::exp(dt - 1));
        return rows;
    }
    std::vector<float> decay() const {
        auto a = random_floats(heads, 55);
        for (float& value : a) value = -std::exp(value);
        return a;
    }
    std::vector<float> skip() const { return random_floats(heads, 56); }
    std::vector<float> run(Backend& backend, const Schedule& schedule) const {
        Driver driver(backend, totals);
        const StateBuffer state = driver.state(heads * width * n);
        const Tensor a = load_tensor(backend, decay(), 1), d = load_tensor(backend, skip(), 1);
        return driver.run(schedule, inputs(), [&](const Step& step, const std::vector<Tensor>& in) {
            return backend.ops().mamba({.u = in[0].heads(heads),
                                        .b = in[1].heads(groups),
                                        .c = in[2].heads(groups),
                                        .dt = in[3],
                                        .a = a,
                                        .d = d},
                                       state, step);
        });
    }
    std::vector<float> run(Backend& backend) const { return run(backend, whole(totals)); }
};

struct RouteCase {
    RouteRule rule;  // without its bias
    int64_t experts;
    bool choice_bias = false;
    int64_t tokens = 13;
    bool ties = false;  // logits in coarse steps, so that many are equal

    std::vector<float> logits() const {
        auto values = random_floats(tokens * experts, 61, 2);
        if (ties)
            for (float& value : values) value = std::round(value);
        return values;
    }
    std::vector<float> bias() const { return random_floats(experts, 62, 0.3f); }
    // [tokens, used]: the ids as floats, then the weights.
    std::vector<float> run(Backend& backend) const {
        RouteRule full = rule;
        if (choice_bias) full.choice_bias = load_tensor(backend, bias(), 1);
        const Routing routing = backend.ops().route(load_tensor(backend, logits(), tokens), full);
        std::vector<float> result = read(backend, routing.ids);
        for (float& id : result) id = float(std::bit_cast<int32_t>(id));
        const auto weights = read(backend, routing.weights);
        result.insert(result.end(), weights.begin(), weights.end());
        return result;
    }
};

// Queries that grow with their position: across several periods, with and without a shift, whole heads or parts of
// them.
struct PositionScaleCase {
    int64_t heads, width, used, period, shift;
    int64_t tokens = 40, stride = 7;

    std::vector<float> input() const { return random_floats(tokens * heads * width, 22); }
    std::vector<float> run(Backend& backend) const {
        Driver driver(backend, {tokens});
        driver.adjust = [this](Step& step) {
            for (size_t i = 0; i < step.positions.size(); ++i) step.positions[i] = {step.kv_index[i] * stride, 0, 0, 0};
        };
        return driver.run(whole({tokens}), {{input(), heads * width}},
                          [&](const Step& step, const std::vector<Tensor>& in) {
                              const Tensor part = in[0].heads(heads).slice(width - used, used);
                              return backend.ops().position_scale(part, 0.1f, period, shift, step);
                          });
    }
};

// Two layers of experts with biases, factors and the weighted sum; the second layer's input has a row per (token,
// rank).
struct ExpertCase {
    DType type;
    int64_t experts, used, hidden, width, tokens;

    std::vector<float> input() const { return random_floats(tokens * hidden, 71); }
    std::vector<float> logits() const { return random_floats(tokens * experts, 72); }
    std::vector<float> up_bias() const { return random_floats(experts * width, 75); }
    std::vector<float> down_scales() const { return random_floats(experts, 76, 0.2f, 1); }
    std::vector<float> run(Backend& backend) const {
        Ops& ops = backend.ops();
        const Weight up = load_random(backend, type, {experts, width, hidden}, 73);
        Weight down = load_random(backend, type, {experts, hidden, width}, 74);
        down.scales = load_tensor(backend, down_scales(), 1);
        const Routing routing = ops.route(load_tensor(backend, logits(), tokens), {.used = used});
        Tensor y = ops.expert_linear(load_tensor(backend, input(), tokens), up, routing);
        y = ops.expert_add(y, load_tensor(backend, up_bias(), experts), routing);
        return read(backend, ops.expert_sum(ops.expert_linear(y, down, routing), routing));
    }
};

// Small ops: a lambda over three fixed inputs: x, z [tokens, heads, width] and parameters p [1, heads * width].
struct PlainCase {
    std::string name;
    int64_t tokens, heads, width;
    std::function<Tensor(Ops&, Tensor x, Tensor z, Tensor p)> op;

    std::vector<float> x() const { return random_floats(tokens * heads * width, 81, 2); }
    std::vector<float> z() const { return random_floats(tokens * heads * width, 82, 2); }
    std::vector<float> p() const { return random_floats(heads * width, 83, 0.5f, 1); }
    std::vector<float> run(Backend& backend) const {
        return read(backend, op(backend.ops(), load_tensor(backend, x(), tokens, heads),
                                load_tensor(backend, z(), tokens, heads), load_tensor(backend, p(), 1)));
    }
};

inline std::vector<PlainCase> plain_cases() {
    std::vector<PlainCase> cases;
    for (const auto [tokens, heads, width] : {std::array<int64_t, 3>{1, 1, 1}, {3, 1, 67}, {5, 4, 33}, {2, 3, 128}}) {
        auto add = [&](std::string name, auto op) {
            cases.push_back(
                {name + "_" + std::to_string(heads) + "x" + std::to_string(width), tokens, heads, width, op});
        };
        const int64_t w = width;
        add("rms_norm", [w](Ops& ops, Tensor x, Tensor, Tensor p) { return ops.rms_norm(x, p.slice(0, w), 1e-6f); });
        add("rms_norm_by_head", [](Ops& ops, Tensor x, Tensor, Tensor p) { return ops.rms_norm(x, p, 1e-6f); });
        add("rms_norm_plain", [](Ops& ops, Tensor x, Tensor, Tensor) { return ops.rms_norm(x, {}, 1e-5f); });
        add("layer_norm", [w](Ops& ops, Tensor x, Tensor, Tensor p) {
            return ops.layer_norm(x, p.slice(0, w), p.slice(p.width - w, w), 1e-5f);
        });
        add("l2_norm", [](Ops& ops, Tensor x, Tensor, Tensor) { return ops.l2_norm(x, 1e-6f); });
        for (const auto& [f, name] : {std::pair{Function::silu, "silu"},
                                      {Function::sigmoid, "sigmoid"},
                                      {Function::gelu_tanh, "gelu_tanh"},
                                      {Function::gelu_erf, "gelu_erf"},
                                      {Function::softplus, "softplus"},
                                      {Function::relu_squared, "relu_squared"},
                                      {Function::tanh, "tanh"}})
            add(name, [f](Ops& ops, Tensor x, Tensor, Tensor) { return ops.map(f, ops.scale(x, 4)); });
        add("add", [](Ops& ops, Tensor x, Tensor z, Tensor) { return ops.add(x, z); });
        add("multiply_row", [](Ops& ops, Tensor x, Tensor, Tensor p) { return ops.multiply(x, p); });
        add("multiply_spread", [](Ops& ops, Tensor x, Tensor z, Tensor) { return ops.multiply(x, z.slice(0, 1)); });
        add("add_shared_by_heads", [w](Ops& ops, Tensor x, Tensor, Tensor p) { return ops.add(x, p.slice(0, w)); });
        add("clamp", [](Ops& ops, Tensor x, Tensor, Tensor) { return ops.clamp(x, -1, 0.5f); });
        add("softcap", [](Ops& ops, Tensor x, Tensor, Tensor) { return ops.softcap(x, 3); });
        add("add_to", [](Ops& ops, Tensor x, Tensor z, Tensor) {
            Tensor sum = ops.scale(x, 2);
            ops.add_to(sum, z);
            return sum;
        });
        add("scale_in_place", [](Ops& ops, Tensor x, Tensor z, Tensor) {
            Tensor y = ops.add(x, z);
            ops.scale_in_place(y, 0.3f);
            ops.scale_in_place(y.slice(y.width / 2, y.width - y.width / 2), 3);
            return y;
        });
        add("concat",
            [](Ops& ops, Tensor x, Tensor z, Tensor) { return ops.concat(x, z.slice(0, (z.width + 1) / 2)); });
        add("halves", [](Ops& ops, Tensor x, Tensor, Tensor) {
            const auto [a, b] = x.halves();
            return a ? ops.multiply(a, ops.map(Function::sigmoid, b)) : x;
        });
        add("select_rows", [](Ops& ops, Tensor x, Tensor, Tensor) {
            const int32_t rows[] = {int32_t(x.rows - 1), 0, int32_t(x.rows / 2)};
            return ops.select_rows(x, rows);
        });
        add("swiglu", [](Ops& ops, Tensor x, Tensor z, Tensor) { return ops.swiglu(x, z); });
        add("geglu", [](Ops& ops, Tensor x, Tensor z, Tensor) { return ops.geglu(x, z); });
        add("gate", [](Ops& ops, Tensor x, Tensor z, Tensor) { return ops.gate(x, z); });
        add("norm_and_gate",
            [w](Ops& ops, Tensor x, Tensor z, Tensor p) { return ops.norm_and_gate(x, p.slice(0, w), z, 1e-6f); });
    }
    return cases;
}

inline std::vector<AttentionCase> attention_cases() {
    std::vector<AttentionCase> cases{
        {.heads = 1, .kv_heads = 1, .key_width = 32, .value_width = 32},
        {.heads = 8, .kv_heads = 2, .key_width = 64, .value_width = 64, .totals = {70, 3, 530}},
        {.heads = 6, .kv_heads = 2, .key_width = 80, .value_width = 48},
        {.heads = 4, .kv_heads = 1, .key_width = 96, .value_width = 64},
        {.heads = 4, .kv_heads = 2, .key_width = 32, .value_width = 32, .window = 16},
        {.heads = 4, .kv_heads = 2, .key_width = 32, .value_width = 32, .sinks = true, .window = 65},
        {.heads = 4, .kv_heads = 4, .key_width = 32, .value_width = 32, .sinks = true},
        {.heads = 4, .kv_heads = 2, .key_width = 32, .value_width = 32, .chunk = 48},
        {.heads = 4, .kv_heads = 2, .key_width = 32, .value_width = 32, .softcap = 2},
        {.heads = 4, .kv_heads = 2, .key_width = 32, .value_width = 32, .causal = false},
        {.heads = 4,
         .kv_heads = 2,
         .key_width = 32,
         .value_width = 32,
         .causal = false,
         .symmetric = true,
         .window = 10},
        {.heads = 4, .kv_heads = 2, .key_width = 32, .value_width = 32, .span_begin = 20, .span_end = 66},
        {.heads = 4, .kv_heads = 2, .key_width = 32, .value_width = 32, .window = 24, .span_begin = 20, .span_end = 66},
    };
    for (const KvType kv : {KvType::f16, KvType::q8_0, KvType::q4_0})
        cases.push_back(
            {.heads = 8, .kv_heads = 2, .key_width = 64, .value_width = 32, .kv = kv, .totals = {70, 3, 530}});
    // Codes are read in place for few query rows and widened for many: head sizes of the families, groups of one to
    // sixteen heads, tiles seen in part.
    for (const KvType kv : {KvType::q8_0, KvType::q4_0}) {
        const AttentionCase some[] = {
            {.heads = 2, .kv_heads = 2, .key_width = 128, .value_width = 128},
            {.heads = 4, .kv_heads = 2, .key_width = 128, .value_width = 128, .window = 16},
            {.heads = 6, .kv_heads = 2, .key_width = 96, .value_width = 160, .sinks = true},
            {.heads = 8, .kv_heads = 1, .key_width = 256, .value_width = 256, .window = 65},
            {.heads = 12, .kv_heads = 1, .key_width = 32, .value_width = 64, .sinks = true, .window = 40},
            {.heads = 16, .kv_heads = 1, .key_width = 64, .value_width = 64, .softcap = 2},
            {.heads = 5, .kv_heads = 1, .key_width = 512, .value_width = 512, .chunk = 48},
        };
        for (AttentionCase op : some) {
            op.kv = kv;
            op.totals = {70, 3, 13};
            cases.push_back(op);
        }
    }
    return cases;
}
inline std::vector<ConvCase> conv_cases() {
    return {{.channels = 1, .taps = 2},
            {.channels = 67, .taps = 4},
            {.channels = 64, .taps = 3, .bias = true},
            {.channels = 96, .taps = 4, .bias = true, .silu = true}};
}
inline std::vector<DeltaCase> delta_cases() {
    return {{2, 2, 16, 16}, {2, 6, 32, 32}, {1, 4, 128, 128, {20, 1, 67}}, {3, 3, 24, 40}};
}
inline std::vector<MambaCase> mamba_cases() {
    return {{4, 8, 2, 16},
            {6, 20, 1, 32},
            {8, 64, 4, 128, {20, 1, 67}},
            {4, 80, 2, 128, {20, 1, 67}},  // whole vectors, but blocks of unequal size
            {2, 37, 1, 5}};
}
inline std::vector<RopeCase> rope_cases() {
    return {{3, 64, 32},
            {3, 64, 32, true},
            {2, 80, 24, false, false, 1.3f},
            {2, 64, 16, false, true},
            {2, 64, 32, true, true, 0.7f}};
}
inline std::vector<PositionScaleCase> position_scale_cases() {
    return {{4, 64, 64, 32, 0}, {3, 40, 40, 50, 1}, {4, 48, 20, 16, 0}};
}
inline std::vector<RouteCase> route_cases() {
    using Gate = RouteRule::Gate;
    return {{{.gate = Gate::softmax, .used = 8}, 128},
            {{.gate = Gate::softmax, .used = 2, .renormalise = false, .scale = 2.5f}, 16},
            {{.gate = Gate::softmax_of_chosen, .used = 4}, 32},
            {{.gate = Gate::sigmoid, .used = 6, .scale = 2.5f}, 64, true},
            {{.gate = Gate::sigmoid, .used = 4, .groups = 8, .groups_used = 3}, 64, true},
            {{.gate = Gate::sigmoid, .used = 1, .renormalise = false}, 16},
            {{.gate = Gate::softmax, .used = 3, .groups = 4, .groups_used = 2}, 16, false, 13, true},
            {{.gate = Gate::softmax_of_chosen, .used = 5}, 12, false, 13, true}};
}

// How near a backend must come to the reference.
enum class Owes {
    bits,     // values are moved, never computed
    floats,   // the same sums in another order, or functions of a few ulp
    product,  // products with stored weights, whose activations a backend may round to eight bits
};

struct OpCase {
    std::string name;
    Owes owes;
    DType type = DType::f32;  // of the weights, where it has some
    std::function<std::vector<float>(Backend&)> run;
};

inline std::vector<OpCase> op_cases() {
    std::vector<OpCase> cases;
    auto add = [&cases](std::string name, Owes owes, auto op, DType type = DType::f32) {
        cases.push_back({name, owes, type, [op](Backend& backend) {
                             const Scratch scratch = backend.ops().scratch();
                             return op.run(backend);
                         }});
    };
    auto numbered = [&add](std::string name, const auto& list, Owes owes) {
        for (size_t i = 0; i < list.size(); ++i) add(name + "_" + std::to_string(i), owes, list[i]);
    };
    for (const DTypeInfo& type : dtypes()) {
        if (!type.is_weight) continue;
        // Widths: one block and many; rows: no multiple of any kernel's group; tokens: one, a few, more than a tile.
        const int64_t in = std::max<int64_t>(type.block_elements, 256);
        for (const int64_t tokens : {1, 3, 37})
            add("linear_" + std::string(type.name) + "_" + std::to_string(tokens), Owes::product,
                LinearCase{type.type, tokens, 19, in * (tokens == 3 ? 3 : 1)}, type.type);
        // Q2_K's minima outweigh its weights, so that all outputs of a token are nearly one number: it takes many
        // tokens until their errors show their size.
        const int64_t tokens = type.type == DType::q2_k ? 40 : 5;
        add("experts_" + std::string(type.name), Owes::product, ExpertCase{type.type, 6, 2, in, in, tokens}, type.type);
        // So many tokens an expert that they are multiplied as prompts are, in more than one block.
        if (type.type == DType::q4_k || type.type == DType::q8_0)
            add("experts_of_many_" + std::string(type.name), Owes::product, ExpertCase{type.type, 2, 1, in, in, 300},
                type.type);
    }
    numbered("attention", attention_cases(), Owes::floats);
    numbered("conv", conv_cases(), Owes::floats);
    numbered("delta", delta_cases(), Owes::floats);
    numbered("mamba", mamba_cases(), Owes::floats);
    numbered("rope", rope_cases(), Owes::floats);
    numbered("position_scale", position_scale_cases(), Owes::floats);
    numbered("route", route_cases(), Owes::floats);
    for (const PlainCase& plain : plain_cases()) {
        const bool moves = plain.name.starts_with("concat") || plain.name.starts_with("select_rows");
        add(plain.name, moves ? Owes::bits : Owes::floats, plain);
    }
    return cases;
}

struct SplitCase {
    std::string name;
    std::vector<int64_t> totals;
    std::function<std::vector<float>(Backend&, const Schedule&)> run;
};

inline std::vector<SplitCase> split_cases() {
    std::vector<SplitCase> cases;
    auto add = [&cases](std::string name, const auto& list) {
        for (size_t i = 0; i < list.size(); ++i)
            cases.push_back(
                {name + "_" + std::to_string(i), list[i].totals,
                 [op = list[i]](Backend& backend, const Schedule& schedule) { return op.run(backend, schedule); }});
    };
    std::vector<AttentionCase> attention;
    for (const AttentionCase& op : attention_cases())
        if (op.can_be_split()) attention.push_back(op);
    add("attention", attention);
    add("conv", conv_cases());
    add("delta", delta_cases());
    add("mamba", mamba_cases());
    return cases;
}

// One chunk = chunks of 7 and 64 = ragged chunks = token by token = one sequence after another: equal bits.
inline void expect_equal_bits_however_split(Backend& backend, const SplitCase& op) {
    const std::vector<float> expected = op.run(backend, whole(op.totals));
    EXPECT_TRUE(same_bits(expected, op.run(backend, in_chunks(op.totals, 1)))) << op.name << " token by token";
    EXPECT_TRUE(same_bits(expected, op.run(backend, in_chunks(op.totals, 7)))) << op.name << " in chunks of 7";
    EXPECT_TRUE(same_bits(expected, op.run(backend, in_chunks(op.totals, 64)))) << op.name << " in chunks of 64";
    EXPECT_TRUE(same_bits(expected, op.run(backend, ragged(op.totals, 3)))) << op.name << " in ragged chunks";
    EXPECT_TRUE(same_bits(expected, op.run(backend, one_sequence_after_another(op.totals)))) << op.name << " alone";
}

}  // namespace hearth::test
