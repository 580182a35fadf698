// Bookkeeping: the arena, the ledger, and the promise that a plan is the later truth.
#include "backends/reference/fixture.h"

namespace hearth::test {
namespace {

TEST(Host, ScratchReturnsWhenTheGuardDies) {
    Reference reference;
    Ops& ops = (*reference).ops();
    const Tensor x = load_tensor(*reference, random_floats(100, 1), 1);
    float* first = nullptr;
    {
        const Scratch outer = ops.scratch();
        first = ops.scale(x, 2).data;
        EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
        {
            const Scratch inner = ops.scratch();
            EXPECT_EQ(ops.scale(x, 3).data, first + 112);  // 400 bytes take 448
        }
        EXPECT_EQ(ops.scale(x, 3).data, first + 112);
    }
    EXPECT_EQ(ops.scale(x, 2).data, first);
    EXPECT_EQ((*reference).scratch_peak_bytes(), 896);
}

TEST(Host, TheLedgerKnowsWhatIsHeld) {
    MemoryLedger ledger;
    {
        auto backend = make_reference_backend(ledger, false);
        {
            const Weight weight = load_random(*backend, DType::q8_0, {2, 3, 64}, 1);
            EXPECT_EQ(ledger.bytes(MemoryUse::weights), 2 * 3 * 68);
            const auto pages = backend->allocate(1000, MemoryUse::kv);
            EXPECT_EQ(ledger.bytes(MemoryUse::kv), 1000);
        }
        EXPECT_EQ(ledger.total(), 0);
        load_tensor(*backend, {1, 2, 3}, 1);
        EXPECT_TRUE(backend->reserve_scratch(4096));
        EXPECT_TRUE(backend->reserve_scratch(8192));
        EXPECT_EQ(ledger.bytes(MemoryUse::weights), 64);
        EXPECT_EQ(ledger.bytes(MemoryUse::scratch), 8192);
    }
    EXPECT_EQ(ledger.total(), 0);
}

// The room a dry run asks for is enough, and exactly what is used.
TEST(Host, APlanIsWhatTheRealRunUses) {
    for (const OpCase& op : op_cases()) {
        MemoryLedger planned, used;
        auto plan = make_reference_backend(planned, true), real = make_reference_backend(used, false);
        op.run(*plan);
        ASSERT_TRUE(real->reserve_scratch(plan->scratch_peak_bytes()));
        op.run(*real);
        EXPECT_EQ(plan->scratch_peak_bytes(), real->scratch_peak_bytes()) << op.name;
        EXPECT_EQ(planned.bytes(MemoryUse::weights), used.bytes(MemoryUse::weights)) << op.name;
    }
}

TEST(HostDeathTest, ScratchBeyondThePlanEndsTheProcess) {
    MemoryLedger ledger;
    auto backend = make_reference_backend(ledger, false);
    ASSERT_TRUE(backend->reserve_scratch(128));
    const Tensor x = load_tensor(*backend, random_floats(33, 1), 1);
    EXPECT_DEATH(backend->ops().scale(x, 2), "scratch needs 192 bytes, 128 were planned");
}

TEST(Host, WrongWeightsAreRefused) {
    Reference reference;
    const std::vector<std::byte> bytes(1000);
    auto load = [&](StoredWeight stored) {
        stored.name = "w";
        stored.data = bytes;
        const auto weight = (*reference).load(stored, WeightUse::multiply);
        return weight ? std::string("accepted") : weight.error().line();
    };
    EXPECT_EQ(load({.type = DType::q8_0, .out = 1, .in = 33}),
              "tensor w has rows of 33 values, not a multiple of the 32 of type q8_0");
    EXPECT_EQ(load({.type = DType::f32, .out = 1, .in = 251}), "tensor w has 1000 bytes, its shape needs 1004");
    EXPECT_EQ(load({.type = DType::i32, .out = 1, .in = 250}), "tensor w has type i32, which is no weight");
    EXPECT_EQ(load({.type = DType::f32, .out = 0, .in = 250}), "tensor w has no elements");
    EXPECT_EQ(load({.type = DType::f32, .out = int64_t{1} << 40, .in = int64_t{1} << 40}),
              "the size of tensor w overflows");
    EXPECT_EQ(load({.type = DType::f32, .out = 1, .in = 250}), "accepted");
    EXPECT_EQ(reference.ledger.bytes(MemoryUse::weights), 0);
}

TEST(Host, StatesAndPagesAreCopied) {
    Reference reference;
    auto memory = (*reference).allocate(3 * 8 * 4, MemoryUse::state);
    ASSERT_TRUE(memory);
    float* base = reinterpret_cast<float*>((*memory)->address);
    for (int i = 0; i < 24; ++i) base[i] = float(i);
    const StateBuffer state{.base = base, .slot_stride = 8, .floats = 6};
    (*reference).copy_state(state, 0, 2);
    EXPECT_EQ(base[16], 0);
    EXPECT_EQ(base[21], 5);
    EXPECT_EQ(base[22], 22);  // between the slots' floats nothing is touched
    (*reference).copy_state(state, -1, 1);
    EXPECT_EQ(base[8], 0);
    EXPECT_EQ(base[13], 0);

    const KvGeometry geometry{.kv_heads = 1, .key_width = 4, .value_width = 4};
    const int64_t bytes = (*reference).kv_page_bytes(geometry, KvType::f32);
    EXPECT_EQ(bytes, 64 * 4 * 2 * 4);
    auto pages = (*reference).allocate(3 * bytes, MemoryUse::kv);
    ASSERT_TRUE(pages);
    std::fill_n((*pages)->address, bytes, std::byte{7});
    (*reference)
        .copy_page({.geometry = geometry, .type = KvType::f32, .base = (*pages)->address, .page_stride = bytes}, 0, 2);
    EXPECT_EQ((*pages)->address[3 * bytes - 1], std::byte{7});
    EXPECT_EQ((*pages)->address[2 * bytes - 1], std::byte{0});
}

}  // namespace
}  // namespace hearth::test
