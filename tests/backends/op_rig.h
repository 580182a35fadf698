// Puts any backend through an op: random inputs that depend on a seed only, caches with scrambled pages, and schedules
// that cut sequences into steps in different ways.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "base/rng.h"
#include "ops/backend.h"
#include "tensor/decode.h"
#include "tensor/half.h"

namespace hearth::test {

inline std::vector<float> random_floats(int64_t count, uint64_t seed, float deviation = 1, float mean = 0) {
    Rng rng(seed);
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = mean + deviation * rng.normal();
    return values;
}

// Stored bytes of `count` random weights. Block formats: random bytes, drawn again until the block decodes to finite
// values with its largest between 2^-6 and 4, so that no block drowns the others.
inline std::vector<std::byte> random_weight_bytes(DType type, int64_t count, uint64_t seed) {
    Rng rng(seed);
    const DTypeInfo& format = info(type);
    std::vector<std::byte> bytes(size_t(row_bytes(type, count)));
    std::vector<float> values(static_cast<size_t>(format.block_elements));
    for (size_t at = 0; at < bytes.size(); at += size_t(format.block_bytes)) {
        if (type == DType::f32 || type == DType::f16 || type == DType::bf16) {
            const float value = rng.normal();
            const uint32_t bits = std::bit_cast<uint32_t>(value);
            const uint16_t half = type == DType::f16 ? float_to_half(value) : float_to_bfloat(value);
            std::memcpy(&bytes[at], type == DType::f32 ? static_cast<const void*>(&bits) : &half,
                        size_t(format.block_bytes));
            continue;
        }
        for (int attempt = 0; attempt < 100000; ++attempt) {
            for (int64_t i = 0; i < format.block_bytes; ++i) bytes[at + size_t(i)] = std::byte(rng.next() & 255);
            decode(type, &bytes[at], format.block_elements, values.data());
            float largest = 0;
            bool finite = true;
            for (const float value : values)
                finite &= std::isfinite(value), largest = std::max(largest, std::fabs(value));
            if (finite && largest >= 0x1p-6f && largest <= 4) break;
            if (attempt == 99999) ADD_FAILURE() << "no tame block of type " << format.name;
        }
    }
    return bytes;
}

inline Weight load_random(Backend& backend, DType type, std::array<int64_t, 3> experts_out_in, uint64_t seed) {
    const auto [experts, out, in] = experts_out_in;
    const auto bytes = random_weight_bytes(type, experts * out * in, seed);
    auto weight = backend.load({.name = "w", .type = type, .out = out, .in = in, .experts = experts, .data = bytes},
                               WeightUse::both);
    EXPECT_TRUE(weight) << weight.error().line();
    return *weight;
}

inline Tensor load_tensor(Backend& backend, const std::vector<float>& values, int64_t rows, int64_t heads = 1) {
    auto tensor = backend.load_floats(values, rows, int64_t(values.size()) / rows);
    EXPECT_TRUE(tensor) << tensor.error().line();
    return tensor->heads(heads);
}

inline std::vector<float> read(Backend& backend, Tensor tensor) {
    std::vector<float> values(static_cast<size_t>(tensor.count()));
    backend.read(tensor, values.data());
    return values;
}

// Tokens of every sequence in every step.
using Schedule = std::vector<std::vector<int64_t>>;

inline Schedule whole(const std::vector<int64_t>& totals) {
    return {totals};
}
inline Schedule in_chunks(const std::vector<int64_t>& totals, int64_t chunk) {
    Schedule schedule;
    for (std::vector<int64_t> left = totals; std::accumulate(left.begin(), left.end(), int64_t{0}) > 0;) {
        auto& step = schedule.emplace_back();
        for (int64_t& rest : left) step.push_back(std::min(rest, chunk)), rest -= step.back();
    }
    return schedule;
}
inline Schedule ragged(const std::vector<int64_t>& totals, uint64_t seed) {
    Rng rng(seed);
    Schedule schedule;
    for (std::vector<int64_t> left = totals; std::accumulate(left.begin(), left.end(), int64_t{0}) > 0;) {
        auto& step = schedule.emplace_back();
        for (int64_t& rest : left) step.push_back(std::min(rest, int64_t(rng.below(71)))), rest -= step.back();
    }
    return schedule;
}
inline Schedule one_sequence_after_another(const std::vector<int64_t>& totals) {
    Schedule schedule;
    for (size_t i = 0; i < totals.size(); ++i) schedule.emplace_back(totals.size(), 0)[i] = totals[i];
    return schedule;
}

// Rows of all sequences' inputs, sequence after sequence.
struct Rows {
    std::vector<float> values;
    int64_t columns = 0;
};

// Drives a stateful op through a schedule and returns its results in the order (sequence, token).
class Driver {
public:
    Driver(Backend& backend, std::vector<int64_t> totals) : backend_(backend), totals_(std::move(totals)) {
        // Pages are dealt in an order that has nothing to do with the tokens'.
        int64_t pages = 0;
        for (const int64_t total : totals_) pages += (total + kPageTokens - 1) / kPageTokens;
        pages_ = pages;
        std::vector<int32_t> order(static_cast<size_t>(pages));
        std::iota(order.begin(), order.end(), 0);
        Rng rng(7);
        for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
        for (const int64_t total : totals_) {
            const auto count = std::ptrdiff_t((total + kPageTokens - 1) / kPageTokens);
            tables_.emplace_back(order.end() - count, order.end());
            order.resize(order.size() - size_t(count));
        }
    }

