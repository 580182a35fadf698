// Small pieces that the vector kernels share. Included last: it opens target regions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "backends/cpu/target.h"

namespace hearth::cpu {

ALWAYS_INLINE int32_t dword(const std::byte* at) {
    int32_t value;
    std::memcpy(&value, at, 4);
    return value;
}
ALWAYS_INLINE float real(const std::byte* at) {
    float value;
    std::memcpy(&value, at, 4);
    return value;
}

#if TARGET_X86
// How far ahead of the loads weights are asked for: into the second level and, where one or two tokens wait for them,
// into the first. The requests run over the end of a group into the next one, so a stream of groups never starts cold;
// past the end of the memory they do nothing.
extern const int64_t kPrefetchFar, kPrefetchNear;  // linear.cpp

// More tokens keep the processor busy and the first level full of activations: the second level is near enough, and
// what a Zen 4 puts into the first it loses.
template <int kTokens>
ALWAYS_INLINE void prefetch(const std::byte* at, int bytes) {
    UNROLLED for (int i = 0; i < bytes; i += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(at + kPrefetchFar + i), _MM_HINT_T1);
        if (kTokens <= 2) _mm_prefetch(reinterpret_cast<const char*>(at + kPrefetchNear + i), _MM_HINT_T0);
    }
}

TARGET_BEGIN(TARGET_AVX512)
namespace wide {  // 512 bits

ALWAYS_INLINE __m512i load(const std::byte* at) {
    return _mm512_load_si512(at);
}
ALWAYS_INLINE __m512i shift_left(__m512i x, int n) {
    typedef uint32_t Lanes __attribute__((vector_size(64)));
    return (__m512i)((Lanes)x << n);
}
ALWAYS_INLINE __m512i shift_right(__m512i x, int n) {
    typedef uint32_t Lanes __attribute__((vector_size(64)));
    return (__m512i)((Lanes)x >> n);
}
ALWAYS_INLINE __m512i both(__m512i x, int mask) {
    return _mm512_and_si512(x, _mm512_set1_epi8(char(mask)));
}
ALWAYS_INLINE __m512i merge(__m512i low, __m512i high, int mask) {  // low | (high & mask)
    return _mm512_ternarylogic_epi32(low, high, _mm512_set1_epi8(char(mask)), 0xF8);
}
// Sixteen bytes repeated in all four quarters.
ALWAYS_INLINE __m512i table(const int8_t* values) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
}
ALWAYS_INLINE __m512 halves(const std::byte* at) {  // 16 f16
    return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(at)));
}

}  // namespace wide
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
namespace narrow {  // 256 bits

ALWAYS_INLINE __m256i load(const std::byte* at) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(at));
}
ALWAYS_INLINE __m256i shift_left(__m256i x, int n) {
    typedef uint32_t Lanes __attribute__((vector_size(32)));
    return (__m256i)((Lanes)x << n);
}
ALWAYS_INLINE __m256i shift_right(__m256i x, int n) {
    typedef uint32_t Lanes __attribute__((vector_size(32)));
    return (__m256i)((Lanes)x >> n);
}
ALWAYS_INLINE __m256i both(__m256i x, int mask) {
    return _mm256_and_si256(x, _mm256_set1_epi8(char(mask)));
}
ALWAYS_INLINE __m256i merge(__m256i low, __m256i high, int mask) {
    return _mm256_or_si256(low, both(high, mask));
}
ALWAYS_INLINE __m256i table(const int8_t* values) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
}
ALWAYS_INLINE __m256 halves(const std::byte* at) {  // 8 f16
    return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(at)));
}
// The first `rows` lanes, of at most 8; none where there are none.
ALWAYS_INLINE __m256i first_lanes(int rows) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(rows), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
ALWAYS_INLINE __m256 load_rows(const float* from, int rows) {
    return rows >= 8 ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, first_lanes(rows));
}
ALWAYS_INLINE void store(float* out, __m256 values, int rows) {
    if (rows >= 8) {
        _mm256_storeu_ps(out, values);
    } else {
        _mm256_maskstore_ps(out, first_lanes(rows), values);
    }
}
// sum + the products of each lane's four pairs of an unsigned and a signed byte. For the row avxvnni alone; written
// out, so that one function body serves rows that compilers tell apart.
ALWAYS_INLINE __m256i add_products(__m256i sum, __m256i codes, __m256i x) {
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(codes), "x"(x));
    return sum;
}
// Sums that are not regrouped: a compiler that forms all products first and adds them up as a tree runs out of
// registers.
ALWAYS_INLINE __m256i add_16(__m256i sum, __m256i more) {
    sum = _mm256_add_epi16(sum, more);
    asm("" : "+x"(sum));
    return sum;
}
ALWAYS_INLINE __m256i add_32(__m256i sum, __m256i more) {
    sum = _mm256_add_epi32(sum, more);
    asm("" : "+x"(sum));
    return sum;
}
// Of a type's narrow kernel (blocks32_x86.h): by how much its unsigned codes lie below those of the recipe.
template <class Narrow>
constexpr int shift_of() {
    if constexpr (requires { Narrow::kShift; }) return Narrow::kShift;
    return 0;
}
// S of a symmetric type from the sum of code() * a; `start` holds -128 * sum of a.
template <class Narrow>
ALWAYS_INLINE __m256i total(__m256i dot, const std::byte* start) {
    if (Narrow::kSigned) return dot;
    return _mm256_add_epi32(_mm256_slli_epi32(dot, shift_of<Narrow>()), _mm256_set1_epi32(dword(start)));
}
// Sums of the products of each lane's four byte pairs, for pairs of neighbours that fit int16.
ALWAYS_INLINE __m256i pair_sums(__m256i sums16) {
    return _mm256_madd_epi16(sums16, _mm256_set1_epi16(1));
}

}  // namespace narrow
TARGET_END
#endif

