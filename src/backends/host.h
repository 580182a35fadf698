// What every backend whose device memory is ordinary memory shares: allocation, the ledger, the scratch arena, plain
// copies. A planning backend does the same bookkeeping to the byte and holds nothing: its tensors have shapes and null
// addresses.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/os.h"
#include "ops/backend.h"

namespace hearth {

inline constexpr int64_t kHostAlignment = 64;  // one cache line, one 512-bit register

inline int64_t aligned(int64_t bytes) {
    return (bytes + kHostAlignment - 1) / kHostAlignment * kHostAlignment;
}

// Scratch memory: a stack that grows by take() and shrinks by release(). Positions and peak are the same with and
// without memory behind it, so the peak of a dry run is exactly what the real run needs.
class ScratchArena {
public:
    explicit ScratchArena(bool planning) : planning_(planning) {}

    Result<> reserve(int64_t bytes);  // before any take(); not when planning
    float* take(int64_t floats);      // null when planning; beyond the reserved room the process ends
    int64_t mark() const { return used_; }
    void release(int64_t mark) { used_ = mark; }
    int64_t peak_bytes() const { return peak_; }
    bool is_planning() const { return planning_; }

private:
    bool planning_;
    Pages pages_;
    int64_t used_ = 0, peak_ = 0;
};

// Memory that stands in the ledger for as long as it lives.
struct HostBlock : DeviceBlock {
    HostBlock(MemoryLedger& ledger, MemoryUse use, int64_t size, Pages memory);
    ~HostBlock() override;

private:
    MemoryLedger& ledger_;
    MemoryUse use_;
    Pages pages_;
};

// A weight as the file stores it: experts one after another, rows one after another.
struct HostWeight : WeightStorage {
    DeviceMemory memory;
    const std::byte* bytes() const { return memory->address; }  // null when planning
};

class HostBackend : public Backend {
public:
    HostBackend(MemoryLedger& ledger, bool planning) : ledger_(ledger), arena_(planning) {}
    ~HostBackend() override;

    bool is_planning() const override { return arena_.is_planning(); }
    Result<Weight> load(const StoredWeight& stored, WeightUse use) override;  // keeps a copy of the stored bytes
    Result<Tensor> load_floats(std::span<const float> values, int64_t rows, int64_t width) override;
    int64_t kv_page_bytes(const KvGeometry& geometry, KvType type) const override;
    Result<DeviceMemory> allocate(int64_t bytes, MemoryUse use) override;
    Result<> reserve_scratch(int64_t bytes) override;
    int64_t scratch_peak_bytes() const override { return arena_.peak_bytes(); }
    void read(Tensor from, float* to) override;
    Result<Tensor> upload(std::span<const float> values, int64_t rows, int64_t width) override;
    void copy_state(const StateBuffer& state, int32_t from_slot, int32_t to_slot) override;
    void copy_page(const KvLayer& layer, int32_t from_page, int32_t to_page) override;
    void read_page(const KvLayer& layer, int32_t page, std::byte* to) override;
    void write_page(const KvLayer& layer, int32_t page, const std::byte* from) override;
    void read_state(const StateBuffer& state, int32_t slot, float* to) override;
    void write_state(const StateBuffer& state, int32_t slot, const float* from) override;

protected:
    ScratchArena& arena() { return arena_; }
    MemoryLedger& ledger() { return ledger_; }
    // Type, shape and byte count agree and nothing overflows; the number of bytes all experts' rows take.
    static Result<int64_t> check_weight(const StoredWeight& stored, bool planning);
    // The Weight handle of `stored`, with the next id of this backend.
    Weight describe_weight(const StoredWeight& stored, std::shared_ptr<const WeightStorage> storage);

private:
    Result<float*> take_small(int64_t floats);

    MemoryLedger& ledger_;
    ScratchArena arena_;
    int64_t next_weight_id_ = 0;
    // Norms and biases are many and small: they share chunks. Their bytes are counted one by one.
    std::vector<Pages> small_chunks_;
    int64_t small_used_ = 0, small_counted_ = 0, scratch_counted_ = 0;
};

}  // namespace hearth
