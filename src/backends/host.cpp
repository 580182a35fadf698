#include "backends/host.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "backends/kv_page.h"

namespace hearth {

namespace {
constexpr int64_t kSmallChunkBytes = int64_t{1} << 20;

bool multiply_checked(int64_t a, int64_t b, int64_t& product) {
    return !__builtin_mul_overflow(a, b, &product);
}
}  // namespace

Result<> ScratchArena::reserve(int64_t bytes) {
    if (planning_) return {};
    assert(used_ == 0);
    pages_ = Pages();  // the old room returns before the new one is taken
    pages_ = TRY(Pages::allocate(size_t(bytes)));
    return {};
}

float* ScratchArena::take(int64_t floats) {
    assert(floats >= 0);
    const int64_t at = used_;
    used_ += aligned(floats * int64_t(sizeof(float)));
    peak_ = std::max(peak_, used_);
    if (planning_) return nullptr;
    if (used_ > int64_t(pages_.size())) {
        // The plan reserved all a step can need, so this is a bug of ours; to go on would write over foreign memory.
        std::fprintf(stderr, "hearth: internal error: scratch needs %lld bytes, %zu were planned\n", (long long)used_,
                     pages_.size());
        std::abort();
    }
    return reinterpret_cast<float*>(pages_.data() + at);
}

HostBlock::HostBlock(MemoryLedger& ledger, MemoryUse use, int64_t size, Pages memory)
    : ledger_(ledger), use_(use), pages_(std::move(memory)) {
    address = pages_.data();
    bytes = size;
    ledger_.take(use_, bytes);
}

HostBlock::~HostBlock() {
    ledger_.give(use_, bytes);
}

HostBackend::~HostBackend() {
    ledger_.give(MemoryUse::weights, small_counted_);
    ledger_.give(MemoryUse::scratch, scratch_counted_);
}

Result<DeviceMemory> HostBackend::allocate(int64_t bytes, MemoryUse use) {
    if (bytes < 0) return fail(ErrorKind::out_of_memory, "a memory request overflows");
    Pages pages;
    if (!is_planning()) pages = TRY(Pages::allocate(size_t(bytes)));
    return std::make_shared<HostBlock>(ledger_, use, bytes, std::move(pages));
}

Result<> HostBackend::reserve_scratch(int64_t bytes) {
    if (is_planning()) return {};
    TRY(arena_.reserve(bytes));
    ledger_.give(MemoryUse::scratch, scratch_counted_);
    ledger_.take(MemoryUse::scratch, bytes);
    scratch_counted_ = bytes;
    return {};
}

Result<int64_t> HostBackend::check_weight(const StoredWeight& stored, bool planning) {
    const DTypeInfo& type = info(stored.type);
    if (!type.is_weight)
        return fail(ErrorKind::unsupported,
                    fmt::format("tensor {} has type {}, which is no weight", stored.name, type.name));
    if (stored.out <= 0 || stored.in <= 0 || stored.experts <= 0)
        return fail(ErrorKind::bad_file, fmt::format("tensor {} has no elements", stored.name));
    if (stored.in % type.block_elements != 0)
        return fail(ErrorKind::bad_file,
                    fmt::format("tensor {} has rows of {} values, not a multiple of the {} of type {}", stored.name,
                                stored.in, type.block_elements, type.name));
    int64_t row = 0, matrix = 0, all = 0;
    if (!multiply_checked(stored.in / type.block_elements, type.block_bytes, row) ||
        !multiply_checked(row, stored.out, matrix) || !multiply_checked(matrix, stored.experts, all))
        return fail(ErrorKind::bad_file, fmt::format("the size of tensor {} overflows", stored.name));
    if (!planning && int64_t(stored.data.size()) != all)
        return fail(ErrorKind::bad_file,
                    fmt::format("tensor {} has {} bytes, its shape needs {}", stored.name, stored.data.size(), all));
    return all;
}

Weight HostBackend::describe_weight(const StoredWeight& stored, std::shared_ptr<const WeightStorage> storage) {
    return {.name = stored.name,
            .id = next_weight_id_++,
            .type = stored.type,
            .out = stored.out,
            .in = stored.in,
            .experts = stored.experts,
            .storage = std::move(storage)};
}

Result<Weight> HostBackend::load(const StoredWeight& stored, WeightUse) {
    const int64_t bytes = TRY(check_weight(stored, is_planning()));
    auto weight = std::make_shared<HostWeight>();
    weight->memory = TRY(allocate(bytes, MemoryUse::weights));
    if (!is_planning()) std::memcpy(weight->memory->address, stored.data.data(), size_t(bytes));
    return describe_weight(stored, std::move(weight));
}

Result<float*> HostBackend::take_small(int64_t floats) {
    const int64_t bytes = aligned(floats * int64_t(sizeof(float)));
    ledger_.take(MemoryUse::weights, bytes);
    small_counted_ += bytes;
    if (is_planning()) return nullptr;
    if (small_chunks_.empty() || small_used_ + bytes > int64_t(small_chunks_.back().size())) {
        small_chunks_.push_back(TRY(Pages::allocate(size_t(std::max(bytes, kSmallChunkBytes)))));
        small_used_ = 0;
    }
    float* at = reinterpret_cast<float*>(small_chunks_.back().data() + small_used_);
    small_used_ += bytes;
    return at;
}

Result<Tensor> HostBackend::load_floats(std::span<const float> values, int64_t rows, int64_t width) {
    assert(is_planning() || int64_t(values.size()) == rows * width);
    float* data = TRY(take_small(rows * width));
    if (data) std::copy(values.begin(), values.end(), data);
    return Tensor::dense(data, rows, 1, width);
}

Result<Tensor> HostBackend::upload(std::span<const float> values, int64_t rows, int64_t width) {
    assert(is_planning() || int64_t(values.size()) == rows * width);
    float* data = arena_.take(rows * width);
    if (data) std::copy(values.begin(), values.end(), data);
    return Tensor::dense(data, rows, 1, width);
}

void HostBackend::read(Tensor from, float* to) {
    if (is_planning()) return;
    for (int64_t row = 0; row < from.rows; ++row)
        for (int64_t head = 0; head < from.heads_count; ++head, to += from.width)
            std::copy_n(from.data + row * from.row_stride + head * from.head_stride, from.width, to);
}

void HostBackend::copy_state(const StateBuffer& state, int32_t from_slot, int32_t to_slot) {
    if (is_planning() || from_slot == to_slot) return;
    float* to = state.base + to_slot * state.slot_stride;
    if (from_slot < 0)
        std::fill_n(to, state.floats, 0.0f);
    else
        std::copy_n(state.base + from_slot * state.slot_stride, state.floats, to);
}

int64_t HostBackend::kv_page_bytes(const KvGeometry& geometry, KvType type) const {
    return page_bytes(geometry, type);
}

void HostBackend::copy_page(const KvLayer& layer, int32_t from_page, int32_t to_page) {
    if (is_planning() || from_page == to_page) return;
    std::memcpy(layer.base + to_page * layer.page_stride, layer.base + from_page * layer.page_stride,
                size_t(page_bytes(layer.geometry, layer.type)));
}

void HostBackend::read_page(const KvLayer& layer, int32_t page, std::byte* to) {
    if (is_planning()) return;
    std::memcpy(to, layer.base + page * layer.page_stride, size_t(page_bytes(layer.geometry, layer.type)));
}

void HostBackend::write_page(const KvLayer& layer, int32_t page, const std::byte* from) {
    if (is_planning()) return;
    std::memcpy(layer.base + page * layer.page_stride, from, size_t(page_bytes(layer.geometry, layer.type)));
}

void HostBackend::read_state(const StateBuffer& state, int32_t slot, float* to) {
    if (is_planning()) return;
    std::copy_n(state.base + slot * state.slot_stride, state.floats, to);
}

void HostBackend::write_state(const StateBuffer& state, int32_t slot, const float* from) {
    if (is_planning()) return;
    std::copy_n(from, state.floats, state.base + slot * state.slot_stride);
}

}  // namespace hearth
