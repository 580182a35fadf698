// The ledger: what is taken from memory and for what. Planning backends and real ones write it the same way, so that a
// plan can be compared with what was really taken.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

namespace hearth {

// mapped: pages of files, which the system may drop and read again. They are counted, but not as taken.
enum class MemoryUse : uint8_t { weights, kv, state, scratch, tokenizer, mapped };
inline constexpr int kMemoryUses = 6;

class MemoryLedger {
public:
    void take(MemoryUse use, int64_t bytes) { bytes_[size_t(use)] += bytes; }
    void give(MemoryUse use, int64_t bytes) { bytes_[size_t(use)] -= bytes; }
    int64_t bytes(MemoryUse use) const { return bytes_[size_t(use)]; }
    int64_t total() const {
        int64_t sum = -bytes(MemoryUse::mapped);
        for (const auto& bytes : bytes_) sum += bytes;
        return sum;
    }

private:
    std::array<std::atomic<int64_t>, kMemoryUses> bytes_{};
};

// Owner of a piece of device memory; each backend derives its own. `address` is null in a planning backend.
struct DeviceBlock {
    std::byte* address = nullptr;
    int64_t bytes = 0;
    virtual ~DeviceBlock() = default;
};
using DeviceMemory = std::shared_ptr<DeviceBlock>;

}  // namespace hearth
