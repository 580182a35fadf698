// Weights that stay where the file is mapped: the same bits, no copy, and a ledger that tells both apart.
#include <filesystem>

#include "backends/cpu/cpu_backend.h"
#include "models/family_gates.h"
#include "models/model_run.h"
#include "models/source.h"

namespace hearth::test {
namespace {

// Dense and with experts, quantised and in floats, with the embeddings' rows multiplied as well (gemma4) or looked up
// alone: whole models, in one pass and token by token.
TEST(MappedModels, GiveTheBitsOfPackedOnes) {
    NEED_SHARED("reference/qwen35/moe.gguf");
    bool is_any_tied = false;
    for (const std::string name : {"qwen35/dense_r1", "qwen35/moe", "qwen35/q4_k_m", "qwen35/q8_0", "gemma4/g4-e2b",
                                   "gemma4/g4-q-Q4_K_M", "llama/llama-bf16"}) {
        const std::string path = shared_path("reference/" + name + ".gguf");
        const auto tokens = read_ids(shared_path("reference/" + name + ".tokens.txt"));
        is_any_tied |= open_gguf(path)->find("output.weight") == nullptr;
        for (const char* isa : {"", "avx2", "generic"}) {
            SCOPED_TRACE(name + " " + isa);
            if (*isa && !cpu::parse_isa(isa)) continue;  // a row that this machine lacks
            ModelRun packed(path, {.isa = isa}), mapped(path, {.isa = isa, .mmap = true});
            ASSERT_TRUE(packed.is_ready() && mapped.is_ready());
            const auto expected = packed.logits(tokens, {512});
            EXPECT_EQ(expected, mapped.logits(tokens, {512}));
            EXPECT_EQ(expected, mapped.logits(tokens, {1}));

            EXPECT_EQ(packed.plan().mapped, 0);
            EXPECT_EQ(mapped.plan().mapped, mapped.ledger().bytes(MemoryUse::mapped));
            EXPECT_EQ(mapped.plan().weights, mapped.ledger().bytes(MemoryUse::weights));
            EXPECT_GT(mapped.plan().mapped, 4 * mapped.plan().weights);  // norms and other small things are copied
            EXPECT_LT(mapped.ledger().total() + mapped.plan().mapped / 2, packed.ledger().total());
        }
    }
    EXPECT_TRUE(is_any_tied);
}

// What no file holds in one piece is packed in memory as ever.
TEST(MappedModels, WhatIsPutTogetherIsPacked) {
    NEED_SHARED("reference/qwen35/moe.gguf");
    const std::string stack = "blk.0.ffn_up_exps.weight";
    EditedFile file(shared_path("reference/qwen35/moe.gguf"));
    std::vector<std::string> names;
    const auto shape = file.open().find(stack)->shape;
    for (int64_t expert = 0; expert < shape[0]; ++expert) names.push_back(fmt::format("expert.{}", expert));
    file.take_apart(stack, names);
    const Checkpoint checkpoint = file.open();
    for (const bool planning : {true, false}) {
        MemoryLedger ledger;
        const auto backend = *make_cpu_backend({.threads = 1, .mmap = true}, ledger, planning);
        Source source(checkpoint, *backend, "qwen35moe");
        const Weight joined = source.experts(names, shape[1], shape[2], 2);
        ASSERT_TRUE(source.report().has_value());
        EXPECT_EQ(ledger.bytes(MemoryUse::mapped), 0);
        const int64_t packed = ledger.bytes(MemoryUse::weights);
        EXPECT_GE(packed, joined.experts * joined.out * row_bytes(joined.type, joined.in));
        const Weight whole = source.experts("blk.1.ffn_up_exps.weight", shape[0], shape[1], shape[2], 2);
        ASSERT_TRUE(source.report().has_value());
        EXPECT_EQ(ledger.bytes(MemoryUse::weights), packed);
        EXPECT_EQ(ledger.bytes(MemoryUse::mapped), whole.experts * whole.out * row_bytes(whole.type, whole.in));
    }
}

}  // namespace
}  // namespace hearth::test
