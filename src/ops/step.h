// Step: one pass of a ragged batch through a model, and the memory that outlives it (KV pages, recurrent slots) as ops
// see it. cache/ allocates that memory, the engine fills the Step, models pass both through untouched.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "ops/tensor.h"

namespace hearth {

inline constexpr int64_t kPageTokens = 64;  // keys per page; attention tiles start at the same absolute multiples
inline constexpr int64_t kPartTokens =
    512;  // attention is computed in fixed parts of this many keys, merged in ascending order

enum class KvType : uint8_t { f32, f16, q8_0, q4_0 };

// What one attention layer keeps per token.
struct KvGeometry {
    int64_t kv_heads = 0, key_width = 0, value_width = 0;
    int64_t window = 0;  // tokens that stay reachable; 0: all
    bool operator==(const KvGeometry&) const = default;
};

// One attention layer's part of the page pool of its group. How a page is laid out inside is the backend's business.
struct KvLayer {
    KvGeometry geometry;
    KvType type = KvType::f16;
    int group = 0;              // index into SequenceStep::pages
    std::byte* base = nullptr;  // this layer's part of page 0
    int64_t page_stride = 0;    // bytes from page to page
};

// One recurrent quantity of one layer (convolution rows, delta-rule memory ...): `floats` per slot.
struct StateBuffer {
    float* base = nullptr;
    int64_t slot_stride = 0;  // floats from slot to slot
    int64_t floats = 0;
};

struct SlotSave {
    int64_t after_tokens;  // of this sequence in this step; the state after that many tokens ...
    int32_t slot;          // ... is also written here
};

struct SequenceStep {
    int64_t first_token = 0, tokens = 0;          // its tokens are contiguous in the step
    int64_t past = 0;                             // tokens in the cache before this step
    std::vector<std::span<const int32_t>> pages;  // per group: page of tokens 64 i .. 64 i + 63; -1: freed, never read
    int32_t slot_read = -1;                       // recurrent state to start from; -1: the start of a sequence, zeros
    int32_t slot_write = 0;                       // recurrent state after the last token
    std::vector<SlotSave> saves;                  // ascending
};

struct Step {
    // Per token.
    std::vector<int32_t> sequence;                  // index into sequences
    std::vector<int64_t> kv_index;                  // place in its sequence's cache
    std::vector<std::array<int64_t, 4>> positions;  // (t, y, x, extra) of multi-axis RoPE; text has t = y = x, extra 0
    std::vector<int32_t> source;                    // token id; -1 - r: row r of `embeddings`
    std::vector<int64_t> span_end;                  // end (kv index) of the bidirectional span it is in; 0: causal
    // Per sequence.
    std::vector<SequenceStep> sequences;
    Tensor embeddings;                 // rows that media towers produced
    std::vector<int32_t> wanted_rows;  // tokens whose final hidden state is read after the step
    uint64_t serial = 0;               // differs between steps: backends key per-step tables by it

    int64_t tokens() const { return int64_t(source.size()); }
};

}  // namespace hearth
