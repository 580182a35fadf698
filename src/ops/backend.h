// A device: where weights live, where caches are allocated, and who computes. A planning backend does everything but
// hold and compute data: the memory plan is one dry run of the same code.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "ops/memory.h"
#include "ops/ops.h"

namespace hearth {

// A tensor as stored. `data` need not outlive the call, unless it lies in a mapped file and the backend uses such.
struct StoredWeight {
    std::string name;
    DType type = DType::f32;
    int64_t out = 0, in = 0, experts = 1;
    std::span<const std::byte> data;  // empty in a planning backend
    bool is_mapped = false;           // `data` lies in a file
    // Told of bytes of `data` that were read and will not be again, in pieces, by any thread. May be empty.
    std::function<void(int64_t offset, int64_t count)> was_read;
};

enum class WeightUse : uint8_t { multiply, look_up, both };  // matrix product, row gather, tied embeddings

class Backend {
public:
    virtual ~Backend() = default;
    virtual std::string describe() const = 0;  // "cpu avx512, 2 threads"
    virtual bool is_planning() const = 0;
    virtual bool uses_mapped_files() const { return false; }  // keeps reading weights where the file is mapped
    virtual Ops& ops() = 0;

    virtual Result<Weight> load(const StoredWeight& stored, WeightUse use) = 0;
    // Norms, biases and other small things: always float on the device, whatever the file holds.
    virtual Result<Tensor> load_floats(std::span<const float> values, int64_t rows, int64_t width) = 0;

    virtual int64_t kv_page_bytes(const KvGeometry& geometry, KvType type) const = 0;
    // Zeroed memory for caches and states, released with the backend's last reference to it.
    virtual Result<DeviceMemory> allocate(int64_t bytes, MemoryUse use) = 0;
    // Room for everything a step makes. In a planning backend: nothing happens.
    virtual Result<> reserve_scratch(int64_t bytes) = 0;
    virtual int64_t scratch_peak_bytes() const = 0;  // most that was in use since the start

    virtual void read(Tensor from, float* to) = 0;  // dense rows to host memory
    virtual Result<Tensor> upload(std::span<const float> values, int64_t rows, int64_t width) = 0;  // into scratch
    virtual void copy_state(const StateBuffer& state, int32_t from_slot, int32_t to_slot) = 0;
    virtual void copy_page(const KvLayer& layer, int32_t from_page, int32_t to_page) = 0;
    // kv_page_bytes() of one page, and all floats of one slot, to host memory and back.
    virtual void read_page(const KvLayer& layer, int32_t page, std::byte* to) = 0;
    virtual void write_page(const KvLayer& layer, int32_t page, const std::byte* from) = 0;
    virtual void read_state(const StateBuffer& state, int32_t slot, float* to) = 0;
    virtual void write_state(const StateBuffer& state, int32_t slot, const float* from) = 0;
};

}  // namespace hearth
