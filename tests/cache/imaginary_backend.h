// A device for tests of the cache's bookkeeping: it holds one int32 per token and layer in a page, and what is asked
// for in a slot.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <map>
#include <vector>

#include "models/model.h"
#include "ops/backend.h"

namespace hearth::test {

class ImaginaryBackend final : public Backend {
public:
    std::string describe() const override { return "imaginary"; }
    bool is_planning() const override { return false; }
    Ops& ops() override { std::abort(); }
    Result<Weight> load(const StoredWeight&, WeightUse) override { std::abort(); }
    Result<Tensor> load_floats(std::span<const float>, int64_t, int64_t) override { std::abort(); }
    int64_t kv_page_bytes(const KvGeometry&, KvType) const override { return kPageTokens * int64_t(sizeof(int32_t)); }
    Result<DeviceMemory> allocate(int64_t bytes, MemoryUse use) override {
        if (refuse_after-- == 0) return fail(ErrorKind::out_of_memory, "imaginary memory is full");
        auto block = std::make_shared<Block>();
        block->bytes_held.resize(size_t(bytes));
        block->address = block->bytes_held.data();
        block->bytes = bytes;
        taken[use] += bytes;
        return block;
    }
    Result<> reserve_scratch(int64_t) override { return {}; }
    int64_t scratch_peak_bytes() const override { return 0; }
    void read(Tensor, float*) override { std::abort(); }
    Result<Tensor> upload(std::span<const float>, int64_t, int64_t) override { std::abort(); }
    void copy_state(const StateBuffer& state, int32_t from, int32_t to) override {
        ++copied_states;
        std::copy_n(state.base + from * state.slot_stride, state.floats, state.base + to * state.slot_stride);
    }
    void copy_page(const KvLayer& layer, int32_t from, int32_t to) override {
        ++copied_pages;
        std::copy_n(layer.base + from * layer.page_stride, kPageTokens * sizeof(int32_t),
                    layer.base + to * layer.page_stride);
    }
    void read_page(const KvLayer& layer, int32_t page, std::byte* to) override {
        std::copy_n(layer.base + page * layer.page_stride, kPageTokens * sizeof(int32_t), to);
    }
    void write_page(const KvLayer& layer, int32_t page, const std::byte* from) override {
        std::copy_n(from, kPageTokens * sizeof(int32_t), layer.base + page * layer.page_stride);
    }
    void read_state(const StateBuffer& state, int32_t slot, float* to) override {
        std::copy_n(state.base + slot * state.slot_stride, state.floats, to);
    }
    void write_state(const StateBuffer& state, int32_t slot, const float* from) override {
        std::copy_n(from, state.floats, state.base + slot * state.slot_stride);
    }

    int refuse_after = -1;
    int64_t copied_states = 0, copied_pages = 0;
    std::map<MemoryUse, int64_t> taken;

private:
    struct Block : DeviceBlock {
        std::vector<std::byte> bytes_held;
    };
};

inline const KvGeometry kWhole{.kv_heads = 2, .key_width = 4, .value_width = 4, .window = 0};
inline const KvGeometry kWindow{.kv_heads = 2, .key_width = 4, .value_width = 4, .window = 100};

// Two layers that attend to everything, two with a window, one recurrent, one that keeps nothing.
inline std::vector<LayerNeeds> mixed_needs() {
    return {{.kv = kWhole, .state_floats = {}},  {.kv = kWindow, .state_floats = {}},
            {.kv = {}, .state_floats = {3, 40}}, {.kv = kWindow, .state_floats = {}},
            {.kv = kWhole, .state_floats = {}},  {.kv = {}, .state_floats = {}}};
}

}  // namespace hearth::test