#if TARGET_ARM
namespace arm {  // 128 bits: a line of eight rows is two registers, and `half` says whether the first or the second

ALWAYS_INLINE uint8x16_t load(const std::byte* at) {
    return vld1q_u8(reinterpret_cast<const uint8_t*>(at));
}
ALWAYS_INLINE uint8x16_t shift_left(uint8x16_t x, int n) {  // each byte
    return x << uint8_t(n);
}
ALWAYS_INLINE uint8x16_t shift_right(uint8x16_t x, int n) {
    return x >> uint8_t(n);
}
ALWAYS_INLINE uint8x16_t both(uint8x16_t x, int mask) {
    return vandq_u8(x, vdupq_n_u8(uint8_t(mask)));
}
ALWAYS_INLINE uint8x16_t merge(uint8x16_t low, uint8x16_t high, int mask) {  // low, but for the bits of the mask
    return vbslq_u8(vdupq_n_u8(uint8_t(mask)), high, low);
}
ALWAYS_INLINE uint8x16_t look_up(const int8_t* levels, uint8x16_t codes) {
    return vqtbl1q_u8(vld1q_u8(reinterpret_cast<const uint8_t*>(levels)), codes);
}
ALWAYS_INLINE float32x4_t halves(const std::byte* at) {  // 4 f16
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const uint16_t*>(at))));
}
// Bytes of eight rows as floats of the first or the last four.
ALWAYS_INLINE float32x4_t floats_of(int8x8_t bytes, int half) {
    const int16x8_t wide = vmovl_s8(bytes);
    return vcvtq_f32_s32(vmovl_s16(half == 0 ? vget_low_s16(wide) : vget_high_s16(wide)));
}
ALWAYS_INLINE float32x4_t signed_bytes(const std::byte* at, int half) {
    return floats_of(vld1_s8(reinterpret_cast<const int8_t*>(at)), half);
}
ALWAYS_INLINE void load(const float* from, float32x4_t (&values)[2], int rows) {
    float lanes[8] = {};
    std::memcpy(lanes, from, size_t(rows) * 4);
    values[0] = vld1q_f32(lanes);
    values[1] = vld1q_f32(lanes + 4);
}
ALWAYS_INLINE void store(float* out, const float32x4_t (&values)[2], int rows) {
    if (rows == 8) {
        vst1q_f32(out, values[0]);
        vst1q_f32(out + 4, values[1]);
        return;
    }
    float lanes[8];
    vst1q_f32(lanes, values[0]);
    vst1q_f32(lanes + 4, values[1]);
    std::memcpy(out, lanes, size_t(rows) * 4);
}

}  // namespace arm
#endif

}  // namespace hearth::cpu
