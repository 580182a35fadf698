// Every name of the catalogue is a model that the families load: their shapes were written down apart from each other.
#include <cstdlib>

#include "engine/plan.h"
#include "engine/texts.h"
#include "library/synth.h"
#include "models/registry.h"
#include "support/shared_data.h"

namespace hearth {
namespace {

struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
};

// Names, types and shapes of a plan; zeros as far as anybody looks, but ones where a zero would be refused.
class EmptyModel {
public:
    explicit EmptyModel(const SynthPlan& plan) {
        int64_t largest = 0;
        for (const SynthTensor& tensor : plan.tensors) largest = std::max(largest, tensor.bytes());
        zeros_.reset(static_cast<std::byte*>(std::calloc(size_t(largest), 1)));  // no memory until it is read
        std::vector<StoredTensor> tensors;
        for (const SynthTensor& tensor : plan.tensors) {
            const bool divides = tensor.name.starts_with("rope_");
            const std::byte* data = divides ? reinterpret_cast<const std::byte*>(ones_.data()) : zeros_.get();
            tensors.push_back({tensor.name, tensor.type, tensor.shape, {data, size_t(tensor.bytes())}});
        }
        checkpoint = Checkpoint::adopt({}, plan.metadata, {}, std::move(tensors));
    }

    Checkpoint checkpoint;

private:
    std::unique_ptr<std::byte, Free> zeros_;
    std::vector<float> ones_ = std::vector<float>(1 << 12, 1.0f);
};

TEST(CatalogueLoad, EveryEntryIsAModel) {
    for (const CatalogueEntry& entry : catalogue()) {
        if (entry.purpose == Purpose::drafting) continue;  // below
        const auto plan = plan_synth(entry, "q4_k_m");
        ASSERT_TRUE(plan.has_value()) << entry.name;
        const EmptyModel model(*plan);
        auto planner = Planner::make(model.checkpoint, {.device = "cpu", .threads = 2});
        ASSERT_TRUE(planner.has_value()) << entry.name << ": " << planner.error().line();
        EXPECT_EQ((*planner)->info().architecture, entry.architecture) << entry.name;
        EXPECT_EQ((*planner)->info().layers, entry.layers) << entry.name;
        EXPECT_EQ((*planner)->info().context_tokens, entry.context) << entry.name;
        const auto memory = (*planner)->plan(std::min<int64_t>(2048, entry.context));
        ASSERT_TRUE(memory.has_value()) << entry.name;
        // Weights are re-laid, not decoded: what the file holds, and a little beside it.
        EXPECT_GT(double(memory->weights), 0.85 * double(plan->tensor_bytes)) << entry.name;
        EXPECT_LT(double(memory->weights), 1.25 * double(plan->tensor_bytes)) << entry.name;
        const FileUse use = use_of(model.checkpoint);
        EXPECT_EQ(use == FileUse::embeddings, entry.purpose == Purpose::embedding) << entry.name;
        EXPECT_EQ(use == FileUse::scores, entry.purpose == Purpose::reranking) << entry.name;
        EXPECT_EQ((*planner)->info().scores > 0, entry.purpose == Purpose::reranking) << entry.name;
    }
}

TEST(CatalogueLoad, EveryDrafterFitsItsModel) {
    for (const CatalogueEntry& entry : catalogue()) {
        if (entry.purpose != Purpose::drafting) continue;
        const auto plan = plan_synth(entry, "q4_k_m"),
                   trunk_plan = plan_synth(*find_in_catalogue(entry.drafts_for)->entry, "q4_k_m");
        ASSERT_TRUE(plan && trunk_plan) << entry.name;
        const EmptyModel file(*plan), trunk_file(*trunk_plan);
        MemoryLedger ledger;
        const auto backend = make_backend({.device = "cpu", .threads = 2}, ledger, true);
        ASSERT_TRUE(backend);
        const auto trunk = load_model(trunk_file.checkpoint, **backend);
        ASSERT_TRUE(trunk) << entry.drafts_for << ": " << trunk.error().line();
        const auto drafter = load_drafter(file.checkpoint, **backend, **trunk);
        ASSERT_TRUE(drafter) << entry.name << ": " << drafter.error().line();
        EXPECT_EQ(int64_t((*drafter)->needs().size()), entry.layers);
        EXPECT_EQ(load_model(file.checkpoint, **backend).error().kind, ErrorKind::unsupported);
    }
}

// Made-up vocabularies are read as the real ones are: a text keeps its words, and is framed as its model expects.
TEST(CatalogueLoad, TextsBecomeTokensOfEveryVocabulary) {
    for (const CatalogueEntry& entry : catalogue()) {
        if (entry.purpose == Purpose::drafting) continue;
        const auto plan = plan_synth(entry, "f16");
        ASSERT_TRUE(plan) << entry.name;
        EmptyModel model(*plan);
        const auto reader = TextReader::make(std::move(model.checkpoint));
        ASSERT_TRUE(reader) << entry.name << ": " << reader.error().line();
        const Tokenizer& tokenizer = reader->tokenizer();
        std::vector<int32_t> tokens;
        ASSERT_TRUE(tokenizer.encode("the rain in spain", {.add_special = true}, tokens));
        const std::string text = tokenizer.decode(tokens, false);
        EXPECT_NE(text.find("the rain in spain"), std::string::npos) << entry.name << ": " << text;
        EXPECT_LT(tokens.size(), 16u) << entry.name;
        if (entry.purpose != Purpose::embedding) continue;
        EXPECT_NE(tokenizer.type(tokens.back()), TokenType::normal) << entry.name << ": texts end with a mark";
    }
}

}  // namespace
}  // namespace hearth
