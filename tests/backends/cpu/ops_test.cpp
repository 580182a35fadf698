// The CPU backend against the reference, on every row of the kernel table this machine runs, and equal bits however the
// work is cut.
#include <gtest/gtest.h>

#include <map>

#include "backends/cpu/cpu_backend.h"
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

}  // namespace
}  // namespace hearth::test
