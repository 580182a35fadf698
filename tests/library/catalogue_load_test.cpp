// Every name of the catalogue is a model that the families load: their shapes were written down apart from each other.
#include <cstdlib>

#include "engine/plan.h"
#include "library/synth.h"
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
        const auto plan = plan_synth(entry, "q4_k_m");
        ASSERT_TRUE(plan.has_value()) << entry.name;
        const EmptyModel model(*plan);
        auto planner = Planner::make(model.checkpoint, {.device = "cpu", .threads = 2});
        ASSERT_TRUE(planner.has_value()) << entry.name << ": " << planner.error().line();
        EXPECT_EQ((*planner)->info().architecture, entry.architecture) << entry.name;
        EXPECT_EQ((*planner)->info().layers, entry.layers) << entry.name;
        EXPECT_EQ((*planner)->info().context_tokens, entry.context) << entry.name;
        const auto memory = (*planner)->plan(2048);
        ASSERT_TRUE(memory.has_value()) << entry.name;
        // Weights are re-laid, not decoded: what the file holds, and a little beside it.
        EXPECT_GT(double(memory->weights), 0.85 * double(plan->tensor_bytes)) << entry.name;
        EXPECT_LT(double(memory->weights), 1.25 * double(plan->tensor_bytes)) << entry.name;
    }
}

}  // namespace
}  // namespace hearth
