// The CPU backend against the reference, on every row of the kernel table this machine runs, and equal bits however the
// work is cut.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/ops/rows.h"
#include "backends/op_cases.h"
#include "backends/reference/reference_ops.h"

namespace hearth::test {
namespace {

constexpr int64_t kScratch = int64_t{256} << 20;

class Machine {
public:
    explicit Machine(cpu::Isa isa, int threads) {
        auto made = make_cpu_backend({.threads = threads, .isa = isa}, ledger_, false);
        EXPECT_TRUE(made) << made.error().line();
        backend_ = std::move(*made);
        EXPECT_TRUE(backend_->reserve_scratch(kScratch));
    }
    Backend& operator*() { return *backend_; }

private:
    MemoryLedger ledger_;
    std::unique_ptr<Backend> backend_;
};

class Reference {
public:
    Reference() : backend_(make_reference_backend(ledger_, false)) { EXPECT_TRUE(backend_->reserve_scratch(kScratch)); }
    Backend& operator*() { return *backend_; }

private:
    MemoryLedger ledger_;
    std::unique_ptr<Backend> backend_;
};

class EveryIsa : public testing::TestWithParam<cpu::Isa> {
protected:
    void SetUp() override {
        if (!cpu::machine_runs(GetParam())) GTEST_SKIP() << "this machine cannot run " << cpu::name_of(GetParam());
#if defined(HEARTH_SANITIZED_THREADS)
        // Rows differ in what a thread computes, not in how work is shared; all of them would take half an hour here.
        if (GetParam() != cpu::chosen_isa()) GTEST_SKIP() << "another row of the same threads";
#endif
    }
};
INSTANTIATE_TEST_SUITE_P(Cpu, EveryIsa, testing::ValuesIn(cpu::kAllIsas),
                         [](const auto& param) { return std::string(cpu::name_of(param.param)); });

// Relative rms differences that are owed.
//
// floats: an output is at most some 700 rounded operations deep (keys of a tile, columns of a norm); roundings are
// independent, so their rms grows with the root: sqrt(700) * 2^-24 = 1.6e-6. Attention amplifies its scores
// (deviation 1.5 * 1.5, up to ten) by the exponential, so one ulp of a score of ten moves a weight by 10 * 2^-24:
// together below 1e-5.
//
// product: eight-bit activations have a step of amax / 127 per block of 32 or 256. Normal inputs have an amax of 3 rms:
// a rms error of 3 / 127 / sqrt(12) = 0.7 % of the input, and of each output. A second layer reads outputs of rows that
// differ in size, with an amax of up to 6 rms: 1.4 %, both together 1.6 %. Rows of types with minima share a mean, so
// the few outputs of one token are close to a single sample and spread around 0.7 %: 2 % for all. Activations rounded
// to 8 bits of mantissa (bf16) err less.
double owed(const OpCase& op) {
    switch (op.owes) {
        case Owes::bits:
            return 0;
        case Owes::floats:
            return 1e-5;
        case Owes::product:
            return op.type == DType::f32 ? 2e-6 : 2e-2;
    }
    return 0;
}

// The reference's results, computed once for all rows of the table.
const std::vector<float>& expected_of(const OpCase& op) {
    static std::map<std::string, std::vector<float>> results;
    static Reference reference;
    auto [place, is_new] = results.try_emplace(op.name);
    if (is_new) {
        const Scratch scratch = (*reference).ops().scratch();
        place->second = op.run(*reference);
    }
    return place->second;
}

TEST_P(EveryIsa, OpsAgreeWithTheReference) {
    Machine machine(GetParam(), 2);
    for (const OpCase& op : op_cases()) {
        const Scratch scratch = (*machine).ops().scratch();
        EXPECT_LE(relative_rms(op.run(*machine), expected_of(op)), owed(op)) << op.name;
    }
}

TEST_P(EveryIsa, EqualBitsWhateverTheThreads) {
    Machine one(GetParam(), 1), two(GetParam(), 2), three(GetParam(), 3);
    for (const OpCase& op : op_cases()) {
        const Scratch first = (*one).ops().scratch(), second = (*two).ops().scratch(), third = (*three).ops().scratch();
        const auto expected = op.run(*one);
        EXPECT_TRUE(same_bits(expected, op.run(*two))) << op.name << " with 2 threads";
        EXPECT_TRUE(same_bits(expected, op.run(*three))) << op.name << " with 3 threads";
    }
}

TEST_P(EveryIsa, EqualBitsHoweverSplit) {
    Machine machine(GetParam(), 2);
    for (const SplitCase& op : split_cases()) {
        const Scratch scratch = (*machine).ops().scratch();
        expect_equal_bits_however_split(*machine, op);
    }
}

// A token's products have the same bits alone and among others.
TEST_P(EveryIsa, EqualBitsHoweverManyTokens) {
    Machine machine(GetParam(), 2);
    Ops& ops = (*machine).ops();
    for (const DTypeInfo& type : dtypes()) {
        if (!type.is_weight) continue;
        const int64_t in = 3 * std::max<int64_t>(type.block_elements, 256), out = 37, tokens = 23;
        const Weight weight = load_random(*machine, type.type, {1, out, in}, 5);
        const Tensor x = load_tensor(*machine, random_floats(tokens * in, 6), tokens);
        const Scratch scratch = ops.scratch();
        const auto all = read(*machine, ops.linear(x, weight));
        for (const int64_t count : {1, 2, 5, 16})
            for (int64_t first = 0; first + count <= tokens; first += count) {
                const auto some = read(*machine, ops.linear(x.row_range(first, count), weight));
                const std::vector<float> expected(all.begin() + first * out, all.begin() + (first + count) * out);
                ASSERT_TRUE(same_bits(some, expected)) << type.name << ": tokens from " << first << ", " << count;
            }
    }
}

// Several weights of one input, and a table that is only looked up.
TEST_P(EveryIsa, SeveralWeightsAndTables) {
    Machine machine(GetParam(), 2);
    Ops& ops = (*machine).ops();
    const Weight a = load_random(*machine, DType::q4_k, {1, 600, 512}, 1),
                 b = load_random(*machine, DType::q8_0, {1, 3, 512}, 2),
                 c = load_random(*machine, DType::f32, {1, 40, 512}, 3);
    const Tensor x = load_tensor(*machine, random_floats(5 * 512, 4), 5);
    const auto [ya, yb, yc] = ops.linears(x, a, b, c);
    EXPECT_TRUE(same_bits(read(*machine, ya), read(*machine, ops.linear(x, a))));
    EXPECT_TRUE(same_bits(read(*machine, yb), read(*machine, ops.linear(x, b))));
    EXPECT_TRUE(same_bits(read(*machine, yc), read(*machine, ops.linear(x, c))));

    for (const DTypeInfo& type : dtypes()) {
        if (!type.is_weight) continue;
        const int64_t in = 2 * std::max<int64_t>(type.block_elements, 256), out = 21;
        const auto bytes = random_weight_bytes(type.type, out * in, 9);
        std::vector<float> expected(size_t(out * in));
        decode(type.type, bytes.data(), out * in, expected.data());
        Step step;
        for (int32_t row = 0; row < out; ++row) step.source.push_back(row);
        for (const WeightUse use : {WeightUse::look_up, WeightUse::both}) {
            const auto table = (*machine).load(
                {.name = "t", .type = type.type, .out = out, .in = in, .data = std::span<const std::byte>(bytes)}, use);
            ASSERT_TRUE(table) << table.error().line();
            EXPECT_TRUE(same_bits(read(*machine, ops.embed(step, *table)), expected)) << type.name;

            // Scaled, whole and in part; parts need not begin or end with a block.
            Weight scaled = *table;
            scaled.scale = 1.7f;
            const auto whole = read(*machine, ops.embed(step, scaled));
            const int64_t cuts[][2] = {{in / 2, in / 2}, {0, in}, {3, 41}};
            for (const auto [begin, width] : cuts) {
                const auto part = read(*machine, ops.embed_part(step, scaled, begin, width));
                for (int64_t row = 0; row < out; ++row)
                    for (int64_t i = 0; i < width; ++i) {
                        const float value = expected[size_t(row * in + begin + i)] * 1.7f;
                        ASSERT_EQ(part[size_t(row * width + i)], value) << type.name << " " << begin;
                        ASSERT_EQ(whole[size_t(row * in + begin + i)], value) << type.name;
                    }
            }
        }
    }
}

// A long past: parts side by side in several waves (8 tokens of 128 heads fill one with 4 parts), or one after another
// in the tile of 12 tokens. The past itself is only written, under a window of one key.
TEST_P(EveryIsa, EqualBitsDeepInTheContext) {
    Machine machine(GetParam(), 2);
    const AttentionCase op{.heads = 128, .kv_heads = 2, .key_width = 8, .value_width = 8, .totals = {9 * 512 + 12}};
    const auto last_rows = [&](const Schedule& schedule) {
        Driver driver(*machine, op.totals);
        const KvLayer layer = driver.kv_layer(op.geometry(), KvType::f16);
        const auto all =
            driver.run(schedule, {op.q(), op.k(), op.v()}, [&](const Step& step, const std::vector<Tensor>& in) {
                return (*machine).ops().attention(
                    in[0].heads(op.heads), in[1].heads(op.kv_heads), in[2].heads(op.kv_heads),
                    {.scale = op.scale(), .window = step.tokens() > 64 ? 1 : 0}, layer, step);
            });
        return std::vector<float>(all.end() - 8 * 128 * 8, all.end());
    };
    const Scratch scratch = (*machine).ops().scratch();
    const auto expected = last_rows({{9 * 512}, {12}});
    EXPECT_TRUE(same_bits(expected, last_rows({{9 * 512 + 4}, {8}})));
    EXPECT_TRUE(same_bits(expected, last_rows({{9 * 512 + 4}, {3}, {5}})));
    EXPECT_TRUE(same_bits(expected, last_rows({{9 * 512 + 4}, {1}, {1}, {1}, {1}, {1}, {1}, {1}, {1}})));
}

// Step one saves the state after `cut` tokens to another slot; a step that starts there repeats the tokens behind the
// cut.
template <class Body>
void expect_saves_restore(Backend& backend, int64_t floats, int64_t tokens, int64_t columns, Body body) {
    const auto memory = *backend.allocate(4 * floats * 4, MemoryUse::state);
    const StateBuffer state{reinterpret_cast<float*>(memory->address), floats, floats};
    auto step_of = [](int64_t count, int32_t from, int32_t to) {
        Step step;
        step.sequences.push_back({.tokens = count, .slot_read = from, .slot_write = to});
        step.source.assign(size_t(count), 0);
        step.sequence.assign(size_t(count), 0);
        return step;
    };
    for (const int64_t cut : {int64_t{0}, int64_t{1}, int64_t{2}, tokens / 2, tokens}) {
        Step first = step_of(tokens, -1, 0);
        first.sequences[0].saves = {{cut, 2}};
        const Scratch scratch = backend.ops().scratch();
        const auto all = read(backend, body(state, first, 0));
        if (cut == tokens) {
            EXPECT_EQ(std::memcmp(state.base, state.base + 2 * floats, size_t(floats) * 4), 0);
            continue;
        }
        const auto rest = read(backend, body(state, step_of(tokens - cut, 2, 1), cut));
        EXPECT_TRUE(same_bits(rest, {all.begin() + cut * columns, all.end()})) << "cut at " << cut;
        EXPECT_EQ(std::memcmp(state.base, state.base + floats, size_t(floats) * 4), 0) << "cut at " << cut;
    }
}

TEST_P(EveryIsa, SavedStatesRestore) {
    Machine machine(GetParam(), 2);
    Ops& ops = (*machine).ops();
    const int64_t tokens = 11, heads = 2, width = 40;
    const Tensor q = load_tensor(*machine, random_floats(tokens * heads * width, 1, 0.15f), tokens, heads),
                 k = load_tensor(*machine, random_floats(tokens * heads * width, 2, 0.15f), tokens, heads),
                 v = load_tensor(*machine, random_floats(tokens * heads * width, 3), tokens, heads),
                 keep = load_tensor(*machine, random_floats(tokens * heads, 4, 0.1f, -0.5f), tokens),
                 write = load_tensor(*machine, random_floats(tokens * heads, 5, 0.1f, 0.5f), tokens);
    expect_saves_restore(
        *machine, heads * width * width, tokens, heads * width,
        [&](const StateBuffer& state, const Step& step, int64_t from) {
            auto rows = [&](Tensor x) { return x.row_range(from, tokens - from); };
            return ops.gated_delta_rule(
                {.q = rows(q), .k = rows(k), .v = rows(v), .log_keep = rows(keep), .write = rows(write)}, state, step);
        });
    const Tensor dt = load_tensor(*machine, random_floats(tokens * heads, 7, 0.1f, 0.5f), tokens),
                 a = load_tensor(*machine, {-1, -0.3f}, 1), d = load_tensor(*machine, {1, 0.5f}, 1);
    expect_saves_restore(
        *machine, heads * width * width, tokens, heads * width,
        [&](const StateBuffer& state, const Step& step, int64_t from) {
            auto rows = [&](Tensor x) { return x.row_range(from, tokens - from); };
            return ops.mamba({.u = rows(v), .b = rows(q), .c = rows(k), .dt = rows(dt), .a = a, .d = d}, state, step);
        });
    const Tensor x = v.joined(), taps = load_tensor(*machine, random_floats(x.width * 4, 6), x.width);
    expect_saves_restore(*machine, 3 * x.width, tokens, x.width,
                         [&](const StateBuffer& state, const Step& step, int64_t from) {
                             return ops.causal_conv_silu(x.row_range(from, tokens - from), taps, {}, state, step);
                         });
}

// A dry run takes the same memory to the byte.
TEST_P(EveryIsa, PlanningTakesTheSameMemory) {
    for (const OpCase& op : op_cases()) {
        MemoryLedger planned, taken;
        const CpuOptions options{.threads = 3, .isa = GetParam()};
        auto plan = *make_cpu_backend(options, planned, true), real = *make_cpu_backend(options, taken, false);
        ASSERT_TRUE(real->reserve_scratch(int64_t{64} << 20));
        op.run(*plan);
        op.run(*real);
        EXPECT_EQ(plan->scratch_peak_bytes(), real->scratch_peak_bytes()) << op.name;
        EXPECT_EQ(planned.bytes(MemoryUse::weights), taken.bytes(MemoryUse::weights)) << op.name;
    }
}

// Vector functions against the C library in double, in ulps of the result. The polynomial of e^x errs by less than one
// ulp, its last addition, a sum and a quotient by half an ulp each; near zero tanh is a polynomial of two roundings.
TEST_P(EveryIsa, FunctionsAreWithinThreeUlp) {
    const cpu::RowKernels& kernels = cpu::row_kernels(GetParam());
    std::vector<float> x;
    for (double value = 1e-8; value < 86; value *= 1.0003) x.push_back(float(value)), x.push_back(-float(value));
    std::vector<float> y(x.size());
    auto worst = [&](Function f, auto exact) {
        kernels.map(f, x.data(), y.data(), int64_t(x.size()));
        double most = 0;
        for (size_t i = 0; i < x.size(); ++i) {
            const double expected = exact(double(x[i]));
            most = std::max(most, std::fabs(double(y[i]) - expected) / std::fabs(expected));
        }
        return most / 0x1p-24;
    };
    EXPECT_LT(worst(Function::sigmoid, [](double v) { return 1 / (1 + std::exp(-v)); }), 6);
    EXPECT_LT(worst(Function::silu, [](double v) { return v / (1 + std::exp(-v)); }), 6);
    EXPECT_LT(worst(Function::tanh, [](double v) { return std::tanh(v); }), 6);
    for (const Function f : {Function::silu, Function::sigmoid, Function::gelu_tanh, Function::tanh}) {
        const float from[] = {-INFINITY, -1000, -100, 0, 100, 1000, INFINITY, NAN};
        float to[8];
        kernels.map(f, from, to, 8);
        const bool is_unit = f == Function::sigmoid;
        if (is_unit || f == Function::tanh) {
            EXPECT_EQ(to[0], is_unit ? 0 : -1);
        }
        EXPECT_NEAR(to[1], f == Function::tanh ? -1 : 0, 0);
        EXPECT_EQ(to[3], is_unit ? 0.5f : 0);
        EXPECT_EQ(to[4], is_unit || f == Function::tanh ? 1 : 100);
        EXPECT_EQ(to[6], is_unit || f == Function::tanh ? 1 : INFINITY);
        EXPECT_TRUE(std::isnan(to[7]));
    }
}

TEST(CpuBackend, RefusesWhatItCannotDo) {
    MemoryLedger ledger;
    EXPECT_FALSE(make_cpu_backend({.threads = -1}, ledger, false));
    EXPECT_FALSE(make_cpu_backend({.threads = 1 << 20}, ledger, true));
    for (const cpu::Isa isa : cpu::kAllIsas)
        EXPECT_EQ(make_cpu_backend({.isa = isa}, ledger, true).has_value(), cpu::machine_runs(isa));
    auto backend = *make_cpu_backend({.threads = 2}, ledger, false);
    EXPECT_FALSE(
        backend->load({.name = "w", .type = DType::q4_k, .out = 4, .in = 100, .data = {}}, WeightUse::multiply));
    EXPECT_FALSE(
        backend->load({.name = "w", .type = DType::q4_k, .out = 4, .in = 256, .data = {}}, WeightUse::multiply));
}

}  // namespace
}  // namespace hearth::test