    KvLayer kv_layer(const KvGeometry& geometry, KvType type) {
        const int64_t bytes = backend_.kv_page_bytes(geometry, type);
        kv_memory_ = *backend_.allocate(pages_ * bytes, MemoryUse::kv);
        return {.geometry = geometry, .type = type, .group = 0, .base = kv_memory_->address, .page_stride = bytes};
    }
    // Two slots per sequence and one more for each extra.
    StateBuffer state(int64_t floats, int64_t extra_slots = 0) {
        const int64_t slots = 2 * int64_t(totals_.size()) + extra_slots;
        state_memory_ = *backend_.allocate(slots * floats * int64_t(sizeof(float)), MemoryUse::state);
        return {.base = reinterpret_cast<float*>(state_memory_->address), .slot_stride = floats, .floats = floats};
    }

    std::function<void(Step&)> adjust;  // last touches to each step: spans, positions, saves

    // body(step, inputs of this step) -> one result row per token.
    template <class Body>
    std::vector<float> run(const Schedule& schedule, const std::vector<Rows>& inputs, Body body) {
        std::vector<int64_t> starts, done(totals_.size(), 0);
        int64_t all = 0;
        for (const int64_t total : totals_) starts.push_back(all), all += total;
        std::vector<int32_t> slots(totals_.size(), -1);
        std::vector<float> results;
        for (const auto& counts : schedule) {
            Step step;
            step.serial = ++serial_;
            std::vector<int64_t> origin;  // of every token of the step, its row in the inputs
            for (size_t i = 0; i < totals_.size(); ++i) {
                // Odd sequences change slots every step, even ones stay.
                const int32_t write = i % 2 == 0 || slots[i] != int32_t(2 * i) ? int32_t(2 * i) : int32_t(2 * i + 1);
                step.sequences.push_back({.first_token = step.tokens(),
                                          .tokens = counts[i],
                                          .past = done[i],
                                          .pages = {std::span<const int32_t>(tables_[i])},
                                          .slot_read = slots[i],
                                          .slot_write = write});
                if (counts[i] > 0) slots[i] = write;
                for (int64_t t = 0; t < counts[i]; ++t, ++done[i]) {
                    step.sequence.push_back(int32_t(i));
                    step.kv_index.push_back(done[i]);
                    step.positions.push_back({done[i], done[i], done[i], 0});
                    step.source.push_back(0);
                    step.span_end.push_back(0);
                    origin.push_back(starts[i] + done[i]);
                }
            }
            if (origin.empty()) continue;
            if (adjust) adjust(step);
            Scratch scratch = backend_.ops().scratch();
            std::vector<Tensor> tensors;
            for (const Rows& input : inputs) {
                std::vector<float> rows;
                for (const int64_t row : origin)
                    rows.insert(rows.end(), input.values.begin() + row * input.columns,
                                input.values.begin() + (row + 1) * input.columns);
                tensors.push_back(*backend_.upload(rows, step.tokens(), input.columns));
            }
            const Tensor result = body(step, tensors);
            const std::vector<float> values = read(backend_, result);
            results.resize(size_t(all * result.columns()));
            for (size_t row = 0; row < origin.size(); ++row)
                std::copy_n(values.begin() + std::ptrdiff_t(row) * result.columns(), result.columns(),
                            results.begin() + origin[row] * result.columns());
        }
        return results;
    }

private:
    Backend& backend_;
    std::vector<int64_t> totals_;
    std::vector<std::vector<int32_t>> tables_;
    int64_t pages_ = 0;
    uint64_t serial_ = 0;
    DeviceMemory kv_memory_, state_memory_;
};

// Root of the mean squared difference, relative to that of the expected values.
template <class Got, class Expected>
double relative_rms(const std::vector<Got>& got, const std::vector<Expected>& expected) {
    EXPECT_EQ(got.size(), expected.size());
    double difference = 0, size = 0;
    for (size_t i = 0; i < std::min(got.size(), expected.size()); ++i) {
        const double d = double(got[i]) - double(expected[i]);
        difference += d * d, size += double(expected[i]) * double(expected[i]);
    }
    if (!(size > 0)) return difference > 0 ? INFINITY : 0;
    return std::sqrt(difference / size);
}

// Bits, not values: a NaN equals itself, 0 differs from -0.
inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace hearth::test
