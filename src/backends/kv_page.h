// How one page (64 tokens of one layer) of the KV cache lies in host memory, and the plain way in and out of it.
//
// Per kv head the K tile, then the V tile, each 64-byte aligned:
//   K   f32, f16: [key width][64 tokens]          tokens are the fast index: 64 scores advance together
//       q8_0:     codes int8 [key width][64], then scales f16 [key width / 32][64]
//       q4_0:     codes [key width / 2][64], byte row w/2 holds width w (even) in the low half and w + 1 in the high
//       half,
//                 then scales f16 [key width / 32][64]
//   V   f32, f16: [64 tokens][value width]
//       q8_0:     codes int8 [64][value width], then scales f16 [64][value width / 32]
//       q4_0:     codes [64][value width / 2], byte w/2 as above, then scales f16 [64][value width / 32]
// A block is 32 consecutive widths of one token. q8_0: value = code * scale; q4_0: value = (code - 8) * scale; one
// float product. Encoding rounds the scale to f16 first and divides by the rounded one, so codes are the nearest for
// the scale that is stored.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "ops/kv_bytes.h"

namespace hearth {

const char* name_of(KvType type);

// Bytes of the codes alone: where the scales begin is kPageTokens times this.
inline int64_t kv_code_bytes(KvType type, int64_t count) {
    return type == KvType::q8_0 ? count : type == KvType::q4_0 ? count / 2 : kv_row_bytes(type, count);
}

inline int64_t key_tile_bytes(const KvGeometry& geometry, KvType type) {
    return kPageTokens * kv_row_bytes(type, geometry.key_width);
}
inline int64_t value_tile_bytes(const KvGeometry& geometry, KvType type) {
    return kPageTokens * kv_row_bytes(type, geometry.value_width);
}
inline int64_t page_bytes(const KvGeometry& geometry, KvType type) {
    return geometry.kv_heads * (key_tile_bytes(geometry, type) + value_tile_bytes(geometry, type));
}
// Offsets from the start of a page.
inline int64_t key_tile(const KvGeometry& geometry, KvType type, int64_t head) {
    return head * (key_tile_bytes(geometry, type) + value_tile_bytes(geometry, type));
}
inline int64_t value_tile(const KvGeometry& geometry, KvType type, int64_t head) {
    return key_tile(geometry, type, head) + key_tile_bytes(geometry, type);
}

// The start of the page that holds token `kv_index` of a sequence whose page table is `pages`.
inline std::byte* page_of(const KvLayer& layer, std::span<const int32_t> pages, int64_t kv_index) {
    const int32_t page = pages[size_t(kv_index / kPageTokens)];
    assert(page >= 0);
    return layer.base + page * layer.page_stride;
}

// Whether a cache of this type can hold rows of these widths.
Result<> check_kv(const KvGeometry& geometry, KvType type);

// Whole rows of one token (0..63 in the page) of one head; dense floats outside.
void put_key(const KvLayer& layer, std::byte* page, int64_t head, int64_t token, const float* key);
void put_value(const KvLayer& layer, std::byte* page, int64_t head, int64_t token, const float* value);
void get_key(const KvLayer& layer, const std::byte* page, int64_t head, int64_t token, float* key);
void get_value(const KvLayer& layer, const std::byte* page, int64_t head, int64_t token, float* value);

// One block of 32 floats: the scale as f16 bits, and codes as stored (q4_0: 0..15, one per byte).
uint16_t encode_kv_block_q8(const float* values, int8_t* codes);
uint16_t encode_kv_block_q4(const float* values, uint8_t* codes);

}  // namespace hearth
